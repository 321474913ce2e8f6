"""The drill: a small one with real relays, its pure parts, and what it leaves behind."""

from __future__ import annotations

import asyncio
import io
import json
import math
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.net import backoff
from nostr_client.output import Output
from nostr_client.paths import Paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal import drill_world, liars, measures
from nostr_client.rehearsal.drill import DrillOptions, missed_in, run_drill, table_of, worst_of
from nostr_client.rehearsal.drill_people import DrillAuthor
from nostr_client.rehearsal.drill_plot import plot
from nostr_client.rehearsal.drill_record import DrillRun
from nostr_client.rehearsal.drill_world import DrillSize
from nostr_client.rehearsal.foreign_reader import ForeignReader, hinted, listed_for_writing, put
from nostr_client.rehearsal.liars import LIES, Front, Lie
from nostr_client.rehearsal.lots import Snapshot, share_by_lot
from nostr_client.rehearsal.measures import p95, share_by_hint, share_found
from nostr_client.rehearsal.plain_socket import plain_socket
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.rehearsal.sdk_reader import SdkReader
from nostr_client.rehearsal.sites import sites
from nostr_client.rehearsal.strategies import STRATEGIES, doomed, expected_readable
from nostr_client.resilience import pace
from nostr_client.resilience.pace import Pace
from nostr_client.routing.operators import RelayFacts, count_operators, network_of
from nostr_client.store.contract import Copy, CopyState
from tests.conftest import StartRelay
from tests.rehearsal.test_demo import END_LIMIT, relays_in
from tests.waiting import until

NOW = 1_700_000_000
FIELDS = [
    "strategy",
    "seed",
    "relays",
    "authors",
    "events",
    "lost",
    "readable_before",
    "readable_after",
    "recovery_p95_s",
    "followers_reached",
    "duplicates",
    "bytes_per_new",
    "connections",
    "forged_stored",
    "pushed_to_refusers",
    "false_accusations",
]


@pytest.mark.slow
async def test_a_small_drill_loses_nothing(
    tmp_path: Path, start_relay: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def start(data: Path, *options: str) -> RelayProcess:
        return await start_relay(*options, data=data)

    monkeypatch.setattr(RelayProcess, "start", start)
    monkeypatch.setattr(backoff, "FIRST", 0.2)  # here nobody is far, or busy
    monkeypatch.setattr(backoff, "RUSH", 0.2)
    monkeypatch.setattr(drill_world, "ANSWERING", 0.2)
    monkeypatch.setattr(pace, "LEAST_WAIT", 0.2)
    monkeypatch.setattr(measures, "LOOK", 0.2)
    said = io.StringIO()
    size = DrillSize(relays=8, authors=3, legacy=1, readers=3, notes=3, speedup=200)
    [run] = await run_drill(Output(json=True, out=said), DrillOptions(["random"], 1, size=size))
    first, last = (json.loads(line) for line in said.getvalue().splitlines())
    assert list(first)[: len(FIELDS)] == FIELDS
    assert (last["strategy"], last["seed"], first["seed"]) == ("worst", None, 1)
    assert (run.killed, run.relays, run.lost, run.unmended) == (4, 8, 0, 0)
    assert (run.readable_after, run.followers_reached) == (1.0, 1.0)
    assert (run.forged_stored, run.rollbacks, run.pushed_to_refusers) == (0, 0, 0)
    assert run.events >= 3 * (3 + 3)
    assert (run.unrecovered, run.recovery_p95_s) == (
        0,
        None,
    )  # here no operator is left to take more
    assert run.speedup == 200
    assert not list(tmp_path.glob("nostr-drill-*"))


def test_what_falls() -> None:
    chance = random.Random(1)
    places = ["north"] * 3 + ["east"] * 2 + ["south"] + [""] * 4
    lists = [[1, 2, 9], [2, 3], [2, 4]]
    falls = {name: doomed(name, places, lists, chance) for name in STRATEGIES}
    flat = {name: [number for blow in blows for number in blow] for name, blows in falls.items()}
    assert len(set(flat["random"])) == len(set(flat["rolling"])) == len(flat["notice"]) == 5
    assert len(falls["rolling"]) == 5
    assert flat["top-k"][0] == 2
    assert len(flat["top-k"]) == 4
    assert (flat["one-cloud"], flat["three-clouds"]) == ([0, 1, 2], [0, 1, 2, 3, 4, 5])
    assert flat["adaptive"] == [1, 2, 9]
    assert (flat["all"], flat["liars"]) == (list(range(10)), [])


def a_run(**figures: Any) -> DrillRun:
    usual: dict[str, Any] = {
        name: 0 for name in DrillRun.__struct_fields__ if name not in ("strategy", "settled")
    }
    usual |= {"readable_before": 1.0, "readable_after": 1.0, "followers_reached": 1.0}
    usual |= {"followers_reached_all_dead": None, "drop_found_s": None, "held_before": 1.0}
    return DrillRun(**{**usual, "strategy": "random", "settled": True, **figures})


def test_the_worst_of_each_figure_is_told() -> None:
    one = a_run(seed=1, lost=2, readable_before=0.9, recovery_p95_s=None)
    two = a_run(seed=2, readable_before=0.8, recovery_p95_s=math.inf, settled=False)
    worst = worst_of([one, two])
    assert (worst.lost, worst.readable_before, worst.settled) == (2, 0.8, False)
    assert worst.recovery_p95_s == math.inf
    assert worst.followers_reached_all_dead is None
    assert [line.split()[0] for line in table_of([one, two])[1:4]] == ["strategy", "random", "all"]


def test_which_pace_times_were_taken_at_is_told() -> None:
    usual, short = a_run(seed=1, speedup=1.0), a_run(seed=1, strategy="top-k", speedup=120.0)
    assert table_of([usual, short])[-1] == (
        "Waits were 120 times as short as usual, but for random."
    )
    assert table_of([usual])[-1] == "Waits were as long as usual."
    assert worst_of([usual, short]).speedup == 120


def test_missed_goals_and_what_is_not_measured_are_said() -> None:
    fine = a_run(seed=1, readable_goal=0.9, readable_by_lot=0.9)
    bad = a_run(seed=2, lost=1, recovery_p95_s=math.inf)
    assert missed_in([fine]) == [
        "unmeasured: the next note of an author all of whose relays are dead"
    ]
    lost, back, _ = missed_in([fine, bad])
    assert lost == "missed: no event is lost: random/2"
    assert back.startswith("missed: copies are back")
    for name, value in (
        ("readable_by_lot", 0.89),
        ("held_before", 0.98),
        ("followers_reached_all_dead", 0.9),
        ("move_s", 61.0),
        ("unmended", 1),
    ):
        bad = msgspec.structs.replace(fine, **{name: value})
        assert missed_in([bad])[0].startswith("missed"), name
    by_most_used = msgspec.structs.replace(fine, strategy="top-k", held_before=0.995)
    assert missed_in([by_most_used])[0].startswith("missed")


def test_the_plot_shows_each_seed_and_says_what_was_not_measured() -> None:
    one = a_run(seed=1, readable_before=0.75, speedup=60.0)
    two = a_run(seed=2, speedup=60.0)
    other = a_run(seed=1, strategy="all", followers_reached=None, speedup=60.0)
    picture = ElementTree.fromstring(plot([one, two, other]))
    svg = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in picture.iter(f"{svg}text")]
    assert {"random", "all", "not measured"} <= set(texts)
    assert "worst of 2 seeds" in str(texts)
    assert len(list(picture.iter(f"{svg}circle"))) == 3 * 5 - 3 - 1
    assert "75" in texts
    bars = [float(bar.get("width", 0)) for bar in picture.iter(f"{svg}rect")][1:]
    assert min(bars) == pytest.approx(0.75 * max(bars))


def test_clouds_are_told_as_in_the_world() -> None:
    stand = sites(20, 3, random.Random(1))
    clouds = [site for site in stand if site.cloud]
    homes = [site for site in stand if not site.cloud]
    assert (len(stand), len(clouds), len({site.cloud for site in clouds})) == (23, 11, 3)
    assert {site.cloud: site.keeper for site in clouds if site.keeper}.keys() == {
        site.cloud for site in clouds
    }
    facts = {
        f"ws://127.0.0.1:{number + 1}": RelayFacts(
            "", pubkey=site.keeper, networks=tuple({network_of(site.host)} - {""})
        )
        for number, site in enumerate(stand)
    }
    assert count_operators(facts, {}) == 23
    assert count_operators(facts, facts) == 3 + len(homes)


def test_without_nostr_sdk_all_readers_are_plain_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill_world, "is_installed", lambda: False)
    world = drill_world.DrillWorld(tmp_path, DrillSize(), "random", 1)
    assert [type(reader) for reader in world.readers()] == [ForeignReader] * 6
    monkeypatch.setattr(world, "sdk", True)
    assert [type(reader) for reader in world.readers()][2::3] == [SdkReader] * 2


async def test_a_client_that_ends_and_begins_anew_is_the_same_author(
    tmp_path: Path, relay: RelayProcess
) -> None:
    paths = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state")
    key, opened = SecretKey.generate(), list[float]()

    def open_at(at: Pace) -> AbstractAsyncContextManager[NostrClient]:
        opened.append(at.speedup)
        return NostrClient.open(
            key, paths=paths, config=ClientConfig(own_relay=False), relays=[relay.url], pace=at
        )

    author = await DrillAuthor.start(key, open_at, Pace().sped_up(60), [relay.url])
    async with author.stack:
        note, first = await author.say("before"), author.client
        await author.restart(Pace())
        assert author.client is not first
        assert [event.id for event in await author.written()] == [note]
    assert opened == [60, 1]


async def test_what_strangers_find_is_the_mean_of_many_lots() -> None:
    key, other, urls = SecretKey.generate(), SecretKey.generate(), ["ws://a", "ws://b"]
    note, another = signed(key, 1, "on one"), signed(other, 1, "on both")
    one = signed(key, 10002, "", NOW, ("r", "ws://a"))
    both = signed(other, 10002, "", NOW, *(("r", url) for url in urls))
    shown = {"ws://i": [one, both], "ws://a": [note, another], "ws://b": [another]}
    notes = {event.pubkey: {event.id} for event in (note, another)}

    def readers() -> list[ForeignReader]:
        return [ForeignReader(frozenset(notes), ["ws://i"])]

    snapshot = Snapshot(shown)
    share = await share_by_lot(snapshot, urls, readers, notes, random.Random(1))
    assert 0.65 < share < 0.85
    [reader] = readers()
    reader.asking = snapshot.without({"ws://b"})
    await reader.read()
    assert reader.seen == reader.where_listed == {note.id, another.id}
    assert share_by_hint([reader], notes) == 0.0
    reader.where_listed.discard(note.id)
    assert share_by_hint([reader], notes) == 0.5


async def test_a_lie_counts_as_unfound_while_somebody_counts_on_the_copy() -> None:
    front, now, states = Front("discards"), 0.0, dict[str, Copy]()
    front.taken = {"a", "b"}

    class Author:
        pubkey = "p"

        async def written(self) -> list[Any]:
            return []

        async def copies(self, ids: list[str]) -> dict[str, list[Copy]]:
            return {event_id: [copy] for event_id, copy in states.items()}

    relay: Any = SimpleNamespace(front=front, url="ws://liar")
    world: Any = SimpleNamespace(relays=[relay], authors=[Author()])
    watch = measures.DropWatch(world, lambda: now)

    async def look(**each: CopyState) -> int:
        for event_id, state in each.items():
            states[event_id] = Copy(event_id, "ws://liar", state, 1, 0, "", "", 0)
        await watch._look(world.authors[0])
        return watch.unfound()

    assert await look(a=CopyState.CONFIRMED, b=CopyState.CONFIRMED) == 2
    now = 30.0
    assert await look(a=CopyState.DROPPED) == 1
    assert watch.found == {("a", "ws://liar"): 30.0}
    states["b"] = msgspec.structs.replace(states["b"], wanted=False)
    assert await look() == 0


def test_shares_and_times() -> None:
    reader = ForeignReader(frozenset("ab"), ())
    reader.seen = {"1", "3"}
    assert share_found([reader], {"a": {"1", "2"}, "b": {"3"}, "c": {"4"}}) == pytest.approx(2 / 3)
    times = {str(number): float(number) for number in range(95)}
    assert (p95(times, 100), p95(times, 101)) == (94.0, math.inf)
    assert expected_readable({"a": 1, "b": 3}, {"a": 1, "b": 1}) == pytest.approx(0.6875)


def test_what_a_foreign_reader_takes_from_events() -> None:
    key = SecretKey.generate()
    other = "ab" * 32
    tags = (("p", other, "wss://p.example"), ("e", "cd" * 32, "wss://e.example", "reply", other))
    note = Draft(kinds.NOTE, "", (*tags, ("p", other))).sign(key, NOW)
    assert list(hinted(note)) == [(other, "wss://p.example"), (other, "wss://e.example")]
    old = Draft(kinds.FOLLOWS, '{"wss://old.example": {}}').sign(key, NOW)
    assert list(hinted(old)) == [(key.public_key.hex, "wss://old.example")]
    tags = (("r", "wss://a"), ("r", "wss://b", "read"), ("r", "wss://c", "write"), ("x", "y"))
    listed = Draft(kinds.RELAY_LIST, "", tags).sign(key, NOW)
    assert listed_for_writing(listed) == ["wss://a", "wss://c"]


@pytest.mark.parametrize(
    "url", ["wss://relay.example", "ws://192.168.1.2", "ws://localhost.example"]
)
def test_a_reader_who_is_not_ours_goes_nowhere_out(url: str) -> None:
    with pytest.raises(OSError, match="not on this machine"):
        plain_socket(url)


class Found(ForeignReader):
    """A reader who knows one relay alone."""

    @classmethod
    async def at(cls, url: str, author: str) -> Found:
        reader = cls(frozenset([author]), [url])
        reader._hints[author] = {url: None}
        await reader.read()
        return reader


def signed(key: SecretKey, kind: int, text: str, now: int = NOW, *tags: tuple[str, ...]) -> Event:
    return Draft(kind, text, tags).sign(key, now)


async def test_each_liar_lies_in_its_own_way(
    relay: RelayProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, other = SecretKey.generate(), SecretKey.generate()
    fronts: dict[Lie | None, Front] = {}
    for lie in (None, *LIES):
        fronts[lie] = Front(lie, victim=victim.public_key.hex)
        await fronts[lie].open(relay.url)

    async def seen(lie: Lie | None, event: Event) -> bool:
        found = await Found.at(fronts[lie].url, event.pubkey)
        return event.id in found.seen

    try:
        honest = signed(other, 1, "passed on")
        await put(fronts[None].url, [honest])
        assert await seen(None, honest)
        assert not await seen("two-faced", honest)
        assert not await seen("forges", honest)
        dropped, kept = signed(victim, 1, "dropped"), signed(other, 1, "kept")
        await put(fronts["drops-author"].url, [dropped, kept])
        assert (await seen(None, dropped), await seen(None, kept)) == (False, True)
        discarded = signed(other, 1, "discarded")
        await put(fronts["discards"].url, [discarded])
        assert not await seen(None, discarded)
        assert fronts["discards"].taken == {discarded.id}
        lists = [signed(other, 10002, "", NOW + n, ("r", f"wss://{n}.example")) for n in range(2)]
        await put(fronts["stale"].url, lists)
        at = {
            lie: (await Found.at(fronts[lie].url, other.public_key.hex)).lists
            for lie in (None, "stale")
        }
        assert set(at["stale"].values()) == {NOW}
        assert set(at[None].values()) == {NOW + 1}
        assert (await Found.at(fronts["forges"].url, other.public_key.hex)).cost.forged
        monkeypatch.setattr(liars, "DRIP", 0.2)
        began = time.monotonic()
        assert await seen("drips", kept)
        assert time.monotonic() - began >= 0.2
        fronts[None].closing = True
        with pytest.raises(Exception, match="blocked"):
            await put(fronts[None].url, [honest])
        assert fronts[None].pushed_again == 0
        with pytest.raises(Exception, match="blocked"):
            await put(fronts[None].url, [honest])
        assert fronts[None].pushed_again == 1
    finally:
        await asyncio.gather(*(front.close() for front in fronts.values()))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads /proc")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
async def test_no_process_outlives_it(tmp_path: Path, end: signal.Signals) -> None:
    environ = {**os.environ, "NOSTR_CLIENT_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)}
    arguments = ("drill", "--relays", "6", "--authors", "3", "--strategy", "random", "--json")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nostr_client", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environ,
    )
    try:
        await until(lambda: len(relays_in(tmp_path)) == 6 + 2)
        process.send_signal(end)
        await asyncio.wait_for(process.wait(), END_LIMIT)
        await until(lambda: not relays_in(tmp_path))
        await until(lambda: not list(tmp_path.glob("nostr-drill-*")))
        assert process.returncode != 0
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.wait_for(process.communicate(), END_LIMIT)

"""Mirrors: what comes, what goes, what does not go round, and what happens when peers are lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import ConfigError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore, StoreOptions
from nostr_client.store.opening import open_store
from relays.config.relay_config import Mirror
from relays.policies.verdict import ACCEPTED, IncomingEvent, SourceType, Verdict, refused
from relays.sync import mirror_peer
from relays.sync.mirror import Mirrors
from relays.sync.mirror_context import MirrorContext, MirrorState
from tests.net.scripted import PlainVerifier, ScriptedRelay, forged, honest
from tests.relays import talk
from tests.relays.rules import plain_rules
from tests.relays.serving import Served, serving
from tests.waiting import until

NOW = 1_750_000_000


def note(text: str, at: int = NOW, **options: Any) -> Event:
    return talk.note(text, at=at, **options)


async def holds(store: EventStore, *events: Event) -> bool:
    return len(await store.known([event.id for event in events])) == len(events)


@asynccontextmanager
async def mirroring(
    store: EventStore, *sections: Mirror, **policies: Any
) -> AsyncIterator[Mirrors]:
    """Mirrors at work, with every peer live for the first time."""
    around = MirrorContext(store, PlainVerifier(), plain_rules(**policies), clock=lambda: NOW)
    mirrors = Mirrors(sections, around)
    task = asyncio.create_task(mirrors.run())
    try:
        yield mirrors
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def live(mirrors: Mirrors) -> None:
    await until(lambda: mirrors.peers and all(p.state is MirrorState.LIVE for p in mirrors.peers))


@asynccontextmanager
async def opened(folder: Path, *mine: Event) -> AsyncIterator[EventStore]:
    async with open_store(folder / "events.db", StoreOptions(clock=lambda: NOW)) as store:
        await store.save(mine)
        yield store


async def test_following_brings_what_is_there_and_what_is_new(tmp_path: Path) -> None:
    old, held, new = note("old", NOW - 10**7), note("held"), note("new")
    async with opened(tmp_path) as store, ScriptedRelay(honest([old, held], most=10)) as peer:
        async with mirroring(store, Mirror(urls=(peer.url,))) as mirrors:
            await live(mirrors)
            assert await holds(store, old, held)
            async with talk.wire(peer.url) as client:
                await client.publish(new)
            await until(lambda: holds(store, new))
            await store.save([note("mine")])
        assert [event[1]["id"] for event in peer.sent("EVENT")] == [new.id]


async def test_feeding_sends_what_is_there_and_what_is_new(tmp_path: Path) -> None:
    mine, other, new = note("mine"), note("other", kind=7), note("new")
    theirs = note("theirs")
    async with opened(tmp_path, mine, other) as store:
        async with ScriptedRelay(honest([theirs], most=10)) as peer:
            section = Mirror(urls=(peer.url,), direction="up", filters=(Filter.of(kinds=[1]),))
            async with mirroring(store, section) as mirrors:
                await live(mirrors)
                await store.save([new, note("other", kind=6)])
                await peer.until(lambda: len(peer.sent("EVENT")) == 2)
            sent = [event[1]["id"] for event in peer.sent("EVENT")]
            assert sent == [mine.id, new.id]
        assert not await holds(store, theirs)


async def test_what_came_is_not_sent_back(tmp_path: Path) -> None:
    theirs, mine = note("theirs"), note("mine")
    async with opened(tmp_path) as store, ScriptedRelay(honest([theirs], most=10)) as peer:
        section = Mirror(urls=(peer.url,), direction="both")
        async with mirroring(store, section) as mirrors:
            await live(mirrors)
            await until(lambda: holds(store, theirs))
            await store.save([mine])
            await peer.until(lambda: peer.sent("EVENT"))
            assert [event[1]["id"] for event in peer.sent("EVENT")] == [mine.id]
            tally = mirrors.peers[0].transfer.importer.tally
            await until(lambda: tally.duplicate)  # the peer passes it on to us, and there it ends
        assert len(peer.sent("EVENT")) == 1


async def test_a_lost_peer_is_caught_up_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nostr_client.net.backoff.FIRST", 0.02)
    monkeypatch.setattr("nostr_client.net.backoff.RUSH", 0.0)
    theirs: list[Event] = []
    async with opened(tmp_path) as store, AsyncExitStack() as stack:
        peer = await stack.enter_async_context(ScriptedRelay(honest(theirs, most=10)))
        section = Mirror(urls=(peer.url,), direction="both")
        mirrors = await stack.enter_async_context(mirroring(store, section))
        await live(mirrors)
        mine, other = note("mine"), note("other", NOW - 20_000)
        theirs.append(other)  # of which it says nothing
        for task in peer.tasks:
            task.cancel()
        away = mirrors.peers[0]
        await until(lambda: away.state is MirrorState.WAITING)
        assert away.problem
        await store.save([mine])
        await live(mirrors)
        await until(lambda: holds(store, mine, other))
        await until(lambda: mine in theirs)
        asked = peer.sent("NEG-OPEN")
        assert "since" not in asked[0][2]
        assert asked[-1][2]["since"] == NOW - mirror_peer.LATE


async def test_forged_and_banned_events_do_not_come_and_old_ones_do(tmp_path: Path) -> None:
    def check(offer: IncomingEvent) -> Verdict:
        assert offer.source is SourceType.MIRROR
        return refused("blocked: banned") if offer.event.content == "banned" else ACCEPTED

    async def check_async(offer: IncomingEvent) -> Verdict:
        good = offer.event.content != "not wanted"
        return ACCEPTED if good else refused("blocked: not wanted")

    old, bad = note("old", at=1), forged(note("bad"))
    held = [old, bad, note("banned"), note("not wanted")]
    async with opened(tmp_path) as store, ScriptedRelay(honest(held, most=10)) as peer:
        section = Mirror(urls=(peer.url,))
        async with mirroring(
            store, section, check_import=check, check_async=check_async
        ) as mirrors:
            await live(mirrors)
            assert [id.hex() for _, id in await store.ids(Filter())] == [old.id]


async def test_one_peers_trouble_is_its_own(tmp_path: Path) -> None:
    theirs = note("theirs")
    async with opened(tmp_path) as store, ScriptedRelay(honest([theirs], most=10)) as peer:
        sections = (
            Mirror(urls=("ws://127.0.0.1:1", peer.url)),
            Mirror(urls=("ws://127.0.0.1:2",), direction="up"),
        )
        async with mirroring(store, *sections) as mirrors:
            await until(lambda: holds(store, theirs))
            await until(lambda: len(mirrors.peers) == 3)
            states = {one.url: one for one in mirrors.peers}
            await until(lambda: states[peer.url].state is MirrorState.LIVE)
            for port in (1, 2):
                away = states[f"ws://127.0.0.1:{port}"]
                await until(partial(getattr, away, "problem"))
                assert away.state is MirrorState.WAITING
            gauges = mirrors.gauges()
            assert gauges["mirrors_live"] == 1
            assert sum(gauges.values()) == 3


async def test_other_mirrors_from_now_on(tmp_path: Path) -> None:
    one, two = note("one"), note("two")
    async with (
        opened(tmp_path) as store,
        ScriptedRelay(honest([one], most=10)) as first,
        ScriptedRelay(honest([two], most=10)) as second,
    ):
        stays, goes = Mirror(urls=(first.url,)), Mirror(urls=(second.url,))
        async with mirroring(store, stays) as mirrors:
            await live(mirrors)
            kept = mirrors.peers
            mirrors.reconfigure([stays, goes])
            await until(lambda: len(mirrors.peers) == 2)
            await live(mirrors)
            assert await holds(store, one, two)
            with pytest.raises(ConfigError):
                mirrors.reconfigure([Mirror(urls=("nonsense",))])
            mirrors.reconfigure([stays])
            await until(lambda: not second.open and mirrors.peers == kept)
            assert first.connections == 1


async def test_a_fault_of_ours_is_logged_and_ends_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def check(offer: IncomingEvent) -> Verdict:
        if offer.event.content == "trap":
            raise KeyError("a fault")
        return ACCEPTED

    good = note("good")
    async with (
        opened(tmp_path) as store,
        ScriptedRelay(honest([note("trap")], most=10)) as first,
        ScriptedRelay(honest([good], most=10)) as second,
    ):
        section = Mirror(urls=(first.url, second.url))
        async with mirroring(store, section, check_import=check) as mirrors:
            await until(lambda: mirrors.peers and mirrors.peers[0].problem)
            await until(partial(holds, store, good))
            assert "error of this program" in mirrors.peers[0].problem
    assert "a fault" in caplog.text


@pytest.mark.parametrize(
    ("urls", "words"),
    [((), "no urls"), (("nonsense",), "nonsense"), (("ws://127.0.0.1:7777/",), "itself")],
)
async def test_what_cannot_be_mirrored(tmp_path: Path, urls: tuple[str, ...], words: str) -> None:
    async with opened(tmp_path) as store:
        around = MirrorContext(store, PlainVerifier(), plain_rules(), urls={"ws://127.0.0.1:7777"})
        with pytest.raises(ConfigError, match=words):
            Mirrors([Mirror(urls=urls)], around)


async def test_three_relays_in_a_ring_come_to_rest(tmp_path: Path) -> None:
    """Each mirrors the next both ways: every event reaches all, and then nothing moves."""
    async with AsyncExitStack() as stack:
        served: list[Served] = []
        for name in "abc":
            folder = tmp_path / name
            folder.mkdir()
            served.append(await stack.enter_async_context(serving(folder)))
        stores = [
            await stack.enter_async_context(open_store(tmp_path / name / "events.db"))
            for name in "abc"
        ]
        rings: list[Mirrors] = []
        for number, store in enumerate(stores):
            section = Mirror(urls=(served[(number + 1) % 3].url,), direction="both")
            rings.append(await stack.enter_async_context(mirroring(store, section)))
        for ring in rings:
            await live(ring)
        events = [note(f"round {n}") for n in range(9)]
        for number, event in enumerate(events):
            async with talk.wire(served[number % 3].url) as client:
                assert (await client.publish(event))[2]
        for store in stores:
            await until(partial(holds, store, *events))
        # What goes round once more comes before what is published now: it is counted by then.
        for number in range(3):
            last = note(f"last {number}")
            async with talk.wire(served[number].url) as client:
                assert (await client.publish(last))[2]
            for store in stores:
                await until(partial(holds, store, last))
        transfers = [ring.peers[0].transfer for ring in rings]
        moved = sum(
            transfer.importer.tally.lines + transfer.sent.accepted + transfer.sent.duplicate
            for transfer in transfers
        )
        assert moved <= (len(events) + 3) * 3 * 4

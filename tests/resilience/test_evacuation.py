"""Relays are lost, and one command moves the account: real relays, and relays that refuse."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import websockets

from nostr_client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import ListNotRead
from nostr_client.paths import Paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.resilience.copy_words import MendingStep, to_mend
from nostr_client.resilience.evacuation import EvacuationProgress
from nostr_client.resilience.evacuation_journal import EvacuationStep
from nostr_client.resilience.evacuation_plan import (
    ListedRelays,
    independent,
    missing,
    plan_evacuation,
)
from nostr_client.resilience.evacuation_words import plan_lines
from nostr_client.resilience.history import Comparison, Road
from nostr_client.resilience.pace import Pace
from nostr_client.routing.operators import RelayFacts
from nostr_client.routing.starter_relays import starter_relays
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.store.contract import Audited, CopyGrade, CopyState
from tests.conftest import StartRelay
from tests.net.scripted import Peer, ScriptedRelay
from tests.waiting import until

A, B, C, D, E, F = (f"wss://relay.{name}.example" for name in "abcdef")
DEAD = [f"ws://127.0.0.1:{port}" for port in (1, 2, 3)]
PACE = msgspec.structs.replace(Pace().sped_up(20), grace=30.0)


def test_as_many_join_as_left_and_no_fewer_than_two_write_relays_there_are() -> None:
    three = ListedRelays(write=(A, B, C))
    assert [missing(three, gone) for gone in ([], [A], [A, B, C])] == [0, 1, 3]
    assert missing(ListedRelays(write=(A,)), [A]) == 2
    assert missing(ListedRelays(write=(A, B, C, D, E, F)), [A]) == 0, "there are enough left"
    assert missing(ListedRelays(write=(A, B, C, D, E, F)), [A, B, C, D, E, F]) == 4


def test_no_two_with_one_operator_and_none_behind_a_wall() -> None:
    facts = {
        B: RelayFacts(B, pubkey="1" * 64),
        C: RelayFacts(C, pubkey="1" * 64),
        D: RelayFacts(D, walls=("payment",)),
    }
    sister = "wss://other.a.example"
    assert independent([A], [sister, B, C, D, E, F], facts, 2) == [B, E]


def test_message_relays_that_leave_are_replaced_out_of_the_relay_list() -> None:
    listed = ListedRelays(write=(A, B), read=(A, B), inbox=(A, C))
    plan = plan_evacuation(listed, {A: "down", C: "down"}, [D])
    assert (plan.staying, plan.joining) == ((B,), (D,))
    assert (plan.inbox_leaving, plan.inbox_joining) == ((A, C), (D, B))
    assert plan.changes_relay_list
    inbox_only = plan_evacuation(listed, {C: "down"}, [])
    assert (inbox_only.inbox_leaving, inbox_only.changes_relay_list) == ((C,), False)
    none_joins = plan_evacuation(listed, {A: "down"}, [])
    assert none_joins.changes_relay_list, "it leaves the relay list, too"
    assert (plan.lacking, inbox_only.lacking, none_joins.lacking) == (0, 0, 1)
    assert "! 1 more should join, and no relay was found" in "\n".join(plan_lines(none_joins))
    nobody = plan_evacuation(ListedRelays(write=(A,)), {A: "down"}, [])
    assert "no relay was found" in nobody.problem


def test_so_are_private_relays_and_others_are_no_fewer() -> None:
    listed = ListedRelays(write=(A, B), private=(C, A, D))
    plan = plan_evacuation(listed, {A: "down", C: "down"}, [E], is_closed=False)
    assert (plan.private_leaving, plan.private_joining) == ((C, A), (E, B))
    closed = plan_evacuation(ListedRelays(write=(A, B)), {A: "down"}, [E], is_closed=True)
    assert closed.private_leaving == ()
    assert "private relays (kind 10013) cannot be decrypted" in plan_lines(closed)[-1]


@asynccontextmanager
async def at_home(
    folder: Path,
    key: SecretKey,
    relays: Sequence[str] = (),
    indexers: Sequence[str] = (),
    *,
    new: bool = True,
) -> AsyncIterator[NostrClient]:
    async with NostrClient.open(
        LocalSigner(key),
        paths=Paths(folder / "config", folder / "data", folder / "state"),
        config=ClientConfig(own_relay=False, allow_private_relays=("127.0.0.1",), copies=0),
        relays=relays,
        indexers=indexers,
        key_only_here=new,
        pace=PACE,
    ) as client:
        yield client


async def settled_in(
    client: NostrClient, key: SecretKey, urls: Sequence[str], notes: int
) -> list[str]:
    """A relay list that names `urls`, a profile, message relays, and notes that are all there."""
    at = 1_700_000_000
    tags = tuple(("r", url) for url in urls)
    boxes = tuple(("relay", url) for url in urls[:2])
    events = [Draft(1, f"note {n}", created_at=at + n).sign(key, at) for n in range(notes)]
    events += [
        Draft(kinds.RELAY_LIST, "", tags, at).sign(key, at),
        Draft(kinds.DM_RELAYS, "", boxes, at).sign(key, at),
        Draft(kinds.METADATA, '{"name":"ana"}', (), at).sign(key, at),
    ]
    await client.store.save(events)
    await client.book.client_relays()
    for event in events:
        await client.copies.want(event.id, urls)
    await client.copies.confirm([(event.id, url) for event in events for url in urls])
    return [event.id for event in events[:notes]]


async def read(url: str, *filters: dict[str, Any]) -> list[dict[str, Any]]:
    """What a plain client that knows nothing but `url` reads there."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(30), websockets.connect(url) as socket:
        await socket.send(json.dumps(["REQ", "s", *filters]))
        while (message := json.loads(await socket.recv()))[0] == "EVENT":
            found.append(message[2])
    return found


@pytest.mark.slow
async def test_all_relays_are_dead_and_one_call_moves_everything(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    first, second, indexer = [await start_relay() for _ in range(3)]
    key = SecretKey.generate()
    steps: list[EvacuationStep] = []
    async with at_home(tmp_path, key, [first.url, second.url], [indexer.url], new=False) as client:
        notes = await settled_in(client, key, DEAD, 20)
        plan = await client.evacuation_survey.plan()
        assert set(plan.leaving) == set(DEAD)
        assert set(plan.joining) == {first.url, second.url}
        begun = await client.evacuation.begin(plan)
        report = await client.evacuation.run(begun, lambda p: steps.append(p.step))
        assert report.is_complete
        assert report.there == {first.url: 23, second.url: 23}
        assert report.read_back == {first.url: 23, second.url: 23}
        assert report.told[indexer.url]
        assert json.loads(Path(report.path).read_text())["plan"]["leaving"] == plan.leaving
        assert [s for n, s in enumerate(steps) if s not in steps[:n]] == list(EvacuationStep)[:3]
        assert await client.evacuation.journal.unfinished() is None
    me = key.public_key.hex
    [listed] = await read(indexer.url, {"kinds": [10002], "authors": [me]})
    urls = [tag[1] for tag in listed["tags"] if tag[0] == "r"]
    assert set(urls) == {first.url, second.url}
    for url in urls:
        assert {note["id"] for note in await read(url, {"ids": notes})} == set(notes)
        [boxes] = await read(url, {"kinds": [10050], "authors": [me]})
        assert {tag[1] for tag in boxes["tags"]} == {first.url, second.url}


async def refuse_all(peer: Peer) -> None:
    """A relay that is up, shows nothing and takes nothing."""
    while True:
        kind, first, *_ = await peer.listen()
        if kind == "EVENT":
            await peer.send("OK", first["id"], False, "blocked: not welcome here")
        elif kind == "REQ":
            await peer.send("EOSE", first)


def pushed(relay: ScriptedRelay) -> Counter[str]:
    """How often each event was offered to it."""
    return Counter(frame[1]["id"] for frame in relay.log if frame[0] == "EVENT")


@pytest.mark.slow
async def test_who_refused_on_purpose_is_not_asked_again(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    """Not by the evacuation, a new plan, a restart or the next evacuation: another relay is."""
    good = await start_relay()
    key = SecretKey.generate()
    async with ScriptedRelay(refuse_all) as listed, ScriptedRelay(refuse_all) as candidate:
        others = [candidate.url, good.url]
        async with at_home(tmp_path, key, others, new=False) as client:
            notes = await settled_in(client, key, [listed.url], 3)
            plan = await client.evacuation_survey.plan()
            assert "not welcome" in plan.leaving[listed.url]
            assert plan.joining == (good.url,)
            report = await client.evacuation.run(await client.evacuation.begin(plan))
            assert report.there == {good.url: 6}
            await planned_anew(client)
        assert pushed(candidate), "it was tried"
        async with at_home(tmp_path, key, others, new=False) as client:
            await planned_anew(client)
            again = await client.evacuation_survey.plan(retire={good.url: "it is to close"})
            assert again.joining == (), "whoever refused is no candidate"
            assert again.problem
        for relay in (listed, candidate):
            assert set(pushed(relay).values()) == {1}
    assert {note["id"] for note in await read(good.url, {"ids": notes})} == set(notes)


async def test_who_does_not_show_what_it_took_is_left(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    good = await start_relay()
    key = SecretKey.generate()
    async with at_home(tmp_path, key, [good.url], new=False) as client:
        notes = await settled_in(client, key, DEAD, 3)
        lists = set(await client.copies.tracked([key.public_key.hex])) - set(notes)
        taken = await client.copies.copies_of(lists)
        lost = [c for each in taken.values() for c in each if c.url == DEAD[0]]
        gone = [Audited(c.event_id, c.url, CopyState.DROPPED, CopyGrade.NONE, 0, 1) for c in lost]
        await client.copies.audited(gone)
        plan = await client.evacuation_survey.plan(to=[DEAD[0]])
        assert "3 events" in plan.leaving[DEAD[0]]
        assert plan.joining == (good.url,), "nor is it gone to"
        account = await client.survivals.of_account()
        mending = to_mend(account, (), listed=DEAD, backup_at=0.0, now=0.0)
        assert "do not show it" in mending[0].words
        assert mending[0].step is MendingStep.EVACUATE


async def planned_anew(client: NostrClient) -> None:
    client.replication.replan()
    await until(lambda: not client.replication.is_planning)
    assert await client.replication.drain(30)


def set_at(
    stop: EvacuationStep | None, reached: asyncio.Event, progress: EvacuationProgress
) -> None:
    if progress.step == stop:
        reached.set()


@pytest.mark.slow
async def test_it_goes_on_where_it_was_stopped(tmp_path: Path, start_relay: StartRelay) -> None:
    """Stopped at any of its steps: the next start does the rest, and no step twice in vain."""
    new = await start_relay()
    key = SecretKey.generate()
    async with at_home(tmp_path, key, [new.url], new=False) as client:
        await settled_in(client, key, DEAD[:1], 5)
        await client.evacuation.begin(await client.evacuation_survey.plan())
    seen: list[str] = []
    for stop in (EvacuationStep.LISTS, EvacuationStep.REFILL, EvacuationStep.CHECK, None):
        async with at_home(tmp_path, key, [new.url], new=False) as client:
            begun = await client.evacuation.journal.unfinished()
            assert begun is not None
            reached = asyncio.Event()
            at = partial(set_at, stop, reached)
            task = asyncio.create_task(client.evacuation.run(begun, at))
            if stop is None:
                assert (await task).there == {new.url: 8}
            else:
                await reached.wait()
                task.cancel()
                await asyncio.wait([task])
            listed = await client.relays.event()
            assert listed is not None
            seen.append(listed.id)
    assert len(set(seen[1:])) == 1, "the list was published once"


async def test_where_nothing_is_reached_it_is_this_end(tmp_path: Path) -> None:
    key = SecretKey.generate()
    async with at_home(tmp_path, key, DEAD[1:], new=False) as client:
        await settled_in(client, key, DEAD[:1], 1)
        plan = await client.evacuation_survey.plan()
    assert "this end of the network" in plan.problem


async def test_a_list_that_is_not_here_is_not_published(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    """The key came from elsewhere, and its relay list was never seen here."""
    new = await start_relay()
    key = SecretKey.generate()
    async with at_home(tmp_path, key, [*DEAD[:2], new.url], new=False) as client:
        note = Draft(1, "note", created_at=1_700_000_000).sign(key, 1_700_000_000)
        await client.store.save([note])
        plan = plan_evacuation(ListedRelays(write=(DEAD[0],)), {DEAD[0]: "down"}, [new.url])
        with pytest.raises(ListNotRead):
            await client.evacuation.run(await client.evacuation.begin(plan))
        assert await client.relays.event() is None


def spied_roads(client: NostrClient, monkeypatch: pytest.MonkeyPatch) -> list[Road]:
    """How each set is compared from here on."""
    roads: list[Road] = []
    compare = client.comparisons.compare

    async def spied(url: str, filter: Filter, **how: Any) -> Comparison:
        compared = await compare(url, filter, **how)
        roads.append(compared.road)
        return compared

    monkeypatch.setattr(client.comparisons, "compare", spied)
    return roads


async def test_a_relay_that_closes_is_left_and_what_only_it_has_comes_along(
    tmp_path: Path, start_relay: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one that has ended in the list, which is left too, and never dialled."""
    closing, new, other = [await start_relay() for _ in range(3)]
    ended = starter_relays().gone[0].url
    key = SecretKey.generate()
    only_there = Draft(1, "only there", created_at=1_600_000_000).sign(key, 1_600_000_000)
    async with at_home(tmp_path, key, [new.url]) as client:
        await settled_in(client, key, [closing.url, ended], 2)
        await client.pool.publish(only_there, [closing.url])
        signer = LocalSigner(key)
        text = json.dumps([["relay", closing.url], ["relay", "ws://192.168.0.9"], ["x", "kept"]])
        content = await signer.nip44_encrypt(signer.pubkey, text)
        private = Draft(kinds.PRIVATE_RELAYS, content, (), 1_700_000_000).sign(key, 1_700_000_000)
        await client.store.save([private])
        roads = spied_roads(client, monkeypatch)
        assert [row.url for row in await client.relays.rows() if row.gone] == [ended]
        plan = await client.evacuation_survey.plan(retire={closing.url: "it closes"})
        assert plan.leaving.keys() == {closing.url, ended}
        assert plan.rescue == (closing.url,)
        assert (plan.private_leaving, plan.private_joining) == ((closing.url,), (new.url,))
        report = await client.evacuation.run(await client.evacuation.begin(plan))
        assert report.there == {new.url: 7}
        assert report.rescued == {closing.url: True}
        assert set(roads) == {Road.NEGENTROPY}, "sets are compared where a relay does that"
        entries = (await client.private_relays.entries()).private
        assert entries == (("relay", "ws://192.168.0.9"), ("x", "kept"), ("relay", new.url))
        dialled = {health.url for health in client.pool.book if health.counters.failed}
        assert ended not in dialled | report.told.keys()
        nothing = await client.evacuation_survey.plan(retire={closing.url: "it closes"})
        assert not nothing.is_needed, "it is in no list any more"
        dead = await client.evacuation_survey.plan(to=["ws://127.0.0.1:1"])
        assert not dead.is_needed
        assert "none of the relays that you name" in dead.problem
        more = await client.evacuation_survey.plan(to=[other.url])
        assert (more.leaving, more.joining) == ({}, (other.url,)), "it joins though nothing leaves"
    assert [note["id"] for note in await read(new.url, {"ids": [only_there.id]})] == [only_there.id]


@pytest.mark.slow
async def test_it_ends_when_all_is_there_and_not_when_nothing_is_due(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    """Many plans are made, and sent meanwhile: whoever is quick has sent all, and plans go on."""
    new = await start_relay()
    key = SecretKey.generate()
    async with at_home(tmp_path, key, [new.url], new=False) as client:
        await settled_in(client, key, DEAD[:1], 1_200)
        plan = await client.evacuation_survey.plan()
        report = await client.evacuation.run(await client.evacuation.begin(plan))
    assert report.there == {new.url: 1_203}

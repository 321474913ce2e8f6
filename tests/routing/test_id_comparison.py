"""How our set differs from a relay's, by ids alone; and relays that do not compare."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nostr_client.errors import ConnectFailed, ConnectionLost
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing import id_comparison
from nostr_client.routing.id_comparison import IdComparer
from nostr_client.routing.negentropy_trials import NegentropyTrials
from nostr_client.routing.relay_facts import RelayFactBook
from tests.net.scripted import Peer, ScriptedRelay, honest
from tests.routing.rooms import ANA, DEAD, Rooms, rooms, signed

HERS = Filter.of(authors=[ANA.public_key.hex], limit=3)


def notes(number: int) -> list[Event]:
    return [signed(content=f"{n}", at=1_690_000_000 + 1000 * n) for n in range(number)]


def ids(events: Sequence[Event]) -> set[str]:
    return {event.id for event in events}


@asynccontextmanager
async def comparer(folder: Path, held: Sequence[Event] = ()) -> AsyncIterator[IdComparer]:
    async with rooms(folder) as r:
        await r.store.save(held)
        yield made(folder, r)


def made(folder: Path, r: Rooms) -> IdComparer:
    facts = RelayFactBook(folder / "facts.json", r.policy, clock=r.clock)
    trials = NegentropyTrials(folder / "negentropy.json", facts, r.clock)
    return IdComparer(r.store, r.pool, trials, r.clock)


@pytest.mark.parametrize(("theirs", "ours"), [(500, 500), (7, 500), (500, 7)])
async def test_what_each_side_lacks_also_where_it_is_split_by_time(
    tmp_path: Path, theirs: int, ours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(id_comparison, "WINDOW", ours)
    events = notes(40)
    async with (
        ScriptedRelay(honest(events[5:], most=theirs)) as relay,
        comparer(tmp_path, events[:-3]) as compared,
    ):
        found = await compared.compare(relay.url, HERS, most=100)
    assert found is not None
    assert (found.here, found.there) == (ids(events[:5]), ids(events[-3:]))
    assert found.complete


async def test_it_ends_where_too_much_is_missing(tmp_path: Path) -> None:
    async with ScriptedRelay(honest(notes(40), most=500)) as relay, comparer(tmp_path) as compared:
        found = await compared.compare(relay.url, HERS, most=10)
    assert found is not None
    assert not found.complete


async def test_a_relay_that_does_not_compare_is_not_asked_again(tmp_path: Path) -> None:
    async with ScriptedRelay(honest(notes(3))) as relay, comparer(tmp_path) as compared:
        for _ in range(2):
            assert await compared.compare(relay.url, HERS, most=10) is None
        assert len(relay.sent("NEG-OPEN")) == 1


async def test_a_relay_that_hangs_up_is_asked_once_more(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.next("NEG-OPEN")

    async with ScriptedRelay(script) as relay, comparer(tmp_path) as compared:
        with pytest.raises(ConnectionLost):
            await compared.compare(relay.url, HERS, most=10)
        assert await compared.compare(relay.url, HERS, most=10) is None
        assert await compared.compare(relay.url, HERS, most=10) is None
        assert len(relay.sent("NEG-OPEN")) == 2


async def test_a_relay_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    async with comparer(tmp_path) as compared:
        with pytest.raises(ConnectFailed):
            await compared.compare(DEAD, HERS, most=10)

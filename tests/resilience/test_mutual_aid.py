"""Keeping a copy of others, and giving it back: real relays, stores and clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from nostr_client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import ConfigError, InvalidData, StoreError
from nostr_client.paths import Paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.resilience import kept_people
from nostr_client.resilience.event_file import take_own, write_events
from nostr_client.resilience.kept_events import KeptSize, kept_of, may_be_at, vanished_until
from nostr_client.resilience.kept_people import KeptPeople, kept_by_anyone
from nostr_client.resilience.replication import Pace
from nostr_client.routing.negentropy_trials import NegentropyTrials
from nostr_client.store.contract import CopyState, EventStore
from nostr_client.store.opening import MEMORY, open_store
from tests.net.scripted import ScriptedRelay, honest
from tests.resilience.test_reserves import open_relay
from tests.routing.rooms import (
    ANA,
    BEN,
    CY,
    START,
    Clock,
    PlainVerifier,
    forged,
    relay_list,
    signed,
)
from tests.waiting import until

ANAS, BENS = ANA.public_key.hex, BEN.public_key.hex
HOME, OTHER = "wss://home.example", "wss://other.example"
PACE = Pace(idle=0.05, grace=0.0, sweep=0.1, settle=0.05, lead=0.05, spread=0.0)


@asynccontextmanager
async def client_of(
    folder: Path, key: SecretKey, relays: Sequence[str] = (), now: int = START + 100
) -> AsyncIterator[NostrClient]:
    async with NostrClient.open(
        key,
        paths=Paths(folder / "config", folder / "data", folder / "state"),
        config=ClientConfig(own_relay=False, allow_private_relays=("127.0.0.1",)),
        relays=relays,
        indexers=(),
        pace=PACE,
        clock=Clock(now),
    ) as client:
        yield client


async def kept_ids(
    store: EventStore, pubkey: str = ANAS, size: KeptSize | None = None, **bounds: int
) -> list[str]:
    limits = {"most_bytes": 10**6, "most_events": 100} | bounds
    events = kept_of(store, pubkey, **limits, now=START + 100, size=size)
    async with aclosing(events):
        return [event.id async for event in events]


async def test_lists_come_first_then_the_newest_until_the_quota_is_full() -> None:
    notes = [signed(content=f"note {n}", at=START + n) for n in range(5)]
    lists = [signed(kind=0, content="{}", at=START - 9), relay_list(ANA, HOME, at=START - 8)]
    async with open_store(MEMORY) as store:
        await store.save([*notes, *lists, signed(BEN)])
        found = await kept_ids(store)
        assert (set(found[:2]), found[2:]) == (
            {e.id for e in lists},
            [e.id for e in reversed(notes)],
        )
        size = KeptSize()
        assert await kept_ids(store, size=size, most_events=4) == found[:4]
        assert (size.events, size.since, size.full) == (4, START + 3, True)
        bytes_of_three = sum(len(e.json) for e in (*lists, notes[4]))
        assert await kept_ids(store, most_bytes=bytes_of_three) == found[:3]


async def test_what_is_private_gone_or_taken_back_is_not_kept_for_anybody() -> None:
    note, deleted = signed(content="stays"), signed(content="deleted")
    deletion = signed(kind=kinds.DELETION, tags=(("e", deleted.id),))
    left_out = [
        signed(tags=(("-",),)),
        signed(tags=(("h", "group"),)),
        signed(tags=(("expiration", str(START + 50)),)),
        signed(kind=kinds.DIRECT_MESSAGE, tags=(("p", BENS),)),
        signed(kind=kinds.VANISH, tags=(("relay", OTHER),), at=START - 5),
    ]
    async with open_store(MEMORY) as store:
        await store.save([note, deleted, deletion, *left_out])
        assert set(await kept_ids(store)) == {note.id, deletion.id}
        vanished = await vanished_until(store, ANAS)
        older = signed(content="older", at=START - 5)
        lasting = signed(tags=(("expiration", str(START + 500)),))
        fit = [may_be_at(e, OTHER, vanished, True) for e in (note, older, lasting)]
        assert fit == [True, False, True]
        assert may_be_at(older, HOME, vanished, False)
        assert not may_be_at(lasting, HOME, vanished, False), "it does not list NIP-40"
        everywhere = signed(kind=kinds.VANISH, tags=(("relay", "ALL_RELAYS"),), at=START)
        later = signed(content="afterwards", at=START + 1)
        await store.save([everywhere, later])
        assert await kept_ids(store) == [later.id]


async def test_who_is_kept_stands_in_a_file_that_is_never_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = KeptPeople(tmp_path, "f" * 64)
    monkeypatch.setattr(kept_people, "MOST_PEOPLE", 2)
    await people.add(ANAS, START, 1000, 10)
    await people.note(ANAS, looked_at=5, whole={HOME: 5})
    assert await people.note(BENS, looked_at=5) is None, "whoever is not kept stays so"
    again = await people.add(ANAS, START + 1, 2000, 10)
    assert (again.since, again.looked_at, again.whole, again.most_bytes) == (START, 5, {}, 2000)
    await people.add(BENS, START, 1000, 10)
    with pytest.raises(ConfigError, match="2 people are kept"):
        await people.add(CY.public_key.hex, START, 1000, 10)
    assert kept_by_anyone(tmp_path) == {ANAS, BENS}
    assert await people.remove(BENS)
    assert not await people.remove(BENS)
    [path] = tmp_path.glob("kept-*.json")
    path.write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        await people.add(BENS, START, 1000, 10)
    assert path.read_text() == "{"
    assert kept_by_anyone(tmp_path) == frozenset()


@pytest.mark.parametrize("most", [500, None], ids=["compared", "by pages"])
async def test_a_copy_is_fetched_refreshed_and_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int | None
) -> None:
    async def facts(self: NegentropyTrials, url: str) -> object:
        return open_relay(url, nips=() if most is None else (77,))

    monkeypatch.setattr(NegentropyTrials, "facts", facts)
    notes = [signed(content=f"note {n}", at=START + n) for n in range(6)]
    protected = signed(content="members", tags=(("-",),), at=START + 7)
    held = [signed(kind=0, content="{}", at=START), *notes[:5], protected]
    async with (
        ScriptedRelay(honest(held, most=most)) as home,
        ScriptedRelay(honest([])) as spare,
        client_of(tmp_path, BEN, [home.url]) as ben,
    ):
        held.append(relay_list(ANA, home.url))
        aid = ben.mutual_aid
        with pytest.raises(InvalidData, match="your own"):
            await aid.add(BENS)
        with pytest.raises(InvalidData, match="no copy is kept"):
            await aid.hand_on(ANAS, [spare.url])
        await aid.add(ANAS, most_events=5)
        [first] = await aid.refresh(ANAS)
        assert (first.answered, first.size.events, first.size.full) == (True, 5, True)
        held.append(notes[5])
        [second] = await aid.refresh()
        assert (second.new, second.size.events, second.size.since) == (1, 5, START + 3)
        assert await ben.store.get(notes[0].id) is None, "there is no room for it any more"
        ids = await aid.hand_on(ANAS, [spare.url])
        await until(lambda: _there(ben, ids, spare.url, 5))
        taken = {frame[1]["id"] for frame in spare.log if frame[0] == "EVENT"}
        assert taken == set(ids)
        assert protected.id not in taken
        assert notes[5].id in taken
        assert notes[0].id not in taken
        compared = [frame for frame in home.log if frame[0] == "NEG-OPEN"]
        assert bool(compared) is (most is not None)


async def _there(client: NostrClient, ids: Sequence[str], url: str, number: int) -> bool:
    return (await client.mutual_aid.placed(ids, [url]))[CopyState.CONFIRMED] == number


async def test_whoever_vanished_is_not_kept(tmp_path: Path) -> None:
    vanish = signed(kind=kinds.VANISH, tags=(("relay", "ALL_RELAYS"),), at=START + 9)
    held: list[Event] = [signed(content="old")]
    async with ScriptedRelay(honest(held)) as home, client_of(tmp_path, BEN, [home.url]) as ben:
        await ben.mutual_aid.add(ANAS)
        [first] = await ben.mutual_aid.refresh()
        assert first.size.events == 1
        held.append(vanish)
        [second] = await ben.mutual_aid.refresh()
        assert second.size.events == 0
        assert await ben.store.query([Filter.of(authors=[ANAS])]) == [vanish]


async def test_a_file_brings_back_what_is_ones_own_and_nothing_else(tmp_path: Path) -> None:
    own = [signed(content=f"note {n}", at=START + n) for n in range(3)]
    path = tmp_path / "ana.jsonl"

    async def events() -> AsyncIterator[Event]:
        for event in (*own, signed(BEN), forged(signed(content="forged"))):
            yield event

    assert await write_events(path, events()) == 5
    assert path.stat().st_mode & 0o077 == 0
    with path.open("ab") as file:
        file.write(b"\n{}\n" + json.dumps({"content": "x" * 2_000_000}).encode())
    async with open_store(MEMORY) as store:
        await store.save(own[:1])
        taken = await take_own(path, ANAS, store, PlainVerifier())
        assert (taken.new, taken.held, taken.others, taken.invalid) == (2, 1, 1, 4)
        assert {e.id for e in await store.query([Filter()])} == {e.id for e in own}
    with pytest.raises(StoreError, match="cannot be written"):
        await write_events(path, events())

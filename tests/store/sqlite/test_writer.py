"""What becomes of an event that is saved: NIP-01, 09, 40, one rule a test."""

from __future__ import annotations

import asyncio

import pytest

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore, SaveResult, SaveStatus
from tests.store.conftest import Clock, OpenStore
from tests.store.samples import NOW, author, make

ALICE, BOB, CAROL = author(1), author(2), author(3)
EVERYTHING = [Filter()]


async def save(store: EventStore, *events: Event) -> list[str]:
    """Each on its own; the statuses."""
    return [(await store.save([event]))[0].status.value for event in events]


async def held(store: EventStore) -> set[str]:
    return {event.id for event in await store.query(EVERYTHING)}


def versions(kind: int, *tags: tuple[str, ...]) -> tuple[Event, Event, Event]:
    """Older, and two of the same second: the winner of the tie comes last."""
    older = make(ALICE, kind, NOW - 10, *tags)
    one, other = (make(ALICE, kind, NOW, *tags, content=text) for text in "ab")
    return (older, *sorted((one, other), key=lambda event: event.id, reverse=True))


async def test_stored_then_duplicate(store: EventStore) -> None:
    event = make(ALICE, 1, NOW, content="hello")
    assert await store.save([event]) == [SaveResult(SaveStatus.STORED, 1)]
    assert await store.save([event]) == [SaveResult(SaveStatus.DUPLICATE, 0)]
    assert await store.get(event.id) == event


async def test_what_was_stored_is_there_after_reopening(open_store: OpenStore) -> None:
    events = [make(ALICE, 1, NOW - n) for n in range(5)]
    async with open_store() as store:
        await store.save(events)
    async with open_store() as store:
        assert await store.query(EVERYTHING) == events
        [result] = await store.save([make(BOB, 1, NOW)])
        assert result.seq == 6, "a sequence is never given twice"


async def test_only_the_newest_version_is_held(store: EventStore) -> None:
    for kind in (0, 3, 10002):
        older, loser, winner = versions(kind)
        assert await save(store, older, loser, winner) == ["stored", "replaced", "replaced"]
        assert await save(store, loser, older, winner) == ["outdated", "outdated", "duplicate"]
        assert await store.query([Filter.of(kinds=[kind])]) == [winner]
        assert await store.get_address(f"{kind}:{ALICE}:") == winner


async def test_versions_within_one_batch(store: EventStore) -> None:
    older, loser, winner = versions(30023, ("d", "x"))
    other = make(ALICE, 30023, NOW - 99, ("d", "y"))
    results = await store.save([loser, older, winner, other, loser])
    assert [result.status.value for result in results] == [
        *("stored", "outdated", "replaced", "stored", "outdated"),
    ]
    assert await store.query(EVERYTHING) == [winner, other]


async def test_addresses_are_apart(store: EventStore) -> None:
    events = [
        make(ALICE, 30023, NOW, ("d", "x")),
        make(ALICE, 30023, NOW, ("d", "")),
        make(ALICE, 30023, NOW, ("d", "x:y")),
        make(BOB, 30023, NOW, ("d", "x")),
        make(ALICE, 30024, NOW, ("d", "x")),
        make(ALICE, 0, NOW, ("d", "x")),
    ]
    assert await save(store, *events) == ["stored"] * 6
    # No `d` is the empty `d`, and only the first one counts.
    assert await save(store, make(ALICE, 30023, NOW + 1, ("t", "x"), ("d",))) == ["replaced"]
    assert await save(store, make(ALICE, 30023, NOW + 1, ("d", "x"), ("d", "q"))) == ["replaced"]
    assert await store.get_address(f"30023:{ALICE}:x:y") == events[2]
    assert await store.get_address(f"30023:{ALICE}:q") is None


async def test_ephemeral_events_are_not_stored(store: EventStore) -> None:
    assert await save(store, make(ALICE, 20001, NOW), make(BOB, 21059, NOW, ("p", ALICE))) == [
        "ephemeral",
        "ephemeral",
    ]
    assert await held(store) == set()


# NIP-09


async def test_author_deletes_by_id(store: EventStore) -> None:
    note = make(ALICE, 1, NOW)
    deletion = make(ALICE, 5, NOW - 1000, ("e", note.id), ("k", "1"))
    assert await save(store, note, deletion, note) == ["stored", "stored", "deleted"]
    assert await held(store) == {deletion.id}


async def test_deletion_that_comes_first_is_remembered(open_store: OpenStore) -> None:
    note = make(ALICE, 1, NOW)
    deletion = make(ALICE, 5, NOW, ("e", note.id))
    async with open_store() as store:
        await store.save([deletion])
    async with open_store() as store:
        assert await save(store, note) == ["deleted"]


async def test_deletion_within_one_batch(store: EventStore) -> None:
    one, other = make(ALICE, 1, NOW), make(ALICE, 1, NOW - 1)
    deletion = make(ALICE, 5, NOW, ("e", one.id), ("e", other.id))
    results = await store.save([one, deletion, other, one])
    assert [result.status.value for result in results] == [
        *("stored", "stored", "deleted", "deleted"),
    ]


async def test_nobody_deletes_what_another_wrote(store: EventStore) -> None:
    note = make(ALICE, 1, NOW)
    article = make(ALICE, 30023, NOW, ("d", "x"))
    attack = make(BOB, 5, NOW, ("e", note.id), ("e", article.id), ("a", f"30023:{ALICE}:x"))
    assert await save(store, note, attack, article) == ["stored"] * 3
    assert await held(store) == {note.id, article.id, attack.id}


async def test_address_is_deleted_up_to_the_time_of_deletion(store: EventStore) -> None:
    before = make(ALICE, 30023, NOW - 5, ("d", "x"))
    same = make(ALICE, 30023, NOW, ("d", "x"))
    after = make(ALICE, 30023, NOW + 5, ("d", "x"))
    deletion = make(ALICE, 5, NOW, ("a", f"30023:{ALICE}:x"))
    assert await save(store, before, deletion) == ["stored", "stored"]
    assert await store.get_address(f"30023:{ALICE}:x") is None
    assert await save(store, before, same, after) == ["deleted", "deleted", "stored"]
    assert await save(store, make(ALICE, 5, NOW + 1, ("a", f"30023:{ALICE}:x"))) == ["stored"]
    assert await store.get_address(f"30023:{ALICE}:x") == after


@pytest.mark.parametrize("spelling", ["0:{}:", "0:{}"])
async def test_replaceable_event_is_deleted_by_address(store: EventStore, spelling: str) -> None:
    profile = make(ALICE, 0, NOW - 5)
    deletion = make(ALICE, 5, NOW, ("a", spelling.format(ALICE)))
    assert await save(store, profile, deletion, profile) == ["stored", "stored", "deleted"]


async def test_an_address_of_a_regular_kind_means_nothing(store: EventStore) -> None:
    note = make(ALICE, 1, NOW - 5)
    odd = (("a", f"1:{ALICE}:"), ("a", f"1:{ALICE}"), ("a", "x"), ("a",), ("e",), ("e", "zz"))
    assert await save(store, note, make(ALICE, 5, NOW, *odd), note) == [
        *("stored", "stored", "duplicate"),
    ]


async def test_a_deletion_cannot_be_deleted(store: EventStore) -> None:
    note = make(ALICE, 1, NOW)
    deletion = make(ALICE, 5, NOW, ("e", note.id))
    request = make(ALICE, 62, NOW, ("relay", "wss://other.example"))
    undo = make(ALICE, 5, NOW + 1, ("e", deletion.id), ("e", request.id))
    assert await save(store, deletion, request, undo, deletion, request, note) == [
        *("stored", "stored", "stored", "duplicate", "duplicate", "deleted"),
    ]


async def test_recipient_deletes_a_gift_wrap(store: EventStore) -> None:
    wrap, later = (make(BOB, 1059, NOW, ("p", ALICE), content=text) for text in "ab")
    note = make(BOB, 1, NOW, ("p", ALICE))
    deletion = make(ALICE, 5, NOW, *(("e", event.id) for event in (wrap, later, note)))
    other = make(CAROL, 5, NOW, ("e", wrap.id))
    assert await save(store, wrap, note, other) == ["stored"] * 3
    assert await save(store, wrap, deletion, wrap, later) == [
        *("duplicate", "stored", "deleted", "deleted"),
    ]
    assert await held(store) == {note.id, deletion.id, other.id}


async def test_a_version_deleted_by_id_does_not_bar_others(store: EventStore) -> None:
    older, newer = make(ALICE, 0, NOW - 5), make(ALICE, 0, NOW)
    await store.save([newer, make(ALICE, 5, NOW, ("e", newer.id))])
    assert await save(store, newer, older) == ["deleted", "stored"]


# NIP-40, and clocks that jump


async def test_expired_events_are_refused_and_left_out(store: EventStore, clock: Clock) -> None:
    over = make(ALICE, 1, NOW - 50, ("expiration", str(NOW)))
    soon = make(ALICE, 1, NOW, ("expiration", str(NOW + 10)))
    odd = [make(ALICE, 1, NOW, ("expiration", text)) for text in ("soon", "-5", "", "1e3", "٣")]
    assert await save(store, over, soon, *odd) == ["expired"] + ["stored"] * 6
    clock.now += 9
    assert soon.id in await held(store)
    clock.now += 1
    every_way = [
        await store.query(EVERYTHING),
        [Event.from_trusted(data) for data in (await store.page(EVERYTHING)).events],
        [event async for part in store.stream(EVERYTHING) for event in part],
    ]
    for events in every_way:
        assert {event.id for event in events} == {event.id for event in odd}
    assert len(await store.ids(Filter())) == await store.count(EVERYTHING) == 5
    assert await store.get(soon.id) is None
    assert (await store.page([Filter.of(limit=5)])).complete
    assert await save(store, soon) == ["expired"]


async def test_a_clock_that_jumps(store: EventStore, clock: Clock) -> None:
    soon = make(ALICE, 1, NOW, ("expiration", str(NOW + 10)))
    version = make(ALICE, 0, NOW, ("expiration", str(NOW + 10)))
    older = make(ALICE, 0, NOW - 99)
    await store.save([soon, version])
    clock.now = NOW + 10**9
    assert await held(store) == set()
    clock.now = 0
    assert await held(store) == {soon.id, version.id}, "hidden, not yet gone"
    assert await save(store, older) == ["outdated"]
    clock.now = NOW + 10**9
    assert await save(store, older) == ["stored"], "what has expired bars nothing"
    assert await store.get_address(f"0:{ALICE}:") == older
    clock.now = -5
    assert await save(store, make(BOB, 1, 0)) == ["stored"]
    assert await store.get_address(f"0:{ALICE}:") == older


async def test_purge_takes_expired_events_out(store: EventStore, clock: Clock) -> None:
    events = [
        make(ALICE, 1, NOW - n, ("expiration", str(NOW + n)), ("t", "x")) for n in range(1, 1200)
    ]
    await store.save(events)
    clock.now += 1100
    await store.purge()
    clock.now = NOW
    assert await store.count([Filter.of(t=["x"])]) == 99
    await store.check()


# The batch itself


async def test_large_batches_and_many_callers(store: EventStore) -> None:
    events = [make(ALICE, 1, NOW - n) for n in range(5000)]
    results = await store.save(events)
    assert [result.seq for result in results] == list(range(1, 5001))
    both = [make(BOB, 1, NOW - n) for n in range(300)]
    outcomes = await asyncio.gather(*(store.save(both[n : n + 3]) for n in range(0, 300, 3)))
    assert {r.status for results in outcomes for r in results} == {SaveStatus.STORED}
    again = await asyncio.gather(*(store.save(both) for _ in range(5)))
    assert {r.status for results in again for r in results} == {SaveStatus.DUPLICATE}
    assert await store.count(EVERYTHING) == 5300
    assert await store.save([]) == []


async def test_the_same_event_from_many_callers_is_stored_once(store: EventStore) -> None:
    event = make(ALICE, 1, NOW)
    outcomes = await asyncio.gather(*(store.save([event]) for _ in range(20)))
    statuses = sorted(results[0].status.value for results in outcomes)
    assert statuses == ["duplicate"] * 19 + ["stored"]


async def test_a_cancelled_save_leaves_the_store_usable(store: EventStore) -> None:
    events = [make(ALICE, 1, NOW - n) for n in range(2000)]
    task = asyncio.create_task(store.save(events))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {r.held for r in await store.save(events)} == {True}


async def test_awkward_events_come_back_as_they_were(store: EventStore) -> None:
    events = [
        make(ALICE, 65535, 2**63 - 1, ("e",), ("x", "\n\0\x7f\u2028", "y"), content='\n\r\t\\"'),
        make(ALICE, 0, 0, content="\ud7ff\ue000\U0010ffff" * 50_000),
        make(ALICE, 1, 0, *(("p", author(n)) for n in range(3000))),
    ]
    assert await save(store, *events) == ["stored"] * 3
    assert await store.query(EVERYTHING) == sorted(events, key=lambda event: event.order)
    assert (await store.query(EVERYTHING))[0].content == events[0].content
    assert await store.query([Filter.of(p=[author(2999)])]) == [events[2]]
    assert await store.query([Filter.of(since=2**63 - 1)]) == [events[0]]


async def test_a_closed_store_says_so(open_store: OpenStore) -> None:
    async with open_store() as store:
        pass
    with pytest.raises(StoreError, match="closed"):
        await store.save([make(ALICE, 1, NOW)])
    with pytest.raises(StoreError, match="closed"):
        await store.count(EVERYTHING)


async def test_known_gives_what_is_held(store: EventStore) -> None:
    events = [make(ALICE, 1, NOW - n) for n in range(50)]
    await store.save(events[:40])
    known = await store.known([event.id for event in events])
    assert known == {event.id: event.json for event in events[:40]}
    assert await store.known([]) == {}
    near = events[0].id[:16] + "0" * 48
    assert await store.known([near]) == {}
    assert await store.get(near) is None
    assert await store.get("no id at all") is None
    assert await store.get(events[0].id.upper()) is None

"""What any engine under `EventStore` must do, whatever it is.

The contract is `store.contract`; another engine is put into `tests.engines`, and runs this file and
all others that are marked so. Durability and several processes are an engine's own affair, and
tested with it (`tests/store/sqlite`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from nostr_client.errors import InvalidData, InvalidFilter, TooMany
from nostr_client.nips import nip45
from nostr_client.nips.nip19 import encode_npub
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store import visibility
from nostr_client.store.contract import OVERHEAD, EventStore, FindsAsTyped, Priority, cost
from tests.store import samples
from tests.store.conftest import Clock, OpenStore
from tests.store.samples import NOW, SERVICE_URL, author, make
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("engine")

ALICE, BOB, CAROL = author(1), author(2), author(3)


@pytest.fixture
async def store(engine: str, open_store: OpenStore) -> AsyncIterator[EventStore]:
    async with open_store(service_urls=[SERVICE_URL], search=True) as opened:
        yield opened


async def statuses(store: EventStore, *events: Event) -> list[str]:
    return [result.status.value for result in await store.save(events)]


async def test_an_event_is_stored_once(store: EventStore) -> None:
    note = make(ALICE, 1, NOW)
    assert await statuses(store, note, note) == ["stored", "duplicate"]
    assert await store.get(note.id) == note
    assert await store.known([note.id, "0" * 64]) == {note.id: note.json}
    assert await store.get("0" * 64) is None


async def test_seqs_go_up_and_are_never_given_twice(store: EventStore) -> None:
    seqs = [result.seq for result in await store.save([make(ALICE, 1, NOW - n) for n in range(3)])]
    await store.remove([Filter()])
    [last] = await store.save([make(BOB, 1, NOW)])
    assert [*seqs, last.seq] == [1, 2, 3, 4]
    assert (await store.page([Filter()])).seq == 4


@pytest.mark.parametrize(("kind", "tags"), [(0, ()), (10002, ()), (30023, (("d", "x"),))])
async def test_the_newest_version_counts(
    store: EventStore, kind: int, tags: tuple[tuple[str, ...], ...]
) -> None:
    old = make(ALICE, kind, NOW - 1, *tags)
    one, two = (make(ALICE, kind, NOW, *tags, content=text) for text in "ab")
    loser, winner = sorted((one, two), key=lambda event: event.id, reverse=True)
    found = await statuses(store, old, loser, winner, old, loser)
    assert found == ["stored", "replaced", "replaced", "outdated", "outdated"]
    assert await store.query([Filter()]) == [winner]
    assert await store.get_address(winner.address or "") == winner


async def test_deletions_hold_for_what_is_still_to_come(store: EventStore) -> None:
    note, later, foreign = (make(who, 1, NOW) for who in (ALICE, CAROL, BOB))
    deletion = make(ALICE, 5, NOW, ("e", note.id), ("e", foreign.id))
    assert await statuses(store, note, foreign, deletion, note) == [
        *("stored", "stored", "stored", "deleted"),
    ]
    assert await statuses(store, make(CAROL, 5, NOW, ("e", later.id)), later) == [
        *("stored", "deleted"),
    ]
    assert await store.get(foreign.id) == foreign
    await store.remove([Filter.of(kinds=[5])])
    assert await statuses(store, note) == ["deleted"], "a deletion outlives its event"


async def test_who_vanishes_stays_away(store: EventStore) -> None:
    note, wrap = make(ALICE, 1, NOW - 1), make(BOB, 1059, NOW - 1, ("p", ALICE))
    request = make(ALICE, 62, NOW, ("relay", SERVICE_URL))
    await store.save([note, wrap, request])
    assert await store.query([Filter()]) == [request]
    assert await statuses(store, note, wrap, make(ALICE, 1, NOW + 1)) == [
        *("vanished", "vanished", "stored"),
    ]


async def test_what_has_expired_is_not_there(store: EventStore, clock: Clock) -> None:
    note = make(ALICE, 1, NOW, ("expiration", str(NOW + 5)), content="tea")
    await store.save([note])
    await store.finish_index()
    f = Filter.of(search="tea")
    assert (await store.query([f]), await store.count([Filter()])) == ([note], 1)
    clock.now += 5
    assert (await store.query([f]), await store.count([Filter()])) == ([], 0)
    assert await store.get(note.id) is None
    assert await statuses(store, note) == ["expired"]
    await store.purge()
    assert await store.known([note.id]) == {}
    assert await statuses(store, make(ALICE, 20001, NOW)) == ["ephemeral"]


async def test_gift_wraps_are_for_their_reader(store: EventStore) -> None:
    wraps = [make(BOB, 1059, NOW - n, ("p", who)) for n, who in enumerate((ALICE, CAROL, ALICE))]
    note = make(BOB, 1, NOW - 9)
    await store.save([*wraps, note])
    f = Filter.of(authors=[BOB], limit=2)
    assert await store.query([f]) == wraps[:2]
    assert await store.query([f], reader=[ALICE]) == [wraps[0], wraps[2]]
    assert await store.query([f], reader=[]) == [note]
    assert await store.count([Filter()], reader=[CAROL]) == 2
    assert await store.ids(Filter.of(kinds=[1059]), reader=[]) == []
    assert (await store.page([Filter.of(p=[ALICE])], reader=[CAROL])).events == []
    assert (await store.sketch(Filter.of(kinds=[1059]), 9, reader=[ALICE]))[0] == 2


async def test_direct_messages_are_for_both_parties(store: EventStore) -> None:
    sent = [make(BOB, 4, NOW, ("p", ALICE), content="tea")]
    sent.append(make(BOB, 4, NOW - 1, ("p", CAROL), content="tea"))
    wrap = make(BOB, 1059, NOW - 2, ("p", ALICE))
    note = make(BOB, 1, NOW - 3, content="tea")
    await store.save([*sent, wrap, note])
    await store.finish_index()
    anybody = visibility.Reader(open=frozenset({4}))
    for f, of_all in (
        (Filter(), [note]),
        (Filter.of(kinds=[1, 4]), [note]),
        (Filter.of(kinds=[4]), []),
        (Filter.of(authors=[BOB]), [note]),
        (Filter.of(ids=[event.id for event in (*sent, note)]), [note]),
    ):
        for reader, seen in (((), []), ([ALICE], sent[:1]), ([CAROL], sent[1:]), ([BOB], sent)):
            found = await store.query([f], reader=reader)
            own = [wrap] if reader == [ALICE] and f.ids is f.kinds is None else []
            assert set(found) == {*seen, *own, *of_all}, (f, reader)
            assert await store.count([f], reader=reader) == len(found)
        assert set(await store.query([f], reader=anybody)) == {*sent, *of_all}
    assert await store.query([Filter.of(search="tea")], reader=[BOB]) == [note]
    assert await store.query([Filter.of(kinds=[4], p=[ALICE])], reader=[BOB]) == sent[:1]
    assert await store.query([Filter.of(kinds=[4], p=[ALICE])], reader=[CAROL]) == []
    assert await store.query([Filter.of(kinds=[4], authors=[BOB])], reader=[CAROL]) == sent[1:]


async def test_searches(store: EventStore) -> None:
    tea = make(ALICE, 1, NOW - 1, ("p", BOB), content="Tea for two, thé pour deux: お茶")
    milk = make(BOB, 1, NOW, content="milk")
    await store.save([tea, milk, make(ALICE, 7, NOW, content="tea")])
    await store.finish_index()
    for query in ("tea", "TEA two", "the pour", '"for two"', "お茶", "茶", "tea language:en"):
        assert await store.query([Filter.of(search=query)]) == [tea], query
    for query in ("", "tea milk", '"two for"', "te", "*", '"'):
        assert await store.query([Filter.of(search=query)]) == [], query
    for f in (Filter.of(authors=[BOB]), Filter.of(since=NOW), Filter.of(t=["x"])):
        assert await store.count([f.changed(search="tea")]) == 0
    assert await store.count([Filter.of(search="tea", p=[BOB]), Filter.of(search="milk")]) == 2
    await store.remove([Filter.of(search="tea")])
    assert await store.query([Filter.of(kinds=[1])]) == [milk]


async def test_finds_what_is_being_typed(store: EventStore) -> None:
    if not isinstance(store, FindsAsTyped):
        pytest.skip("an engine for relays, where nobody types")
    roof = make(ALICE, 1, NOW - 1, ("t", "Library"), content="The library roof is fixed, thé!")
    cat = make(BOB, 1, NOW, ("t", "libre"), ("t", "open-source"), content="a cat on the roof")
    lib = make(ALICE, 0, NOW, content='{"name":"Libby Noor","nip05":"libby@roof.example"}')
    bob = make(BOB, 0, NOW - 2, content='{"name":"Öli","display_name":"日本語"}')
    nobody = make(CAROL, 0, NOW, content="no JSON")
    wrap = make(CAROL, 1059, NOW, ("t", "library"), content="library")
    await store.save([roof, cat, lib, bob, nobody, wrap])
    await store.finish_index()
    texts = {
        "libr": [roof],
        "roof": [cat, roof],
        "roof is fix": [roof],
        "is fi": [],
        "ro": [],
        "libr ": [],
    }
    texts |= {
        "th": [],
        "the": [cat, roof],
        '"the library" roo': [roof],
        "": [],
        '"*': [],
        "lib roof": [],
    }
    for typed, found in texts.items():
        assert await store.texts_typed(Filter.of(kinds=[1], limit=9), typed) == found, typed
    assert await store.texts_typed(Filter.of(kinds=[1], authors=[BOB], limit=9), "roof") == [cat]
    assert await store.texts_typed(Filter.of(kinds=[1], limit=1), "roof") == [cat]
    npub = encode_npub(CAROL)
    people = {"l": [lib], "noor": [lib], "libby n": [lib], "libby x": [], "LIBBY@ro": [lib]}
    people |= {
        "ol": [bob],
        "日": [bob],
        npub[:12]: [nobody],
        CAROL[:7]: [nobody],
        "roof.": [lib],
        "roo.": [],
    }
    for typed, found in people.items():
        assert await store.people_typed(Filter(limit=9), typed) == found, typed
    assert await store.people_typed(Filter.of(authors=[BOB], limit=9), "l") == []
    assert await store.people_typed(Filter.of(authors=[], limit=9), "l") == []
    assert await store.tags_typed("#LIB", 9) == [("library", 1), ("libre", 1)]
    assert await store.tags_typed("open-s", 9) == [("open-source", 1)]
    assert await store.tags_typed("open s", 9) == []
    await store.remove([Filter.of(ids=[cat.id, lib.id])])
    assert await store.tags_typed("lib", 9) == [("library", 1)]
    assert await store.people_typed(Filter(limit=9), "libby") == []


async def test_what_is_too_much_or_unknown_is_refused(store: EventStore) -> None:
    await store.save([make(ALICE, 1, NOW - n) for n in range(3)])
    assert len(await store.ids(Filter(), most=3)) == 3
    with pytest.raises(TooMany):
        await store.ids(Filter(), most=2)
    with pytest.raises(InvalidFilter):
        await store.query([Filter.parse('{"x":1}')])
    page = await store.page([Filter()], max_limit=2)
    assert (len(page.events), page.complete) == (2, False)


@pytest.mark.parametrize("seed", range(2))
async def test_all_ways_of_asking_agree(store: EventStore, clock: Clock, seed: int) -> None:
    rng = random.Random(seed)
    clock.now = NOW + 100  # so that nothing expires on the way
    made = samples.events(rng, 150)
    await store.save(made)
    await store.remove([samples.random_filter(rng, made)])
    await store.evict([samples.random_filter(rng, made).changed(since=NOW - 10)], spared=[ALICE])
    people = sorted({event.pubkey for event in made})
    for _ in range(60):
        f = samples.random_filter(rng, made).changed(limit=None)
        reader = rng.choice((None, (), people[:2]))
        found = await store.query([f], reader=reader)
        assert found == sorted(found, key=lambda event: event.order)
        assert all(f.matches(event) for event in found)
        page = await store.page([f], reader=reader)
        assert (page.events, page.complete) == ([event.json for event in found], True)
        assert await store.count([f], reader=reader) == len(found)
        parts = [part async for part in store.stream([f], size=7, reader=reader)]
        assert [event for part in parts for event in part] == found
        places = sorted((event.created_at, bytes.fromhex(event.id)) for event in found)
        assert await store.ids(f, reader=reader) == places
        registers = nip45.registers_of((event.pubkey for event in found), 12)
        assert await store.sketch(f, 12, reader=reader) == (len(found), registers)
        assert await store.query([f.changed(limit=3)], reader=reader) == found[:3]
    await store.check()


async def test_a_second_that_the_cap_cuts_comes_whole(store: EventStore) -> None:
    """NIP-67: up to as many again."""
    made = [make(ALICE, 1, NOW - (n > 2), content=f"{n}") for n in range(6)]
    await store.save(made)
    first, second = (sorted(e.json for e in made[part]) for part in (slice(3), slice(3, 6)))
    page = await store.page([Filter()], max_limit=2)
    assert (sorted(page.events), page.complete) == (first, False)
    page = await store.page([Filter(limit=2)], max_limit=5)
    assert (len(page.events), page.complete) == (2, False), "one's own limit is one's own"
    page = await store.page([Filter(until=NOW - 1)], max_limit=2)
    assert (sorted(page.events), page.complete) == (second, True)


async def test_a_page_has_whole_seconds_in_so_many_bytes(store: EventStore) -> None:
    made = [make(ALICE, 1, NOW - n // 2, content=f"{n}".ljust(1000)) for n in range(6)]
    await store.save(made)
    size = len(made[0].json) + 1
    for most, count in ((6 * size, 6), (5 * size, 4), (4 * size, 4), (1.5 * size, 1), (1, 1)):
        page = await store.page([Filter()], max_bytes=int(most))
        assert len(page.events) == count, most
        assert page.complete is (count == 6)


async def test_a_read_may_say_its_priority_and_its_time(store: EventStore) -> None:
    await store.save([make(ALICE, 1, NOW)])
    for priority in Priority:
        given = {"priority": priority, "time_limit": 5.0}
        assert len((await store.page([Filter()], **given)).events) == 1
        assert await store.count([Filter()], **given) == 1
        assert (await store.sketch(Filter(), 8, **given))[0] == 1


async def test_what_makes_room_is_known_before(store: EventStore) -> None:
    note, other = make(ALICE, 1, NOW - 1), make(BOB, 1, NOW)
    profile = make(ALICE, 0, NOW - 1)
    await store.save([note, other, profile])
    vanish = ("relay", SERVICE_URL)
    for event, frees in (
        (make(ALICE, 1, NOW), False),
        (make(ALICE, 5, NOW, ("e", note.id)), True),
        (make(ALICE, 5, NOW, ("a", f"0:{ALICE}:")), True),
        (make(ALICE, 5, NOW - 2, ("a", f"0:{ALICE}:")), False),
        (make(ALICE, 5, NOW, ("e", other.id), ("e", "0" * 64)), False),
        (make(ALICE, 5, NOW, ("e", note.id), content="x" * 5000), False),
        (make(ALICE, 62, NOW, vanish), True),
        (make(CAROL, 62, NOW, vanish), False),
        (make(ALICE, 62, NOW, ("relay", "wss://other.example")), False),
    ):
        assert await store.frees_room(event) is frees, event
    await store.save([make(ALICE, 5, NOW, ("e", note.id))], frees=True)
    await store.obey([make(BOB, 62, NOW, vanish)], frees=True)
    assert set(await store.query([Filter(kinds=frozenset([0, 1]))])) == {profile}


async def test_the_oldest_gives_way_until_it_fits(store: EventStore) -> None:
    made = [make(BOB, 1, NOW - n, content="x" * 4000) for n in range(600)]
    kept = [make(ALICE, 1, NOW - 900), make(BOB, 0, NOW - 900), make(BOB, 7, NOW - 900)]
    await store.save([*made, *kept])
    most = (await store.size()).used // 2
    evicted = await store.evict(most_bytes=most, spared=[ALICE], spared_kinds=[7])
    left = await store.query([Filter.of(kinds=[1], authors=[BOB])])
    assert 0 < len(left) < 600
    assert left == made[: len(left)], "the newest are left"
    assert evicted.events == 600 - len(left)
    assert left[-1].created_at >= evicted.floor >= left[-1].created_at - 1
    assert {event.id for event in kept} <= set(await store.known([e.id for e in kept]))
    assert (await store.size()).used <= most
    assert await store.evict(most_bytes=10**9) == (0, 0)
    size = await store.size()
    assert size.allocated >= size.used
    assert await store.standing() == cost(kept[1]) == len(kept[1].json) + OVERHEAD


async def test_what_is_removed_may_come_again(store: EventStore) -> None:
    note = make(ALICE, 1, NOW)
    await store.save([note])
    assert await store.remove([Filter.of(ids=[note.id], limit=0)]) == 1
    assert await statuses(store, note) == ["stored"]
    with pytest.raises(InvalidFilter):
        await store.remove([Filter.parse('{"x":1}')])


async def test_upkeep_where_there_is_nothing_to_do(store: EventStore) -> None:
    await store.probe()
    await store.purge()
    await store.save([make(ALICE, 1, NOW, content="tea")])
    await store.finish_index()
    assert await store.index_lag() == 0
    await store.check()


async def test_without_an_index_no_search(engine: str, open_store: OpenStore) -> None:
    async with open_store() as store:
        with pytest.raises(InvalidFilter):
            await store.query([Filter.of(search="tea")])
        assert await store.index_lag() == 0


async def test_a_service_url_that_is_none_is_refused(engine: str, open_store: OpenStore) -> None:
    with pytest.raises(InvalidData):
        async with open_store(service_urls=["not a url"]):
            pass


async def test_what_only_one_may_do_goes_on_to_the_next(store: EventStore) -> None:
    at_work: list[str] = []

    async def work(who: str) -> None:
        at_work.append(who)
        try:
            await asyncio.Event().wait()
        finally:
            at_work.remove(who)

    async def enough() -> None:
        return

    first = asyncio.create_task(store.run_alone("mirrors", lambda: work("first")))
    await until(lambda: at_work == ["first"])
    second = asyncio.create_task(store.run_alone("mirrors", lambda: work("second")))
    await store.run_alone("another name", enough)
    assert at_work == ["first"]
    first.cancel()
    await until(lambda: at_work == ["second"])
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert at_work == []
    with pytest.raises(ZeroDivisionError):
        await store.run_alone("mirrors", fail)


async def fail() -> None:
    raise ZeroDivisionError

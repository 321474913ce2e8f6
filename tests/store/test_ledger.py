"""The ledger of copies: wanted, tried, refused, confirmed."""

from __future__ import annotations

import pytest
from msgspec import structs

from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import (
    FIRST_AUDIT,
    Audited,
    ClientStore,
    Copy,
    CopyGrade,
    CopyState,
    Refuser,
)
from tests.store.conftest import Clock, OpenStore
from tests.store.samples import NOW, author, make

each_engine = pytest.mark.usefixtures("client_engine")

ALICE, BOB = author(1), author(2)
A, B, C = "wss://a.example", "wss://b.example", "wss://c.example"
NOTE = make(ALICE, 1, NOW)


async def states(store: ClientStore, event_id: str = NOTE.id) -> dict[str, CopyState]:
    return {copy.url: copy.state for copy in await store.ledger.copies(event_id)}


@each_engine
async def test_a_wanted_copy_is_due_at_once(store: ClientStore) -> None:
    await store.save([NOTE])
    await store.ledger.want(NOTE.id, [B, A])
    wanted = Copy(NOTE.id, A, CopyState.WANTED, 0, 0, "", "", NOW)
    assert await store.ledger.copies(NOTE.id) == [wanted, structs.replace(wanted, url=B)]
    assert sorted(copy.url for copy in await store.ledger.due(NOW)) == [A, B]
    assert len(await store.ledger.due(NOW, limit=1)) == 1
    await store.ledger.want(NOTE.id, [])
    assert await store.ledger.copies(make(BOB, 1, NOW).id) == []


@each_engine
async def test_lists_are_due_first_then_what_is_new_and_so_much_for_each_relay(
    store: ClientStore,
) -> None:
    old, new = make(ALICE, 1, NOW - 10), make(ALICE, 1, NOW)
    profile, relays = make(ALICE, 0, NOW - 30), make(ALICE, 10002, NOW - 20)
    await store.save([old, profile, new, relays])
    order = [relays.id, profile.id, new.id, old.id]
    for event in (new, profile, old, relays):
        await store.ledger.want(event.id, [A])
    await store.ledger.want(old.id, [B])
    await store.ledger.refuse(old.id, A, "error", "", final=False, next_try=1)
    assert [copy.event_id for copy in await store.ledger.due(NOW)] == [*order, old.id]
    due = await store.ledger.due(NOW, each=3)
    assert [(copy.event_id, copy.url) for copy in due] == [
        *((i, A) for i in order[:3]),
        (old.id, B),
    ]
    assert [copy.url for copy in await store.ledger.due(NOW, besides=[A])] == [B]
    assert await store.ledger.tracked([ALICE]) == order


@each_engine
async def test_a_failure_is_due_later_and_a_refusal_never(store: ClientStore) -> None:
    await store.save([NOTE])
    ledger = store.ledger
    await ledger.want(NOTE.id, [A, B])
    for attempt in (1, 2):
        await ledger.refuse(NOTE.id, A, "rate-limited", "slow down", final=False, next_try=NOW + 60)
        [copy] = [copy for copy in await ledger.copies(NOTE.id) if copy.url == A]
        assert (copy.state, copy.attempts, copy.next_try) == (CopyState.FAILED, attempt, NOW + 60)
        assert (copy.prefix, copy.reason) == ("rate-limited", "slow down")
    await ledger.refuse(NOTE.id, B, "blocked", "no", final=True, next_try=0)
    assert await ledger.due(NOW + 59) == []
    assert [copy.url for copy in await ledger.due(NOW + 60.5)] == [A]
    assert await states(store) == {A: CopyState.FAILED, B: CopyState.REFUSED}
    await ledger.want(NOTE.id, [B], anew=False)
    assert (await states(store))[B] is CopyState.REFUSED, "it stays over"
    await ledger.want(NOTE.id, [B])
    assert (await states(store))[B] is CopyState.WANTED, "wanted anew: tried anew"


@each_engine
async def test_what_waits_can_be_hurried_by_its_refusal(store: ClientStore) -> None:
    await store.save([NOTE])
    ledger = store.ledger
    await ledger.want(NOTE.id, [A, B])
    await ledger.refuse(NOTE.id, A, "rate-limited", "", final=False, next_try=NOW + 60)
    await ledger.refuse(NOTE.id, B, "Auth-Required", "", final=False, next_try=NOW + 60)
    await ledger.hurry("auth-required")
    assert [copy.url for copy in await ledger.due(NOW)] == [B]
    await ledger.hurry()
    assert sorted(copy.url for copy in await ledger.due(NOW)) == [A, B]


@each_engine
async def test_what_is_confirmed_stays_so(store: ClientStore, clock: Clock) -> None:
    await store.save([NOTE])
    ledger = store.ledger
    await ledger.want(NOTE.id, [A])
    await ledger.refuse(NOTE.id, A, "error", "?", final=False, next_try=NOW + 5)
    clock.now += 7
    await ledger.confirm([(NOTE.id, A), (NOTE.id, C), (NOTE.id, C)])
    await ledger.want(NOTE.id, [A, C])
    assert await states(store) == {A: CopyState.CONFIRMED, C: CopyState.CONFIRMED}
    [copy, _] = await ledger.copies(NOTE.id)
    assert (copy.prefix, copy.reason, copy.updated_at) == ("", "", NOW + 7)
    assert await ledger.due(NOW + 10**6) == []
    await ledger.confirm([])


@each_engine
async def test_unwanting_forgets_all_but_what_is_there(store: ClientStore) -> None:
    await store.save([NOTE])
    await store.ledger.want(NOTE.id, [A, B])
    await store.ledger.confirm([(NOTE.id, A)])
    await store.ledger.unwant(NOTE.id, [A, B, C])
    assert await states(store) == {A: CopyState.CONFIRMED}
    assert [copy.wanted for copy in await store.ledger.copies(NOTE.id)] == [False]


@each_engine
async def test_copies_of_many(store: ClientStore) -> None:
    notes = [make(ALICE, 1, NOW - n) for n in range(300)]
    await store.save(notes)
    await store.ledger.confirm([(note.id, url) for note in notes for url in (A, B)])
    found = await store.ledger.copies_of([note.id for note in notes] + [NOTE.id[::-1]])
    assert found.pop(NOTE.id[::-1]) == []
    assert {len(copies) for copies in found.values()} == {2}


@each_engine
async def test_what_was_never_handed_over_is_still_only_wanted(store: ClientStore) -> None:
    ledger = store.ledger
    await store.save([NOTE])
    for handed, state in ((False, "wanted"), (True, "failed"), (False, "failed")):
        await ledger.refuse(NOTE.id, A, "", "", final=False, next_try=NOW + 9, handed=handed)
        [copy] = await ledger.copies(NOTE.id)
        assert copy.state == state
    assert (copy.attempts, copy.next_try) == (3, NOW + 9)
    await ledger.refuse(NOTE.id, A, "blocked", "", final=True, next_try=0)
    assert await states(store) == {A: CopyState.REFUSED}


@each_engine
async def test_a_wait_is_no_longer_than_it_was_when_the_clock_is_set_back(
    store: ClientStore,
) -> None:
    await store.save([NOTE])
    await store.ledger.want(NOTE.id, [A])
    await store.ledger.refuse(NOTE.id, B, "", "", final=False, next_try=NOW + 60)
    await store.ledger.confirm([(NOTE.id, C)])
    await store.ledger.set_back(NOW)
    at = {copy.url: copy for copy in await store.ledger.copies(NOTE.id)}
    assert (at[B].next_try, at[B].updated_at) == (NOW + 60, NOW), "nothing was set back"
    await store.ledger.set_back(NOW - 9000)
    found = {copy.url: copy for copy in await store.ledger.copies(NOTE.id)}
    assert found[A].next_try == 0
    assert (found[B].next_try, found[B].updated_at) == (NOW - 8940, NOW - 9000)
    assert found[C] == at[C]


@each_engine
async def test_events_that_were_never_planned(store: ClientStore) -> None:
    mine, other = make(ALICE, 1, NOW - 1), make(BOB, 1, NOW)
    await store.save([NOTE, mine, other])
    await store.ledger.want(NOTE.id, [A])
    assert await store.ledger.unplanned([ALICE]) == [mine.id]
    assert await store.ledger.tracked([ALICE, BOB]) == [NOTE.id]
    assert await store.ledger.unplanned([]) == []
    assert await store.ledger.strays([ALICE]) == [mine.id]
    await store.ledger.confirm([(mine.id, A)])
    assert await store.ledger.strays([ALICE]) == [mine.id], "known is not wanted"
    assert await store.ledger.strays([ALICE, BOB], [1]) == []
    assert await store.ledger.unsent([ALICE]) == 1
    await store.ledger.confirm([(NOTE.id, B)])
    assert await store.ledger.unsent([ALICE]) == 0
    assert await store.ledger.unsent([ALICE], besides=[B]) == 1


@each_engine
async def test_where_a_deleted_event_went_is_still_known(store: ClientStore) -> None:
    await store.save([NOTE])
    await store.ledger.want(NOTE.id, [A, B])
    await store.ledger.confirm([(NOTE.id, A)])
    await store.save([make(ALICE, 5, NOW, ("e", NOTE.id))])
    assert await store.ledger.due(NOW + 5) == [], "there is nothing to send any more"
    assert (await states(store))[A] is CopyState.CONFIRMED


async def test_the_ledger_is_durable(open_store: OpenStore) -> None:
    async with open_store() as store:
        await store.save([NOTE])
        await store.ledger.want(NOTE.id, [A])
        await store.ledger.refuse(NOTE.id, A, "", 'it\'s "quoted" ; -- 🤙', final=False, next_try=9)
    async with open_store() as store:
        [copy] = await store.ledger.due(10)
        assert copy.reason == 'it\'s "quoted" ; -- 🤙'


@each_engine
async def test_a_grade_only_rises_until_an_audit_says_otherwise(
    store: ClientStore, clock: Clock
) -> None:
    await store.save([NOTE])
    ledger = store.ledger
    await ledger.want(NOTE.id, [A])
    await ledger.confirm([(NOTE.id, A)])
    [copy] = await ledger.copies(NOTE.id)
    assert (copy.grade, copy.audit_at) == (CopyGrade.SAID, NOW + FIRST_AUDIT)
    await ledger.confirm([(NOTE.id, A)], CopyGrade.READ_BACK)
    await ledger.confirm([(NOTE.id, A)])
    [copy] = await ledger.copies(NOTE.id)
    assert (copy.grade, copy.audit_at) == (CopyGrade.READ_BACK, NOW + FIRST_AUDIT)
    assert await ledger.audits_due([ALICE], NOW + FIRST_AUDIT - 1, 10) == []
    assert await ledger.audits_due([ALICE], NOW + FIRST_AUDIT, 10) == [copy]
    assert await ledger.audits_due([BOB], NOW + FIRST_AUDIT, 10) == []
    assert await ledger.audits_due([ALICE], NOW + FIRST_AUDIT, 10, besides=[A]) == []
    seen = Audited(NOTE.id, A, CopyState.CONFIRMED, CopyGrade.READ_AS_STRANGER, NOW + 3600, 1)
    await ledger.audited([seen])
    [copy] = await ledger.copies(NOTE.id)
    assert (copy.grade, copy.audit_at, copy.audits) == (seen.grade, NOW + 3600, 1)
    gone = Audited(NOTE.id, A, CopyState.DROPPED, CopyGrade.NONE, 0, 2, "it is not there")
    await ledger.audited([gone])
    await ledger.audited([seen])
    [copy] = await ledger.copies(NOTE.id)
    assert (copy.state, copy.grade, copy.audit_at) == (CopyState.DROPPED, CopyGrade.NONE, 0)
    assert copy.reason == "it is not there"
    assert await ledger.due(NOW + 10**6) == [], "it is not sent there again by itself"
    await ledger.want(NOTE.id, [A])
    assert (await states(store))[A] is CopyState.WANTED, "but when somebody wants it"


@each_engine
async def test_only_wanted_copies_are_audited(store: ClientStore) -> None:
    await store.save([NOTE])
    ledger = store.ledger
    await ledger.confirm([(NOTE.id, A)], CopyGrade.READ_BACK)
    assert await ledger.audits_due([ALICE], NOW + 10**6, 10) == []
    await ledger.want(NOTE.id, [A])
    assert [c.url for c in await ledger.audits_due([ALICE], NOW + FIRST_AUDIT, 10)] == [A]
    await ledger.unwant(NOTE.id, [A])
    assert await ledger.audits_due([ALICE], NOW + 10**6, 10) == []
    [copy] = await ledger.copies(NOTE.id)
    assert (copy.state, copy.grade) == (CopyState.CONFIRMED, CopyGrade.READ_BACK)


@each_engine
async def test_a_refusal_ends_what_was_known(store: ClientStore) -> None:
    await store.save([NOTE])
    ledger = store.ledger
    await ledger.want(NOTE.id, [A])
    await ledger.confirm([(NOTE.id, A)])
    await ledger.refuse(NOTE.id, A, "blocked", "no", final=True, next_try=0)
    assert await ledger.audits_due([ALICE], NOW + 10**6, 10) == []
    [copy] = await ledger.copies(NOTE.id)
    assert (copy.state, copy.grade) == (CopyState.REFUSED, CopyGrade.NONE)


@each_engine
async def test_what_another_store_knew_is_taken_over_where_nothing_is_known(
    store: ClientStore,
) -> None:
    await store.save([NOTE])
    await store.ledger.confirm([(NOTE.id, A)], CopyGrade.READ_BACK)
    [held] = await store.ledger.copies(NOTE.id)
    failed = Copy(NOTE.id, B, CopyState.FAILED, 3, NOW + 60, "error", "later", NOW - 9)
    known = structs.replace(
        failed, url=C, state=CopyState.CONFIRMED, wanted=False, grade=CopyGrade.SAID, audits=2
    )
    other = Copy(NOTE.id, A, CopyState.DROPPED, 1, 0, "", "gone", NOW - 9)
    await store.ledger.adopt([failed, other, known])
    assert await store.ledger.copies(NOTE.id) == [held, failed, known]
    assert [copy.url for copy in await store.ledger.due(NOW + 60)] == [B]
    await store.ledger.adopt([])
    await store.ledger.adopt([structs.replace(failed, attempts=9)])
    assert await store.ledger.copies(NOTE.id) == [held, failed, known]


@each_engine
async def test_who_refuses_all_that_an_author_writes_is_known_until_it_takes_something(
    store: ClientStore, clock: Clock
) -> None:
    notes = [make(ALICE, 1, NOW - n) for n in range(5)]
    others = [make(BOB, 1, NOW - n) for n in range(3)]
    await store.save([*notes, *others])
    for number, note in enumerate((*notes[:3], *others)):
        clock.now = NOW + number
        await store.ledger.want(note.id, [A, B])
        await store.ledger.refuse(note.id, A, "Blocked", f"{number}", final=True, next_try=0)
        await store.ledger.refuse(note.id, B, "invalid", "", final=True, next_try=0)
    known = [Refuser(A, 3, NOW + 2, "Blocked", "2")]
    assert await store.ledger.refusers([ALICE], ["blocked"], 3) == known
    assert await store.ledger.refusers([ALICE], ["blocked"], 4) == []
    assert await store.ledger.refusers([ALICE], ["restricted"], 1) == []
    clock.now = NOW + 10
    await store.ledger.confirm([(notes[3].id, A)])
    assert await store.ledger.refusers([ALICE], ["blocked"], 3) == known, "it was found there"
    await store.ledger.want(notes[4].id, [A])
    await store.ledger.confirm([(notes[4].id, A)])
    assert await store.ledger.refusers([ALICE], ["blocked"], 1) == []


@each_engine
async def test_of_what_is_removed_copies_are_forgotten(store: ClientStore) -> None:
    await store.save([NOTE])
    await store.ledger.confirm([(NOTE.id, A)])
    assert await store.remove([Filter.of(ids=[NOTE.id], limit=0)]) == 1
    assert await store.ledger.copies(NOTE.id) == []

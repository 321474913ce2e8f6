"""Copies are looked for where relays said that they are: with a real store, pools that show what
they are told to show, and a clock that can be turned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nostr_client.net.fetch import Fetched
from nostr_client.net.outcome import End, How
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.resilience.audit_questions import (
    GAP,
    MOST_SHOWN,
    MOST_STRETCHES,
    as_readers_ask,
)
from nostr_client.resilience.audits import BURST, READ_LIMIT, REFILL, Auditor, Purse
from nostr_client.resilience.pace import Pace
from nostr_client.store.contract import (
    FIRST_AUDIT,
    ClientStore,
    Copy,
    CopyGrade,
    CopyState,
    StoreOptions,
)
from nostr_client.store.opening import open_store

KEY = SecretKey.generate()
ME = KEY.public_key.hex
A, B = "wss://a.example", "wss://b.example"
START = 1_700_000_000
MINUTE, HOUR, DAY = 60, 3_600, 86_400


@dataclass
class View:
    """What one sort of reader is shown, at every relay: a pool's `fetch`."""

    shown: set[str] = field(default_factory=set)
    how: How = How.ANSWERED
    asked: list[frozenset[str]] = field(default_factory=list)
    """What each question was about, of all events there are."""
    by_id: list[bool] = field(default_factory=list)
    """Did it name ids?"""
    two_faced: bool = False
    """Readers, who know no ids, are shown nothing."""

    async def fetch(
        self,
        filters: Sequence[Filter],
        urls: Iterable[str],
        *,
        timeout: float,
    ) -> Fetched:
        [url] = urls
        about = {e.id for e in EVENTS.values() if any(f.matches(e) for f in filters)}
        self.asked.append(frozenset(about))
        self.by_id.append(any(f.ids for f in filters))
        hidden = self.how is not How.ANSWERED or (self.two_faced and not self.by_id[-1])
        found = [] if hidden else [EVENTS[i] for i in about & self.shown]
        return Fetched(found, {url: End(url=url, how=self.how, events=len(found))})


EVENTS: dict[str, Event] = {}


@pytest.fixture(autouse=True)
def nothing_written_yet() -> None:
    EVENTS.clear()


@dataclass
class House:
    store: ClientStore
    folder: Path
    now: float = START
    stranger: View = field(default_factory=View)
    ourselves: View = field(default_factory=View)

    def auditor(self, early: float = 0.0) -> Auditor:
        @asynccontextmanager
        async def pool() -> AsyncIterator[Any]:
            yield self.stranger

        mine: Any = self.ourselves
        return Auditor(
            self.store,
            mine,
            pool,
            pubkeys=[ME],
            folder=self.folder,
            early=early,
            clock=lambda: self.now,
        )

    async def confirmed(self, urls: Sequence[str] = (A,), **draft: Any) -> Event:
        """An own event that relays said they took just now."""
        fields: dict[str, Any] = {"kind": 1, "content": f"{self.now}", **draft}
        event = Draft(**fields).sign(KEY, int(self.now))
        EVENTS[event.id] = event
        await self.store.save([event])
        await self.store.ledger.want(event.id, urls)
        await self.store.ledger.confirm([(event.id, url) for url in urls])
        return event

    async def copy(self, event: Event) -> Copy:
        [copy] = await self.store.ledger.copies(event.id)
        return copy


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house: House
    options = StoreOptions(clock=lambda: house.now)
    async with open_store("memory:", options) as store:
        house = House(store, tmp_path)
        yield house


async def test_a_lone_note_is_looked_for_four_times_as_a_stranger(house: House) -> None:
    note = await house.confirmed()
    house.stranger.shown = {note.id}
    auditor = house.auditor()
    assert await auditor.look() == []
    assert (await house.copy(note)).grade is CopyGrade.SAID, "not before a minute is over"
    for wait in (MINUTE, HOUR, DAY, 7 * DAY, 30 * DAY):
        house.now += wait
        assert await auditor.look() == []
        assert (await house.copy(note)).grade is CopyGrade.READ_AS_STRANGER
    assert (len(house.stranger.asked), len(house.ourselves.asked)) == (4, 0)


async def test_a_rehearsal_looks_earlier(house: House) -> None:
    note = await house.confirmed()
    house.now += MINUTE // 10
    assert await house.auditor().look() == []
    assert await house.auditor(early=MINUTE * 0.9).look() == [note.id]


async def test_what_nobody_is_shown_is_dropped(house: House) -> None:
    note, kept = await house.confirmed(), await house.confirmed(content="kept")
    house.stranger.shown = {kept.id}
    house.now += MINUTE
    assert await house.auditor().look() == [note.id]
    copy = await house.copy(note)
    assert (copy.state, copy.grade) == (CopyState.DROPPED, CopyGrade.NONE)
    assert "does not show it" in copy.reason
    assert (await house.copy(kept)).state is CopyState.CONFIRMED
    assert house.stranger.asked == [{note.id, kept.id}], "one REQ for all that is due"
    assert house.ourselves.asked == [{note.id}]


async def test_what_only_we_are_shown_is_dropped(house: House) -> None:
    note = await house.confirmed()
    house.ourselves.shown = {note.id}
    house.now += MINUTE
    assert await house.auditor().look() == [note.id]
    assert "whoever looks for it" in (await house.copy(note)).reason


async def test_where_only_members_read_what_we_see_counts(house: House) -> None:
    note, unseen = await house.confirmed(), await house.confirmed(content="unseen")
    house.stranger.how = How.NOT_ALLOWED
    house.ourselves.shown = {note.id}
    house.now += MINUTE
    assert await house.auditor().look() == [unseen.id]
    assert (await house.copy(note)).grade is CopyGrade.READ_BACK


async def test_where_nobody_may_read_the_word_is_the_best_there_is(house: House) -> None:
    note = await house.confirmed()
    house.stranger.how = house.ourselves.how = How.NOT_ALLOWED
    auditor = house.auditor()
    for wait in (MINUTE, HOUR, DAY, 7 * DAY, 30 * DAY):
        house.now += wait
        assert await auditor.look() == []
    copy = await house.copy(note)
    assert (copy.state, copy.grade) == (CopyState.CONFIRMED, CopyGrade.SAID)
    assert auditor.requests == 8, "no more than eight for a lone note"


@pytest.mark.parametrize("how", [How.UNREACHABLE, How.SILENT, How.LOST, How.REFUSED])
async def test_silence_accuses_nobody(house: House, how: How) -> None:
    note = await house.confirmed()
    house.stranger.how = how
    house.now += MINUTE
    auditor = house.auditor()
    assert await auditor.look() == []
    house.now += HOUR - 1
    assert await auditor.look() == []
    assert len(house.stranger.asked) == 1, "asked again after an hour"
    copy = await house.copy(note)
    assert (copy.state, copy.grade, copy.audits) == (CopyState.CONFIRMED, CopyGrade.SAID, 0)
    house.now += 1
    house.stranger.how, house.stranger.shown = How.ANSWERED, {note.id}
    assert await auditor.look() == []
    assert (await house.copy(note)).grade is CopyGrade.READ_AS_STRANGER


async def test_we_not_answered_accuses_nobody_either(house: House) -> None:
    note = await house.confirmed()
    house.ourselves.how = How.LOST
    house.now += MINUTE
    assert await house.auditor().look() == []
    assert (await house.copy(note)).state is CopyState.CONFIRMED


async def test_what_is_for_its_recipients_alone_is_not_looked_for(house: House) -> None:
    letter = await house.confirmed(kind=4)
    protected = await house.confirmed(tags=(("-",),))
    house.now += MINUTE
    assert await house.auditor().look() == []
    for event in (letter, protected):
        copy = await house.copy(event)
        assert (copy.state, copy.grade, copy.audit_at) == (CopyState.CONFIRMED, CopyGrade.SAID, 0)
    assert not house.stranger.asked


async def test_a_busy_author_asks_a_tenth_of_a_request_for_each_copy(house: House) -> None:
    auditor, quarter, copies = house.auditor(), DAY // 100, 0
    while house.now < START + 7 * DAY:
        note = await house.confirmed(urls=[A, B])
        copies += 2
        house.stranger.shown.add(note.id)
        house.now += quarter
        assert await auditor.look() == []
    assert auditor.requests <= 0.1 * copies
    graded = await house.store.ledger.copies_of([event.id for event in EVENTS.values()])
    known = [copy for copies_ in graded.values() for copy in copies_]
    assert sum(copy.grade is CopyGrade.READ_AS_STRANGER for copy in known) > 0.95 * copies


async def test_a_new_start_fills_no_purse(house: House) -> None:
    for _ in range(20):
        await house.confirmed(content=str(house.now))
        house.now += MINUTE
        house.stranger.shown = set(EVENTS)
        await house.auditor().look()
    assert len(house.stranger.asked) == 8
    house.auditor()._path.write_bytes(b"damaged")
    await house.auditor().look()
    assert len(house.stranger.asked) == 9, "a damaged file says nothing"


async def test_some_relays_are_left_out(house: House) -> None:
    await house.confirmed()
    house.now += MINUTE
    await house.auditor().look([A])
    assert not house.stranger.asked


async def test_one_look_asks_as_readers_do_and_the_next_by_ids(house: House) -> None:
    note = await house.confirmed()
    house.stranger.shown = {note.id}
    for wait in (MINUTE, HOUR, DAY, 7 * DAY):
        house.now += wait
        assert await house.auditor().look() == []
    assert house.stranger.by_id == [False, True, False, True], "after a restart, too"


async def test_who_shows_it_to_auditors_alone_is_found_out_at_the_first_look(house: House) -> None:
    old = await house.confirmed(urls=[B], content="an hour ago")
    house.now += HOUR
    note = await house.confirmed()
    house.stranger.shown = house.ourselves.shown = {note.id, old.id}
    house.stranger.two_faced = house.ourselves.two_faced = True
    house.now += MINUTE
    assert set(await house.auditor().look()) == {note.id, old.id}
    assert (await house.copy(note)).state is CopyState.DROPPED


async def test_what_is_too_much_or_too_far_apart_is_asked_for_by_ids(house: House) -> None:
    for number in range(MOST_SHOWN + 1):  # all within one second
        await house.confirmed(urls=[A] if number < 3 else [], content=str(number))
    for _ in range(MOST_STRETCHES + 1):
        house.now += 2 * GAP
        await house.confirmed(urls=[B])
    house.stranger.shown = set(EVENTS)
    house.now += MINUTE
    assert await house.auditor().look() == []
    assert house.stranger.by_id == [True, True]
    assert sorted(map(len, house.stranger.asked)) == [3, MOST_STRETCHES + 1]


def test_readers_ask_for_hours_and_find_all_of_it() -> None:
    times = [0, GAP, 2 * GAP, 9 * GAP]
    events = [Draft(kind, "", created_at=START + at).sign(KEY, 0) for kind, at in enumerate(times)]
    filters = as_readers_ask(reversed(events))
    assert [(f.since, f.until, f.kinds) for f in filters] == [
        (START, START + 2 * GAP, frozenset({0, 1, 2})),
        (START + 9 * GAP, START + 9 * GAP, frozenset({3})),
    ]
    assert not any(f.ids for f in filters)
    assert all(any(f.matches(event) for f in filters) for event in events)


async def test_a_relay_that_hangs_holds_up_no_other(house: House) -> None:
    note = await house.confirmed(urls=[A, B])
    house.stranger.shown = {note.id}
    held, answered = asyncio.Event(), asyncio.Event()
    fetch = house.stranger.fetch

    async def slow(filters: Any, urls: Sequence[str], *, timeout: float) -> Fetched:
        if A in urls:
            await held.wait()
        else:
            answered.set()
        return await fetch(filters, urls, timeout=timeout)

    asks: Any = house.stranger
    asks.fetch = slow
    house.now += MINUTE
    looking = asyncio.create_task(house.auditor().look())
    await asyncio.wait_for(answered.wait(), 5)
    held.set()
    assert await looking == []
    assert {c.grade for c in await house.store.ledger.copies(note.id)} == {
        CopyGrade.READ_AS_STRANGER
    }


def test_what_is_not_there_is_found_within_a_minute() -> None:
    """However the times fall, while the relay may still be asked."""
    assert FIRST_AUDIT + Pace().audit + READ_LIMIT < MINUTE


def test_a_rehearsals_purse_fills_as_much_faster() -> None:
    empty = Purse(0.0, START)
    assert empty.now(START + HOUR, refill=REFILL / 120) == BURST
    assert empty.spend(0, START + HOUR, refill=REFILL / 12).now(START + HOUR) == 4.0

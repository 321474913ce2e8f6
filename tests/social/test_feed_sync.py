"""Background reading: whom it asks for what, how it goes on after a restart, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import StoreError, StoreFull
from nostr_client.net.outcome import How
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing.scores import Share
from nostr_client.social import author_stream, feed_progress, feed_sync, profile_queue
from nostr_client.social.feed_progress import FeedProgress
from tests.social.house import (
    ANA,
    BEN,
    BEN_KEY,
    CY,
    CY_KEY,
    DEAD,
    ME,
    START,
    House,
    Relay,
    house,
    relay_list,
    signed,
)
from tests.waiting import LIMIT, until, waits_for_nobody

each_engine = pytest.mark.usefixtures("client_engine")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_sync, "LISTS_LIMIT", 1.0)
    monkeypatch.setattr(feed_sync, "REPLAN_FIRST", 0.5)
    monkeypatch.setattr(profile_queue, "GATHER", 0.1)


def following(*people: str, at: int = START) -> Event:
    return signed(kind=kinds.FOLLOWS, tags=tuple(("p", p) for p in people), at=at)


async def held(h: House, event: Event) -> None:
    await until(lambda: h.store.get(event.id))


def requests(relay: Relay) -> list[Filter]:
    return [Filter.from_dict(raw) for frame in relay.sent("REQ") for raw in frame[2:]]


def feed_requests(relay: Relay) -> list[Filter]:
    return [f for f in requests(relay) if f.kinds == author_stream.FEED_KINDS]


@each_engine
async def test_all_is_read_from_where_it_is(tmp_path: Path) -> None:
    """Own lists at the own relays, notes where the followed write, mentions in the inbox,
    profiles of whoever turns up at the indexers; and then live."""
    bens, mention = signed(BEN, content="ben"), signed(CY, content="hey", tags=(("p", ME),))
    cys_profile = signed(CY, 0, '{"name":"cy"}')
    async with (
        Relay(following(BEN_KEY)) as home,
        Relay(bens) as ben_relay,
        Relay(cys_profile, relay_list(BEN)) as index,
    ):
        home.keep(relay_list(ANA, home.url))
        home.keep(mention)
        index.keep(relay_list(BEN, ben_relay.url))
        async with house(tmp_path, fallback=[home.url], indexers=[index.url]) as h:
            assert not h.sync.status.running
            status = h.sync.start()
            assert status.running
            assert h.sync.start().running  # once is enough
            await held(h, mention)
            await held(h, cys_profile)
            await held(h, bens)
            assert {f.limit for f in feed_requests(ben_relay)} == {author_stream.BACKFILL}
            await until(lambda: h.sync.status.is_caught_up)
            assert h.sync.status.people == 2
            assert [v.event.content for v in await h.timeline.home()] == ["ben"]
            live = signed(BEN, content="live", at=START + 1)
            await ben_relay.tell(live)
            await held(h, live)
            await home.tell(following(BEN_KEY, CY_KEY, at=START + 5))
            await until(lambda: h.sync.status.people == 3)


@each_engine
async def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    old = signed(BEN, content="old", at=START - 100_000)
    async with Relay(old) as one:
        async with house(tmp_path, fallback=[one.url]) as h:
            await h.keep(following(BEN_KEY))
            h.sync.start()
            await held(h, old)
            await until(lambda: h.sync.status.is_caught_up)
        one.log.clear()
        async with house(tmp_path, fallback=[one.url]) as h:
            await h.keep(following(BEN_KEY, CY_KEY, at=START + 1))
            h.clock.now += 50_000
            h.sync.start()
            await until(lambda: h.sync.status.is_caught_up and feed_requests(one))
            resumed, fresh = sorted(feed_requests(one), key=lambda f: f.since or 0, reverse=True)
            assert resumed.authors == {BEN_KEY, ME}
            assert resumed.since == START - author_stream.OVERLAP
            assert resumed.limit is None
            assert fresh.authors == {CY_KEY}
            assert (fresh.since, fresh.limit) == (None, author_stream.BACKFILL)


async def test_a_long_absence_is_read_back_page_by_page(tmp_path: Path) -> None:
    notes = [signed(BEN, content=str(n), at=START + 10 * n) for n in range(1200)]
    async with Relay() as one:
        async with house(tmp_path, fallback=[one.url]) as h:
            await h.keep(following(BEN_KEY))
            h.sync.start()
            await until(lambda: h.sync.status.is_caught_up)
        for note in notes:  # far more than the relay sends in one answer
            one.held.append(note)
        async with house(tmp_path, fallback=[one.url]) as h:
            h.clock.now += 20_000
            h.sync.start()
            await held(h, notes[0])

            async def has_all() -> bool:
                return await h.store.count([Filter.of(kinds=[1])]) >= 1200

            await until(has_all)
            assert (
                h.rooms.pool.health(one.url).counters.events < 1210
            )  # nothing but where pages meet


async def test_a_mark_moves_only_after_the_history_was_read(tmp_path: Path) -> None:
    async with Relay() as silent:
        silent.silent = True
        async with house(tmp_path, fallback=[silent.url, DEAD]) as h:
            await h.keep(following(BEN_KEY))
            h.sync.start()
            await until(lambda: feed_requests(silent))
            assert not h.sync.status.is_caught_up
        marks = FeedProgress(tmp_path / f"read-{ME[:16]}.json")
        for url in (silent.url, DEAD):
            assert marks.split(url, [BEN_KEY]) == (0, set(), {BEN_KEY})


def test_progress_survives_and_a_damaged_file_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "read.json"
    marks = FeedProgress(path)
    marks.move("wss://a.example", 5, [BEN_KEY])
    marks.save()
    assert FeedProgress(path).split("wss://a.example", [BEN_KEY, CY_KEY]) == (
        5,
        {BEN_KEY},
        {CY_KEY},
    )
    for damage in (b"", b"{", b"[]", b'{"wss://a.example": 7}', b'{"\xff": 7}'):
        path.write_bytes(damage)
        assert FeedProgress(path).split("wss://a.example", [BEN_KEY]) == (0, set(), {BEN_KEY})


async def test_offline_it_waits_and_recovers(tmp_path: Path) -> None:
    note = signed(BEN, content="x")
    async with Relay() as probe:
        port = probe.port
    async with house(tmp_path, fallback=[f"ws://127.0.0.1:{port}"]) as h:
        await h.keep(following(BEN_KEY))
        h.sync.start()
        await until(lambda: h.sync.status.is_caught_up)  # whoever can be reached: nobody
        async with Relay(note, port=port):
            await held(h, note)


async def test_closing_is_quick_whatever_relays_do(tmp_path: Path) -> None:
    async with Relay() as silent, Relay(signed(BEN)) as fine:
        silent.silent = True
        with contextlib.ExitStack() as closing:
            async with house(tmp_path, fallback=[silent.url, fine.url, DEAD]) as h:
                await h.keep(following(BEN_KEY))
                h.sync.start()
                await until(lambda: feed_requests(fine))
                closing.enter_context(waits_for_nobody())


@each_engine
async def test_777_people_take_few_sockets_and_short_filters(tmp_path: Path) -> None:
    """Every one of them has a relay list, on twelve relays between them."""
    async with Relay() as a, Relay() as b, Relay() as c:
        urls = [a.url, b.url, c.url]
        async with house(tmp_path, fallback=urls) as h:
            people = [f"{n:064x}" for n in range(1, 778)]
            await h.keep(following(*people))
            h.sync.start()
            await until(lambda: all(len(feed_requests(r)) >= 4 for r in (a, b, c)))
            asked = [f for r in (a, b, c) for f in feed_requests(r)]
            assert all(len(f.authors or ()) <= 200 for f in asked)
            assert frozenset().union(*(f.authors or () for f in asked)) >= set(people)
            assert a.connections == b.connections == c.connections == 1


async def test_trouble_with_the_store_is_a_status_and_not_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = signed(BEN, content="x")
    async with Relay(note) as one, house(tmp_path, fallback=[one.url]) as h:
        await h.keep(following(BEN_KEY))
        pubkeys, failures = h.follows.pubkeys, [StoreError("the disk is full")] * 2

        async def failing() -> list[str]:
            if failures:
                raise failures.pop()
            return await pubkeys()

        monkeypatch.setattr(h.follows, "pubkeys", failing)
        h.sync.start()
        await until(lambda: h.sync.status.problem == "the disk is full")
        await held(h, note)
        assert h.sync.status.problem == ""


@each_engine
async def test_a_first_reading_is_not_caught_up_before_the_follows_it_learnt_are_read(
    tmp_path: Path,
) -> None:
    """The follow list, and the relay lists of those in it, are on my relay; their notes are not."""
    note = signed(BEN, content="at my own relay")
    async with Relay(note) as bens, Relay() as mine, house(tmp_path, fallback=[mine.url]) as h:
        mine.keep(following(BEN_KEY))
        mine.keep(relay_list(BEN, bens.url))
        h.sync.start()
        await until(lambda: h.sync.status.is_caught_up)
        assert [view.event for view in await h.timeline.home()] == [note]
        assert h.sync.status.ends[bens.url].how is How.ANSWERED


class Gated(Relay):
    """Answers no question before its `gate` is open."""

    def __init__(self, *events: Event) -> None:
        super().__init__(*events)
        self.gate = asyncio.Event()

    async def _on_req(self, socket: Any, wire: str, filters: Sequence[Filter]) -> None:
        await self.gate.wait()
        await super()._on_req(socket, wire, filters)


async def test_who_writes_at_relays_that_die_is_read_where_else_they_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three are read; both die, and what comes to the third is here without a new start."""
    monkeypatch.setattr(feed_sync, "DEATHS_EVERY", 0.02)
    monkeypatch.setattr(feed_sync, "REPLAN_FIRST", LIMIT)
    first, late = signed(BEN, content="first"), signed(BEN, content="late", at=START + 9)
    async with contextlib.AsyncExitStack() as stack:
        bens = {}
        for _ in range(3):
            dying = await stack.enter_async_context(contextlib.AsyncExitStack())
            relay = await dying.enter_async_context(Relay(first))
            bens[relay.url] = relay, dying
        listed = relay_list(BEN, *bens)
        mine = await stack.enter_async_context(Relay(listed))
        h = await stack.enter_async_context(
            house(tmp_path, fallback=[mine.url], minds_outages=True)
        )
        await h.keep(following(BEN_KEY), listed)
        h.sync.start()
        await held(h, first)
        await until(lambda: h.sync.status.is_caught_up)
        read = [url for url, (relay, _) in bens.items() if feed_requests(relay)]
        assert len(read) == 2
        (left,) = bens.keys() - set(read)
        bens[left][0].keep(late)
        for url in read:
            await bens[url][1].aclose()
        await held(h, late)


@each_engine
async def test_lists_that_come_late_change_the_plan_when_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile what can be read is read, and it is not said that this is all."""
    monkeypatch.setattr(feed_sync, "LEARN_FIRST", 0.0)
    monkeypatch.setattr(feed_sync, "LISTS_LIMIT", LIMIT)
    here, far = signed(CY, content="here"), signed(BEN, content="far")
    async with (
        Relay(far) as bens,
        Relay(here) as mine,
        Gated(relay_list(BEN, bens.url)) as slow,
        house(tmp_path, fallback=[mine.url, slow.url]) as h,
    ):
        await h.keep(following(BEN_KEY, CY_KEY))
        h.sync.start()
        await held(h, here)
        assert not h.sync.status.is_caught_up
        slow.gate.set()
        await held(h, far)


@each_engine
async def test_progress_that_cannot_be_kept_end_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk: how far relays were read is only not remembered."""
    note = signed(BEN, content="x")

    def full(path: Path, data: bytes) -> None:
        raise StoreFull("the disk is full")

    monkeypatch.setattr(feed_progress, "write_private", full)
    monkeypatch.setattr(feed_sync, "SAVE_PROGRESS", 0.02)
    async with Relay(note) as one, house(tmp_path, fallback=[one.url]) as h:
        await h.keep(following(BEN_KEY))
        h.sync.start()
        await held(h, note)
        await until(lambda: "was not saved: the disk is full" in caplog.text)
        assert h.sync.status.running


@each_engine
async def test_reading_in_the_background_dials_no_relay_that_only_strangers_name(
    tmp_path: Path,
) -> None:
    """A stranger mentions the account, has a relay list, and says where a friend is to be found."""
    async with Relay() as mine, Relay() as spy, house(tmp_path, fallback=[mine.url]) as h:
        theirs = relay_list(CY, spy.url)
        tags = (("p", ME, spy.url), ("p", BEN_KEY, spy.url))
        mention = signed(CY, content="hi", tags=tags)
        friend = signed(BEN, content="no list of mine")
        for event in (following(BEN_KEY), theirs, mention, friend):
            mine.keep(event)
        h.sync.start()
        await held(h, mention)
        await held(h, friend)

        def asked_for_cy() -> bool:
            return any(CY_KEY in (f.authors or ()) for f in requests(mine) if 0 in (f.kinds or ()))

        await until(asked_for_cy)
        await held(h, theirs)
        await until(lambda: h.sync.status.is_caught_up)
        assert not spy.connections
        await h.profiles.fetch([CY_KEY])
        assert spy.connections


async def test_those_on_whom_nothing_depends_keep_nobody_from_being_settled(
    tmp_path: Path,
) -> None:
    """A start relay that hangs, where the own list and those of the followed name others."""
    note = signed(BEN, content="x")
    async with (
        Relay(note) as mine,
        Gated() as hangs,
        house(tmp_path, fallback=[hangs.url, mine.url]) as h,
    ):
        mine.keep(relay_list(BEN, mine.url))
        await h.keep(relay_list(ANA, mine.url), following(BEN_KEY, CY_KEY))
        h.sync.start()
        await until(lambda: h.sync.status.is_settled)
        assert not h.sync.status.is_caught_up
        assert await h.store.get(note.id)
        ends = h.sync.status.ends
        assert (ends[mine.url].spare, ends[hangs.url].spare) == (False, True)
        hangs.gate.set()
        await until(lambda: h.sync.status.is_caught_up)


async def test_a_feed_is_complete_a_while_after_the_first_relay_whoever_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The silent one is said, and what it has is shown when it comes."""
    monkeypatch.setattr(feed_sync, "COMPLETE_AFTER", 0.1)
    monkeypatch.setattr(feed_sync, "LISTS_GRACE", 0.0)
    here, late = signed(BEN, content="here"), signed(CY, content="late")
    async with Gated(here) as one, Gated(late) as other, house(tmp_path) as h:
        lists = relay_list(BEN, one.url), relay_list(CY, other.url)
        await h.keep(relay_list(ANA, one.url), following(BEN_KEY, CY_KEY), *lists)
        h.sync.start()
        await until(lambda: bool(one.sent("REQ") and other.sent("REQ")))
        assert not h.sync.status.is_complete  # nobody has answered
        one.gate.set()
        await until(lambda: h.sync.status.is_complete)
        status = h.sync.status
        assert not status.is_caught_up
        assert status.ends[one.url].how is How.ANSWERED
        assert (status.ends[other.url].how, status.ends[other.url].spare) == (How.SILENT, False)
        assert [view.event for view in await h.timeline.home()] == [here]
        other.gate.set()
        await held(h, late)
        await until(lambda: h.sync.status.is_caught_up)


async def test_what_the_relays_brought_is_counted_for_the_next_plan(tmp_path: Path) -> None:
    """Of two relays one lacks half of it, whichever of them streams. And with it all, at the end of
    a command that is over at once."""
    notes = [signed(BEN, content=f"{n}", at=START - 3600 - n) for n in range(10)]
    async with Relay(*notes) as whole, Relay(*notes[:5]) as half:
        whole.compares = half.compares = True
        async with house(tmp_path) as h:
            lists = relay_list(ANA, whole.url), relay_list(BEN, whole.url, half.url)
            await h.keep(*lists, following(BEN_KEY))
            h.sync.start()
            await until(lambda: h.sync.status.is_caught_up)
            scores = h.courier.scores
        assert scores.score(BEN_KEY, half.url).recent == Share(5, 5)
        assert scores.score(BEN_KEY, whole.url).recent == Share(5, 0)
        async with house(tmp_path) as h:
            assert h.courier.scores.score(BEN_KEY, half.url).recent == Share(5, 5)

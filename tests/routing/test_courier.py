"""Out and in: stored first, wanted next, sent then; every answer and arrival in the ledger."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nostr_client.errors import InvalidEvent, StoreError
from nostr_client.net.outcome import How
from nostr_client.net.report import Answer, Left
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing import live_feed
from nostr_client.routing.key_refusals import TRIED_AGAIN
from nostr_client.store.contract import Audited, CopyGrade, CopyState
from nostr_client.store.sqlite.store import SqliteStore
from tests.routing.rooms import (
    ANA,
    BEN,
    CY,
    DEAD,
    LIMIT,
    START,
    Clock,
    Relay,
    forged,
    relay_list,
    rooms,
    signed,
)
from tests.waiting import time_passes, until

each_engine = pytest.mark.usefixtures("client_engine")

NOTES = Filter.of(kinds=[1])


@each_engine
async def test_an_event_is_on_disk_with_its_wants_before_it_is_sent(tmp_path: Path) -> None:
    async with Relay() as one, rooms(tmp_path, fallback=[one.url]) as r:
        note = signed(content="hi")
        seen: list[tuple[bool, set[str]]] = []
        publish = r.pool.publish

        async def spy(event, urls, **options):  # type: ignore[no-untyped-def]
            copies = await r.store.ledger.copies(event.id)
            seen.append((await r.store.get(event.id) is not None, {c.url for c in copies}))
            return await publish(event, urls, **options)

        r.courier.pool.publish = spy  # type: ignore[method-assign]
        report = await r.courier.publish(note)
        assert report.accepted == (one.url,)
        assert seen == [(True, {one.url})]
        assert one.has(note)


@pytest.mark.usefixtures("asks_briefly")
async def test_each_answer_goes_to_the_ledger_as_it_comes(tmp_path: Path) -> None:
    async with (
        Relay() as good,
        Relay() as slow,
        Relay() as blocks,
        Relay() as busy,
        rooms(tmp_path, fallback=[good.url, slow.url, blocks.url, busy.url, DEAD]) as r,
    ):
        slow.silent = True
        blocks.refuses = "blocked: not on our list"
        busy.refuses = "rate-limited: slow down"
        note = signed(content="hi")
        heard: list[Answer] = []
        planned: list[bool] = []
        r.courier.on_planned = lambda: planned.append(True)
        task = asyncio.create_task(r.courier.publish(note, timeout=LIMIT, on_answer=heard.append))

        async def confirmed() -> bool:
            states = {c.url: c.state for c in await r.store.ledger.copies(note.id)}
            return states.get(good.url) is CopyState.CONFIRMED

        await until(confirmed)
        assert slow.url not in {answer.url for answer in heard}
        await slow.end()
        report = await task
        assert report.accepted == (good.url,)
        copies = {c.url: c for c in await r.store.ledger.copies(note.id)}
        assert {answer.url for answer in heard} == set(copies)
        assert copies[blocks.url].state is CopyState.REFUSED
        assert copies[blocks.url].reason == "not on our list"
        assert copies[busy.url].state is CopyState.FAILED
        assert copies[busy.url].next_try == START + 30
        assert copies[slow.url].state is CopyState.FAILED
        assert copies[DEAD].state is CopyState.WANTED, "it was handed nothing"
        assert copies[DEAD].reason.startswith("connect: ")
        assert planned == [True]


async def test_offline_is_a_report_and_leaves_wants(tmp_path: Path) -> None:
    async with rooms(tmp_path, fallback=[DEAD]) as r:
        note = signed(content="hi")
        report = await r.courier.publish(note)
        assert not report.ok
        assert report.unanswered[0].url == DEAD
        assert [c.url for c in await r.store.ledger.due(START + 60)] == [DEAD]
    async with rooms(tmp_path, fallback=[]) as r:  # and after a restart they are still there
        assert (await r.courier.publish(signed(content="again"))).answers == ()
        assert [c.url for c in await r.store.ledger.due(START + 60)] == [DEAD]


@pytest.mark.usefixtures("asks_briefly")
async def test_a_cancelled_publication_loses_nothing(tmp_path: Path) -> None:
    async with Relay() as slow, rooms(tmp_path, fallback=[slow.url]) as r:
        slow.silent = True
        note = signed(content="hi")
        task = asyncio.create_task(r.courier.publish(note))
        await until(lambda: slow.sent("EVENT"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await r.store.get(note.id) == note
        assert [c.url for c in await r.store.ledger.due(START + 60)] == [slow.url]


@each_engine
async def test_ephemeral_events_are_sent_and_not_wanted(tmp_path: Path) -> None:
    async with Relay() as one, rooms(tmp_path, fallback=[one.url]) as r:
        event = signed(kind=20_001)
        assert (await r.courier.publish(event)).ok
        assert await r.store.ledger.copies(event.id) == []


@each_engine
async def test_what_the_store_will_not_hold_is_not_sent(tmp_path: Path) -> None:
    async with Relay() as one, rooms(tmp_path, fallback=[one.url]) as r:
        newer = signed(kind=0, content="{}", at=START + 5)
        older = signed(kind=0, content="{}", at=START)
        await r.courier.publish(newer)
        with pytest.raises(InvalidEvent, match="newer version"):
            await r.courier.publish(older)
        note = signed(content="x")
        await r.store.save([note, signed(kind=5, tags=(("e", note.id),))])
        with pytest.raises(InvalidEvent, match="deleted"):
            await r.courier.publish(note)
        assert not one.has(older)
        assert not one.has(note)


@each_engine
async def test_a_deletion_follows_the_copies(tmp_path: Path) -> None:
    async with Relay() as home, Relay() as far, rooms(tmp_path, fallback=[home.url]) as r:
        note = signed(content="oops")
        await r.store.save([note])
        await r.store.ledger.confirm([(note.id, far.url)])
        gone = signed(kind=5, tags=(("e", note.id), ("k", "1")), at=START + 1)
        report = await r.courier.publish(gone)
        assert set(report.accepted) == {home.url, far.url}
        assert await r.store.get(note.id) is None


@each_engine
async def test_relays_that_get_a_note_hear_where_its_author_writes(tmp_path: Path) -> None:
    async with Relay() as home, Relay() as inbox, rooms(tmp_path) as r:
        mine = relay_list(ANA, home.url)
        await r.store.save([mine, relay_list(BEN, inbox.url)])
        await r.store.ledger.confirm([(mine.id, home.url)])
        note = signed(content="hi", tags=(("p", BEN.public_key.hex),))
        report = await r.courier.publish(note)
        assert set(report.accepted) == {home.url, inbox.url}
        assert inbox.has(mine)
        assert not home.has(mine)
        copies = {c.url: c for c in await r.store.ledger.copies(mine.id)}
        assert copies[inbox.url].state is CopyState.CONFIRMED
        assert not copies[inbox.url].wanted


# In


@each_engine
async def test_ask_saves_what_comes_and_tells_how_each_relay_ended(tmp_path: Path) -> None:
    note = signed(BEN, content="hello")
    async with (
        Relay(note) as one,
        Relay(note) as two,
        Relay(note) as wall,
        Relay(note) as silent,
        rooms(tmp_path) as r,
    ):
        wall.words = "auth-required: who are you?"
        silent.silent = True
        urls = [one.url, two.url, wall.url, silent.url, DEAD, "ws://10.0.0.1"]
        asking = asyncio.create_task(r.courier.fetch_from([NOTES], urls, timeout=LIMIT))

        async def saved() -> bool:
            return len(await r.store.ledger.copies(note.id)) == 2

        await until(saved)
        await until(lambda: silent.sent("REQ") and wall.sent("REQ"))
        # They have answered the first question when they answer the second.
        await r.courier.fetch_from(
            [Filter.of(kinds=[7])], [one.url, two.url, wall.url], timeout=LIMIT
        )
        assert not asking.done()
        time_passes(LIMIT)
        asked = await asking
        assert asked.new == 1
        assert list(asked.events) == [note.id]
        assert {url: (end.how, end.events) for url, end in asked.ends.items()} == {
            one.url: (How.ANSWERED, 1),
            two.url: (How.ANSWERED, 1),
            wall.url: (How.NOT_ALLOWED, 0),
            silent.url: (How.SILENT, 0),
            DEAD: (How.UNREACHABLE, 0),
            "ws://10.0.0.1": (How.NOT_ASKED, 0),
        }
        assert asked.answered == (one.url, two.url)
        end = asked.ends[wall.url]
        assert (end.prefix, end.reason) == ("auth-required", "who are you?")
        assert str(end) == f"{wall.url}: not allowed (auth-required: who are you?)"
        copies = await r.store.ledger.copies(note.id)
        assert {c.url for c in copies} == {one.url, two.url}
        assert all(c.state is CopyState.CONFIRMED and not c.wanted for c in copies)
        assert r.book.hints(BEN.public_key.hex)


@each_engine
async def test_a_forgery_is_neither_stored_nor_a_copy(tmp_path: Path) -> None:
    note = signed(BEN, content="hello")
    async with Relay(forged(note)) as liar, Relay(note) as honest, rooms(tmp_path) as r:
        await r.courier.fetch_from([NOTES], [liar.url], timeout=LIMIT)
        assert await r.store.get(note.id) is None
        await r.courier.fetch_from([NOTES], [liar.url, honest.url], timeout=LIMIT)
        assert await r.store.get(note.id) == note
        assert [c.url for c in await r.store.ledger.copies(note.id)] == [honest.url]


@each_engine
async def test_fetch_goes_where_authors_write(tmp_path: Path) -> None:
    from_ben, from_cy = signed(BEN, content="b"), signed(CY, content="c")
    async with (
        Relay(from_ben) as bens,
        Relay(from_cy) as own,
        rooms(tmp_path, fallback=[own.url]) as r,
    ):
        await r.store.save([relay_list(BEN, bens.url)])
        both = Filter.of(authors=[BEN.public_key.hex, CY.public_key.hex], kinds=[1])
        assert (await r.courier.fetch([both])).new == 2
        [request] = [frame for frame in bens.sent("REQ") if frame[2]["kinds"] == [1]]
        assert request[2]["authors"] == [BEN.public_key.hex]
        [request] = [frame for frame in own.sent("REQ") if frame[2]["kinds"] == [1]]
        assert request[2]["authors"] == [CY.public_key.hex]
        assert (await r.courier.fetch([Filter.of(ids=[from_cy.id])])).new == 0


async def test_fetch_offline_is_nothing(tmp_path: Path) -> None:
    async with rooms(tmp_path, fallback=[DEAD]) as r:
        asked = await r.courier.fetch([NOTES])
        assert (asked.new, [end.how for end in asked.ends.values()]) == (0, [How.UNREACHABLE])
        assert (await r.courier.fetch([NOTES], [])).ends == {}
        assert (await r.courier.fetch([])).ends == {}


@each_engine
async def test_follow_fills_the_store_and_says_when_it_has_caught_up(tmp_path: Path) -> None:
    old, new = signed(BEN, content="old"), signed(BEN, content="new", at=START + 1)
    async with Relay(old) as one, rooms(tmp_path) as r:
        taken: list[str] = []
        r.courier.on_saved = lambda events: taken.extend(e.id for e in events)
        async with r.courier.subscribe([NOTES], [one.url, DEAD]) as following:
            assert await following.wait_caught_up(LIMIT)
            assert following.read == {one.url}
            assert await r.store.get(old.id) == old
            async with r.store.watch([NOTES]) as watch:
                await r.pool.publish(new, [one.url])
                async with asyncio.timeout(LIMIT):
                    assert await anext(watch) == new
                    await until(lambda: len(taken) == 2)
        assert taken == [old.id, new.id]
        await until(lambda: one.sent("CLOSE"))


async def test_a_store_that_fails_pauses_the_reading_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "STORE_PAUSE", 0.05)
    note = signed(BEN, content="hello")
    async with Relay(note) as one, rooms(tmp_path) as r:
        save, failures = SqliteStore.save, [StoreError("the disk is full")] * 3

        async def failing(self, events):  # type: ignore[no-untyped-def]
            if failures:
                raise failures.pop()
            return await save(self, events)

        monkeypatch.setattr(SqliteStore, "save", failing)
        async with r.courier.subscribe([NOTES], [one.url]) as following:

            async def stored() -> bool:
                if failures and len(failures) < 3:
                    assert following.problem == "the disk is full"
                return await r.store.get(note.id) is not None

            await until(stored)
            await until(lambda: not following.problem)
        assert not failures


async def test_reading_back_takes_every_page(tmp_path: Path) -> None:
    notes = [signed(BEN, content=str(n), at=START + n) for n in range(700)]
    async with Relay(*notes) as one, rooms(tmp_path) as r:
        assert await r.courier.read_back([NOTES], one.url)
        assert await r.store.count([NOTES]) == 700
        assert not await r.courier.read_back([NOTES], DEAD, limit=3)


@each_engine
async def test_a_gift_wrap_goes_to_the_inbox_only(tmp_path: Path) -> None:
    async with Relay() as home, Relay() as inbox, rooms(tmp_path, fallback=[home.url]) as r:
        await r.store.save([signed(BEN, kinds.DM_RELAYS, tags=(("relay", inbox.url),))])
        wrap = signed(kind=kinds.GIFT_WRAP, content="x", tags=(("p", BEN.public_key.hex),))
        assert (await r.courier.publish(wrap)).accepted == (inbox.url,)
        assert home.connections == 0


@each_engine
@pytest.mark.parametrize("kind", [kinds.NOTE, kinds.REACTION])
async def test_whoever_is_addressed_gets_it_at_once_though_their_list_was_not_here(
    tmp_path: Path, kind: int
) -> None:
    """The list is fetched before the plan is made; nobody is followed, nothing was known."""
    async with (
        Relay() as inbox,
        Relay(relay_list(BEN, inbox.url)) as hub,
        rooms(tmp_path, fallback=[hub.url]) as r,
    ):
        tags = (("p", BEN.public_key.hex), ("p", CY.public_key.hex), ("p", BEN.public_key.hex))
        report = await r.courier.publish(signed(kind=kind, content="+", tags=tags))
        assert set(report.accepted) == {hub.url, inbox.url}
        assert report.left_out == {CY.public_key.hex: Left.UNKNOWN}
        assert "1 of those addressed left out: no relay is known where they read" in str(report)


@each_engine
async def test_what_was_saved_and_not_planned_is_planned_with_the_lists_it_needs(
    tmp_path: Path,
) -> None:
    async with (
        Relay() as inbox,
        Relay(relay_list(BEN, inbox.url)) as hub,
        rooms(tmp_path, fallback=[hub.url]) as r,
    ):
        note = signed(content="x", tags=(("p", BEN.public_key.hex),))
        await r.courier.save(note)
        assert set(await r.courier.plan(note)) == {hub.url, inbox.url}


async def test_a_request_to_vanish_goes_where_it_names_and_nothing_is_brought_back_there(
    tmp_path: Path,
) -> None:
    async with Relay() as one, Relay() as other, rooms(tmp_path) as r:
        await r.store.save([relay_list(ANA, one.url, other.url)])
        note = signed(content="x", at=START + 5)
        await r.courier.publish(note)
        later = signed(content="y", at=START + 20)
        vanish = signed(kind=kinds.VANISH, tags=(("relay", f"{one.url}/"),), at=START + 10)
        report = await r.courier.publish(vanish)
        assert [answer.url for answer in report.answers] == [one.url]
        assert one.has(vanish)
        assert not other.has(vanish)
        assert await r.courier.plan(vanish) == (one.url,)
        assert await r.courier.plan(note) == (other.url,)
        assert set(await r.courier.plan(later)) == {one.url, other.url}
        every = signed(kind=kinds.VANISH, tags=(("relay", "ALL_RELAYS"),), at=START + 15)
        assert set(await r.courier.plan(every)) == {one.url, other.url}
        await r.store.save([every])
        assert await r.courier.plan(note) == ()
        assert set(await r.courier.plan(later)) == {one.url, other.url}


async def test_a_protected_event_is_sent_where_its_author_may_be_known(tmp_path: Path) -> None:
    async with Relay() as own, Relay() as inbox, rooms(tmp_path) as r:
        await r.store.save([relay_list(ANA, own.url), relay_list(BEN, inbox.url)])
        tags = (("-",), ("p", BEN.public_key.hex))
        await r.courier.publish(signed(content="x", tags=tags))
        assert own.sent("EVENT")
        assert not inbox.sent("EVENT")
        foreign = signed(BEN, content="x", tags=(("-",),))
        assert await r.courier.plan(foreign) == ()


@pytest.mark.usefixtures("asks_briefly")
async def test_an_ok_after_the_limit_counts_all_the_same(tmp_path: Path) -> None:
    async with Relay() as slow, rooms(tmp_path, fallback=[slow.url]) as r:
        slow.silent = True
        note = signed(content="patience")
        posting = asyncio.create_task(r.courier.publish(note, timeout=LIMIT))
        await until(lambda: slow.sent("EVENT"))
        time_passes(LIMIT)
        report = await posting
        assert report.unanswered[0].url == slow.url
        await slow.say("OK", note.id, True, "")

        async def confirmed() -> bool:
            return [c.state for c in await r.store.ledger.copies(note.id)] == [CopyState.CONFIRMED]

        await until(confirmed)


@each_engine
async def test_the_only_relay_is_tried_though_it_was_down_a_moment_ago(tmp_path: Path) -> None:
    """Nobody else is there to keep the note: to wait for its rest would be in vain."""
    async with (
        Relay() as only,
        Relay() as other,
        rooms(tmp_path, fallback=[only.url], minds_outages=True) as r,
    ):
        await r.store.save([relay_list(ANA, only.url)])
        r.pool.outages.reached(other.url)
        r.pool.outages.failed(only.url)
        assert r.pool.outages.down() == {only.url}
        report = await r.courier.publish(signed(ANA))
        assert report.accepted == (only.url,)
        assert report.instead == ()


async def test_what_a_relay_refused_for_good_is_not_sent_there_again(tmp_path: Path) -> None:
    async with Relay() as one, Relay() as blocks, Relay() as drops:  # noqa: SIM117 - their URLs
        async with rooms(tmp_path, fallback=[one.url, blocks.url, drops.url]) as r:
            blocks.refuses = "blocked: not on our list"
            note = signed(content="hi")
            await r.courier.publish(note)
            lie = Audited(note.id, drops.url, CopyState.DROPPED, CopyGrade.NONE, 0, 1, "not there")
            await r.store.ledger.audited([lie])
            heard: list[Answer] = []
            report = await r.courier.publish(note, on_answer=heard.append)
            assert {a.url for a in heard} == {one.url, blocks.url, drops.url}
            assert len(one.sent("EVENT")) == 2
            assert len(blocks.sent("EVENT")) == len(drops.sent("EVENT")) == 1
            [refused] = report.refused
            assert (refused.url, refused.prefix, refused.handed) == (blocks.url, "blocked", False)
            assert "before" in str(refused)
            copies = {c.url: c.state for c in await r.store.ledger.copies(note.id)}
            assert copies[blocks.url] is CopyState.REFUSED
            assert copies[drops.url] is CopyState.DROPPED


async def test_who_refuses_all_that_we_write_gets_nothing_new_but_a_note_a_day(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with Relay() as one, Relay() as blocks:  # noqa: SIM117 - their URLs
        async with rooms(tmp_path, fallback=[one.url, blocks.url], clock=clock) as r:
            blocks.refuses = "restricted: members only"

            async def pushed(note: Event) -> bool:
                clock.now += 10
                before = len(blocks.sent("EVENT"))
                report = await r.courier.publish(note)
                assert report.accepted == (one.url,) or not blocks.refuses
                answers = {a.url: a for a in report.answers}
                assert blocks.url in answers, "it is told all the same"
                return len(blocks.sent("EVENT")) > before

            assert [await pushed(signed(content=f"{n}")) for n in range(5)] == [True] * 3 + [
                False
            ] * 2
            assert await r.courier.key_refusals.shut(ANA.public_key.hex) == {blocks.url}
            clock.now += TRIED_AGAIN
            assert [await pushed(signed(content=f"later {n}")) for n in range(2)] == [True, False]
            listed = relay_list(ANA, one.url, blocks.url, at=int(clock.now) + 5)
            assert await pushed(listed), "the person has looked at the relays"
            assert not await pushed(signed(content="still not"))
            blocks.refuses = ""
            clock.now += TRIED_AGAIN
            assert [await pushed(signed(content=f"again {n}")) for n in range(2)] == [True, True]
            assert await r.courier.key_refusals.shut(ANA.public_key.hex) == frozenset()

"""Reading by the front door: history, counts, sets made alike, and where events came from."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from nostr_client.client.counting import Precision
from nostr_client.client.history import PagedHistory
from nostr_client.errors import ConfigError, FeedRefused
from nostr_client.net.outcome import How, Outcome
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from tests.client.test_client import DEAD, client
from tests.loopback import loopback_only
from tests.routing.moody import LIMIT, Relay
from tests.waiting import until

__all__ = ["loopback_only"]

AUTHOR = SecretKey.from_hex("4" * 64)
NOTES = Filter.of(kinds=[1])
THEN = 1_700_000_000


def note(n: int, at: int) -> Event:
    return Draft(1, f"note {n}").sign(AUTHOR, at)


async def read(history: PagedHistory) -> list[Event]:
    """All events, which come from the newest back, and none twice."""
    found: list[Event] = []
    async for page in history:
        assert min(event.created_at for event in page) >= page.since
        found += page
    assert [e.order for e in found] == sorted(e.order for e in found)
    assert len({event.id for event in found}) == len(found)
    return found


# History


async def test_history_is_all_that_several_relays_hold_in_the_order_of_time(tmp_path: Path) -> None:
    events = [note(n, THEN + n // 3) for n in range(60)]
    async with Relay(*events[:40]) as one, Relay(*events[20:]) as other, client(tmp_path) as c:
        one.cap = 7
        other.cap = 11
        history = c.history(NOTES, relays=[one.url, other.url], page=10)
        found = await read(history)
        assert set(found) == set(events)
        assert not history.missed
        assert await c.relays_of(events[30]) == tuple(sorted([one.url, other.url]))
        assert await c.relays_of(events[0].id) == (one.url,)
        since = c.history(NOTES.changed(since=THEN + 10, until=THEN + 12), relays=[one.url])
        assert set(await read(since)) == set(events[30:39])


async def test_a_second_that_does_not_fit_into_a_page_is_asked_for_whole(tmp_path: Path) -> None:
    crowd = [note(n, THEN) for n in range(30)]
    around = [note(90, THEN + 5), note(91, THEN - 5)]
    async with Relay(*crowd, *around) as relay, client(tmp_path) as c:
        history = c.history(NOTES, relays=[relay.url], page=8)
        assert set(await read(history)) == {*crowd, *around}
        assert not history.missed


async def test_a_relay_with_more_of_a_second_than_it_shows_is_compared_or_says_so(
    tmp_path: Path,
) -> None:
    crowd = [note(n, THEN) for n in range(130)]
    around = [note(900, THEN + 5), note(901, THEN - 5)]
    async with (
        Relay(*crowd, *around) as shy,
        Relay(*crowd, *around) as open_,
        client(tmp_path) as c,
    ):
        shy.cap = open_.cap = 110
        open_.compares = True
        history = c.history(NOTES, relays=[shy.url])
        assert 110 <= len(await read(history)) < 132
        assert not history.complete
        assert history.ends[shy.url].crowded_at == (THEN,)
        assert history.outcome is Outcome.INCOMPLETE
    async with Relay(*crowd, *around) as frank, client(tmp_path / "other") as c:
        frank.cap, frank.compares = 110, True
        history = c.history(NOTES, relays=[frank.url])
        assert set(await read(history)) == {*crowd, *around}
        assert not history.missed


async def test_what_its_author_took_back_is_not_in_a_history(tmp_path: Path) -> None:
    gone, fine = note(1, THEN), note(2, THEN)
    deletion = Draft(5, "", (("e", gone.id),)).sign(AUTHOR, THEN + 1)
    async with Relay(gone, fine) as relay, client(tmp_path) as c:
        await c.store.save([deletion])
        assert await read(c.history(NOTES, relays=[relay.url])) == [fine]


async def test_a_relay_that_is_not_there_is_missed_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nostr_client.client.history.AGAIN_AFTER", (0.0,))
    async with Relay(note(1, THEN)) as relay, client(tmp_path) as c:
        history = c.history(NOTES, relays=[relay.url, DEAD])
        assert len(await read(history)) == 1
        assert history.missed.keys() == {DEAD}
        assert history.ends[DEAD].how is How.UNREACHABLE
        assert not history.complete
        with pytest.raises(ConfigError):
            c.history(Filter.of(search="words"))


async def test_history_was_a_room_and_that_still_works_for_a_release(tmp_path: Path) -> None:
    async with client(tmp_path) as c:
        with pytest.warns(DeprecationWarning, match=r"client\.comparisons\.compare"):
            assert c.history.compare == c.comparisons.compare  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            _ = c.history.nonsense  # type: ignore[attr-defined]


# The feed


async def test_a_feed_loses_nothing_that_was_made_while_its_relay_was_dead(tmp_path: Path) -> None:
    now = int(time.time())
    made = [note(n, now + n // 5) for n in range(70)]
    async with client(tmp_path) as c:
        async with Relay(made[0]) as relay:
            feed = c.feed(NOTES.changed(since=now), relays=[relay.url])
            assert await anext(feed) == made[0]
            await until(lambda: relay.listened)
        async with Relay(*made, port=relay.port) as again:
            again.cap = 8  # and it says nowhere that it has more
            await until(lambda: c.pool.retry_now() or again.listened)
            came = [await asyncio.wait_for(anext(feed), LIMIT) for _ in made[1:]]
            await again.tell(last := note(99, now + 60))
            assert await asyncio.wait_for(anext(feed), LIMIT) == last
        assert len(set(came)) == len(came)
        assert set(came) == set(made[1:])
        await feed.aclose()
        assert await c.relays_of(came[0]) == (relay.url,)


async def test_a_feed_from_a_while_ago_has_all_of_it(tmp_path: Path) -> None:
    now = int(time.time())
    made = [note(n, now - n) for n in range(70)]
    async with Relay(*made) as relay, client(tmp_path) as c:
        relay.cap = 8
        feed = c.feed(NOTES.changed(since=now - 100), relays=[relay.url])
        came = [await asyncio.wait_for(anext(feed), LIMIT) for _ in made]
        assert set(came) == set(made)
        await feed.aclose()


@pytest.mark.parametrize("compares", [True, False])
async def test_a_feed_compares_a_second_that_is_larger_than_a_page_or_names_it(
    tmp_path: Path, compares: bool
) -> None:
    now = int(time.time())
    crowd = [note(n, now - 50) for n in range(30)]
    around = [note(90, now - 40), note(91, now - 60)]
    async with Relay(*crowd, *around) as relay, client(tmp_path) as c:
        relay.cap, relay.compares = 8, compares
        feed = c.feed(NOTES.changed(since=now - 100), relays=[relay.url])
        shown = len(crowd) if compares else relay.cap
        came = [await asyncio.wait_for(anext(feed), LIMIT) for _ in range(shown + len(around))]
        await relay.tell(last := note(99, now + 60))
        assert await asyncio.wait_for(anext(feed), LIMIT) == last
        assert set(around) < set(came) < {*crowd, *around} or compares
        assert len(set(came)) == len(came)
        await until(lambda: feed.ends[relay.url].answered)
        named = () if compares else (now - 50,)
        await until(lambda: feed.ends[relay.url].crowded_at == named)
        assert set(feed.missed) == (set() if compares else {relay.url})
        await feed.aclose()


async def test_a_feed_compares_what_a_break_left_too_crowded(tmp_path: Path) -> None:
    now = int(time.time())
    crowd = [note(n, now + 5) for n in range(30)]
    async with client(tmp_path) as c:
        async with Relay(first := note(90, now)) as relay:
            feed = c.feed(NOTES.changed(since=now), relays=[relay.url])
            assert await anext(feed) == first
            await until(lambda: relay.listened)
        async with Relay(first, *crowd, port=relay.port) as again:
            again.cap, again.compares = 8, True
            await until(lambda: c.pool.retry_now() or again.listened)
            came = [await asyncio.wait_for(anext(feed), LIMIT) for _ in crowd]
            assert set(came) == set(crowd)
            await until(lambda: not feed.missed)
        await feed.aclose()


async def test_a_feed_that_every_relay_refuses_says_so(tmp_path: Path) -> None:
    async with Relay() as one, Relay() as other, client(tmp_path) as c:
        one.words, other.words = "restricted: members only", "invalid: no such kind"
        feed = c.feed(NOTES, relays=[one.url, other.url])
        with pytest.raises(FeedRefused, match="members only") as refused:
            await asyncio.wait_for(anext(feed), LIMIT)
        ends = {end.url: end for end in refused.value.ends}
        assert ends[one.url].prefix == "restricted"
        assert ends[other.url].reason == "no such kind"
        assert feed.missed.keys() == ends.keys()


async def test_a_feed_goes_on_while_one_relay_may_still_answer(tmp_path: Path) -> None:
    async with Relay() as one, Relay() as fine, client(tmp_path) as c:
        one.words = "restricted: members only"
        feed = c.feed(NOTES, relays=[one.url, fine.url, DEAD])
        waiting = asyncio.create_task(anext(feed))
        await until(lambda: feed.missed.keys() == {one.url, DEAD} and fine.listened)
        await fine.tell(new := note(1, int(time.time()) + 1))
        assert await asyncio.wait_for(waiting, LIMIT) == new
        await feed.aclose()


async def test_a_feed_behind_a_wall_that_is_told_nothing_is_refused(tmp_path: Path) -> None:
    async with Relay() as wall, client(tmp_path) as c:
        wall.challenge, wall.words = "who", "auth-required: who are you?"
        feed = c.feed(NOTES, relays=[wall.url])
        with pytest.raises(FeedRefused, match="who are you"):
            await asyncio.wait_for(anext(feed), LIMIT)


# What relays take


async def test_what_a_relay_refused_as_too_much_is_known_to_the_next_client(
    tmp_path: Path,
) -> None:
    filters = [Filter.of(kinds=[kind]) for kind in range(1, 7)]
    async with Relay(note(1, THEN)) as relay:
        relay.most_filters = 2
        for asked in ([6, 2, 2, 2], [2, 2, 2]):
            relay.log.clear()
            async with client(tmp_path) as c:
                await c.relay_facts.known()
                found = await c.fetch(*filters, relays=[relay.url])
                assert found.complete
                assert [event.content for event in found] == ["note 1"]
                first = [frame for frame in relay.sent("REQ") if "until" not in frame[2]]
                assert [len(frame) - 2 for frame in first] == asked
                await until(lambda c=c: c.relay_facts.limits_of(relay.url).max_filters == 2)


# Counting


async def test_counts_are_exact_estimated_or_a_lower_bound(tmp_path: Path) -> None:
    people = [SecretKey.from_hex(f"{n + 1:064x}") for n in range(40)]
    target = AUTHOR.public_key.hex
    follows = [Draft(3, "", (("p", target),)).sign(key, THEN) for key in people]
    asked = Filter.of(kinds=[3], p=[target])
    async with Relay(*follows[:30]) as one, Relay(*follows[10:]) as other, client(tmp_path) as c:
        one.counts = other.counts = True
        alone = await c.count(asked, relays=[one.url])
        assert (alone.count, alone.precision, str(alone)) == (30, Precision.EXACT, "30")
        both = await c.count(asked, relays=[one.url, other.url])
        assert (both.count, both.precision) == (30, Precision.AT_LEAST)
        assert [answer.count for answer in both.answers] == [30, 30]
        one.sketches = other.sketches = True
        merged = await c.count(asked, relays=[one.url, other.url])
        assert merged.precision is Precision.ESTIMATE
        assert merged.count is not None
        assert 34 <= merged.count <= 46
        assert merged.authors == merged.count
        dead = await c.count(asked, relays=[DEAD])
        assert (dead.count, dead.precision) == (None, Precision.UNKNOWN)
        assert dead.missed[0].problem
        some = await c.count(asked, relays=[one.url, DEAD])
        assert (some.count, some.precision) == (30, Precision.AT_LEAST)


# Sets made alike


async def test_sets_are_made_alike_both_ways(tmp_path: Path) -> None:
    events = [note(n, THEN + n) for n in range(30)]
    protected = Draft(1, "not mine", (("-",),)).sign(AUTHOR, THEN)
    async with Relay(*events[:20]) as one, Relay() as pages, client(tmp_path) as c:
        one.compares = True
        await c.store.save([*events[10:], protected])
        assert [
            (len(d.compared.here), len(d.compared.there), d.brought, d.sent)
            async for d in c.reconcile(NOTES, relays=[one.url], direction="none")
        ] == [(11, 10, 0, 0)]
        both = [
            done async for done in c.reconcile(NOTES, relays=[one.url, pages.url], direction="both")
        ]
        assert [(d.brought, d.sent, d.withheld) for d in both] == [(10, 10, 1), (0, 30, 1)]
        assert {event.id for event in one.held} == {event.id for event in events}
        assert {event.id for event in pages.held} == {event.id for event in events}
        with pytest.raises(ValueError, match="sideways"):
            async for _ in c.reconcile(NOTES, relays=[one.url], direction="sideways"):
                pass
        [dead] = [d async for d in c.reconcile(NOTES, relays=[DEAD])]
        assert not dead.complete


async def test_the_former_name_of_the_background_reading_warns(tmp_path: Path) -> None:
    async with client(tmp_path) as c:
        with pytest.warns(DeprecationWarning, match="start_reading"):
            c.sync()

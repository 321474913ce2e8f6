"""Publishing by the front door: one event with its answers, and many."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from nostr_client.client import NostrClient
from nostr_client.errors import ConfigError, InvalidEvent, PublishFailed
from nostr_client.net.outcome import How
from nostr_client.net.report import Answer
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.social.views import NotPosted, Posted
from nostr_client.store.contract import CopyState
from tests.client.test_client import DEAD, client
from tests.loopback import loopback_only
from tests.routing.moody import Relay
from tests.waiting import until

__all__ = ["loopback_only"]

STRANGER = SecretKey.from_hex("3" * 64)


def notes(many: int) -> list[Event]:
    return [Draft(1, f"note {n}").sign(STRANGER, 1_700_000_000 + n) for n in range(many)]


async def confirmed(c: NostrClient, event: Event) -> set[str]:
    copies = await c.copies.copies(event.id)
    return {copy.url for copy in copies if copy.state is CopyState.CONFIRMED}


async def test_answers_come_one_by_one_and_what_was_posted_last(tmp_path: Path) -> None:
    async with Relay() as yes, Relay() as no, client(tmp_path) as c:
        no.refuses = "blocked: not here"
        said = [one async for one in c.publishing(Draft(1, "hi"), relays=[yes.url, no.url])]
    *answers, posted = said
    assert isinstance(posted, Posted)
    assert all(isinstance(one, Answer) for one in answers)
    assert set(posted.report.answers) == set(answers)
    assert posted.ok
    [refused] = posted.report.refused
    assert (refused.accepted, refused.prefix, refused.reason) == (False, "blocked", "not here")


async def test_relays_that_are_named_get_it_in_place_of_the_plan_s(tmp_path: Path) -> None:
    async with Relay() as planned, Relay() as named, client(tmp_path, relays=[planned.url]) as c:
        [event] = notes(1)
        posted = await c.publish(event, relays=[named.url])
        assert posted.report.accepted == (named.url,)
        assert not planned.has(event)
        with pytest.raises(ConfigError):
            await c.publish(event, relays=["https://relay.example"])
        posted = await c.publish(event, relays=[DEAD])
        with pytest.raises(PublishFailed):
            posted.raise_if_failed()


async def test_a_list_with_a_name_is_not_overwritten_unread(tmp_path: Path) -> None:
    """As little as a replaceable one (NIP-51): what another program wrote into it would be gone."""
    async with Relay() as relay, client(tmp_path, relays=[relay.url]) as c:
        draft = Draft(30000, "", (("d", "friends"), ("p", STRANGER.public_key.hex)))
        with pytest.raises(InvalidEvent, match="list"):
            await c.publish(draft)
        [done] = [one async for one in c.publish_many([draft])]
        assert isinstance(done, NotPosted)


async def test_many_are_stored_then_sent_and_each_has_its_report(tmp_path: Path) -> None:
    async with Relay() as one, Relay() as other, client(tmp_path) as c:
        other.refuses = "rate-limited: slowly"
        events = notes(40)
        drafts = [Draft(1, f"draft {n}") for n in range(3)]
        given: list[Draft | Event] = [*drafts, *events, events[0]]
        done = [
            posted
            async for posted in c.publish_many(
                given, relays=[one.url, other.url], ordered=True, in_flight=16
            )
        ]
        assert [d.event.content for d in done if isinstance(d, Posted)] == [
            *(draft.content for draft in drafts),
            *(event.content for event in events),
            "note 0",
        ]
        for posted in done:
            assert isinstance(posted, Posted)
            assert posted.report.accepted == (one.url,)
            assert posted.report.refused[0].prefix == "rate-limited"
            assert await confirmed(c, posted.event) == {one.url}
        assert len(one.held) == len(done) - 1
        assert await c.store.known([event.id for event in events])


async def test_one_bad_event_ends_no_others(tmp_path: Path) -> None:
    fine, forged = notes(2)
    forged = Event.from_dict(forged.to_dict() | {"sig": "0" * 128})

    async def given() -> AsyncIterator[Draft | Event]:
        yield forged
        yield Draft(3, "a list")
        yield fine

    async with Relay() as relay, client(tmp_path) as c:
        done = [one async for one in c.publish_many(given(), relays=[relay.url])]
        bad = [one for one in done if isinstance(one, NotPosted)]
        assert [one.event for one in done if isinstance(one, Posted)] == [fine]
        assert {type(one.error) for one in bad} == {InvalidEvent}
        assert len(bad) == 2
        assert relay.held == [fine]
        with pytest.raises(InvalidEvent):
            bad[0].raise_if_failed()


async def test_what_an_iterable_raises_is_raised(tmp_path: Path) -> None:
    def given() -> Iterator[Event]:
        yield from notes(1)
        raise LookupError("no more")

    async with client(tmp_path) as c:
        with pytest.raises(LookupError):
            _ = [one async for one in c.publish_many(given(), relays=[DEAD])]


async def test_no_more_is_read_than_reports_are_taken(tmp_path: Path) -> None:
    read = 0

    def given() -> Iterator[Event]:
        nonlocal read
        for event in notes(60):
            read += 1
            yield event

    async with Relay() as relay, client(tmp_path) as c:
        taken = 0
        async for posted in c.publish_many(given(), relays=[relay.url], in_flight=8):
            taken += 1
            assert posted.ok
            assert read <= taken + 8
        assert taken == 60


async def test_a_silent_relay_is_not_waited_for_again(tmp_path: Path) -> None:
    async with Relay() as relay, Relay() as silent, client(tmp_path) as c:
        silent.silent = True
        urls = [relay.url, silent.url]
        done = [one async for one in c.publish_many(notes(30), relays=urls, timeout=0.2)]
        assert len(done) == 30
        for posted in done:
            assert isinstance(posted, Posted)
            [missing] = posted.report.unanswered
            assert missing.how is How.SILENT
            states = {copy.url: copy.state for copy in await c.copies.copies(posted.event.id)}
            assert states[relay.url] is CopyState.CONFIRMED
            assert states[silent.url] in (CopyState.WANTED, CopyState.FAILED)


async def test_without_relays_they_go_where_they_belong(tmp_path: Path) -> None:
    async with Relay() as relay, client(tmp_path, relays=[relay.url]) as c:
        mentions = Draft(1, "hello", (("p", STRANGER.public_key.hex),))
        given: list[Draft | Event] = [*notes(20), mentions]
        done = [one async for one in c.publish_many(given)]
        assert {one.report.accepted for one in done if isinstance(one, Posted)} == {(relay.url,)}
        assert len(done) == 21


async def test_a_loop_that_is_left_leaves_nothing_behind(tmp_path: Path) -> None:
    async with Relay() as relay, Relay() as silent, client(tmp_path) as c:
        silent.silent = True
        before = set(c._tasks._tasks)
        events = notes(20)
        many = c.publish_many([*events, Draft(3, "")], relays=[relay.url, silent.url])
        bad = await anext(many)
        assert isinstance(bad, NotPosted)
        await until(lambda: len(silent.sent("EVENT")) == 20)
        await many.aclose()
        await until(lambda: c._tasks._tasks <= before)
        assert not c.courier.under_way._taken
        assert not c.pool._connections[silent.url]._session.wanted
        for event in events:  # it is stored, and the replication will send it
            assert silent.url in {copy.url for copy in await c.copies.copies(event.id)}

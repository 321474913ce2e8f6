"""The client as a whole, on real relays of ours where it counts."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nostr_client import tasks
from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import (
    ConfigError,
    InvalidEvent,
    InvalidKey,
    ListNotRead,
    NotConfirmed,
    PublishFailed,
    QueryTimeout,
    SecretFound,
    SignerUnavailable,
    SigningRefused,
    StoreError,
)
from nostr_client.kit.last_kit import LastKit, note_kit
from nostr_client.kit.records import KitCounts
from nostr_client.net.outcome import How
from nostr_client.nips import nip19
from nostr_client.paths import Paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.refusals import WAITS, Waits
from nostr_client.resilience import own_history
from nostr_client.resilience.own_relay import OwnRelay
from nostr_client.resilience.pace import Pace
from nostr_client.routing import authentication
from nostr_client.routing.authentication import DENIED, LOCKED, NOT_TOLD
from nostr_client.signing.guards import consent_to
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import WatchOnly
from nostr_client.social import feed_sync
from nostr_client.social.mutes import Mutes
from nostr_client.store.contract import CopyState
from nostr_client.store.sqlite import search_index
from tests.conftest import StartRelay
from tests.loopback import loopback_only
from tests.routing import moody
from tests.routing.moody import LIMIT, Relay
from tests.routing.rooms import Clock, relay_list
from tests.vectors import VECTORS, needs_vectors, real_events
from tests.waiting import until, waits_for_nobody

__all__ = ["loopback_only"]

ANA, BEN = SecretKey.from_hex("1" * 64), SecretKey.from_hex("2" * 64)
ME, BEN_KEY = ANA.public_key.hex, BEN.public_key.hex
DEAD = "ws://127.0.0.1:1"
WALLED = "auth-required: who are you?"
LOOPBACK = ClientConfig(allow_private_relays=("127.0.0.1",), own_relay=False)

STRICT = ClientConfig(own_relay=False)
"""No private address is allowed but those that the person gives."""


def folders(path: Path) -> Paths:
    return Paths(config=path / "config", data=path / "data", state=path / "state")


@asynccontextmanager
async def client(
    path: Path, key: SecretKey | None = ANA, **options: Any
) -> AsyncIterator[NostrClient]:
    settings: dict[str, Any] = {"paths": folders(path), "config": LOOPBACK, "relays": []}
    async with NostrClient.open(
        LocalSigner(key) if key else None, **(settings | options)
    ) as opened:
        yield opened


def has_swept(c: NostrClient) -> bool:
    """Has its replication looked for events without a plan, as it does first of all?"""
    return c.replication._swept > 0


async def states(c: NostrClient, event_id: str) -> dict[str, CopyState]:
    return {copy.url: copy.state for copy in await c.copies.copies(event_id)}


@pytest.fixture(autouse=True)
def again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not accepted is tried again after a second."""
    monkeypatch.setitem(WAITS, None, Waits(1.0, 1.0))


@pytest.fixture
def looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due is found at once."""
    monkeypatch.setattr("nostr_client.client.client.Pace", partial(Pace, idle=0.2))


# The front door


async def test_a_bot_in_a_few_lines(tmp_path: Path) -> None:
    from nostr_client import LocalSigner, NostrClient, SecretKey

    async with Relay() as relay:
        signer = LocalSigner(SecretKey.generate())
        async with NostrClient.open(
            signer, relays=[relay.url], own_relay=False, paths=folders(tmp_path)
        ) as client:
            posted = await client.post("hi")
            posted.report.raise_if_failed()
        assert relay.has(posted.event)


async def test_a_key_by_value_signs_and_is_kept_nowhere(tmp_path: Path) -> None:
    where = folders(tmp_path)
    async with Relay() as relay:
        for key in (ANA, BEN):
            async with NostrClient.open(key, relays=[relay.url], paths=where, config=LOOPBACK) as c:
                posted = await c.post("hi")
                assert posted.event.pubkey == key.public_key.hex
                assert relay.has(posted.event)
        with pytest.raises(SecretFound):  # the other was given here, too, if not kept
            async with NostrClient.open(BEN, relays=[], paths=where, config=LOOPBACK) as c:
                await c.post(f"take {bytes(ANA).hex()}")
    for file in filter(Path.is_file, tmp_path.rglob("*")):
        data = file.read_bytes()
        assert bytes(ANA) not in data, file
        assert bytes(ANA).hex().encode() not in data, file


async def test_errors_of_the_body_come_out_as_they_are(tmp_path: Path) -> None:

    async def bot() -> None:
        async with client(tmp_path, relays=[DEAD]) as c:
            c.start_reading()
            posted = await c.post("hi")
            posted.report.raise_if_failed()

    async def broken() -> None:
        async with client(tmp_path):
            raise KeyError("mine")

    with pytest.raises(PublishFailed, match="accepted by 0 of 1"):
        await bot()
    with pytest.raises(KeyError):
        await broken()


async def test_a_question_that_took_too_long_ends_no_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "STORE_PAUSE", 0)
    tries = 0
    again = asyncio.Event()

    async def keep(self: Mutes) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise QueryTimeout("the store is busy with other broad queries")
        again.set()

    monkeypatch.setattr(Mutes, "keep", keep)
    async with NostrClient.open(
        SecretKey.generate(), paths=folders(tmp_path), relays=[], config=ClientConfig()
    ) as client:
        async with asyncio.timeout(60):
            await again.wait()
        assert (await client.post("still here")).id


async def test_a_cancelled_client_ends_quickly(tmp_path: Path) -> None:
    async with Relay() as silent:
        silent.silent = True

        async def work() -> None:
            async with client(tmp_path, relays=[silent.url, DEAD]) as c:
                c.start_reading()
                await c.post("into the void")

        task = asyncio.create_task(work())
        await until(lambda: silent.sent("EVENT") and silent.sent("REQ"))
        task.cancel()
        with waits_for_nobody(), pytest.raises(asyncio.CancelledError):
            await task


async def test_the_own_history_follows_the_first_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a live subscription, which is cut off, did not bring."""
    monkeypatch.setattr(own_history, "SCREEN_REST", 0.0)
    monkeypatch.setattr(feed_sync, "BACKFILL", 2)
    now = int(time.time())
    mine = [Draft(1, f"{n}", created_at=now - n).sign(ANA, now) for n in range(5)]
    async with Relay(*mine) as relay, client(tmp_path, relays=[relay.url]) as c:
        await c.store.save([relay_list(ANA, relay.url, at=now)])
        c.start_reading()
        await until(partial(c.store.get, mine[-1].id))

        async def complete() -> bool:
            return (await c.own_history.status()).complete_since() >= now

        await until(complete)


async def test_closing_waits_for_nobody(tmp_path: Path) -> None:
    async with Relay() as one, Relay() as silent:
        silent.silent = True
        with ExitStack() as closing:
            async with client(tmp_path, relays=[one.url, silent.url, DEAD]) as c:
                c.start_reading()
                feed = c.feed()
                task = asyncio.create_task(anext(feed))
                await until(lambda: silent.sent("REQ") and one.sent("REQ"))
                closing.enter_context(waits_for_nobody())
        with pytest.raises(StopAsyncIteration):
            await task


async def test_opening_dials_nobody(tmp_path: Path, loopback_only: list[str]) -> None:
    """Not even where the packaged relays stand in: reading begins when somebody asks for it."""
    async with client(tmp_path, relays=None) as c:
        assert c.book.fallback[0].startswith("wss://")
        assert c.book.indexers
        await until(lambda: has_swept(c))
        assert loopback_only == []
    async with client(
        tmp_path, relays=None, config=ClientConfig(relays=(DEAD,), own_relay=False)
    ) as c:
        assert c.book.fallback == (DEAD,)
        assert c.book.indexers == ()
    nowhere = ClientConfig(relays=(), own_relay=False)
    async with client(tmp_path, relays=None, config=nowhere) as c:
        assert c.book.fallback == c.book.indexers == ()
    async with client(tmp_path) as c:
        assert c.book.fallback == ()
        assert (await c.post("for the drawer")).report.answers == ()


async def test_a_jump_of_the_clock_locks_no_article(tmp_path: Path) -> None:
    article = Draft(30_023, "words", (("d", "x"),))
    ahead = int(time.time()) + 400 * 86_400
    async with client(tmp_path, clock=lambda: ahead) as c:
        jumped = (await c.publish(article)).event
        assert jumped.created_at == ahead
    async with client(tmp_path) as c:
        new = (await c.publish(article)).event
        assert abs(new.created_at - time.time()) < 60
        assert await c.store.get_address(new.address or "") == new
        assert await c.store.history(new.address or "") == [jumped]


async def test_no_road_leads_a_secret_out(tmp_path: Path, loopback_only: list[str]) -> None:
    mine, hers = bytes(ANA).hex(), nip19.encode_nsec(BEN)
    async with Relay() as relay, client(tmp_path, relays=[relay.url], key_only_here=True) as c:
        about = (await c.post("hello")).event.id
        quoting = Draft(1, hers).sign(BEN, int(time.time()))
        await c.store.save([quoting])
        for secret in (mine, hers, f"{hers[:20]}\n{hers[20:]}"):
            signed = Draft(30_000, mine, (("d", "x"),)).sign(ANA, int(time.time()))
            for attempt in (
                c.post(secret),
                c.post("x", warning=secret),
                c.reply(about, secret),
                c.react(about, secret),
                c.delete(about, secret),
                c.publish(Draft(30_000, "", (("d", secret),))),
                c.publish(signed),
                c.profiles.update(name=secret),
                c.follows.follow(BEN_KEY, petname=secret),
                c.relays.add(f"{relay.url}/{secret}"),
                c.guard.edit(kinds.MUTES, lambda _: Draft(kinds.MUTES, mine)),
            ):
                with pytest.raises((SecretFound, InvalidEvent)) as refusal:
                    await attempt
                assert secret not in str(refusal.value)
        assert (await c.repost(quoting.id)).report.accepted, "what others wrote is out already"
        assert {event.kind for event in relay.held} == {kinds.NOTE, kinds.REPOST}


async def test_a_watched_account_is_read_where_the_person_says(tmp_path: Path) -> None:
    async with Relay(Draft(kinds.METADATA, '{"name":"ben"}').sign(BEN, 1_000)) as relay:
        for known in (False, True):
            async with client(tmp_path, None, pubkey=BEN_KEY, config=STRICT) as c:
                assert await c.relays.read_from(relay.url) is not known
                await c.profiles.fetch([BEN_KEY])
                assert (await c.profiles.get(BEN_KEY)).name == "ben"
        async with client(tmp_path, BEN, config=STRICT) as c:
            assert c.book.fallback == (), "with its key it has a list of its own"
        async with client(tmp_path, None, pubkey=BEN_KEY) as c:
            assert [row.url for row in await c.relays.rows()] == [relay.url]
            assert await c.relays.stop_reading_from(relay.url)
            assert not await c.relays.stop_reading_from(relay.url)


async def test_identities(tmp_path: Path) -> None:
    async with client(tmp_path, None) as c:
        assert c.pubkey == ""
        assert await c.timeline.home() == []
        with pytest.raises(SigningRefused):
            await c.post("x")
    async with client(tmp_path, None, pubkey=BEN_KEY) as c:
        assert c.pubkey == BEN_KEY
    async with NostrClient.open(
        WatchOnly(BEN_KEY), paths=folders(tmp_path), config=LOOPBACK, relays=[]
    ) as c:
        assert (c.pubkey, c.signer) == (BEN_KEY, None)
        with pytest.raises(SigningRefused):
            await c.follows.follow(ME)
    with pytest.raises(InvalidKey):
        async with client(tmp_path, None, pubkey="f" * 64):
            pass


async def test_a_watched_accounts_events_are_not_spread(tmp_path: Path) -> None:
    note = Draft(1, "old", created_at=1).sign(BEN, 1)
    async with Relay() as one:
        async with client(tmp_path, None, pubkey=BEN_KEY, relays=[one.url]) as c:
            await c.store.save([note])
        async with client(tmp_path, None, pubkey=BEN_KEY, relays=[one.url]) as c:
            replicating = asyncio.create_task(c.replication.run())  # which nobody else does here
            await until(lambda: has_swept(c))
            replicating.cancel()
            assert one.connections == 0
            assert await c.copies.copies(note.id) == []


async def test_what_cannot_be_taken_back_is_signed_on_its_word_alone(tmp_path: Path) -> None:
    async with Relay() as one, client(tmp_path, relays=[one.url], key_only_here=True) as c:
        vanish = Draft(kinds.VANISH, "goodbye", (("relay", one.url),))
        with pytest.raises(InvalidEvent, match="names the relays"):
            await c.publish(Draft(kinds.VANISH))
        with pytest.raises(NotConfirmed, match=r"delete, for good.*no backup of this account"):
            await c.publish(vanish)
        await c.relays.first_run([one.url])
        assert c.signer is not None
        with pytest.raises(NotConfirmed, match="relays to write to"):
            await c.signer.sign(Draft(kinds.RELAY_LIST))
        c.consent = consent_to("vanish")
        with pytest.raises(NotConfirmed):
            await c.publish(vanish)
        made = LastKit(made_at=time.time(), path="away", counts=KitCounts())
        note_kit(c.paths.data, c.pubkey, made)
        posted = await c.publish(vanish)
        assert [answer.url for answer in posted.report.answers] == [one.url]
        with pytest.raises(NotConfirmed):
            await c.signer.sign(Draft(kinds.RELAY_LIST))


async def test_drafts_of_lists_are_refused_and_articles_get_later_dates(tmp_path: Path) -> None:
    async with client(tmp_path) as c:
        for kind in (0, 3, 10_000, 10_002):
            with pytest.raises(InvalidEvent, match=r"guard\.edit"):
                await c.publish(Draft(kind, "{}"))
        article = Draft(30_023, "v1", (("d", "x"),))
        first = await c.publish(article)
        second = await c.publish(Draft(30_023, "v2", article.tags))
        assert second.event.created_at > first.event.created_at
        stored = await c.store.get_address(f"30023:{ME}:x")
        assert stored == second.event
        forged = second.event.json.replace(second.event.sig[:8].encode(), b"0" * 8)
        with pytest.raises(InvalidEvent, match="signature"):
            await c.publish(Event.parse(forged))
        assert (await c.publish(Draft(20_001, "passing"))).event.kind == 20_001


async def test_feed_brings_what_is_written_from_now_on(tmp_path: Path) -> None:
    now = int(time.time())
    old = Draft(1, "old", created_at=now - 1000).sign(BEN, now)
    new = Draft(1, "new", created_at=now + 5).sign(BEN, now)
    async with Relay(old) as one, client(tmp_path) as c:
        feed = c.feed(Filter.of(kinds=[1]), relays=[one.url])
        task = asyncio.create_task(anext(feed))
        await until(lambda: one.sent("REQ"))
        await one.tell(new)
        assert await asyncio.wait_for(task, LIMIT) == new
        await feed.aclose()
        assert await c.fetch(Filter.of(kinds=[1]), relays=[one.url]) == [new, old]
        assert await c.fetch(Filter.of(kinds=[7])) == []


async def test_a_feed_from_some_time_on_begins_with_what_is_here(tmp_path: Path) -> None:
    now = int(time.time())
    texts = ["too old", "first", "second", "live"]
    ancient, first, second, live = (
        Draft(1, text, created_at=now - 1000 + 10 * n).sign(BEN, now)
        for n, text in enumerate(texts)
    )
    async with Relay() as one, client(tmp_path) as c:
        await c.store.save([second, ancient, first])
        feed = c.feed(Filter.of(kinds=[1], since=first.created_at), relays=[one.url])
        assert [await anext(feed), await anext(feed)] == [first, second]
        task = asyncio.create_task(anext(feed))
        await until(lambda: one.sent("REQ"))
        for event in (first, second, live):
            await one.tell(event)
        assert await asyncio.wait_for(task, LIMIT) == live
        await feed.aclose()


async def test_what_is_no_filter_is_said_at_once(tmp_path: Path) -> None:
    wrong: Any
    async with client(tmp_path) as c:
        for wrong in ([Filter.of(kinds=[1])], {"kinds": [1]}, "kinds"):
            with pytest.raises(TypeError, match=f"not a {type(wrong).__name__}"):
                await c.fetch(wrong)
            with pytest.raises(TypeError, match="a filter is a Filter"):
                await anext(c.feed(wrong))
        with pytest.raises(ConfigError, match="'foo' is not the URL of a relay"):
            await c.fetch(Filter.of(kinds=[1]), relays=["wss://relay.example", "foo"])
    with pytest.raises(ConfigError, match="'foo' is not the URL of a relay"):
        async with client(tmp_path, relays=["foo"]):
            pass


async def test_a_script_gives_tags_and_names_events_by_their_codes(tmp_path: Path) -> None:
    async with client(tmp_path, relays=[]) as c:
        posted = await c.post("about #books", tags=[("t", "library"), ["r", "https://x.example"]])
        assert posted.event.tags == (
            ("t", "library"),
            ("r", "https://x.example"),
            ("t", "books"),
        )
        answer = await c.reply(nip19.encode_note(posted.id), "yes", tags=[("t", "library")])
        assert answer.event.value("e") == posted.id
        assert answer.event.tags[-1] == ("t", "library")
        liked = await c.react(nip19.encode_nevent(posted.id))
        assert liked.event.value("e") == posted.id
        wrong: Any
        for wrong in ("t", [("t", 1)], [()], ["t"]):
            with pytest.raises(TypeError, match="tag"):
                await c.post("text", tags=wrong)


async def test_many_are_followed_in_one_version(tmp_path: Path) -> None:
    people = [SecretKey.generate().public_key.hex for _ in range(5)]
    async with client(tmp_path, relays=[], key_only_here=True) as c:
        await c.follows.follow_all(people[:2], allow_empty=True)
        posted = await c.follows.follow_all([*people, people[0]])
        assert posted is not None
        assert await c.follows.pubkeys() == people
        assert len(await c.follows.history()) == 1
        assert await c.follows.follow_all(people) is None


async def test_only_own_relays_learn_who_is_reading(tmp_path: Path) -> None:
    async with Relay() as mine, Relay() as other:
        for relay in (mine, other):
            relay.challenge, relay.words = "prove it", "auth-required: who are you?"
        async with client(tmp_path, relays=[mine.url]) as c:
            await c.fetch(Filter.of(kinds=[1]), timeout=3.0)
            await c.fetch(Filter.of(kinds=[1]), relays=[other.url], timeout=1.0)
        [guest] = mine.guests
        assert guest.pubkey == ME
        assert guest.kind == kinds.AUTH
        assert (guest.value("relay"), guest.value("challenge")) == (mine.url, "prove it")
        assert other.guests == []


async def test_a_relay_that_a_thread_names_learns_nobody_by_serving_their_notes(
    tmp_path: Path,
) -> None:
    """The account has no relay list; a stranger's relay, named in a thread, serves its answer."""
    spy = Relay()
    async with Relay() as mine, spy:
        root = Draft(1, "root", created_at=1).sign(BEN, 1)
        between = Draft(1, "look here", (("e", root.id, spy.url, "root"),)).sign(BEN, 2)
        answer = Draft(1, "mine", (("e", root.id, "", "root"),)).sign(ANA, 3)
        for note in (root, between, answer):
            mine.keep(note)
            spy.keep(note)
        async with client(tmp_path, relays=[mine.url]) as c:
            await c.threads.fetch(between.id)
            assert spy.connections  # the person opened it
        spy.challenge, spy.words = "prove it", "auth-required: who are you?"
        async with client(tmp_path, relays=[mine.url]) as c:
            await c.threads.fetch(between.id)
            await c.fetch(Filter.of(authors=[ME]), relays=[spy.url], timeout=3.0)
            assert (await c.book.relays_of(ME)).source == "fallback"
        assert spy.guests == []


async def test_what_was_refused_for_want_of_a_login_goes_on_once_it_is_allowed(
    tmp_path: Path,
) -> None:
    """Writing does not wait for the person's word; what was refused goes on when that comes."""
    by_ben = Draft(1, "members only", created_at=2**31).sign(BEN, 1)
    async with Relay() as wall:
        wall.challenge, wall.words = "prove it", "auth-required: who are you?"
        wall.refuses = wall.words
        async with client(tmp_path, relays=[wall.url], key_only_here=True) as c:
            assert c.authenticator is not None
            await c.authenticator.answer(wall.url, False, lasting=False)
            posted = await c.post("for members")
            [answer] = posted.report.refused
            assert (answer.how, answer.problem) == (How.NOT_ALLOWED, DENIED)
            async with c.courier.subscribe([Filter.of(kinds=[1])], [wall.url]) as feed:
                await feed.wait_caught_up(LIMIT)
                assert feed.ends[wall.url].how is How.NOT_ALLOWED
                assert wall.guests == []
                wall.keep(by_ben)
                await c.authenticator.answer(wall.url, True, lasting=True)
                await feed.wait_read(wall.url)
            await until(lambda: wall.has(posted.event), LIMIT)
            assert await c.store.get(by_ben.id)
            assert len(wall.guests) == 1
            connections = wall.connections
            async with c.courier.subscribe([Filter.of(kinds=[1])], [wall.url]) as feed:
                await feed.wait_read(wall.url)
                await c.authenticator.answer(wall.url, False, lasting=True)
                await until(lambda: wall.connections > connections, LIMIT)
        assert len(wall.guests) == 1, "what was taken back is not carried on"


async def test_a_wrap_is_brought_by_name_where_its_recipient_wants_that(tmp_path: Path) -> None:
    """The relay keeps spam away so (NIP-17); the person hears of it, and nobody else is told."""
    wrap = Draft(1059, "x", (("p", BEN_KEY),)).sign(SecretKey.generate(), int(time.time()))
    async with Relay() as box, Relay() as spy:
        for relay in (box, spy):
            relay.challenge, relay.refuses = "prove it", "auth-required: who brings this?"
        listed = Draft(10050, "", (("relay", box.url),), created_at=1).sign(BEN, 1)
        async with client(tmp_path) as c:
            c.book.policy.allow([box.url, spy.url])
            await c.store.save([listed])
            report = await c.courier.publish(wrap, also=[spy.url])
            assert report.accepted == (box.url,)
            assert [answer.problem for answer in report.refused] == [NOT_TOLD]
            assert c.authenticator is not None
            assert c.authenticator.disclosed == box.url
        assert [guest.pubkey for guest in box.guests] == [ME]
        assert spy.guests == []


async def test_the_next_account_has_connections_of_its_own(tmp_path: Path) -> None:
    """Two keys over one connection would be one person's to the relay."""
    async with Relay() as wall:
        for key in (ANA, BEN):
            wall.challenge, wall.words = key.public_key.hex, "auth-required: who are you?"
            async with client(tmp_path, key, relays=[wall.url]) as c:
                await c.fetch(Filter.of(kinds=[1]), timeout=LIMIT)
        assert [guest.pubkey for guest in wall.guests] == [ME, BEN_KEY]
        assert [guest.value("challenge") for guest in wall.guests] == [ME, BEN_KEY]


async def test_what_waited_for_a_signer_goes_on_when_it_answers_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bunker that is away, and comes back: nobody has to say so."""
    away = True

    class Bunker(LocalSigner):
        async def sign(self, draft: Draft) -> Event:
            if away:
                raise SignerUnavailable("the bunker did not answer in 30 s")
            return await super().sign(draft)

    monkeypatch.setattr(authentication, "AWAY", Waits(0.05, 0.05))
    async with Relay(Draft(1, "x").sign(BEN, 1)) as wall:
        wall.challenge, wall.words = "prove it", "auth-required: who are you?"
        async with (
            NostrClient.open(
                Bunker(ANA), paths=folders(tmp_path), config=LOOPBACK, relays=[wall.url]
            ) as c,
            c.courier.subscribe([Filter.of(kinds=[1])], [wall.url]) as feed,
        ):
            await feed.wait_caught_up(LIMIT)
            assert "did not answer" in feed.ends[wall.url].problem
            away = False
            await feed.wait_read(wall.url)
        assert len(wall.guests) == 1


async def test_a_locked_account_says_that_it_cannot_log_in(tmp_path: Path) -> None:
    async with Relay() as wall:
        wall.challenge, wall.words = "prove it", WALLED
        async with client(tmp_path, None, pubkey=ME, locked=True, relays=[wall.url]) as c:
            found = await c.fetch(Filter.of(kinds=[1]), timeout=LIMIT)
            assert LOCKED in found.ends[wall.url].problem
            [row] = await c.relays.rows()
            assert row.last_word == f"{WALLED}; not logged in: {LOCKED}"


async def test_a_list_behind_a_wall_of_the_accounts_own_is_read(tmp_path: Path) -> None:
    follows = Draft(3, "", (("p", BEN_KEY),), created_at=1).sign(ANA, 1)
    cy = SecretKey.generate().public_key.hex
    async with Relay(follows) as wall, Relay() as empty:
        for relay in (wall, empty):
            relay.challenge, relay.words = "prove it", "auth-required: who are you?"
        async with client(tmp_path, relays=[wall.url, empty.url]) as c:
            posted = await c.follows.follow(cy)
            assert posted is not None
            assert [tag[1] for tag in posted.event.tags] == [BEN_KEY, cy]


# On relays of ours


async def test_a_note_is_accepted_by_three_relays(tmp_path: Path, start_relay: StartRelay) -> None:
    relays = [await start_relay() for _ in range(3)]
    urls = [relay.url for relay in relays]
    async with client(tmp_path, relays=urls, key_only_here=True) as c:
        await c.relays.first_run(urls)
        posted = await c.post("hello, three of you")
        assert set(posted.report.accepted) == set(urls)
        assert set((await states(c, posted.id)).values()) == {CopyState.CONFIRMED}
        await c.profiles.update(name="ana")
        await c.follows.follow(BEN_KEY)
        [view] = await c.timeline.home()
        assert (view.copies, view.wanted, view.author.label) == (3, 3, "ana")
    async with client(tmp_path / "reader", None, relays=urls[:1], pubkey=ME) as c:
        c.start_reading()

        async def here() -> bool:
            return bool(await c.timeline.home()) and bool(await c.follows.pubkeys())

        await until(here)
        [view] = await c.timeline.home()
        assert view.event == posted.event
        assert view.author.label == "ana"
        assert [row.url for row in await c.relays.rows()] == urls


@pytest.mark.usefixtures("looked_at_often")
async def test_a_relay_dies_and_returns_and_gets_what_it_missed(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    stays, dies = await start_relay(), await start_relay()
    port = int(dies.url.rpartition(":")[2])
    async with client(tmp_path, relays=[stays.url, dies.url]) as c:
        first = await c.post("to both")
        assert len(first.report.accepted) == 2
        await dies.kill()
        second = await c.post("to one")
        assert second.report.accepted == (stays.url,)
    # The client is closed, the relay comes back, the client too.
    back = await start_relay(data=dies.data, port=port)
    assert back.url == dies.url
    async with client(tmp_path, relays=[stays.url, dies.url]) as c:

        async def confirmed() -> bool:
            return (await states(c, second.id))[dies.url] is CopyState.CONFIRMED

        await until(confirmed, 30.0)
        [found] = await c.fetch(Filter.of(ids=[second.id]), relays=[dies.url])
        assert found == second.event


@pytest.mark.usefixtures("looked_at_often")
async def test_written_offline_and_sent_later(tmp_path: Path, start_relay: StartRelay) -> None:
    relay = await start_relay()
    port = int(relay.url.rpartition(":")[2])
    await relay.kill()
    async with client(tmp_path, relays=[relay.url]) as c:
        posted = await c.post("nobody hears me")
        assert not posted.report.ok
        assert await c.replication.pending() == 1
    await start_relay(data=relay.data, port=port)
    async with client(tmp_path, relays=[relay.url]) as c:

        async def sent() -> bool:
            return await c.replication.pending() == 0

        await until(sent, 30.0)


async def test_a_crash_between_saving_and_planning_loses_nothing(tmp_path: Path) -> None:
    now = int(time.time())
    note = Draft(1, "saved, and then the power went").sign(ANA, now)
    async with client(tmp_path, relays=[]) as c:
        await c.courier.save(note)
    quick = Pace(grace=1.0, idle=0.2)  # the sweep is as seldom as ever
    async with Relay() as one, client(tmp_path, relays=[one.url], pace=quick):
        await until(lambda: one.has(note))


async def test_two_clients_on_one_folder(tmp_path: Path, start_relay: StartRelay) -> None:
    relay = await start_relay()
    async with (
        client(tmp_path, relays=[relay.url], key_only_here=True) as one,
        client(tmp_path, relays=[relay.url], key_only_here=True) as two,
    ):
        watch = one.timeline.watch(await one.timeline.home())
        task = asyncio.create_task(anext(watch))
        posted = await two.post("from the other window")
        view = await asyncio.wait_for(task, LIMIT)
        assert view.event == posted.event
        await watch.aclose()
        people = [SecretKey.generate().public_key.hex for _ in range(6)]
        async with asyncio.TaskGroup() as group:
            for index, pubkey in enumerate(people):
                group.create_task((one, two)[index % 2].follows.follow(pubkey))
        assert set(await one.follows.pubkeys()) == set(people)
        assert set(await two.follows.pubkeys()) == set(people)


async def test_the_own_relay_is_a_home_without_any_network(tmp_path: Path) -> None:
    config = ClientConfig(own_relay=True)
    async with client(tmp_path, config=config) as c:
        assert c.own_relay is None, "no process is left behind unless it was asked for"
    assert not OwnRelay(folders(tmp_path)).folder.path.exists()
    async with client(tmp_path, own_relay=True, key_only_here=True) as c:
        assert c.own_relay is not None
        try:
            assert c.own_relay_problem == ""
            url = c.book.policy.own_relay
            posted = await c.post("at home")
            assert posted.report.accepted == (url,)
            await c.relays.first_run([])
            npub = nip19.encode_npub(ME)
            quoting = await c.post(f"nostr:{nip19.encode_note(posted.id)} by {npub}")
            assert url not in quoting.event.json.decode()
            assert [(row.url, row.own) for row in await c.relays.rows()] == [(url, True)]
        finally:
            await c.own_relay.stop()


@needs_vectors
async def test_the_home_of_somebody_who_follows_777(
    tmp_path: Path, start_relay: StartRelay, loopback_only: list[str]
) -> None:
    assert VECTORS is not None
    data = tmp_path / "relay"
    files = sorted((VECTORS / "events").glob("*.jsonl"))
    importing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relays", "import", "--data", str(data), *map(str, files)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await asyncio.wait_for(importing.wait(), 60)  # two lists are older than others, and refused
    relay = await start_relay(data=data)
    events = {event.id: event for event in map(Event.parse, real_events())}
    me = next(e.pubkey for e in events.values() if e.pubkey.startswith("32e18276"))
    follows = next(e for e in events.values() if e.kind == 3 and e.pubkey == me)
    people = {tag[1] for tag in follows.tags if tag[0] == "p"} | {me}
    wanted = {e.id for e in events.values() if e.pubkey in people and e.kind in (1, 6)}
    async with client(tmp_path / "reader", None, pubkey=me, relays=[relay.url]) as c:
        c.start_reading()
        seen: set[str] = set()

        async def all_here() -> bool:
            seen.clear()
            cursor = None
            while views := await c.timeline.home(until=cursor):
                seen.update(view.entry.id for view in views)
                cursor = views[-1].cursor
            return seen >= wanted

        await until(all_here)
        for id in seen - wanted:  # what travelled in a repost
            event = await c.store.get(id)
            assert event is not None
            assert event.pubkey in people
        assert len(await c.follows.pubkeys()) == 777

        async def named() -> bool:
            names = await c.profiles.get_many(people)
            return sum(profile.event is not None for profile in names.values()) > 50

        await until(named)
    loopback_only.clear()  # it follows the hints of real people, to relays of long ago


async def test_a_follow_list_is_not_started_over_on_another_machine(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    """A key is imported; its relay is known and does not answer; later it does."""
    relay = await start_relay()
    async with client(tmp_path / "old", relays=[relay.url], key_only_here=True) as c:
        await c.relays.first_run([relay.url])
        await c.follows.follow(BEN_KEY, petname="ben")
    await relay.kill()
    async with client(tmp_path / "new", relays=[relay.url]) as c:
        cy = SecretKey.generate().public_key.hex
        with pytest.raises(ListNotRead):
            await c.follows.follow(cy, allow_empty=True)
        port = int(relay.url.rpartition(":")[2])
        await start_relay(data=relay.data, port=port)

        async def followed() -> bool:
            try:
                return await c.follows.follow(cy) is not None
            except ListNotRead:
                return False

        await until(followed, 30.0)
        assert await c.follows.pubkeys() == [BEN_KEY, cy]


async def test_a_locked_account_reads_at_the_private_relays_of_its_own_list(
    tmp_path: Path,
) -> None:
    """The list is the person's word, locked or not; that of somebody who is watched is not."""
    strict = ClientConfig(own_relay=False)
    async with Relay() as nas:
        listed = Draft(kinds.RELAY_LIST, "", (("r", nas.url),), created_at=1).sign(ANA, 1)
        for locked in (False, True):
            async with client(
                tmp_path, None, pubkey=ME, locked=locked, config=strict, relays=[]
            ) as c:
                await c.store.save([listed])
            async with client(
                tmp_path, None, pubkey=ME, locked=locked, config=strict, relays=[]
            ) as c:
                assert await c.fetch(Filter.of(authors=[ME])) == [listed]
                assert nas.connections == int(locked)


# Dead relays


async def test_a_note_goes_past_dead_relays_and_the_next_process_knows_them(
    tmp_path: Path,
) -> None:
    dead = [f"ws://127.0.0.1:{port}" for port in range(1, 13)]
    async with Relay() as live:
        mine = relay_list(ANA, *dead, live.url)
        async with client(tmp_path) as c:
            await c.store.save([mine])
            posted = await c.post("behind twelve dead ones")
            assert posted.report.accepted == (live.url,)
            assert posted.report.instead == ()
        async with client(tmp_path) as c:
            posted = await c.post("at once")
            assert posted.report.accepted == (live.url,)
            untried = {a.url for a in posted.report.answers if "down since" in a.problem}
            assert untried == set(dead[:10])
            assert {copy.url for copy in await c.copies.copies(posted.id)} > {live.url, dead[0]}
            plan = await c.courier.route([Filter.of(authors=[ME], kinds=[1])])
            assert list(plan) == [live.url]


async def test_others_stand_in_for_a_list_of_dead_relays_until_one_is_back(tmp_path: Path) -> None:
    clock = Clock(time.time())
    async with Relay() as listed:
        pass
    async with Relay() as other:
        options: dict[str, Any] = {"relays": [other.url], "clock": clock}
        async with client(tmp_path, **options) as c:
            mine = relay_list(ANA, listed.url)
            await c.store.save([mine])
            await c.copies.confirm([(mine.id, other.url)])
            posted = await c.post("somewhere else")
            assert posted.report.accepted == posted.report.instead == (other.url,)
            assert "in place of relays that are down" in str(posted.report)
        async with Relay(port=listed.port) as listed:
            async with client(tmp_path, **options) as c:
                posted = await c.post("it rests")
                assert posted.report.accepted == posted.report.instead == (other.url,)
                # Not by the post; replication may look again meanwhile, on a slow machine.
                assert "down since" in posted.report.unanswered[0].problem
            clock.now += 61
            async with client(tmp_path, **options) as c:
                posted = await c.post("it is back")
                assert posted.report.accepted == (listed.url,)
                assert posted.report.instead == ()
                assert c.pool.outages.of(listed.url) is None


async def test_offline_no_relay_is_taken_for_dead(tmp_path: Path) -> None:
    async with client(tmp_path, relays=[DEAD]) as c:
        await c.post("hi")
        assert c.pool.health(DEAD).failed
        assert not c.pool.outages.down()


async def test_a_fetch_reads_pages_to_the_end_and_says_what_each_relay_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moody, "CAP", 30)
    notes = [Draft(1, str(n), created_at=n + 1).sign(BEN, 1) for n in range(120)]
    async with (
        Relay(*notes) as paging,
        Relay() as wall,
        client(tmp_path, relays=[paging.url], own_relay=False) as c,
    ):
        wall.words = "restricted: members only"
        wanted = Filter.of(authors=[BEN_KEY])
        found = await c.fetch(wanted, relays=[paging.url, wall.url, DEAD])
        assert found == notes[::-1]
        assert {url: (end.how, end.events, end.reason) for url, end in found.ends.items()} == {
            paging.url: (How.ANSWERED, 120, ""),
            wall.url: (How.NOT_ALLOWED, 0, "members only"),
            DEAD: (How.UNREACHABLE, 0, ""),
        }
        assert list(found.missed) == [wall.url, DEAD]
        assert not found.complete
        assert (await c.fetch(wanted)).complete


async def test_a_feed_begins_at_once_and_reaches_where_authors_turn_out_to_write(
    tmp_path: Path,
) -> None:
    now = int(time.time())
    new = Draft(1, "new", created_at=now + 5).sign(BEN, now)
    async with Relay() as bens, Relay() as hub, client(tmp_path, relays=[hub.url]) as c:
        listed = Draft(kinds.RELAY_LIST, "", (("r", bens.url),), created_at=1).sign(BEN, 1)
        hub.keep(listed)
        feed = c.feed(Filter.of(authors=[BEN_KEY], kinds=[1]))
        task = asyncio.create_task(anext(feed))
        async with asyncio.timeout(LIMIT):
            while not bens.sent("REQ"):
                await asyncio.sleep(0.01)
        await bens.tell(new)
        assert await asyncio.wait_for(task, LIMIT) == new
        await feed.aclose()


async def test_without_an_index_all_else_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Python whose SQLite has no FTS5, or a disk without room for the index."""

    def prepare(db: Any) -> None:
        raise StoreError("search needs SQLite with FTS5, which is not here")

    monkeypatch.setattr(search_index, "prepare", prepare)
    where = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state")
    async with NostrClient.open(ANA, paths=where, relays=[]) as client:
        await client.post("tea")
        found = await client.search.find("tea")
        assert (found.local.problem, found.local.notes) == (
            "what is stored here is not indexed",
            (),
        )
        assert await client.search.resolve(nip19.encode_npub(BEN_KEY)) == nip19.Nprofile(BEN_KEY)


async def test_what_is_posted_is_found(tmp_path: Path) -> None:
    where = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state")
    async with NostrClient.open(ANA, paths=where, relays=[]) as client:
        posted = await client.post("the library roof")
        await client.publish(Draft(kinds.GIFT_WRAP, "library", (("p", BEN_KEY),)))
        found = await client.search.find("libr")
        assert [note.id for note in found.notes] == [posted.id]
        assert found.relays.nobody

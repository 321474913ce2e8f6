"""No list is published that was not conclusively read: the rules, and what relays do to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from nostr_client.errors import InvalidEvent, ListNotRead, NotConfirmed, SigningRefused
from nostr_client.net import connection
from nostr_client.protocol import kinds
from nostr_client.protocol.event import MAX_TIMESTAMP, Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing import list_guard, list_reading
from nostr_client.routing.list_dates import next_created_at
from nostr_client.routing.list_guard import (
    Change,
    ListGuard,
)
from nostr_client.routing.list_reading import ListAnswer, ListReader, Waiver, name_of
from nostr_client.signing.guards import Confirmation, Objection
from nostr_client.signing.local_signer import LocalSigner
from tests.routing.rooms import (
    ANA,
    DEAD,
    LIMIT,
    START,
    Relay,
    Rooms,
    relay_list,
    rooms,
    signed,
)
from tests.waiting import until

ME = ANA.public_key.hex
NOW = START + 1000
FOLLOWS = f"{kinds.FOLLOWS}:{ME}:"
OK, DOWN, WALL = ListAnswer.ANSWERED, ListAnswer.UNREACHABLE, ListAnswer.WALLED


def follows(*people: str, at: int = START, content: str = "") -> Event:
    tags = tuple(("p", person * 64) for person in people)
    return signed(kind=kinds.FOLLOWS, tags=tags, at=at, content=content)


def adding(person: str) -> Change:
    def change(last: Event | None) -> Draft | None:
        tags = last.tags if last else ()
        if ("p", person * 64) in tags:
            return None
        return Draft(kinds.FOLLOWS, last.content if last else "", (*tags, ("p", person * 64)))

    return change


@asynccontextmanager
async def guarded(
    folder: Path,
    *relays: str,
    fallback: tuple[str, ...] = (),
    indexers: tuple[str, ...] = (),
    known: bool = True,
    only_here: bool = False,
    signer: bool = True,
) -> AsyncIterator[tuple[Rooms, ListGuard]]:
    """A guard over an account whose relay list names `relays` (unless it is not `known`)."""
    async with rooms(folder, fallback=fallback, indexers=indexers) as r:
        r.clock.now = NOW
        if known:
            await r.store.save([relay_list(ANA, *relays, at=1)])
        yield (
            r,
            ListGuard(
                ListReader(r.courier, pubkey=ME, folder=folder, only_here=only_here),
                LocalSigner(ANA, r.clock) if signer else None,
                clock=r.clock,
            ),
        )


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SOON", 0.05)
    monkeypatch.setattr(list_reading, "READ_LIMIT", 2.0)
    monkeypatch.setattr(list_reading, "HINT_LIMIT", 1.0)
    monkeypatch.setattr(list_guard, "READ_BACK_LIMIT", 1.0)
    monkeypatch.setattr(list_guard, "AGAIN", 0.01)


def test_a_new_version_is_later_than_the_last_one() -> None:
    last = follows("b", at=START)
    assert next_created_at(None, NOW + 0.9) == NOW
    assert next_created_at(last, NOW) == NOW
    assert next_created_at(last, START) == START + 1
    assert next_created_at(last, START - 500) == START + 1  # our clock is behind
    assert next_created_at(follows("b", at=NOW + 10**8), NOW) == NOW + 10**8 + 1
    with pytest.raises(InvalidEvent, match="end of time"):
        next_created_at(follows("b", at=MAX_TIMESTAMP), NOW)


def test_lists_have_names() -> None:
    assert name_of(kinds.FOLLOWS) == "follow list"
    assert name_of(kinds.BOOKMARKS) == "list of bookmarks"
    assert name_of(10_005) == "list of kind 10005"
    assert name_of(10_013) == "list of private relays"


# With relays


async def test_the_newest_version_is_changed_and_nothing_else_in_it(tmp_path: Path) -> None:
    content = '{"wss:\\/\\/old.example": {"read":true}}  '
    tags = (
        ("p", "b" * 64, "wss://b.example", "ben", "extra"),
        ("t", "unknown"),
        ("p", "not a key"),
        ("p", "c" * 64),
        ("p", "c" * 64),
    )
    fresh = signed(kind=kinds.FOLLOWS, tags=tags, content=content, at=START + 5)
    stale = follows("b")
    async with (
        Relay(stale) as one,
        Relay(fresh) as two,
        guarded(tmp_path, one.url, two.url) as (
            r,
            guard,
        ),
    ):
        await r.store.save([stale])
        done = await guard.edit(kinds.FOLLOWS, adding("d"))
        assert done is not None
        event, report = done
        assert event.tags == (*tags, ("p", "d" * 64))
        assert event.content == content
        assert event.created_at == NOW
        assert set(report.accepted) == {one.url, two.url}
        assert one.has(event)
        assert two.has(event)
        assert [e.id for e in await r.store.history(FOLLOWS)] == [fresh.id, stale.id]


Spoil = Callable[[Relay], Awaitable[None]]


async def _wall(relay: Relay) -> None:
    relay.words = "auth-required: who are you?"


async def _restricted(relay: Relay) -> None:
    relay.words = "Restricted: members only"


async def _error(relay: Relay) -> None:
    relay.words = "error: the database is busy"


async def _silence(relay: Relay) -> None:
    relay.silent = True


async def _mute(relay: Relay) -> None:
    relay.challenge, relay.mute = "prove it", True


async def _die(relay: Relay) -> None:
    await relay.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_wall, "wants authentication"),
        (_restricted, "wants authentication"),
        (_error, "refused to answer"),
        (_silence, "did not answer in time"),
        (_mute, "only 1 of its 2 relays answered"),
        (_die, "only 1 of its 2 relays answered"),
    ],
)
async def test_one_stale_relay_and_the_fresh_one_does_not_answer(
    tmp_path: Path, spoil: Spoil, says: str
) -> None:
    stale, fresh = follows("b"), follows("b", "c", at=START + 5)
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(Relay(stale))
        new = await stack.enter_async_context(Relay(fresh))
        await spoil(new)
        r, guard = await stack.enter_async_context(guarded(tmp_path, old.url, new.url))
        before = await r.store.count([])
        with pytest.raises(ListNotRead) as refusal:
            await guard.edit(kinds.FOLLOWS, adding("d"), waiver=Waiver(allow_empty=True))
        assert says in str(refusal.value)
        assert new.url in str(refusal.value)
        assert "follow list" in str(refusal.value)
        assert not old.sent("EVENT")
        assert not new.sent("EVENT")
        assert await r.store.get_address(FOLLOWS) == stale
        assert await r.store.count([]) == before

        # The person says that it may be changed without that relay, in whatever spelling; what it
        # shows still counts.
        new.silent = False
        newest = fresh if spoil is _silence else stale
        without = f"{new.url.upper()}/".replace("WS:", "ws:")
        done = await guard.edit(kinds.FOLLOWS, adding("d"), waiver=Waiver(without=[without]))
        assert done is not None
        assert done[0].tags == (*newest.tags, ("p", "d" * 64))


async def test_one_of_three_may_be_down(tmp_path: Path) -> None:
    list_ = follows("b")
    async with (
        Relay(list_) as one,
        Relay(list_) as two,
        guarded(tmp_path, one.url, two.url, DEAD) as (_, guard),
    ):
        done = await guard.edit(kinds.FOLLOWS, adding("c"))
        assert done is not None
        assert set(done[1].accepted) == {one.url, two.url}


async def test_offline_nothing_is_published_and_it_says_so_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_reading, "READ_LIMIT", 10 * LIMIT)
    monkeypatch.setattr(list_reading, "HINT_LIMIT", 10 * LIMIT)
    async with guarded(tmp_path, DEAD, "ws://127.0.0.1:2") as (r, guard):
        held = follows("b")
        await r.store.save([held])
        async with asyncio.timeout(LIMIT):
            with pytest.raises(ListNotRead, match="when you are online"):
                await guard.edit(kinds.FOLLOWS, adding("c"))
        assert await r.store.get_address(FOLLOWS) == held
        assert await r.store.ledger.copies(held.id) == []


async def test_all_empty_is_not_conclusive_for_a_key_that_was_imported(tmp_path: Path) -> None:
    async with (
        Relay() as one,
        Relay() as two,
        guarded(tmp_path, known=False, fallback=(one.url, two.url)) as (_, guard),
    ):
        with pytest.raises(ListNotRead, match="confirm"):
            await guard.edit(kinds.FOLLOWS, adding("b"))
        assert not one.sent("EVENT")
        done = await guard.edit(kinds.FOLLOWS, adding("b"), waiver=Waiver(allow_empty=True))
        assert done is not None
        assert done[0].tags == (("p", "b" * 64),)


async def test_a_mute_relay_is_no_proof_of_emptiness(tmp_path: Path) -> None:
    async with Relay() as one, guarded(tmp_path, one.url) as (_, guard):
        await _mute(one)
        with pytest.raises(ListNotRead, match="only 0 of its 1"):
            await guard.edit(kinds.FOLLOWS, adding("b"), waiver=Waiver(allow_empty=True))


async def test_a_challenge_alone_does_not_devalue_what_is_shown(tmp_path: Path) -> None:
    list_ = follows("b")
    async with Relay(list_) as one, guarded(tmp_path, one.url) as (_, guard):
        one.challenge = "prove it"
        assert (await guard.reader.read(kinds.FOLLOWS)).version == list_


async def test_a_newer_relay_list_moves_the_places(tmp_path: Path) -> None:
    """The account has moved with another device: what we know points to relays of old."""
    fresh = follows("b", "c", at=START + 5)
    async with Relay(follows("b")) as old, Relay(fresh) as new, Relay() as index:
        index.keep(relay_list(ANA, new.url, at=START))
        async with guarded(tmp_path, old.url, indexers=(index.url,)) as (_, guard):
            read = await guard.reader.read(kinds.FOLLOWS)
            assert read.version == fresh
            assert read.answers == {old.url: ListAnswer.ANSWERED, new.url: ListAnswer.ANSWERED}
            assert (await guard.reader.read(kinds.FOLLOWS)).answers == {
                new.url: ListAnswer.ANSWERED
            }


async def test_an_old_relay_list_takes_no_place_away(tmp_path: Path) -> None:
    """The relay with the newest lists is down; another has a list of old that names only itself."""
    async with Relay(follows("b")) as old:
        old.keep(relay_list(ANA, old.url, at=1))
        async with guarded(tmp_path, known=False, fallback=(DEAD, old.url)) as (r, guard):
            for _ in range(2):  # the second time the old list is known from the beginning
                with pytest.raises(ListNotRead, match="only 1 of its 2 relays"):
                    await guard.edit(kinds.FOLLOWS, adding("c"))
            again = ListGuard(
                ListReader(r.courier, pubkey=ME, folder=tmp_path), LocalSigner(ANA, r.clock)
            )
            with pytest.raises(ListNotRead, match="only 1 of its 2 relays"):
                await again.edit(kinds.FOLLOWS, adding("c"))
            assert not old.sent("EVENT")
            assert (
                await guard.edit(kinds.FOLLOWS, adding("c"), waiver=Waiver(without=[DEAD]))
                is not None
            )


async def test_a_settled_relay_list_needs_no_other_relays(tmp_path: Path) -> None:
    async with Relay(follows("b")) as mine:
        mine.keep(relay_list(ANA, mine.url, at=1))
        async with Relay() as other:
            fallback = (mine.url, other.url)
            async with guarded(tmp_path, known=False, fallback=fallback) as (_, guard):
                assert len((await guard.reader.read(kinds.FOLLOWS)).answers) == 2
        async with guarded(tmp_path, known=False, fallback=fallback) as (_, guard):
            assert (await guard.reader.read(kinds.FOLLOWS)).answers == {
                mine.url: ListAnswer.ANSWERED
            }
        (settled,) = tmp_path.glob("lists-*.settled.json")
        settled.write_bytes(b'["\xff"]')  # a damaged note settles nothing
        async with guarded(tmp_path, known=False, fallback=fallback) as (_, guard):
            with pytest.raises(ListNotRead):
                await guard.reader.read(kinds.FOLLOWS)


async def test_a_relay_list_changed_here_is_settled(tmp_path: Path) -> None:
    async with Relay() as mine:
        async with guarded(tmp_path, known=False, fallback=(DEAD,), only_here=True) as (_, guard):
            new = Draft(kinds.RELAY_LIST, "", (("r", mine.url),))
            assert await guard.edit(kinds.RELAY_LIST, lambda last: new) is not None
            assert await guard.edit(kinds.FOLLOWS, adding("b")) is not None
        async with guarded(tmp_path, known=False, fallback=(DEAD,)) as (_, guard):
            assert (await guard.reader.read(kinds.FOLLOWS)).answers == {
                mine.url: ListAnswer.ANSWERED
            }


async def test_what_strangers_say_makes_no_place(tmp_path: Path) -> None:
    async with Relay(follows("b")) as mine, Relay() as hanging:
        hanging.silent = True
        async with guarded(tmp_path, known=False, fallback=(mine.url,)) as (r, guard):
            for n in range(50):
                tag = ("p", ME, hanging.url)
                r.book.observe(signed(SecretKey.from_hex("9" * 64), tags=(tag,), at=START + n))
            assert r.book.hints(ME) == (hanging.url,)
            assert await guard.edit(kinds.FOLLOWS, adding("c")) is not None
            assert not hanging.connections


async def test_the_new_places_must_answer_too(tmp_path: Path) -> None:
    async with Relay(follows("b")) as old, Relay() as index:
        index.keep(relay_list(ANA, DEAD, at=START))
        async with guarded(tmp_path, old.url, indexers=(index.url,)) as (_, guard):
            with pytest.raises(ListNotRead):
                await guard.edit(kinds.FOLLOWS, adding("c"))
            assert not old.sent("EVENT")


async def test_places_that_change_for_ever_are_never_conclusive(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        chain = [await stack.enter_async_context(Relay(follows("b"))) for _ in range(6)]
        for n, relay in enumerate(chain[:-1]):
            relay.keep(relay_list(ANA, chain[n + 1].url, at=START + n))
        _, guard = await stack.enter_async_context(guarded(tmp_path, chain[0].url))
        with pytest.raises(ListNotRead, match="faster than they can be read"):
            await guard.edit(kinds.FOLLOWS, adding("c"))


async def test_a_key_that_never_left_this_machine_needs_no_network(tmp_path: Path) -> None:
    async with guarded(tmp_path, DEAD, only_here=True) as (r, guard):
        done = await guard.edit(kinds.FOLLOWS, adding("b"))
        assert done is not None
        assert not done[1].ok
        assert await r.store.get_address(FOLLOWS) == done[0]
        assert [c.url for c in await r.store.ledger.due(NOW + 60)] == [DEAD]
        r.clock.now -= 500
        again = await guard.edit(kinds.FOLLOWS, adding("c"))
        assert again is not None
        assert again[0].created_at == NOW + 1
        assert again[0].tags == (("p", "b" * 64), ("p", "c" * 64))


async def test_a_copy_of_the_folder_is_at_work_elsewhere(tmp_path: Path) -> None:
    """The relay is reached and has a newer version: however slow it is, it is waited for."""
    newer = follows("b", "c", at=START + 5)
    async with Relay(newer) as one, guarded(tmp_path, one.url, only_here=True) as (r, guard):
        await r.store.save([follows("b")])
        for spoil, says in ((_silence, "in time"), (_restricted, "authentication")):
            await spoil(one)
            with pytest.raises(ListNotRead, match=says):
                await guard.edit(kinds.FOLLOWS, adding("d"))
            assert not one.sent("EVENT")
            one.silent, one.words = False, ""
        done = await guard.edit(kinds.FOLLOWS, adding("d"))
        assert done is not None
        assert [tag[1][0] for tag in done[0].tags] == ["b", "c", "d"]


@pytest.mark.slow
async def test_a_newcomers_relay_may_be_slow_or_closed_but_not_silent(tmp_path: Path) -> None:
    async with Relay() as one, guarded(tmp_path, one.url, only_here=True) as (_, guard):
        await _silence(one)
        with pytest.raises(ListNotRead, match="in time"):
            await guard.edit(kinds.FOLLOWS, adding("b"))

        async def wake() -> None:
            asked = len(one.sent("REQ"))
            await until(lambda: len(one.sent("REQ")) > asked)
            one.silent = False  # too late for that question: it is asked once more

        async with asyncio.TaskGroup() as group:
            group.create_task(wake())
            read = await guard.reader.read(kinds.FOLLOWS)
        assert read.answers[one.url] is ListAnswer.ANSWERED
        await _restricted(one)
        assert await guard.edit(kinds.FOLLOWS, adding("b")) is not None


async def test_an_empty_relay_list_leaves_the_store_alone_to_know(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (r, guard):
        await r.store.save([follows("b")])
        done = await guard.edit(kinds.FOLLOWS, adding("c"))
        assert done is not None
        assert len(done[0].tags) == 2
    async with guarded(tmp_path / "other", known=False) as (_, guard):
        with pytest.raises(ListNotRead, match="no relay is known"):
            await guard.edit(kinds.FOLLOWS, adding("c"), waiver=Waiver(allow_empty=True))


async def test_a_version_from_the_future_is_followed_by_a_later_one(tmp_path: Path) -> None:
    ahead = follows("b", at=NOW + 10**7)
    async with Relay(ahead) as one, guarded(tmp_path, one.url) as (_, guard):
        done = await guard.edit(kinds.FOLLOWS, adding("c"))
        assert done is not None
        assert done[0].created_at == NOW + 10**7 + 1
        assert one.has(done[0])


async def test_a_jump_of_the_clock_locks_no_list(tmp_path: Path) -> None:
    """What was made meanwhile is on no relay but the own one, whose clock jumped as well."""
    first = follows("b")
    async with (
        Relay(first) as one,
        Relay() as own,
        guarded(tmp_path, one.url) as (r, guard),
    ):
        r.policy.own_relay = own.url
        r.clock.now, one.refuses = NOW + 400 * 86_400, "invalid: created_at too far off"
        jumped = await guard.edit(kinds.FOLLOWS, adding("c"))
        assert jumped is not None
        assert jumped[1].accepted == (own.url,)

        r.clock.now, one.refuses = NOW, ""
        done = await guard.edit(kinds.FOLLOWS, adding("d"))
        assert done is not None
        event, report = done
        assert [tag[1][0] for tag in event.tags] == ["b", "c", "d"]
        assert event.created_at == NOW
        assert one.url in report.accepted
        assert await r.store.get_address(FOLLOWS) == event
        assert [e.id for e in await r.store.history(FOLLOWS)] == [jumped[0].id, first.id]
        [deletion] = [e for e in own.held if e.kind == kinds.DELETION]
        assert deletion.tags == (("e", jumped[0].id), ("k", "3"))

        again = await guard.edit(kinds.FOLLOWS, adding("e"))  # the own relay still shows the old
        assert again is not None
        assert [tag[1][0] for tag in again[0].tags] == ["b", "c", "d", "e"]
        assert again[0].created_at == NOW + 1


async def test_what_the_jump_left_behind_is_published_when_it_is_asked_for_again(
    tmp_path: Path,
) -> None:
    async with Relay(follows("b")) as one, guarded(tmp_path, one.url) as (r, guard):
        await r.store.save([follows("b", "c", at=MAX_TIMESTAMP)])
        done = await guard.edit(kinds.FOLLOWS, adding("c"))
        assert done is not None
        assert [tag[1][0] for tag in done[0].tags] == ["b", "c"]
        assert (done[0].created_at, done[1].accepted) == (NOW, (one.url,))
        assert await guard.edit(kinds.FOLLOWS, adding("c")) is None


async def test_a_version_some_minutes_ahead_is_followed_by_a_later_one(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (r, guard):
        for ahead, after in ((0, 1), (900, 901), (901, 901)):
            await r.store.save([follows("b", at=NOW + ahead)])
            last = await r.store.get_address(FOLLOWS)
            assert await guard.date_after(last) == NOW + after
        assert await r.store.get_address(FOLLOWS) is None  # it gave way, into the history
        assert len(await r.store.history(FOLLOWS)) == 3


async def test_another_device_publishes_in_between(tmp_path: Path) -> None:
    """It follows "c" after we have read and before we have sent: both changes must survive."""
    async with (
        Relay(follows("b")) as one,
        Relay(follows("b")) as two,
        guarded(tmp_path, one.url, two.url) as (r, guard),
    ):
        theirs = follows("b", "c", at=NOW + 50)
        change = adding("d")

        def meanwhile(last: Event | None) -> Draft | None:
            if last is not None and last.created_at < NOW + 50:
                one.keep(theirs)
                two.keep(theirs)
            return change(last)

        done = await guard.edit(kinds.FOLLOWS, meanwhile)
        assert done is not None
        event, report = done
        assert [tag[1][0] for tag in event.tags] == ["b", "c", "d"]
        assert event.created_at == NOW + 51
        assert set(report.accepted) == {one.url, two.url}
        assert theirs.id in {e.id for e in await r.store.history(FOLLOWS)}


async def test_who_loses_every_time_is_told(tmp_path: Path) -> None:
    async with Relay(follows("b")) as one, guarded(tmp_path, one.url) as (_, guard):
        turn = iter(range(1, 100))

        def always_late(last: Event | None) -> Draft | None:
            at = NOW + 50 * next(turn)
            one.keep(follows("b", "c", at=at))
            return adding("d")(last)

        done = await guard.edit(kinds.FOLLOWS, always_late)
        assert done is not None
        assert done[1].overtaken
        assert "won" in str(done[1])
        sent = [frame[1] for frame in one.sent("EVENT") if frame[1]["kind"] == kinds.FOLLOWS]
        assert len(sent) == list_guard.EDITS


async def test_a_change_that_another_device_has_made_already_is_not_made_twice(
    tmp_path: Path,
) -> None:
    theirs = follows("b", "c", at=NOW + 50)
    async with Relay(theirs) as one, guarded(tmp_path, one.url) as (_, guard):
        assert await guard.edit(kinds.FOLLOWS, adding("c")) is None
        assert not one.sent("EVENT")


async def test_tasks_and_processes_take_turns(tmp_path: Path) -> None:
    async with Relay(follows("b")) as one, guarded(tmp_path, one.url) as (r, guard):
        other = ListGuard(
            ListReader(r.courier, pubkey=ME, folder=tmp_path),
            LocalSigner(ANA, r.clock),
            clock=r.clock,
        )
        async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
            for index, person in enumerate("cdef"):
                group.create_task((guard, other)[index % 2].edit(kinds.FOLLOWS, adding(person)))
        last = await r.store.get_address(FOLLOWS)
        assert last is not None
        assert {tag[1][0] for tag in last.tags} == set("bcdef")


async def test_an_addressable_list_is_read_by_its_name(tmp_path: Path) -> None:
    mine = signed(kind=30_000, tags=(("d", "friends"), ("p", "b" * 64)))
    other = signed(kind=30_000, tags=(("d", "work"),), at=START + 9)
    async with Relay(mine, other) as one, guarded(tmp_path, one.url) as (_, guard):
        read = await guard.reader.read(30_000, identifier="friends")
        assert read.version == mine
        with pytest.raises(ListNotRead, match="list of people"):
            await guard.reader.read(30_000, identifier="enemies")


async def test_a_watched_account_changes_nothing(tmp_path: Path) -> None:
    async with guarded(tmp_path, DEAD, signer=False) as (_, guard):
        with pytest.raises(SigningRefused):
            await guard.edit(kinds.FOLLOWS, adding("b"), waiver=Waiver(allow_empty=True))


async def test_what_was_read_is_kept_with_its_copies(tmp_path: Path) -> None:
    list_ = follows("b")
    async with Relay(list_) as one, guarded(tmp_path, one.url) as (r, guard):
        await guard.reader.read(kinds.FOLLOWS)
        assert [c.url for c in await r.store.ledger.copies(list_.id)] == [one.url]
        [request] = one.sent("REQ")
        assert json.dumps(request[2]) == json.dumps({"authors": [ME], "kinds": [3, 10002]})


async def test_somebody_elses_list_is_never_taken_for_ours(tmp_path: Path) -> None:
    stranger = SecretKey.from_hex("9" * 64)
    theirs = signed(stranger, kinds.FOLLOWS, tags=(("p", "e" * 64),), at=START + 9)
    async with Relay(follows("b"), theirs) as one, guarded(tmp_path, one.url) as (_, guard):
        done = await guard.edit(kinds.FOLLOWS, adding("c"))
        assert done is not None
        assert [tag[1][0] for tag in done[0].tags] == ["b", "c"]


async def test_what_a_change_loses_is_confirmed_once_unless_it_names_it(tmp_path: Path) -> None:
    asked: list[str] = []
    answer = False

    async def consent(draft: Draft, objection: Objection) -> bool:
        asked.append(objection.words)
        return answer

    def keep(count: int) -> Change:
        return lambda last: Draft(kinds.FOLLOWS, "", last.tags[:count]) if last else None

    async with Relay() as relay, guarded(tmp_path, relay.url) as (r, guard):
        guard._confirmation = Confirmation(consent)
        await r.store.save([follows(*"bcdef")])
        with pytest.raises(NotConfirmed, match="2 of its 5 entries"):
            await guard.edit(kinds.FOLLOWS, keep(3))
        held = await r.store.get_address(FOLLOWS)
        assert held is not None
        assert len(held.tags) == 5, "nothing was signed, so nothing is here"
        named = [("p", "f" * 64), ("p", "e" * 64)]
        assert await guard.edit(kinds.FOLLOWS, keep(3), removes=named)
        assert len(asked) == 1
        with pytest.raises(NotConfirmed, match="2 of its 3 entries"):
            await guard.edit(kinds.FOLLOWS, keep(0), removes=[("p", "b" * 64)])
        answer = True
        assert await guard.edit(kinds.FOLLOWS, keep(1))
        assert len(asked) == 3

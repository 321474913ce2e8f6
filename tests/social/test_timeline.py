"""Pages of notes, what stands in a view, and new notes as they come."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, Tags
from nostr_client.protocol.keys import SecretKey
from nostr_client.social.timeline import GATHER, MAX_AHEAD, gather_for
from nostr_client.social.views import NoteView
from nostr_client.store.opening import open_store
from tests.routing.rooms import forged
from tests.social.house import (
    ANA,
    BEN,
    BEN_KEY,
    CY,
    CY_KEY,
    LIMIT,
    ME,
    START,
    house,
    signed,
)

each_engine = pytest.mark.usefixtures("client_engine")

DEE = SecretKey.from_hex("4" * 64)


def following(*people: str, at: int = START) -> Event:
    return signed(kind=kinds.FOLLOWS, tags=tuple(("p", p) for p in people), at=at)


def note(text: str, key: SecretKey = BEN, at: int = START, tags: Tags = ()) -> Event:
    return signed(key, content=text, at=at, tags=tags)


def texts(views: list[NoteView]) -> list[str]:
    return [view.event.content for view in views]


@each_engine
async def test_home_is_what_the_followed_and_the_account_wrote(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(
            following(BEN_KEY),
            note("ben", at=START - 1),
            note("mine", ANA, START - 2),
            note("stranger", CY, START - 3),
            signed(BEN, kinds.REACTION, "+", at=START - 4),
        )
        assert texts(await h.timeline.home()) == ["ben", "mine"]
        assert texts(await h.timeline.author(CY_KEY)) == ["stranger"]


async def test_home_shows_posts_of_every_kind_and_no_messages(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        posts = [
            signed(BEN, kind, f"kind {kind}", (("d", str(kind)), ("title", "x")), START - kind % 50)
            for kind in sorted(kinds.POSTS - {*kinds.REPOSTS})
        ]
        unseen = [signed(BEN, kind, "no", (("p", ME),)) for kind in (4, 7, 24, 1018, 1059, 30024)]
        await h.keep(following(BEN_KEY), *posts, *unseen)
        assert {view.event for view in await h.timeline.home()} == set(posts)
        assert texts(await h.timeline.mentions()) == [], "a public message is a notification"


@each_engine
async def test_nobodys_home_is_empty(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(note("stranger"))
        assert await h.timeline.home() == []
        assert await h.timeline.mentions() == []


@each_engine
async def test_a_note_from_the_future_waits_for_its_time(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(following(BEN_KEY), note("soon", at=START + MAX_AHEAD + 10), note("now"))
        assert texts(await h.timeline.home()) == ["now"]
        h.clock.now += 10
        assert texts(await h.timeline.home()) == ["soon", "now"]


@each_engine
async def test_pages_follow_each_other_also_within_one_second(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        chance = random.Random(7)
        notes = [note(f"{n}", at=START - chance.randrange(4)) for n in range(150)]
        await h.keep(following(BEN_KEY), *notes)
        expected = [e.id for e in sorted(notes, key=lambda e: e.order)]
        found: list[str] = []
        until = None
        while views := await h.timeline.home(until=until, limit=7):
            assert len(views) <= 7
            found += [view.id for view in views]
            until = views[-1].cursor
        assert found == expected


@each_engine
async def test_pages_stay_put_while_new_notes_arrive(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        notes = [note(f"{n}", at=START - n) for n in range(40)]
        await h.keep(following(BEN_KEY), *notes)
        first = await h.timeline.home(limit=10)
        await h.keep(*(note(f"new {n}", at=START + n) for n in range(15)))
        second = await h.timeline.home(until=first[-1].cursor, limit=10)
        assert texts(first + second) == [str(n) for n in range(20)]


@each_engine
async def test_a_view_tells_who_answered_whom_and_how_it_was_received(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        root = note("root", ANA)
        answer = note("answer", at=START + 1, tags=(("e", root.id, "", "root", ME), ("p", ME)))
        about: Tags = (("e", root.id), ("p", ME))
        await h.keep(
            following(BEN_KEY),
            signed(BEN, 0, '{"name":"ben"}'),
            root,
            answer,
            note("only cites it", CY, tags=(("e", root.id, "", "mention"),)),
            signed(BEN, kinds.REACTION, "+", about),
            signed(BEN, kinds.REACTION, "🤙", about, at=START + 1),
            signed(CY, kinds.REACTION, "-", about),
            signed(ANA, kinds.REACTION, "🚀", about),
            signed(CY, kinds.REPOST, "", about),
            signed(ANA, kinds.GENERIC_REPOST, "", about),
        )
        await h.store.ledger.want(root.id, ["wss://a.example", "wss://b.example"])
        await h.store.ledger.confirm([(root.id, "wss://a.example")])
        views = {view.event.content: view for view in await h.timeline.home()}
        mine, theirs = views["root"], views["answer"]
        assert (mine.replies, mine.reactions, mine.reposts) == (1, 2, 2)
        assert (mine.tally.mine, mine.tally.reposted) == (("🚀",), True)
        assert (mine.mine, mine.copies, mine.wanted) == (True, 1, 2)
        assert theirs.author.name == "ben"
        assert theirs.reply_to is not None
        assert theirs.reply_to.pubkey == ME
        assert (theirs.mine, theirs.copies, theirs.wanted) == (False, None, None)
        assert mine.reply_to is None


@each_engine
@pytest.mark.parametrize(
    ("tags", "warning"),
    [((), None), ((("content-warning",),), ""), ((("content-warning", "medical"),), "medical")],
)
async def test_warnings(tmp_path: Path, tags: Tags, warning: str | None) -> None:
    async with house(tmp_path) as h:
        await h.keep(following(BEN_KEY), note("x", tags=tags))
        [view] = await h.timeline.home()
        assert view.warning == warning


@each_engine
async def test_whom_an_old_answer_is_meant_for(tmp_path: Path) -> None:
    """Positional tags name no author: the answered note does, or else the only one tagged."""
    async with house(tmp_path) as h:
        parent = note("parent", CY)
        await h.keep(
            following(BEN_KEY),
            parent,
            note("held", tags=(("e", parent.id), ("p", ME), ("p", CY_KEY))),
            note("lost", tags=(("e", "0" * 64), ("p", ME))),
            note("unclear", tags=(("e", "1" * 64), ("p", ME), ("p", CY_KEY))),
        )
        to = {v.event.content: v.reply_to and v.reply_to.pubkey for v in await h.timeline.home()}
        assert to == {"held": CY_KEY, "lost": ME, "unclear": None}


# Reposts


@each_engine
async def test_a_repost_shows_the_note_and_who_passed_it_on(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        original = note("look", CY, START - 500)
        repost = signed(BEN, kinds.REPOST, "", (("e", original.id), ("p", CY_KEY)))
        await h.keep(following(BEN_KEY), original, repost)
        [view] = await h.timeline.home()
        assert view.event == original
        assert view.entry == repost
        assert (view.id, view.at) == (original.id, START)
        assert view.author.pubkey == CY_KEY
        assert view.reposted_by is not None
        assert view.reposted_by.pubkey == BEN_KEY
        assert view.reposts == 1


@each_engine
async def test_a_note_that_travels_in_a_repost_is_checked_and_stored(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        original, false = note("inside", CY, START - 5), note("false", CY, START - 5)
        other = note("other", CY, START - 5)
        about = (("e", original.id), ("p", CY_KEY))
        await h.keep(
            following(BEN_KEY),
            signed(BEN, kinds.REPOST, original.json.decode(), about, at=START),
            signed(
                BEN, kinds.REPOST, forged(false).json.decode(), (("e", false.id),), at=START - 1
            ),
            signed(BEN, kinds.REPOST, other.json.decode(), (("e", "0" * 64),), at=START - 2),
            signed(BEN, kinds.REPOST, "{broken", (("e", "1" * 64),), at=START - 3),
            signed(BEN, kinds.REPOST, "", (), at=START - 4),
        )
        views = await h.timeline.home()
        assert views[0].event == original
        assert await h.store.get(original.id) == original
        assert [view.missing for view in views[:4]] == ["", false.id, "0" * 64, "1" * 64]
        assert views[4].missing == views[4].entry.id
        assert all(view.parts == () for view in views[1:])
        assert await h.store.get(false.id) is None
        assert await h.store.get(other.id) is None


@each_engine
async def test_a_deleted_note_does_not_come_back_in_a_repost(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        original = note("regretted", CY, START - 5)
        await h.keep(
            following(BEN_KEY),
            signed(CY, kinds.DELETION, tags=(("e", original.id),)),
            signed(BEN, kinds.REPOST, original.json.decode(), (("e", original.id),)),
        )
        [view] = await h.timeline.home()
        assert view.missing == original.id


@each_engine
async def test_mentions_are_by_others(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        me: Tags = (("p", ME),)
        await h.keep(
            note("hey", CY, START - 1, me), note("self", ANA, START, me), note("x", CY, START)
        )
        assert texts(await h.timeline.mentions()) == ["hey"]


@each_engine
async def test_counts_can_be_asked_for_again(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        one = note("x")
        await h.keep(one)
        assert (await h.timeline.tallies([one.id, "0" * 64]))["0" * 64].replies == 0
        await h.keep(signed(CY, kinds.REACTION, "+", (("e", one.id),)))
        assert (await h.timeline.tallies([one.id]))[one.id].reactions == 1
        assert [view.reactions for view in await h.timeline.views([one.id])] == [1]


# Watching


async def next_texts(watch, number: int) -> list[str]:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(LIMIT):
        return [(await anext(watch)).event.content for _ in range(number)]


async def at_watch(h):  # type: ignore[no-untyped-def]
    """A watch that is at work for sure: something has come."""
    page = await h.timeline.home()
    await h.keep(note("it watches"))
    watch = h.timeline.watch(page)
    assert await next_texts(watch, 1) == ["it watches"]
    return watch


@each_engine
async def test_new_notes_come_as_they_are_stored(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(following(BEN_KEY), note("before"))
        watch = await at_watch(h)
        task = asyncio.create_task(next_texts(watch, 3))
        await h.keep(note("one", at=START + 1), note("stranger", CY), note("mine", ANA))
        await h.keep(note("one", at=START + 1), note("ahead", at=START + 10_000))
        await h.keep(note("two", at=START + 2))
        assert sorted(await task) == ["mine", "one", "two"]
        await watch.aclose()


@each_engine
async def test_who_is_followed_now_is_watched_from_now_on(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(following(BEN_KEY))
        watch = await at_watch(h)
        await h.keep(note("cy, too early", CY), note("ben"))
        assert await next_texts(watch, 1) == ["ben"]
        task = asyncio.create_task(next_texts(watch, 2))
        await h.follows.follow(CY_KEY)
        await h.keep(note("cy", CY, START + 1))
        await h.follows.unfollow(BEN_KEY)
        await h.keep(note("ben, gone", BEN, START + 2), note("cy again", CY, START + 3))
        assert await task == ["cy", "cy again"]
        await watch.aclose()


async def test_what_another_process_stores_is_seen(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(following(BEN_KEY))
        watch = await at_watch(h)
        task = asyncio.create_task(next_texts(watch, 1))
        async with open_store(tmp_path / "events.db") as other:
            await other.save([note("from next door")])
            assert await task == ["from next door"]
        await watch.aclose()


@each_engine
async def test_a_flood_comes_whole_and_once(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(following(BEN_KEY))
        notes = [note(f"{n}", at=START - n) for n in range(600)]
        watch = await at_watch(h)
        task = asyncio.create_task(next_texts(watch, 600))
        for start in range(0, 600, 100):
            await h.keep(*notes[start : start + 100])
        assert sorted(map(int, await task)) == list(range(600))
        await watch.aclose()


@each_engine
async def test_leaving_a_watch_is_clean(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(following(BEN_KEY))
        task = asyncio.create_task(next_texts(await at_watch(h), 1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(("rate", "most"), [(100, 25), (10, 125)])
def test_a_crowd_is_gathered_for_longer(rate: int, most: int) -> None:
    """Each batch costs the same questions to the store; whoever comes alone is shown at once."""
    batches, seconds, passed = 0, GATHER, 0.0
    while passed < 6:
        passed += seconds
        seconds = gather_for(round(rate * seconds), seconds)
        batches += 1
    assert batches <= most
    assert gather_for(1, seconds) == GATHER


@each_engine
async def test_nothing_falls_between_a_page_and_its_watch(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(following(BEN_KEY), note("old", at=START - 9), note("shown", at=START - 5))
        page = await h.timeline.home(limit=1)
        await h.keep(note("between", at=START - 4))
        watch = h.timeline.watch(page)
        assert texts([await asyncio.wait_for(anext(watch), LIMIT)]) == ["between"]
        await h.keep(note("later", at=START - 3))
        assert texts([await asyncio.wait_for(anext(watch), LIMIT)]) == ["later"]
        await watch.aclose()


@each_engine
async def test_several_reposts_of_a_note_are_one_row(tmp_path: Path) -> None:
    """The newest, on whichever page it is; while watching, the one that was shown."""
    told = note("told", DEE, START - 100)

    def passing(key: SecretKey, at: int) -> Event:
        return signed(key, kinds.REPOST, tags=(("e", told.id), ("p", told.pubkey)), at=at)

    async with house(tmp_path) as h:
        await h.keep(
            following(BEN_KEY, CY_KEY),
            told,
            *(passing(key, START - n) for n, key in enumerate((BEN, CY, CY), 1)),
            *(note(f"{n}", at=START - 10 - n) for n in range(3)),
        )
        page = await h.timeline.home(limit=2)
        assert texts(page) == ["told", "0"]
        assert page[0].at == START - 1
        assert texts(await h.timeline.home(until=page[-1].cursor)) == ["1", "2"]
        watch = h.timeline.watch(page)
        first = asyncio.ensure_future(anext(watch))
        async with asyncio.timeout(LIMIT):
            while not first.done():
                h.clock.now += 1
                at = int(h.clock.now)
                await h.keep(passing(CY, at), note("new", at=at))
                await asyncio.wait([first], timeout=0.2)
        assert (await first).event.content == "new"
        await watch.aclose()


@each_engine
@pytest.mark.parametrize(
    ("most", "shown"), [(1, ["one", "two", "one", "end"]), (9, ["one", "two", "end"])]
)
async def test_what_a_watch_remembers_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, shown: list[str]
) -> None:
    """A note that was passed on long ago may be shown once more; one that was just now, not."""
    monkeypatch.setattr("nostr_client.social.timeline.MOST_SEEN", most)
    one, two = note("one", DEE, START - 100), note("two", DEE, START - 99)

    async with house(tmp_path) as h:

        async def passed_on(told: Event) -> None:
            h.clock.now += 1
            tags = (("e", told.id), ("p", told.pubkey))
            await h.keep(signed(BEN, kinds.REPOST, tags=tags, at=int(h.clock.now)))

        await h.keep(following(BEN_KEY), one, two)
        page = await h.timeline.home()
        await passed_on(one)  # before the watch begins
        seen: list[str] = []
        async with asyncio.timeout(LIMIT):
            async for view in h.timeline.watch(page):
                seen.append(view.event.content)
                if len(seen) == 1:
                    await passed_on(two)
                elif seen == ["one", "two"]:
                    await passed_on(one)
                    await h.keep(note("end", at=int(h.clock.now)))
                elif seen[-1] == "end":
                    break
        assert seen == shown

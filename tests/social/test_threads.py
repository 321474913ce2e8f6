"""Conversations as trees, from the store and from relays."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.nips import nip10
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, Tags
from nostr_client.protocol.keys import SecretKey
from nostr_client.social import ancestors, threads
from nostr_client.social.views import ThreadView
from tests.social.house import (
    ANA,
    BEN,
    BEN_KEY,
    CY,
    DEAD,
    LIMIT,
    ME,
    START,
    Relay,
    house,
    relay_list,
    signed,
)


def answer(parent: Event, text: str, at: int, root: Event | None = None) -> Event:
    if root is None or root is parent:
        tags: Tags = (("e", parent.id, "", "root", parent.pubkey),)
    else:
        tags = (
            ("e", root.id, "", "root", root.pubkey),
            ("e", parent.id, "", "reply", parent.pubkey),
        )
    return signed(BEN, content=text, tags=(*tags, ("p", parent.pubkey)), at=START + at)


def drawn(view: ThreadView) -> list[str]:
    return ["  " * depth + note.event.content for depth, note in view.items]


ROOT = signed(ANA, content="root")
A = answer(ROOT, "a", 2)
B = answer(ROOT, "b", 1)
A1 = answer(A, "a1", 4, ROOT)
A2 = answer(A, "a2", 3, ROOT)
A11 = answer(A1, "a11", 5, ROOT)
TREE = ["root", "  b", "  a", "    a2", "    a1", "      a11"]


async def test_a_thread_is_a_tree_in_reading_order_from_wherever_it_is_opened(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as h:
        cited = signed(CY, content="cites", tags=(("e", ROOT.id, "", "mention"),))
        reaction = signed(CY, kinds.REACTION, "+", (("e", ROOT.id),))
        await h.keep(A11, ROOT, A, B, A2, A1, cited, reaction)
        for note in (ROOT, B, A11):
            view = await h.threads.load(note.id)
            assert drawn(view) == TREE
            assert view.focus == note.id
            assert view.root is not None
            assert view.root.event == ROOT
            assert view.missing == ()
            assert view.hidden == 0


async def test_what_is_not_here_is_named(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(A11, B)
        view = await h.threads.load(A11.id)
        assert view.root is None
        assert drawn(view) == ["  b", "  a11"]
        assert view.missing == tuple(sorted((ROOT.id, A1.id)))
        nothing = await h.threads.load("0" * 64)
        assert (nothing.items, nothing.missing) == ((), ("0" * 64,))


async def test_old_positional_threads_are_read(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        first = signed(BEN, content="first", tags=(("e", ROOT.id), ("p", ME)), at=START + 1)
        second = signed(CY, content="second", tags=(("e", ROOT.id), ("e", first.id)), at=START + 2)
        await h.keep(ROOT, first, second)
        assert drawn(await h.threads.load(second.id)) == ["root", "  first", "    second"]


async def test_a_whole_chain_says_more_than_the_root_that_an_answer_claims(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        stray = signed(
            CY,
            content="stray",
            tags=(("e", "9" * 64, "", "root"), ("e", B.id, "", "reply")),
            at=START + 9,
        )
        await h.keep(ROOT, B, stray)
        view = await h.threads.load(stray.id)
        assert drawn(view) == ["root", "  b", "    stray"]
        assert view.missing == ()


async def test_a_chain_of_a_thousand_is_no_trouble(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        chain = [ROOT]
        for n in range(threads.MOST_NOTES + 200):
            chain.append(answer(chain[-1], str(n), n, ROOT))
        await h.keep(*chain)
        view = await h.threads.load(chain[-1].id)
        assert len(view.items) == threads.MOST_NOTES
        assert view.hidden == 201
        assert view.items[0][1].event == ROOT
        assert any(note.event == chain[-1] for _, note in view.items)


async def test_an_event_of_another_kind_is_a_thread_of_its_own(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        article = signed(BEN, 30023, "long", (("d", "x"), ("e", ROOT.id)))
        await h.keep(article, ROOT)
        assert drawn(await h.threads.load(article.id)) == ["long"]


async def test_fetching_asks_where_the_people_are_and_follows_hints(tmp_path: Path) -> None:
    async with (
        Relay(ROOT, A, B) as bens,
        Relay(A1, A2) as hinted,
        Relay(A11) as own,
        house(tmp_path, fallback=[own.url]) as h,
    ):
        await h.keep(relay_list(BEN, bens.url))
        view = await h.threads.fetch(A11.id, relays=[hinted.url, "ws://10.0.0.1", "nonsense"])
        assert drawn(view) == TREE
        assert bens.connections == hinted.connections == 1
        assert (await h.profiles.get(BEN_KEY)).event is None


async def test_offline_a_thread_is_what_is_here(tmp_path: Path) -> None:
    async with house(tmp_path, fallback=[DEAD]) as h:
        await h.keep(ROOT, A)
        assert drawn(await h.threads.fetch(A.id)) == ["root", "  a"]
        assert (await h.threads.fetch("0" * 64)).items == ()


async def test_a_note_is_found_where_its_author_writes_and_it_is_said_who_answered(
    tmp_path: Path,
) -> None:
    """A code that names the author and no relay; the author's list is on the own relay."""
    async with (
        Relay(A) as bens,
        Relay(relay_list(BEN, bens.url), ROOT) as own,
        house(tmp_path, fallback=[own.url, DEAD]) as h,
    ):
        await h.keep(relay_list(ANA, own.url))
        view = await h.threads.fetch(A.id, author=BEN_KEY)
        assert drawn(view) == ["root", "  a"]
        assert {url: end.answered for url, end in view.ends.items() if not end.spare} == {
            own.url: True,
            bens.url: True,
        }


async def test_a_thread_in_passing_asks_no_relay_that_only_strangers_name(tmp_path: Path) -> None:
    async with (
        Relay() as mine,
        Relay() as spy,
        Relay() as hers,
        house(tmp_path, fallback=[mine.url]) as h,
    ):
        tags = (("e", "0" * 64, spy.url, "root"), ("p", BEN_KEY))
        note = signed(BEN, content="look here", tags=tags)
        await h.keep(note, relay_list(BEN, hers.url))
        await h.threads.fetch(note.id, in_passing=True)
        assert mine.connections
        assert not spy.connections
        assert not hers.connections
        await h.threads.fetch(note.id)
        assert spy.connections
        assert hers.connections


def bare(key: SecretKey, parent: Event, at: int) -> Event:
    """An answer as many programs write it: it names the note that it answers, and no root."""
    tags = (("e", parent.id, "", "reply"), ("p", parent.pubkey))
    return signed(key, content=chr(ord(parent.content) + 1), tags=tags, at=START + at)


BARE = [signed(ANA, content="a")]
for n in range(5):
    BARE.append(bare((BEN, CY)[n % 2], BARE[-1], n + 1))
BARE_TREE = ["a", "  b", "    c", "      d", "        e", "          f"]


async def test_a_thread_is_walked_upwards_and_downwards(tmp_path: Path) -> None:
    """Nobody names the root: it is found step by step, from wherever the thread is opened."""
    for n, note in enumerate((BARE[0], BARE[3], BARE[5])):
        async with Relay(*BARE) as relay, house(tmp_path / str(n), fallback=[relay.url]) as h:
            view = await h.threads.fetch(note.id)
            assert drawn(view) == BARE_TREE
            assert view.missing == ()
            assert drawn(await h.threads.load(note.id)) == BARE_TREE


async def test_every_answer_that_is_counted_is_shown_or_counted_as_hidden(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        claims = (("e", "9" * 64, "", "root"), ("e", ROOT.id, "", "reply"))
        elsewhere = signed(CY, content="elsewhere", tags=claims, at=START + 9)
        await h.keep(ROOT, A, B, A1, A2, A11, elsewhere, bare(CY, signed(content="a"), 1))
        view = await h.threads.load(A2.id)
        parents = [_parent(other.event) for _, other in view.items]
        for _, note in view.items:
            assert note.replies == parents.count(note.id), note.event.content
        assert "elsewhere" in [note.event.content for _, note in view.items]
        many = [answer(A, str(n), 10 + n, ROOT) for n in range(threads.MOST_NOTES + 50)]
        await h.keep(*many)
        view = await h.threads.load(A.id)
        counted = sum(note.replies for note in await h.views.of([ROOT, A, A1, A2, B, A11]))
        assert 1 + counted == len(view.items) + view.hidden


def _parent(note: Event) -> str:
    reply = nip10.thread_refs(note).reply
    return reply.id if reply else ""


async def test_a_missing_note_is_shown_where_it_stood(tmp_path: Path) -> None:
    a, b, c, d, *_ = BARE
    async with Relay(a, c, d) as relay, house(tmp_path, fallback=[relay.url]) as h:
        view = await h.threads.fetch(d.id)
        assert drawn(view) == ["  c", "    d"]
        assert [note.orphan_of for _, note in view.items] == [b.id, ""]
        assert view.missing == (b.id,)
        assert view.ends[relay.url].answered


async def test_the_walk_upwards_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ancestors, "MOST_FETCHED", 3)
    chain = [signed(content="0")]
    for n in range(20):
        tags = (("e", chain[-1].id, "", "reply"),)
        chain.append(signed(BEN, content=str(n + 1), tags=tags, at=START + n))
    async with Relay(*chain) as relay, house(tmp_path, fallback=[relay.url]) as h:
        await h.keep(chain[-1])
        found, _ = await ancestors.fetch_ancestors(h.courier, chain[-1], limit=LIMIT)
        assert [note.content for note in found.above] == ["19", "18", "17"]
        assert found.missing is not None
        assert (found.missing.id, found.root.id) == (chain[-5].id, chain[-5].id)
    monkeypatch.setattr(ancestors, "MOST_STEPS", 5)
    async with house(tmp_path / "all") as h:
        await h.keep(*chain)
        assert len((await ancestors.ancestors_of(h.store, chain[-1])).above) == 5


async def test_an_answer_names_the_note_that_began_the_thread(tmp_path: Path) -> None:
    a, _, _, d, *_ = BARE
    async with Relay(*BARE) as relay, house(tmp_path, fallback=[relay.url]) as h:
        posted = await h.notes.reply(d.id, "me too")
        refs = nip10.thread_refs(posted.event)
        assert refs.root is not None
        assert refs.reply is not None
        assert (refs.root.id, refs.root.pubkey, refs.reply.id) == (a.id, ME, d.id)


async def test_without_the_whole_chain_an_answer_takes_the_root_that_the_chain_names(
    tmp_path: Path,
) -> None:
    async with Relay() as relay, house(tmp_path, fallback=[relay.url]) as h:
        above = answer(A1, "names the root", 6, ROOT)
        below = signed(CY, content="x", tags=(("e", above.id, "", "reply"),), at=START + 7)
        await h.keep(above, below)
        root = nip10.thread_refs((await h.notes.reply(below.id, "y")).event).root
        assert root is not None
        assert root.id == ROOT.id
        await h.keep(A11)
        asked = len(relay.sent("REQ"))
        root = nip10.thread_refs((await h.notes.reply(A11.id, "z")).event).root
        assert root is not None
        assert root.id == ROOT.id
        assert all("ids" not in filter for _, _, filter in relay.sent("REQ")[asked:])


ARTICLE = signed(BEN, 30023, "long", (("d", "roof"),), START)
PLACE = f"30023:{BEN_KEY}:roof"
SCOPE: Tags = (("A", PLACE), ("K", "30023"), ("P", BEN_KEY))


def comment(text: str, at: int, *tags: tuple[str, ...], kind: int = 1111) -> Event:
    return signed(CY, kind, text, (*SCOPE, *tags), START + at)


FIRST = comment("first", 1, ("a", PLACE), ("e", ARTICLE.id), ("k", "30023"))
SECOND = comment("second", 2, ("e", FIRST.id), ("k", "1111"))
SPOKEN = comment("https://a.example/x.m4a", 3, ("e", SECOND.id), kind=1244)
LOOSE = comment("loose", 4)


async def test_comments_stand_under_what_they_are_about(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        newer = signed(BEN, 30023, "longer", (("d", "roof"),), START + 50)
        await h.keep(ARTICLE, FIRST, SECOND, SPOKEN, LOOSE)
        tree = ["long", "  first", "    second", "      https://a.example/x.m4a", "  loose"]
        for note in (ARTICLE, FIRST, SPOKEN):
            assert drawn(await h.threads.load(note.id)) == tree
        [view] = await h.timeline.views([ARTICLE.id])
        assert view.replies == 1, "direct ones"
        second = (await h.threads.load(SECOND.id)).items[2][1]
        assert second.reply_to is not None
        assert second.replies == 1
        await h.keep(newer)
        assert drawn(await h.threads.load(FIRST.id)) == ["longer", *tree[1:]]
        assert (await h.timeline.views([newer.id]))[0].replies == 1


async def test_an_article_that_is_not_here_is_named_by_its_address_and_fetched(
    tmp_path: Path,
) -> None:
    async with Relay(ARTICLE, LOOSE) as bens, house(tmp_path, fallback=[DEAD]) as h:
        await h.keep(FIRST, SECOND, relay_list(BEN, bens.url))
        view = await h.threads.load(SECOND.id)
        assert drawn(view) == ["  first", "    second"]
        assert view.missing == (ARTICLE.id,)
        assert drawn(await h.threads.fetch(SECOND.id)) == [
            *("long", "  first", "    second"),
            "  loose",
        ]


async def test_a_comment_on_a_page_begins_a_thread(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        page = (("I", "https://x.example"), ("K", "web"), ("i", "https://x.example"), ("k", "web"))
        first = signed(CY, 1111, "on a page", page)
        answered = signed(BEN, 1111, "yes", (*page[:2], ("e", first.id), ("k", "1111")), START + 5)
        await h.keep(first, answered)
        view = await h.threads.load(answered.id)
        assert drawn(view) == ["on a page", "  yes"]
        assert view.missing == ()


async def test_the_votes_of_a_poll_are_read_where_it_says_and_counted(tmp_path: Path) -> None:
    async with Relay() as votes, house(tmp_path, fallback=[DEAD]) as h:
        tags = (("option", "a", "Yay"), ("option", "b", "Nay"), ("relay", votes.url))
        poll = signed(BEN, kinds.POLL, "Pineapple?", tags)
        cast = [
            signed(key, kinds.VOTE, "", (("e", poll.id), ("response", choice)), START + 5)
            for key, choice in ((ANA, "a"), (CY, "b"))
        ]
        await h.keep(poll, cast[0])
        votes.keep(cast[1])
        [view] = await h.timeline.views([poll.id])
        assert view.poll is not None
        assert [(o.votes, o.mine) for o in view.poll.options] == [(1, True), (0, False)]
        thread = await h.threads.fetch(poll.id)
        assert thread.root is not None
        assert thread.root.poll is not None
        assert [option.votes for option in thread.root.poll.options] == [1, 1]


async def test_strangers_whom_nobody_answers_are_folded(tmp_path: Path) -> None:
    """Who is followed, or followed by them, stays, with what they answer; the focus stays."""
    dee, eve, fay = (SecretKey(bytes([7]) * 31 + bytes([n])) for n in range(1, 4))

    def says(who: SecretKey, text: str, at: int, to: Event = ROOT) -> Event:
        tags = answer(to, text, at, ROOT).tags
        return signed(who, content=text, tags=tags, at=START + at)

    heard = says(dee, "heard", 5)
    noise, more = says(eve, "noise", 6), says(fay, "more", 7)
    async with house(tmp_path) as h:
        await h.keep(
            *(ROOT, heard, noise, more),
            says(BEN, "ben", 8, heard), says(CY, "cy", 9), says(eve, "deep", 10, noise),
            signed(BEN, kinds.FOLLOWS, tags=(("p", CY.public_key.hex),)),
        )  # fmt: skip
        view = await h.threads.load(ROOT.id)
        assert not await h.threads.judge(view), "who follows nobody knows no strangers"
        await h.keep(signed(ANA, kinds.FOLLOWS, tags=(("p", BEN_KEY),), at=START + 50))
        assert not view.folded
        assert await h.threads.judge(view)
        assert not await h.threads.judge(view)
        view = await h.threads.load(ROOT.id)
        said = {v.event.content for _, v in view.items if v.event.id in view.folded}
        assert said == {"noise", "more", "deep"}
        focused = await h.threads.load(noise.id)
        assert focused.folded == {more.id}, "who wrote what is opened is heard out"

"""What is muted is hidden everywhere at once, from whatever device, and while the key is locked."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from nostr_client.errors import InvalidData, SignerUnavailable
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, Tags
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.lists import Entries
from nostr_client.social.mute_matcher import MuteMatcher
from nostr_client.social.mutes import muted_thread, muted_topic, muted_word
from nostr_client.tasks import OwnedTasks
from tests.social.house import ANA, BEN, BEN_KEY, CY, CY_KEY, ME, START, House, house, signed
from tests.waiting import until

ana = LocalSigner(ANA)


async def mute_list(public: Tags = (), private: Tags = (), at: int = START) -> Event:
    content = await ana.nip44_encrypt(ME, json.dumps(private)) if private else ""
    return signed(kind=kinds.MUTES, tags=public, content=content, at=at)


def following(*people: str) -> Event:
    return signed(kind=kinds.FOLLOWS, tags=tuple(("p", p) for p in people))


async def home(h: House) -> list[str]:
    return [view.event.content for view in await h.timeline.home()]


# The matcher


def hidden(event: Event, *entries: tuple[str, ...]) -> str:
    return MuteMatcher(entries, owner=ME).why(event)


def test_each_entry_hides_what_it_says_and_own_events_are_never_hidden() -> None:
    event = signed(BEN, content="Some NOISE here", tags=(("t", "Cats"), ("e", "a" * 64)))
    assert not hidden(event, ("word", "silence"), ("t", "dogs"), ("p",), ("p", ""), ("e", "Cats"))
    assert hidden(event, ("p", BEN_KEY)) == "by somebody you muted"
    assert hidden(event, ("word", "Noise")) == "you muted “noise”"
    assert hidden(event, ("t", "cATS")) == "you muted #cats"
    assert hidden(event, ("e", "a" * 64)) == hidden(event, ("e", event.id))
    assert MuteMatcher((), [1]).why(event) == "you muted kind 1"
    own = signed(content="noise", tags=(("t", "cats"),))
    assert not MuteMatcher((("word", "noise"), ("t", "cats"), ("p", ME)), [1], ME).why(own)


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("ass", "first class", False),
        ("ass", "class, ass.", True),
        ("go", "Go!", True),
        ("go", "go2", True),
        ("免费", "现在免费领取", True),
        ("straße", "STRASSE 5", True),
        ("buy now", "Buy now, pay later", True),
        ("$x", "a$x b", True),
        ("éa", "aéab éa", True),
        ("spam", "buy s\u200bp\u00adam", True),
        ("spam", "buy \uff53\uff50\uff41\uff4d", True),
        ("\u200b", "anything", False),
    ],
)
def test_a_word_is_found_as_a_word(word: str, text: str, found: bool) -> None:
    assert bool(hidden(signed(BEN, content=text), ("word", word))) == found


def test_what_is_read_beside_the_text_and_who_really_paid() -> None:
    article = signed(BEN, 30023, "…", tags=(("title", "All about Spam"), ("d", "x")))
    assert hidden(article, ("word", "spam"))
    zap = signed(CY, kinds.ZAP_RECEIPT, tags=(("P", BEN_KEY),))
    assert hidden(zap, ("p", BEN_KEY))
    repost = signed(CY, kinds.REPOST, content='{"content":"x"}')
    assert not hidden(repost, ("word", "content"))


def test_entries_as_they_are_written() -> None:
    assert muted_word("  Buy\n NOW ") == ("word", "buy now")
    assert muted_topic("#Cats") == ("t", "cats")
    root, note = "b" * 64, signed(BEN)
    assert muted_thread(note) == ("e", note.id)
    assert muted_thread(signed(BEN, tags=(("e", root, "", "root"),))) == ("e", root)
    assert muted_thread(signed(BEN, 1111, tags=(("E", root), ("e", "c" * 64)))) == ("e", root)
    assert muted_thread(comment := signed(BEN, 1111, tags=(("E", "x"),))) == ("e", comment.id)
    for wrong in (muted_word, muted_topic):
        with pytest.raises(InvalidData):
            wrong(" # " if wrong is muted_topic else " ")


# Where it counts


async def test_feeds_leave_out_what_is_muted_and_threads_fold_it(tmp_path: Path) -> None:
    root = signed(BEN, content="root", at=START - 9)
    answer = signed(CY, content="noise", tags=(("e", root.id, "", "root"),), at=START - 8)
    said = signed(CY, content="hi", tags=(("p", ME),), at=START - 7)
    passed_on = signed(BEN, kinds.REPOST, tags=(("e", answer.id), ("p", CY_KEY)), at=START - 6)
    quoting = signed(BEN, content="see", tags=(("q", answer.id),), at=START - 5)
    async with house(tmp_path) as h:
        await h.keep(following(BEN_KEY, CY_KEY), root, answer, said, passed_on, quoting)
        assert await home(h) == ["see", "noise", "hi", "noise", "root"]
        assert await h.mutes.add(("word", "noise"))
        assert await home(h) == ["see", "hi", "root"], "what is passed on, too"
        (see,) = (view for view in await h.timeline.home() if view.event == quoting)
        assert [quote.muted for quote in see.quotes] == ["you muted “noise”"]
        assert len(await h.timeline.mentions()) == 1
        assert await h.mutes.add(("p", CY_KEY))
        assert await h.timeline.mentions() == []
        assert await home(h) == ["see", "root"]
        thread = await h.threads.load(root.id)
        assert [note.muted for _, note in thread.items] == ["", "by somebody you muted"]
        theirs = await h.timeline.author(CY_KEY)
        assert [(note.event, note.muted) for note in theirs] == [(said, ""), (answer, "")]


async def test_nobody_muted_is_counted(tmp_path: Path) -> None:
    root = signed(BEN, content="root", at=START - 9)
    to_root = (("e", root.id, "", "root"),)
    answers = [
        signed(key, kind, content, tags=to_root, at=START - 5)
        for key in (BEN, CY)
        for kind, content in ((1, "yes"), (kinds.REACTION, "+"), (kinds.REPOST, ""))
    ]
    async with house(tmp_path) as h:
        await h.keep(following(BEN_KEY), root, *answers)

        async def counted() -> tuple[int, int, int]:
            (view,) = await h.timeline.views([root.id])
            return view.replies, view.reactions, view.reposts

        assert await counted() == (2, 2, 2)
        assert await h.mutes.add(("p", CY_KEY))
        assert await counted() == (1, 1, 1)


async def test_a_page_is_full_however_much_is_left_out(tmp_path: Path) -> None:
    notes = [
        signed(CY if n % 20 else BEN, content=f"{n}", tags=(("p", ME),), at=START - n // 7)
        for n in range(400)
    ]
    async with house(tmp_path) as h:
        await h.keep(*notes, await mute_list((("p", CY_KEY),)))
        await h.mutes.apply()
        expected = [e for e in sorted(notes, key=lambda e: e.order) if e.pubkey == BEN_KEY]
        found, until_ = [], None
        while page := await h.timeline.mentions(until=until_, limit=3):
            found += [view.event for view in page]
            until_ = page[-1].cursor
            assert len(page) == 3 or len(found) == len(expected)
        assert found == expected


async def test_another_repost_is_the_row_where_the_newest_is_by_somebody_muted(
    tmp_path: Path,
) -> None:
    note = signed(content="mine", at=START - 9)
    async with house(tmp_path) as h:
        await h.keep(
            following(BEN_KEY, CY_KEY),
            note,
            signed(BEN, kinds.REPOST, tags=(("e", note.id),), at=START - 2),
            signed(CY, kinds.REPOST, tags=(("e", note.id),), at=START - 1),
        )
        await h.mutes.add(("p", CY_KEY))
        assert [v.entry.pubkey for v in await h.timeline.home()] == [BEN_KEY, ME]


async def test_what_comes_is_checked_as_well(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(following(BEN_KEY, CY_KEY))
        await h.mutes.add(("word", "noise"))
        watch = h.timeline.watch([])
        coming = anext(watch)
        async with OwnedTasks() as tasks:
            first = tasks.start(coming)
            await h.keep(signed(BEN, content="noise"), signed(BEN, content="fine"))
            assert (await first).event.content == "fine"
        await watch.aclose()


# Kept current


async def test_what_is_known_counts_while_locked_and_lies_where_only_the_person_reads(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as h:
        assert await h.mutes.add(("word", "secretword"))
    files = [p for p in tmp_path.rglob("*") if p.is_file() and b"secretword" in p.read_bytes()]
    assert [path.name for path in files] == [f"lists-{ME[:16]}.10000.json"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    async with house(tmp_path, can_sign=False) as h:
        assert h.mutes.matcher.words == ("secretword",)
        newer = await mute_list((("t", "ads"),), (("word", "other"),), START + 9)
        await h.keep(newer)
        await h.mutes.apply()
        assert h.mutes.matcher.words == ("secretword",), "what may be hidden in it still counts"
        assert h.mutes.matcher.topics == {"ads"}
    async with house(tmp_path) as h:
        await h.mutes.apply()
        assert h.mutes.matcher.words == ("other",)


async def test_a_bunker_that_is_away_is_asked_again(tmp_path: Path) -> None:
    class Away(LocalSigner):
        away = True

        async def nip44_decrypt(self, pubkey: str, payload: str) -> str:
            if self.away:
                raise SignerUnavailable("the bunker does not answer")
            return await super().nip44_decrypt(pubkey, payload)

    signer = Away(ANA)
    async with house(tmp_path, signer=signer) as h:
        await h.keep(await mute_list((), (("t", "ads"),)))
        await h.mutes.apply_if_possible()
        assert not h.mutes.matcher.topics
        signer.away = False
        await h.mutes.apply_if_possible()
        assert h.mutes.matcher.topics == {"ads"}


async def test_what_another_device_mutes_counts_here(tmp_path: Path) -> None:
    async with house(tmp_path) as h, OwnedTasks() as tasks:
        tasks.start(h.mutes.keep())
        await h.keep(await mute_list((("t", "ads"),), (("p", BEN_KEY),), START - 9))
        await until(lambda: h.mutes.matcher.people == {BEN_KEY})
        assert h.mutes.matcher.topics == {"ads"}
        await h.keep(await mute_list(at=START - 1))
        await until(lambda: not h.mutes.matcher.people)


async def test_an_edit_keeps_what_others_wrote_there(tmp_path: Path) -> None:
    theirs = (("x", "1", "2"), ("p", CY_KEY, "wss://a.example", "odd"), ("word", "Shouted"))
    async with house(tmp_path) as h:
        await h.keep(await mute_list(theirs, theirs[::-1]))
        posted = await h.mutes.add(("t", "ads"))
        assert posted is not None
        assert posted.event.tags == theirs
        held = await h.mutes.entries()
        assert held == Entries(theirs, (*theirs[::-1], ("t", "ads")))
        assert replace(held, private=theirs[::-1]) == Entries(theirs, theirs[::-1])

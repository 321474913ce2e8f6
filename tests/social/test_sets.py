"""Lists with a name, bookmarks and pins: what is written, and what others wrote that stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nostr_client.errors import DecryptionFailed, InvalidData, InvalidEvent, ListNotRead
from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Tags
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.bookmarks import Bookmarks, Pins, WebBookmarks, bookmark_entry
from nostr_client.social.sets import NamedSet, Sets, person_entry
from tests.social.house import (
    ANA,
    BEN,
    BEN_KEY,
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

ana = LocalSigner(ANA)
ODD: Tags = (("d", "x"), ("title", "Friends", "more"), ("z", "1"), ("p", BEN_KEY, "wss://b", "Ben"))


def sets(h: House) -> Sets:
    return Sets(h.courier, h.guard, ME)


async def hidden(*tags: tuple[str, ...], key: LocalSigner = ana) -> str:
    return await key.nip44_encrypt(key.pubkey, json.dumps(tags))


# Lists with a name


async def test_a_list_is_made_filled_named_anew_and_read(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        mine = sets(h)
        posted = await mine.create(kinds.FOLLOW_SET, " Good\n friends ", [person_entry(BEN_KEY)])
        name = posted.event.value("d")
        assert name
        assert posted.event.tags == (("d", name), ("title", "Good friends"))
        assert BEN_KEY not in posted.event.content
        (held,) = await mine.of(ME)
        assert (held.title, held.people, held.private, held.word) == (
            "Good friends",
            (BEN_KEY,),
            1,
            "people",
        )
        assert await mine.list(held.kind, name).add(person_entry(CY_KEY), public=True)
        assert await mine.rename(held, "Friends")
        assert await mine.rename(held, "Friends") is None
        (held,) = await mine.of(ME)
        assert held.event.tags == (("d", name), ("title", "Friends"), ("p", CY_KEY))
        assert set(held.people) == {BEN_KEY, CY_KEY}
        assert await mine.list(held.kind, name).remove(person_entry(BEN_KEY))
        (held,) = await mine.of(ME)
        assert (held.people, held.event.content) == ((CY_KEY,), "")
        code = nip19.decode(held.naddr())
        assert isinstance(code, nip19.Naddr)
        assert await mine.find(code) == held


async def test_a_pack_is_public_and_some_kinds_are_only_read(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        mine = sets(h)
        posted = await mine.create(kinds.STARTER_PACK, "Cats", [person_entry(BEN_KEY)])
        assert posted.event.content == ""
        assert posted.event.tags[2:] == (("p", BEN_KEY),)
        assert [pack.title for pack in await mine.packs([ME, BEN_KEY])] == ["Cats"]
        for kind in (kinds.RELAY_SET, kinds.BOOKMARK_SET, 30_004):
            with pytest.raises(InvalidEvent, match="read here, and not written"):
                mine.list(kind, "x")
        with pytest.raises(InvalidEvent, match="two things"):
            await h.guard.edit(kinds.FAVORITE_SETS, lambda last: Draft(10_011, "", ()))
        with pytest.raises(InvalidData):
            await mine.create(kinds.FOLLOW_SET, " \n")
        with pytest.raises(InvalidData):
            person_entry("npub1")


async def test_an_edit_keeps_every_byte_that_it_was_not_asked_to_change(tmp_path: Path) -> None:
    content = await hidden(("p", CY_KEY, "", "Cy"), ("odd", "é", "\\u0041"))
    async with house(tmp_path) as h:
        await h.keep(signed(kind=kinds.FOLLOW_SET, tags=ODD, content=content))
        mine = sets(h)
        posted = await mine.list(kinds.FOLLOW_SET, "x").add(person_entry("a" * 64), public=True)
        assert posted is not None
        assert (posted.event.tags, posted.event.content) == ((*ODD, ("p", "a" * 64)), content)
        (held,) = await mine.of(ME)
        posted = await mine.rename(held, "Pals")
        assert posted is not None
        assert posted.event.tags[:2] == (("d", "x"), ("title", "Pals", "more"))
        assert (posted.event.tags[2:4], posted.event.content) == (ODD[2:], content)


@pytest.mark.parametrize("locked_out", [True, False])
async def test_a_part_that_cannot_be_opened_is_carried_and_not_edited(
    tmp_path: Path, locked_out: bool
) -> None:
    stranger = LocalSigner(SecretKey.generate())
    content = await hidden(("p", CY_KEY), key=stranger if locked_out else ana)
    event = signed(kind=kinds.FOLLOW_SET, tags=ODD, content=content)
    async with house(tmp_path, can_sign=locked_out) as h:
        await h.keep(event)
        (held,) = await sets(h).of(ME)
        assert (held.people, held.closed, held.private) == ((BEN_KEY,), True, 0)
        if not locked_out:
            return
        mine = sets(h).list(kinds.FOLLOW_SET, "x")
        for act in (mine.add, mine.remove):
            with pytest.raises(DecryptionFailed, match="carried along"):
                await act(person_entry("a" * 64))
        posted = await mine.remove(person_entry(BEN_KEY))
        assert posted is not None
        assert (posted.event.tags, posted.event.content) == (ODD[:3], content)


async def test_what_another_device_wrote_is_read_before_the_edit(tmp_path: Path) -> None:
    newer = signed(kind=kinds.FOLLOW_SET, tags=(*ODD, ("p", CY_KEY)), at=START + 1)
    async with Relay(newer) as relay, house(tmp_path, only_here=False) as h:
        await h.keep(relay_list(ANA, relay.url), signed(kind=kinds.FOLLOW_SET, tags=ODD))
        posted = await sets(h).list(kinds.FOLLOW_SET, "x").add(person_entry("a" * 64), public=True)
        assert posted is not None
        assert posted.event.tags == (*newer.tags, ("p", "a" * 64))


async def test_offline_nothing_is_made_of_what_was_not_read(tmp_path: Path) -> None:
    async with house(tmp_path, only_here=False) as h:
        await h.keep(relay_list(ANA, DEAD), signed(kind=kinds.FOLLOW_SET, tags=ODD))
        with pytest.raises(ListNotRead, match="list of people"):
            await sets(h).list(kinds.FOLLOW_SET, "x").add(person_entry(CY_KEY), public=True)


async def test_lists_of_others_and_old_ones(tmp_path: Path) -> None:
    relays = signed(BEN, kinds.RELAY_SET, tags=(("d", "r"), ("relay", "WSS://a.example/")))
    topics = signed(
        BEN, kinds.INTEREST_SET, tags=(("d", "t"), ("t", "Cats"), ("t", "cats"), ("t",))
    )
    old = signed(BEN, kinds.FOLLOW_SET, tags=(("d", "mute"), ("p", CY_KEY)))
    pack = signed(BEN, kinds.STARTER_PACK, tags=(("d", "p"), ("title", "A"), ("p", "x"), ("p",)))
    async with Relay(relays, topics, old, pack) as relay, house(tmp_path) as h:
        await h.keep(relay_list(BEN, relay.url))
        await sets(h).fetch(BEN_KEY)
        found = await sets(h).of(BEN_KEY)
        assert [(one.title, one.word, one.size) for one in found] == [
            ("A", "pack", 0),
            ("r", "relays", 1),
            ("t", "topics", 1),
        ]
        assert found[1].relays == ("wss://a.example",)
        assert found[2].topics == ("cats",)
        assert await sets(h).packs([BEN_KEY]) == [], "nobody is in it"
        assert isinstance(found[0], NamedSet)


# Bookmarks and pins


async def test_bookmarks_are_events_and_addresses_and_the_rest_stays(tmp_path: Path) -> None:
    note = signed(BEN, content="keep me")
    article = signed(BEN, 30_023, "long", tags=(("d", "x:y"),))
    assert bookmark_entry(note, "wss://a.example") == ("e", note.id, "wss://a.example")
    assert bookmark_entry(article) == ("a", f"30023:{BEN_KEY}:x:y")
    legacy: Tags = (("r", "https://old.example"), ("t", "cats"), ("e", "short"), ("a", "1:2:3"))
    async with Relay(article) as relay, house(tmp_path) as h:
        await h.keep(
            note, relay_list(BEN, relay.url), signed(kind=kinds.BOOKMARKS, tags=legacy, at=START)
        )
        bookmarks = Bookmarks(h.courier, h.guard, ME)
        await bookmarks.add(bookmark_entry(note), public=True)
        posted = await bookmarks.add(bookmark_entry(article))
        assert posted is not None
        assert posted.event.tags == (*legacy, ("e", note.id))
        shown = await bookmarks.shown()
        assert [(one.event, one.private) for one in shown] == [(note, False), (None, True)]
        await bookmarks.fetch_missing(shown)
        assert [one.event for one in await bookmarks.shown()] == [note, article]


@pytest.mark.parametrize(
    "url",
    [
        "nostr.com",
        "ftp://a.example",
        "javascript:alert(1)",
        "https://",
        "https://u:p@a.example",
        "",
    ],
)
async def test_what_is_no_web_page(tmp_path: Path, url: str) -> None:
    async with house(tmp_path) as h:
        with pytest.raises(InvalidData):
            await WebBookmarks(h.courier, h.guard, ME).add(url)


async def test_a_web_page_is_an_event_of_its_own(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        pages = WebBookmarks(h.courier, h.guard, ME, h.clock)
        posted = await pages.add("https://alice.blog/post?x=1", "Blog", "worth it")
        assert posted is not None
        event = posted.event
        assert event.tags == (
            ("d", "alice.blog/post?x=1"),
            ("published_at", str(START)),
            ("title", "Blog"),
        )
        assert await pages.add("http://alice.blog/post?x=1") is None
        posted = await pages.add("https://alice.blog/post?x=1", "Other")
        assert posted is not None
        assert (posted.event.value("title"), posted.event.content) == ("Other", "worth it")
        assert await pages.shown() == [posted.event]


async def test_pins_are_ones_own_notes(tmp_path: Path) -> None:
    mine, other = signed(content="mine"), signed(BEN, content="his")
    async with house(tmp_path) as h:
        await h.keep(mine, other)
        pins = Pins(h.courier, h.guard, ME)
        assert await pins.of(ME) == []
        await pins.add(("e", other.id), public=True)
        await pins.add(("e", mine.id), public=True)
        assert await pins.of(ME) == [mine]
        listed = await pins.event()
        assert listed is not None
    async with Relay(mine, listed) as relay, house(tmp_path / "other", key=BEN) as h:
        await h.keep(relay_list(ANA, relay.url))
        pins = Pins(h.courier, h.guard, BEN_KEY)
        await pins.fetch_of(ME)
        assert await pins.of(ME) == [mine]

"""What views name and lack: which it is, and where it is looked for."""

from __future__ import annotations

from pathlib import Path

from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, Tags
from nostr_client.social import referenced_events
from tests.routing.rooms import forged
from tests.social.house import (
    ANA,
    BEN,
    BEN_KEY,
    CY,
    CY_KEY,
    ME,
    START,
    House,
    Relay,
    house,
    relay_list,
    signed,
)

NOTE = signed(CY, content="cy's own words", at=START - 50)


def following(*people: str) -> Event:
    return signed(ANA, kinds.FOLLOWS, tags=tuple(("p", p) for p in people))


def asked_for(relay: Relay) -> set[str]:
    """The ids that a relay was asked for."""
    return {id for _, _, *filters in relay.sent("REQ") for f in filters for id in f.get("ids", ())}


async def completed(h: House) -> list[referenced_events.NoteView]:
    return await h.timeline.complete(await h.timeline.home())


async def test_reposts_are_shown_as_what_they_are_of(tmp_path: Path) -> None:
    """Empty, broken, forged, or with another note inside: the note itself is fetched by its id."""
    article = signed(CY, 30_023, "# long", (("d", "x"),), at=START - 40)
    others = [signed(CY, content=text, at=START - 30) for text in ("broken", "false", "other")]
    about: Tags = (("p", CY_KEY),)
    reposts = [
        signed(BEN, kinds.REPOST, "", (("e", NOTE.id), *about)),
        signed(BEN, kinds.GENERIC_REPOST, "", (("e", article.id), ("k", "30023"), *about)),
        signed(BEN, kinds.REPOST, '{"broken', (("e", others[0].id), *about)),
        signed(BEN, kinds.REPOST, forged(others[1]).json.decode(), (("e", others[1].id), *about)),
        signed(BEN, kinds.REPOST, NOTE.json.decode(), (("e", others[2].id), *about)),
    ]
    async with (
        Relay(NOTE, article, *others) as relay,
        house(tmp_path, fallback=[relay.url]) as h,
    ):
        await h.keep(following(BEN_KEY), *reposts)
        views = await completed(h)
        assert {v.event.id for v in views} == {NOTE.id, article.id, *(o.id for o in others)}
        for view in views:
            assert view.author.pubkey == CY_KEY
            assert view.reposted_by is not None
            assert view.reposted_by.pubkey == BEN_KEY
            assert not view.missing


async def test_a_repost_of_an_older_version_is_shown_as_the_newest(tmp_path: Path) -> None:
    old = signed(CY, 30_023, "old", (("d", "x"),), at=START - 9)
    new = signed(CY, 30_023, "new", (("d", "x"),), at=START - 8)
    tags = (("e", old.id), ("a", f"30023:{CY_KEY}:x"), ("k", "30023"))
    async with Relay(old) as relay, house(tmp_path, fallback=[relay.url]) as h:
        await h.keep(following(BEN_KEY), signed(BEN, kinds.GENERIC_REPOST, "", tags))
        [view] = await h.timeline.home()
        assert view.missing == old.id
        await h.keep(new)
        [view] = await completed(h)
        assert (view.event, view.author.pubkey, view.missing) == (new, CY_KEY, "")


async def test_quotes_are_fetched_in_text_and_by_tag(tmp_path: Path) -> None:
    tagged = signed(CY, content="tagged", at=START - 20)
    gone = "9" * 64
    code = nip19.encode_nevent(NOTE.id, [], CY_KEY)
    text = f"see nostr:{code} and nostr:{nip19.encode_note(gone)}"
    quoting = signed(BEN, content=text, tags=(("q", tagged.id), ("q", "no id"), ("q",)))
    async with Relay(NOTE, tagged) as relay, house(tmp_path, fallback=[relay.url]) as h:
        await h.keep(following(BEN_KEY), quoting)
        [before] = await h.timeline.home()
        assert [(quote.id, quote.event) for quote in before.quotes] == [
            (NOTE.id, None),
            (gone, None),
            (tagged.id, None),
        ]
        [view] = await completed(h)
        assert [quote.event for quote in view.quotes] == [NOTE, None, tagged]
        assert [q.author.pubkey if q.author else "" for q in view.quotes] == [CY_KEY, "", CY_KEY]
        many = signed(
            BEN, content=" ".join(f"nostr:{nip19.encode_note(f'{n:064x}')}" for n in range(9))
        )
        [crowded] = await h.views.of([many])
        assert len(crowded.quotes) == referenced_events.MOST_QUOTED


async def test_a_repost_of_a_note_that_quotes(tmp_path: Path) -> None:
    quoting = signed(CY, content="this", tags=(("q", NOTE.id),), at=START - 9)
    async with Relay(NOTE, quoting) as relay, house(tmp_path, fallback=[relay.url]) as h:
        await h.keep(following(BEN_KEY), signed(BEN, kinds.REPOST, "", (("e", quoting.id),)))
        [view] = await completed(h)
        assert view.event == quoting
        assert [quote.event for quote in view.quotes] == [NOTE]


async def test_whom_an_answer_answers_is_found(tmp_path: Path) -> None:
    tags = (("e", NOTE.id, "", "reply"), ("p", CY_KEY), ("p", ME))
    async with Relay(NOTE) as relay, house(tmp_path, fallback=[relay.url]) as h:
        await h.keep(following(BEN_KEY), signed(BEN, content="so", tags=tags))
        [view] = await completed(h)
        assert view.reply_to is not None
        assert view.reply_to.pubkey == CY_KEY


async def test_what_is_nowhere_is_not_looked_for_again_for_a_while(tmp_path: Path) -> None:
    async with Relay() as relay, house(tmp_path, fallback=[relay.url]) as h:
        repost = signed(BEN, kinds.REPOST, "", (("e", NOTE.id),))
        await h.keep(following(BEN_KEY), repost)
        [view] = await completed(h)
        assert (view.missing, view.author.pubkey) == (NOTE.id, BEN_KEY)
        asked = len(relay.sent("REQ"))
        await completed(h)
        assert len(relay.sent("REQ")) == asked
        h.clock.now += referenced_events.LOOK_AGAIN
        relay.keep(NOTE)
        [view] = await completed(h)
        assert view.event == NOTE


async def test_hints_of_strangers_are_followed_for_the_opened_note_only(tmp_path: Path) -> None:
    async with (
        Relay() as mine,
        Relay(NOTE) as hinted,
        Relay(NOTE) as cys,
        house(tmp_path, fallback=[mine.url]) as h,
    ):
        repost = signed(BEN, kinds.REPOST, "", (("e", NOTE.id, hinted.url), ("p", CY_KEY)))
        await h.keep(following(BEN_KEY), relay_list(CY, cys.url), repost)
        [view] = await completed(h)
        assert view.missing == NOTE.id
        assert NOTE.id in asked_for(mine)
        assert not hinted.connections
        assert not cys.connections
        [view] = await h.timeline.complete([view], opened=NOTE.id)
        assert view.event == NOTE
        assert hinted.connections


async def test_a_thread_brings_what_its_notes_quote(tmp_path: Path) -> None:
    quoting = signed(BEN, content="this", tags=(("q", NOTE.id),))
    async with Relay(NOTE, quoting) as relay, house(tmp_path, fallback=[relay.url]) as h:
        view = await h.threads.fetch(quoting.id)
        assert [quote.event for _, note in view.items for quote in note.quotes] == [NOTE]


async def test_an_article_that_is_quoted_is_fetched_by_its_address(tmp_path: Path) -> None:
    article = signed(BEN, 30023, "long", (("d", "roof"), ("title", "The roof")))
    code = nip19.encode_naddr(30023, BEN_KEY, "roof")
    tagged = signed(CY, content="so", tags=(("q", f"30023:{BEN_KEY}:roof"),))
    note = signed(CY, content=f"read nostr:{code}")
    async with Relay(article) as one, house(tmp_path, fallback=[one.url]) as h:
        await h.keep(note, tagged)
        views = await h.timeline.views([note.id, tagged.id])
        assert [quote.event for view in views for quote in view.quotes] == [None, None]
        found = await h.timeline.complete(views)
        assert [quote.event for view in found for quote in view.quotes] == [article, article]
        assert await h.timeline.views([note.id]) == [v for v in found if v.event == note]

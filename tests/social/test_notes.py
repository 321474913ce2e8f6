"""Writing: what stands in the events, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nostr_client.errors import InvalidEvent, SecretFound, SigningRefused
from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_digest
from nostr_client.social.notes import clean
from nostr_client.social.writing import Writing
from tests.social.house import (
    ANA,
    BEN,
    BEN_KEY,
    CY,
    CY_KEY,
    DEAD,
    ME,
    START,
    Relay,
    house,
    relay_list,
    signed,
)

HOME = "wss://ben.example"


def ben_writes(*urls: str) -> Event:
    return relay_list(BEN, *(urls or (HOME,)))


def from_elsewhere(content: str) -> Event:
    """A note such as ours never are: others do write U+007F."""
    digest = event_digest(BEN_KEY, START, 1, (), content)
    return Event.from_dict(
        {
            "id": digest.hex(),
            "pubkey": BEN_KEY,
            "created_at": START,
            "kind": 1,
            "tags": [],
            "content": content,
            "sig": BEN.sign(digest).hex(),
        }
    )


@pytest.mark.parametrize(
    ("typed", "published"),
    [
        ("  hi \n", "hi"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\x7fb\x00c\x1b[31md\ttab", "abc[31md\ttab"),
    ],
)
def test_what_is_typed_is_cleaned(typed: str, published: str) -> None:
    assert clean(typed) == published


@pytest.mark.parametrize("text", ["", "   \n", "\x7f\x00"])
def test_nothing_is_not_published(text: str) -> None:
    with pytest.raises(InvalidEvent, match="empty"):
        clean(text)


def test_a_secret_key_is_never_published() -> None:
    nsec = nip19.encode_nsec(ANA)
    for text in (nsec, f"my key is {nsec}, hello", f"nostr:{nsec}", nsec.upper()):
        with pytest.raises(SecretFound, match="secret key") as refusal:
            clean(text)
        assert nsec not in str(refusal.value)


def test_bare_codes_become_uris_and_links_stay_links() -> None:
    npub = nip19.encode_npub(BEN_KEY)
    assert clean(f"hi {npub}!") == f"hi nostr:{npub}!"
    assert clean(f"hi @{npub}") == f"hi nostr:{npub}"
    for text in (f"nostr:{npub}", f"https://x.example/{npub}", f"{npub[:-1]}q is broken"):
        assert clean(text) == text


async def test_mentions_quotes_and_hashtags_are_tagged(
    tmp_path: Path, loopback_only: list[str]
) -> None:
    async with house(tmp_path) as h:
        quoted = signed(CY, content="quote me")
        await h.keep(ben_writes(), quoted)
        await h.store.ledger.confirm([(quoted.id, "wss://seen.example")])
        npub = nip19.encode_npub(BEN_KEY)
        note = nip19.encode_note(quoted.id)
        unknown = nip19.encode_nevent("e" * 64, ["wss://hint.example"], "d" * 64)
        article = nip19.encode_naddr(30023, BEN_KEY, "post", ["ws://10.0.0.1"])
        me = nip19.encode_npub(ME)
        posted = await h.notes.post(
            f"{npub} and nostr:{npub} {me} on #Roof and #roof: {note} {unknown} {article}"
        )
        assert posted.event.tags == (
            ("p", BEN_KEY, HOME),
            ("p", CY_KEY, "wss://seen.example"),
            ("p", "d" * 64),
            ("t", "roof"),
            ("q", quoted.id, "wss://seen.example", CY_KEY),
            ("q", "e" * 64, "wss://hint.example", "d" * 64),
            ("q", f"30023:{BEN_KEY}:post", ""),
        )
        assert await h.store.get(posted.id) == posted.event
    loopback_only.clear()  # relays that exist in this story only


async def test_a_warning_marks_a_note(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        assert (await h.notes.post("x", warning="")).event.tags == (("content-warning",),)
        tags = (await h.notes.post("x", warning="medical")).event.tags
        assert tags == (("content-warning", "medical"),)
        assert (await h.notes.post("x")).event.tags == ()


async def test_an_answer_carries_its_thread_with_hints_and_pubkeys(
    tmp_path: Path, loopback_only: list[str]
) -> None:
    async with house(tmp_path) as h:
        root = signed(CY, content="root")
        parent = signed(
            BEN,
            content="parent",
            tags=(("e", root.id, "wss://root.example", "root", CY_KEY), ("p", CY_KEY)),
        )
        await h.keep(root, parent, ben_writes())
        h.courier.book.hint(CY_KEY, "wss://cy.example", 5)
        posted = await h.notes.reply(parent.id, "answer")
        assert posted.event.tags == (
            ("e", root.id, "wss://root.example", "root", CY_KEY),
            ("e", parent.id, HOME, "reply", BEN_KEY),
            ("p", BEN_KEY, HOME),
            ("p", CY_KEY, "wss://cy.example"),
        )
        first = await h.notes.reply(root.id, "direct")
        assert [tag[3] for tag in first.event.tags if tag[0] == "e"] == ["root"]
    loopback_only.clear()  # relays that exist in this story only


async def test_what_is_no_note_is_answered_by_a_comment(
    tmp_path: Path, loopback_only: list[str]
) -> None:
    async with house(tmp_path) as h:
        article = signed(BEN, 30023, "x", (("d", "roof"),))
        address = f"30023:{BEN_KEY}:roof"
        root = (("A", address, HOME), ("K", "30023"), ("P", BEN_KEY))
        comment = signed(CY, 1111, "so", (*root, ("a", address), ("k", "30023"), ("p", BEN_KEY)))
        await h.keep(article, comment, ben_writes())
        first = await h.notes.reply(article.id, "well written")
        assert first.event.kind == kinds.COMMENT
        assert first.event.tags == (
            *root,
            ("a", address, HOME),
            ("e", article.id, HOME, BEN_KEY),
            ("k", "30023"),
            ("p", BEN_KEY, HOME),
        )
        second = await h.notes.reply(comment.id, "no")
        assert second.event.kind == kinds.COMMENT
        assert second.event.tags == (
            *root,
            ("e", comment.id, "", CY_KEY),
            ("k", "1111"),
            ("p", CY_KEY),
        )
    loopback_only.clear()  # relays that exist in this story only


async def test_in_a_forum_thread_every_comment_answers_the_thread(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        thread = signed(BEN, 11, "GM", (("title", "GM"),))
        root = (("E", thread.id, "", BEN_KEY), ("K", "11"), ("P", BEN_KEY))
        comment = signed(CY, 1111, "so", root)
        await h.keep(thread, comment)
        posted = await h.notes.reply(comment.id, "no")
        assert posted.event.tags == (
            *root,
            ("e", thread.id, "", BEN_KEY),
            ("k", "11"),
            ("p", BEN_KEY),
            ("p", CY_KEY),
        )


async def test_kinds_with_answers_of_their_own(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        voice = signed(BEN, 1222, "https://a.example/hello.m4a")
        message = signed(BEN, 24, "are you there?", (("p", ME), ("p", CY_KEY)))
        private = signed(BEN, 4, "secret", (("p", ME),))
        await h.keep(voice, message, private)
        spoken = await h.notes.reply(voice.id, "https://b.example/answer.m4a")
        assert spoken.event.kind == kinds.VOICE_COMMENT
        assert spoken.event.value("E") == spoken.event.value("e") == voice.id
        written = await h.notes.reply(voice.id, "I cannot hear you")
        assert written.event.kind == kinds.COMMENT
        again = await h.notes.reply(spoken.id, "https://b.example/more.m4a")
        assert (again.event.kind, again.event.value("K")) == (kinds.VOICE_COMMENT, "1222")
        public = await h.notes.reply(message.id, "yes")
        assert (public.event.kind, public.event.tags) == (24, (("p", BEN_KEY), ("p", CY_KEY)))
        with pytest.raises(InvalidEvent, match="not answered in public"):
            await h.notes.reply(private.id, "oh")


async def test_what_is_answered_is_looked_for(tmp_path: Path) -> None:
    parent = signed(BEN, content="far away")
    async with Relay(parent) as one, house(tmp_path, fallback=[one.url]) as h:
        posted = await h.notes.reply(parent.id, "found you")
        assert one.has(posted.event)
        assert posted.event.value("p") == BEN_KEY
    async with house(tmp_path / "offline", fallback=[DEAD]) as h:
        with pytest.raises(InvalidEvent, match="not found: nobody answered"):
            await h.notes.reply("0" * 64, "x")


async def test_a_repost_carries_the_note(tmp_path: Path, loopback_only: list[str]) -> None:
    async with house(tmp_path) as h:
        note = from_elsewhere("look\tat \x7f this")
        await h.keep(note, ben_writes())
        posted = await h.notes.repost(note.id)
        assert posted.event.kind == kinds.REPOST
        assert posted.event.tags == (("e", note.id, HOME, BEN_KEY), ("p", BEN_KEY, HOME))
        assert Event.parse(posted.event.content) == note
        assert "\x7f" not in posted.event.content
    loopback_only.clear()  # relays that exist in this story only


async def test_what_is_done_twice_is_once(tmp_path: Path) -> None:
    """The same reaction, a repost: the first is sent again. Once deleted, it may be done anew."""
    async with house(tmp_path) as h:
        note = signed(BEN, content="hello")
        await h.keep(note)
        liked, passed = await h.notes.react(note.id), await h.notes.repost(note.id)
        h.clock.now += 5
        assert (await h.notes.react(note.id, "")).event == liked.event
        assert (await h.notes.repost(note.id)).event == passed.event
        other = (await h.notes.react(note.id, "🤙")).event
        assert other != liked.event
        await h.notes.delete(liked.event.id)
        again = (await h.notes.react(note.id)).event
        assert again not in (liked.event, other)


async def test_a_repost_of_a_protected_event_stays_empty(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        note = signed(BEN, content="for members", tags=(("-",),))
        await h.keep(note)
        posted = await h.notes.repost(note.id)
        assert posted.event.content == ""
        assert posted.event.value("e") == note.id


async def test_a_quote_is_named_in_the_text_with_where_it_is(
    tmp_path: Path, loopback_only: list[str]
) -> None:
    async with house(tmp_path) as h:
        note = signed(BEN, content="hello")
        article = signed(BEN, 30023, "long", (("d", "roof"),))
        await h.keep(note, article, ben_writes())
        drafted = await h.notes.draft_of(Writing(text="look", quote=note.id, warning=""))
        code = nip19.encode_nevent(note.id, [HOME], BEN_KEY, 1)
        assert drafted.content == f"look\n\nnostr:{code}"
        quote, person = ("q", note.id, HOME, BEN_KEY), ("p", BEN_KEY, HOME)
        assert drafted.tags == (person, quote, ("content-warning",))
        posted = await h.notes.write(Writing(text="read", quote=article.id))
        assert ("q", f"30023:{BEN_KEY}:roof", HOME) in posted.event.tags
        answer = await h.notes.draft_of(Writing(text="and?", reply_to=note.id))
        assert ("e", note.id, HOME, "root", BEN_KEY) in answer.tags
    loopback_only.clear()  # relays that exist in this story only


async def test_other_kinds_are_reposted_as_what_they_are(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        article = signed(BEN, 30023, "long", (("d", "a"),))
        await h.keep(article)
        posted = await h.notes.repost(article.id)
        assert posted.event.kind == kinds.GENERIC_REPOST
        assert ("k", "30023") in posted.event.tags
        assert ("a", f"30023:{BEN_KEY}:a", "") in posted.event.tags
        assert posted.event.tags[0][:3] == ("e", article.id, "")


async def test_a_reaction_names_note_author_and_kind(
    tmp_path: Path, loopback_only: list[str]
) -> None:
    async with house(tmp_path) as h:
        note, article = signed(BEN, content="x"), signed(BEN, 30023, "long", (("d", "a"),))
        await h.keep(note, article, ben_writes())
        posted = await h.notes.react(note.id)
        assert posted.event.content == "+"
        assert posted.event.tags == (
            ("e", note.id, HOME, BEN_KEY),
            ("p", BEN_KEY, HOME),
            ("k", "1"),
        )
        posted = await h.notes.react(article.id, "🤙")
        assert posted.event.content == "🤙"
        assert ("a", f"30023:{BEN_KEY}:a", HOME, BEN_KEY) in posted.event.tags
        for bad in ("a\nb", "x" * 100, "\x1b"):
            with pytest.raises(InvalidEvent, match="one line"):
                await h.notes.react(note.id, bad)
    loopback_only.clear()  # relays that exist in this story only


async def test_only_own_events_are_deleted_and_wherever_they_went(tmp_path: Path) -> None:
    async with Relay() as home, Relay() as far, house(tmp_path, fallback=[home.url]) as h:
        mine = (await h.notes.post("oops")).event
        await h.store.ledger.confirm([(mine.id, far.url)])
        theirs = signed(BEN, content="x")
        await h.keep(theirs)
        with pytest.raises(InvalidEvent, match="only its author"):
            await h.notes.delete(theirs.id)
        posted = await h.notes.delete(mine.id, "a mistake")
        assert posted.event.tags == (("e", mine.id), ("k", "1"))
        assert posted.event.content == "a mistake"
        assert set(posted.report.accepted) == {home.url, far.url}
        assert await h.store.get(mine.id) is None
        with pytest.raises(InvalidEvent, match="cannot be deleted"):
            await h.notes.delete(posted.id)


async def test_an_addressable_event_is_deleted_with_all_its_versions(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        mine = signed(ANA, 30023, "v1", (("d", "x"),), at=START - 10)
        await h.keep(mine)
        posted = await h.notes.delete(mine.id)
        assert ("a", f"30023:{ME}:x") in posted.event.tags
        assert await h.store.get_address(f"30023:{ME}:x") is None


async def test_no_hint_of_ours_leads_to_this_machine(
    tmp_path: Path, loopback_only: list[str]
) -> None:
    own = "ws://127.0.0.1:7"
    async with house(tmp_path, own_relay=own, private=()) as h:
        note = signed(BEN, content="x")
        await h.keep(note, relay_list(BEN, "ws://127.0.0.1:9", "wss://far.example"))
        await h.store.ledger.confirm([(note.id, own), (note.id, "ws://192.168.1.1")])
        posted = await h.notes.react(note.id)
        assert json.dumps(posted.event.tags).count("127.0.0.1") == 0
        assert posted.event.tags[0][2] == "wss://far.example"
    loopback_only.clear()  # relays that exist in this story only


async def test_a_watched_account_writes_nothing(tmp_path: Path) -> None:
    async with house(tmp_path, can_sign=False) as h:
        note = signed(ANA, content="x")
        await h.keep(note)
        with pytest.raises(SigningRefused):
            await h.notes.post("x")
        with pytest.raises(InvalidEvent):
            await h.notes.delete(note.id)

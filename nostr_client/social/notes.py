"""Writing: notes, answers, reposts, reactions, deletions (NIP-09, 10, 18, 25, 27, 36).

What a note mentions is tagged: people as `p`, quoted events as `q`, hashtags as `t`; a bare code
typed into the text becomes a `nostr:` URI. Tags carry a relay hint and the author where we know
them. A note that holds a secret key is not published.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Final

from nostr_client.errors import InvalidCode, InvalidEvent
from nostr_client.net.outcome import in_words
from nostr_client.nips import nip10, nip19, nip22, nip27
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tag, Tags
from nostr_client.protocol.filters import Filter
from nostr_client.routing.courier import OnAnswer
from nostr_client.safe_text import typeable
from nostr_client.signing.gate import refuse_codes
from nostr_client.social.ancestors import fetch_ancestors
from nostr_client.social.completion import is_emoji
from nostr_client.social.publisher import Publisher
from nostr_client.social.views import Posted
from nostr_client.social.writing import Writing
from nostr_client.store.contract import CopyState

FIND_LIMIT: Final = 5.0
"""Seconds to look for an event that is to be answered and is not here."""
MAX_REACTION: Final = 64
"""Characters of a reaction."""
_PRIVATE: Final = frozenset(
    {kinds.DIRECT_MESSAGE, kinds.SEAL, kinds.CHAT_MESSAGE, kinds.FILE_MESSAGE, *kinds.GIFT_WRAPS}
)
_bare_code = re.compile(
    r"(?<![\w:/#@.])@?((?:npub|nprofile|note|nevent|naddr)1[02-9ac-hj-np-z]{20,})(?!\w)"
)
ImetaOf = Callable[[str], Awaitable[Tag | None]]


class Notes:
    """Writes as the signer of `publisher`; without one every method raises SigningRefused.

    Every method stores first and publishes then, and raises InvalidEvent, SignerError, StoreError.
    `on_answer` is told of each relay's answer as it comes.
    """

    def __init__(self, publisher: Publisher, imeta_of: ImetaOf | None = None) -> None:
        """`imeta_of` gives the tag of a URL at which there is a file of ours."""
        self._publisher = publisher
        self._imeta_of = imeta_of
        self._courier = publisher.courier
        self._signer = publisher.signer

    async def post(
        self,
        text: str,
        *,
        kind: int = kinds.NOTE,
        tags: Iterable[Sequence[str]] = (),
        warning: str | None = None,
        on_answer: OnAnswer | None = None,
    ) -> Posted:
        """A note of its own, or what is written like one (`kind`: a poll).

        `warning` marks it as sensitive (NIP-36), with a reason or "". `tags` come beside those of
        what the text mentions, and before them.
        """
        draft = await self._note(text, tags, warning, kind)
        return await self._publisher.publish(draft, on_answer=on_answer)

    async def draft_of(self, writing: Writing) -> Draft:
        """What a person wrote as a draft, with the tags that it needs. Raises InvalidEvent,
        SecretFound, StoreError."""
        if writing.reply_to:
            return await self._reply(writing.reply_to, writing.text, writing.tags, writing.warning)
        text = writing.text
        if writing.quote and writing.text.strip():
            text = f"{text}\n\n{await self.reference(writing.quote)}"
        return await self._note(text, writing.tags, writing.warning)

    async def write(self, writing: Writing, *, on_answer: OnAnswer | None = None) -> Posted:
        """Publish what a person wrote: as `post` and `reply` do, or with a quote."""
        draft = await self.draft_of(writing)
        return await self._publisher.publish(draft, on_answer=on_answer)

    async def reference(self, event_id: str) -> str:
        """The `nostr:` URI by which a text quotes an event (NIP-18, NIP-21). Raises InvalidEvent
        when it is nowhere."""
        event = await self.find(event_id)
        hints = [hint] if (hint := await self.hint(event)) else []
        return f"nostr:{nip19.encode_event(event, hints)}"

    async def _note(
        self,
        text: str,
        tags: Iterable[Sequence[str]],
        warning: str | None,
        kind: int = kinds.NOTE,
    ) -> Draft:
        content = clean(text)
        own = given_tags(tags)
        more = await self._tags_for(content, own)
        return Draft(kind, content, (*own, *more, *_warned(warning)))

    async def reply(
        self,
        parent_id: str,
        text: str,
        *,
        tags: Iterable[Sequence[str]] = (),
        warning: str | None = None,
        on_answer: OnAnswer | None = None,
    ) -> Posted:
        """An answer to the event `parent_id`, which is looked for on relays if it is not here.

        A note is answered by a note (NIP-10), a public message by one (NIP-A4), anything else by a
        comment (NIP-22): a spoken one (NIP-A0) where `text` is a link alone, and answers a voice.
        `tags` as for `post`, behind those that the answer needs.

        Raises InvalidEvent when that is a private message.
        """
        draft = await self._reply(parent_id, text, tags, warning)
        return await self._publisher.publish(draft, on_answer=on_answer)

    async def _reply(
        self, parent_id: str, text: str, tags: Iterable[Sequence[str]], warning: str | None
    ) -> Draft:
        content = clean(text)
        parent = await self.find(parent_id)
        kind, thread = await self._answer_to(parent, content)
        own = (*await self._with_hints(thread), *given_tags(tags))
        more = await self._tags_for(content, own)
        return Draft(kind, content, (*own, *more, *_warned(warning)))

    async def _answer_to(self, parent: Event, content: str) -> tuple[int, Tags]:
        """The kind of an answer, and the tags that say what it answers."""
        if parent.kind in _PRIVATE:
            raise InvalidEvent("a private message is not answered in public")
        if parent.kind == kinds.NOTE:
            root = await self._root_over(parent)
            return kinds.NOTE, nip10.reply_tags(parent, await self.hint(parent), root)
        if parent.kind == kinds.PUBLIC_MESSAGE:
            me = self._signer.pubkey if self._signer else ""
            people = dict.fromkeys((parent.pubkey, *nip10.people_of(parent)))
            return parent.kind, tuple(("p", pubkey) for pubkey in people if pubkey != me)
        spoken = parent.kind in (kinds.VOICE, kinds.VOICE_COMMENT) and _is_link(content)
        tags = nip22.comment_tags(parent, await self.hint(parent))
        return kinds.VOICE_COMMENT if spoken else kinds.COMMENT, tags

    async def repost(self, event_id: str, *, on_answer: OnAnswer | None = None) -> Posted:
        """Pass an event on: kind 6 for a note, kind 16 for anything else.

        The event travels inside, except one that is protected (NIP-70): only its author may
        publish that, so the repost stays empty. Twice is once, as with a reaction.
        """
        event = await self.find(event_id)
        hint = await self.hint(event)
        tags: list[Tag] = [("e", event.id, hint, event.pubkey), _person(event.pubkey, hint)]
        if event.kind != kinds.NOTE:
            tags.append(("k", str(event.kind)))
            if event.address:
                tags.append(("a", event.address, hint))
        kind = kinds.REPOST if event.kind == kinds.NOTE else kinds.GENERIC_REPOST
        if (before := await self._mine_about(event, kind)) is not None:
            return Posted(before, await self._courier.publish(before, on_answer=on_answer))
        content = "" if event.is_protected else event.json.decode()
        if "\x7f" in content:
            content = content.replace("\x7f", "\\u007f")
        return await self._publisher.publish(Draft(kind, content, tuple(tags)), on_answer=on_answer)

    async def react(
        self,
        event_id: str,
        content: str = "+",
        *,
        picture: str = "",
        on_answer: OnAnswer | None = None,
    ) -> Posted:
        """A reaction: "+" likes, "-" dislikes, anything else is an emoji: a custom one is
        `:name:`, and `picture` the URL of what it looks like (NIP-30).

        The same one twice is once: the first is sent again to whoever lacks it.
        """
        content = content.strip() or "+"
        refuse_codes(content)
        if len(content) > MAX_REACTION or "\n" in content or content != typeable(content):
            raise InvalidEvent(f"a reaction is one line of at most {MAX_REACTION} characters")
        event = await self.find(event_id)
        if (before := await self._mine_about(event, kinds.REACTION, content)) is not None:
            return Posted(before, await self._courier.publish(before, on_answer=on_answer))
        hint = await self.hint(event)
        tags: list[Tag] = [("e", event.id, hint, event.pubkey)]
        if event.address:
            tags.append(("a", event.address, hint, event.pubkey))
        tags += [_person(event.pubkey, hint), ("k", str(event.kind))]
        if picture:
            custom: Tag = ("emoji", content.strip(":"), picture)
            if not is_emoji(custom) or content != f":{custom[1]}:":
                raise InvalidEvent("a custom emoji is :name:, and its picture an https URL")
            tags.append(custom)
        return await self._publisher.publish(
            Draft(kinds.REACTION, content, tuple(tags)), on_answer=on_answer
        )

    async def delete(
        self, event_id: str, reason: str = "", *, on_answer: OnAnswer | None = None
    ) -> Posted:
        """Ask for the own event `event_id` to be deleted wherever it went. It is gone here."""
        event = await self.find(event_id)
        if self._signer is None or event.pubkey != self._signer.pubkey:
            raise InvalidEvent("only its author can ask for an event to be deleted")
        if event.kind == kinds.DELETION:
            raise InvalidEvent("a deletion cannot be deleted (NIP-09)")
        tags: list[Tag] = [("e", event.id)]
        if event.address:
            tags.append(("a", event.address))
        tags.append(("k", str(event.kind)))
        draft = Draft(kinds.DELETION, clean(reason) if reason else "", tuple(tags))
        return await self._publisher.publish(draft, on_answer=on_answer)

    async def _mine_about(
        self, event: Event, kind: int, content: str | None = None
    ) -> Event | None:
        """What the account published of `kind` about `event` before (with `content`), if held."""
        if self._signer is None:
            return None
        wanted = Filter.of(authors=[self._signer.pubkey], kinds=[kind], e=[event.id])
        for held in await self._courier.store.query([wanted]):
            about = list(held.values("e"))[-1:]
            if about == [event.id] and content in (None, held.content or "+"):
                return held
        return None

    async def find(self, event_id: str, *, near: Collection[str] = (), author: str = "") -> Event:
        """The event, from the store or else from relays: those `near` (hints), where `author`
        writes, and the client's own. Raises InvalidEvent when it is nowhere."""
        event = await self._courier.store.get(event_id)
        if event is None:
            authors = [author] if author else []
            asked = await self._courier.fetch_ids(
                [event_id], near=near, authors=authors, limit=FIND_LIMIT
            )
            event = await self._courier.store.get(event_id)
            if event is None:
                words = in_words(asked.ends.values(), found=False)
                raise InvalidEvent(f"this event was not found: {words}")
        return event

    async def _root_over(self, parent: Event) -> nip10.Ref | None:
        """The note that began the thread of `parent`; None for `parent` itself. What is missing
        between them is looked for where `parent` itself does not name its root."""
        limit = 0.0 if nip10.names_root(parent) else FIND_LIMIT
        chain, _ = await fetch_ancestors(self._courier, parent, limit=limit)
        return None if chain.root.id == parent.id else chain.root

    async def hint(self, event: Event) -> str:
        """A relay where others can find `event`: one that has it, or where its author writes."""
        policy = self._courier.book.policy
        copies = await self._courier.ledger.copies(event.id)
        there = {c.url for c in copies if c.state is CopyState.CONFIRMED}
        author = await self._courier.book.relays_of(event.pubkey)
        for url in (*(u for u in author.write if u in there), *sorted(there)):
            if policy.may_be_named(url):
                return url
        return self._courier.book.hint_for(author)

    # Tags

    async def _tags_for(self, content: str, have: Collection[Tag] = ()) -> Tags:
        """The tags for what `content` mentions, beside those it has already."""
        me = self._signer.pubkey if self._signer else ""
        tagged = {tag[1] for tag in have if tag[0] == "p"} | {me}
        quoted = {tag[1] for tag in have if tag[0] == "q"}
        people: list[Tag] = []
        others: list[Tag] = []

        async def mention(pubkey: str) -> None:
            if pubkey and pubkey not in tagged:
                tagged.add(pubkey)
                people.append(await self._person_tag(pubkey))

        for part in nip27.parts(content):
            if isinstance(part, nip27.HashtagPart):
                tag = ("t", part.tag.lower())
                others += [] if tag in others else [tag]
            if isinstance(part, nip27.UrlPart) and self._imeta_of is not None:
                file = await self._imeta_of(part.url)
                others += [file] if file is not None and file not in (*others, *have) else []
            if not isinstance(part, nip27.MentionPart):
                continue
            match part.code:
                case nip19.Npub(pubkey=pubkey) | nip19.Nprofile(pubkey=pubkey):
                    await mention(pubkey)
                case nip19.Note() | nip19.Nevent() | nip19.Naddr():
                    quote, author = await self._quote_tag(part.code)
                    if quote[1] not in quoted:
                        quoted.add(quote[1])
                        others.append(quote)
                        await mention(author)
        return (*people, *others)

    async def _with_hints(self, tags: Tags) -> Tags:
        """The same tags, with a relay beside each person where we know one."""
        book = self._courier.book
        people = await book.relays_of_many({tag[1] for tag in tags if tag[0] == "p"})
        return tuple(
            _person(tag[1], book.hint_for(people[tag[1]])) if tag[0] == "p" else tag for tag in tags
        )

    async def _person_tag(self, pubkey: str) -> Tag:
        book = self._courier.book
        return _person(pubkey, book.hint_for(await book.relays_of(pubkey)))

    async def _quote_tag(self, code: nip19.Note | nip19.Nevent | nip19.Naddr) -> tuple[Tag, str]:
        """NIP-18's `q` (id or address, relay, author of a regular event), and the author."""
        if isinstance(code, nip19.Naddr):
            address = code.address
            return ("q", address, self._first_nameable(code.relays)), code.pubkey
        event = await self._courier.store.get(code.id)
        if event is not None:
            return ("q", event.id, await self.hint(event), event.pubkey), event.pubkey
        if isinstance(code, nip19.Nevent):
            quote: Tag = ("q", code.id, self._first_nameable(code.relays))
            return ((*quote, code.author), code.author) if code.author else (quote, "")
        return ("q", code.id), ""

    def _first_nameable(self, urls: Collection[str]) -> str:
        named: Callable[[str], bool] = self._courier.book.policy.may_be_named
        return next((url for url in urls if named(url)), "")


def given_tags(tags: Iterable[Sequence[str]]) -> Tags:
    """Tags as a script gives them. Raises TypeError for what is no list of lists of strings."""
    if isinstance(tags, str | bytes):
        raise TypeError("tags are a list of tags, and each is a list of strings")
    found: list[Tag] = []
    for tag in tags:
        whole = not isinstance(tag, str | bytes) and all(isinstance(item, str) for item in tag)
        if not whole or not tag:
            raise TypeError(f"a tag is a list of strings, at least one, and not {tag!r}")
        found.append(tuple(tag))
    return tuple(found)


def clean(text: str) -> str:
    """What is published of a text: what is `typeable` of it, without blank ends, bare NIP-19 codes
    as `nostr:` URIs. Raises InvalidEvent for no text, SecretFound for a key.
    """
    text = typeable(text).strip()
    if not text:
        raise InvalidEvent("there is nothing to publish: the text is empty")
    refuse_codes(text)
    return _bare_code.sub(_as_uri, text)


def _as_uri(found: re.Match[str]) -> str:
    try:
        nip19.decode(found[1])
    except InvalidCode:
        return found[0]
    return f"nostr:{found[1]}"


def _is_link(content: str) -> bool:
    found = nip27.parts(content)
    return len(found) == 1 and isinstance(found[0], nip27.UrlPart)


def _person(pubkey: str, hint: str) -> Tag:
    return ("p", pubkey, hint) if hint else ("p", pubkey)


def _warned(warning: str | None) -> Tags:
    if warning is None:
        return ()
    return (("content-warning", clean(warning)),) if warning.strip() else (("content-warning",),)

"""What a note points to: everything in it that can be opened or copied, in reading order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from nostr_client.errors import InvalidCode, InvalidData
from nostr_client.nips import nip19, nip27
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.safe_text import safe_line
from nostr_client.social.referenced_events import missing_from
from nostr_client.social.views import NoteView
from nostr_client.store.rules import read_address
from nostr_client.tui.targets import (
    AddressTarget,
    NoteTarget,
    PersonTarget,
    RelayTarget,
    TagTarget,
    Target,
    WebTarget,
    target_of,
    target_of_event,
)

MOST: Final = 50
"""Things of one note that are listed; a hostile one names thousands."""
WORDS: Final = 60
NameOf = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Pointed:
    """A thing that a note points to: what sort of thing, its name on one safe line, its target."""

    sort: str
    words: str
    target: Target


def targets_in(view: NoteView, name_of: NameOf) -> list[Pointed]:
    """All of them, each once; the note itself and its author are not among them."""
    found: dict[Target, Pointed] = {}
    for pointed in _all(view, name_of):
        if pointed.target not in (NoteTarget(view.event.id), PersonTarget(view.event.pubkey)):
            found.setdefault(pointed.target, pointed)
        if len(found) >= MOST:
            break
    return list(found.values())


def web_target(url: str) -> WebTarget | None:
    """The page of a URL that a browser may be handed."""
    bare = url.strip()
    fit = bare.isprintable() and " " not in bare and len(bare) <= 4_000
    return WebTarget(bare) if fit and bare.lower().startswith(("https://", "http://")) else None


def code_of(target: Target) -> str:
    """What names a target elsewhere: a NIP-19 code, a URL, a hashtag; "" for a section."""
    match target:
        case NoteTarget(id=id, relays=relays, author=author):
            return nip19.encode_nevent(id, relays, author or None)
        case PersonTarget(pubkey=pubkey, relays=relays):
            return nip19.encode_nprofile(pubkey, relays) if relays else nip19.encode_npub(pubkey)
        case AddressTarget(address=address, relays=relays):
            found = read_address(address)
            if found is None:
                return address
            try:
                return nip19.encode_naddr(*found, relays)
            except InvalidCode:  # a name of more than 255 bytes has no code
                return address
        case TagTarget(tag=tag):
            return f"#{tag}"
        case RelayTarget(url=url) | WebTarget(url=url):
            return url
    return ""


def _all(view: NoteView, name_of: NameOf) -> Iterator[Pointed]:
    for part in view.parts:
        yield from _of_part(part, view, name_of)
    for quote in view.quotes:
        if quote.event is not None and quote.author is not None:
            target = target_of_event(quote.event)
            sort = "note" if isinstance(target, NoteTarget) else "text"
            words = f"{quote.author.label}: {safe_line(quote.event.content, WORDS)}"
            yield Pointed(sort, words, target)
    for named in missing_from(view):
        if named.address:
            yield Pointed(
                "text", "one that is not here", AddressTarget(named.address, named.relays)
            )
        elif named.id:
            author = named.authors[0] if named.authors else ""
            yield Pointed(
                "note", "one that is not here", NoteTarget(named.id, named.relays, author)
            )
    if view.reposted_by is not None:
        yield Pointed("person", view.reposted_by.label, PersonTarget(view.reposted_by.pubkey))
    if view.reply_to is not None:
        yield Pointed("person", view.reply_to.label, PersonTarget(view.reply_to.pubkey))
    for tag in view.event.tags[: 4 * MOST]:
        yield from _of_tag(tag)


def _of_part(part: nip27.Part, view: NoteView, name_of: NameOf) -> Iterator[Pointed]:
    match part:
        case nip27.UrlPart(url=url):
            yield from _web(url)
        case nip27.HashtagPart(tag=tag):
            yield _hashtag(tag)
        case nip27.MentionPart(code=code):
            target = target_of(code)
            if isinstance(target, PersonTarget):
                yield Pointed("person", f"@{name_of(target.pubkey)}", target)
            elif isinstance(target, AddressTarget):
                name = target.address.split(":", 2)[2]  # it is made of a code, and whole
                yield Pointed("text", safe_line(name, WORDS) or "of no name", target)
            elif isinstance(target, NoteTarget):
                here = next((quote for quote in view.quotes if quote.id == target.id), None)
                if here is None or here.event is None:
                    yield Pointed("note", "one that is not here", target)


def _of_tag(tag: tuple[str, ...]) -> Iterator[Pointed]:
    """What only a tag names: pictures and files (`imeta`, `url`), pages (`r`), hashtags (`t`)."""
    if len(tag) < 2:
        return
    if tag[0] == "t" and tag[1]:
        yield _hashtag(tag[1])
    elif tag[0] in ("r", "url", "image", "thumb", "web", "streaming"):
        yield from _web(tag[1])
        if tag[1].startswith(("ws://", "wss://")):
            try:
                yield Pointed("relay", tag[1][:WORDS], RelayTarget(normalize_relay_url(tag[1])))
            except InvalidData:
                return
    elif tag[0] == "imeta":
        for item in tag[1:]:
            if item.startswith("url "):
                yield from _web(item[4:])


def _web(url: str) -> Iterator[Pointed]:
    if (target := web_target(url)) is not None:
        yield Pointed("link", safe_line(target.url, 4_000), target)


def _hashtag(tag: str) -> Pointed:
    bare = tag.lower()[:200]
    return Pointed("tag", f"#{safe_line(bare, WORDS)}", TagTarget(bare))

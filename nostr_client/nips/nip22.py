"""Comments: answers to anything but a note, each in the scope of what began it (NIP-22).

The uppercase tags `E`, `A`, `I` name the root of the conversation and `K`, `P` its kind and author;
the lowercase ones name what is answered directly.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from nostr_client.nips import nip10, nip73
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, Tag, Tags
from nostr_client.protocol.keys import is_hex64

MAX_ADDRESS: Final = 1_000
_ADDRESS: Final = re.compile(r"([0-9]{1,5}):([0-9a-f]{64}):(.*)", re.DOTALL)


class Scope(NamedTuple):
    """What a comment is about: an event by its `id`, an `address` or both, or an `external` one
    (NIP-73). `kind` is as its tag says, `relay` a hint (for what is external a web page), `pubkey`
    the author; each "" where it is not said."""

    id: str = ""
    address: str = ""
    external: str = ""
    kind: str = ""
    relay: str = ""
    pubkey: str = ""

    @property
    def key(self) -> str:
        """What tells it from others: the address, which outlives versions, or the id."""
        return self.address or self.id or self.external


class CommentScopes(NamedTuple):
    """`root` began the conversation, `parent` is answered directly; None where no tag says so."""

    root: Scope | None
    parent: Scope | None


def scopes(comment: Event) -> CommentScopes:
    """What `comment` is about. Malformed tags are passed over; of two the first counts."""
    return CommentScopes(_scope(comment, "EAIKP"), _scope(comment, "eaikp"))


def is_address(text: str) -> bool:
    """Is it `kind:pubkey:identifier`, of a kind that has addresses?"""
    match = _ADDRESS.fullmatch(text) if len(text) <= MAX_ADDRESS else None
    return bool(match and kinds.is_replaceable(int(match[1])))


def comment_tags(parent: Event, relay_hint: str = "") -> Tags:
    """The tags of a comment on `parent`, which may be one itself; `relay_hint` is where it is.

    In a forum thread every comment answers the thread itself (NIP-7D): whoever wrote `parent` is
    told of it all the same.
    """
    root = scopes(parent).root if parent.kind in kinds.COMMENTS else None
    if root is None:
        scope = _of(parent, relay_hint)
        return (*_tags(scope, "EAIKP"), *_tags(scope, "eaikp"))
    if root.kind == str(kinds.FORUM_THREAD):
        told: Tags = () if parent.pubkey == root.pubkey else (("p", parent.pubkey),)
        return (*_tags(root, "EAIKP"), *_tags(root, "eaikp"), *told)
    return (*_tags(root, "EAIKP"), *_tags(_of(parent, relay_hint), "eaikp"))


def _of(event: Event, relay_hint: str) -> Scope:
    return Scope(event.id, event.address or "", "", str(event.kind), relay_hint, event.pubkey)


def _scope(event: Event, names: str) -> Scope | None:
    """The scope that the tags called `names` (id, address, external, kind, author) say."""
    found: dict[str, Tag] = {}
    for tag in event.tags:
        if len(tag) > 1 and len(tag[0]) == 1 and tag[0] in names and _is_sound(tag):
            if tag[0] == "p":  # others are mentioned before whoever is answered
                found["p"] = tag
            found.setdefault(tag[0], tag)
    id, address, external, kind, author = map(found.get, names)
    first = address or id or external
    if first is None:
        return None
    pubkey = author[1] if author else ""
    if id and len(id) > 3 and is_hex64(id[3]):
        pubkey = id[3]
    elif address:
        pubkey = address[1].split(":")[1]
    relay = first[2] if len(first) > 2 else ""
    said = kind[1] if kind else ""
    if not said and address:
        said = address[1].partition(":")[0]
    elif not said and external:
        said = nip73.kind_of(external[1])
    one, place, outside = (tag[1] if tag else "" for tag in (id, address, external))
    return Scope(one, place, outside, said, relay, pubkey)


def _is_sound(tag: Tag) -> bool:
    match tag[0].lower():
        case "e" | "p":
            return bool(is_hex64(tag[1]))
        case "a":
            return is_address(tag[1])
        case "i":
            return 0 < len(tag[1]) <= nip73.MAX_ID
    return 0 < len(tag[1]) <= 64


def _tags(scope: Scope, names: str) -> Tags:
    """NIP-22's tags of a scope. The root of what is addressed needs no version of it."""
    id, address, external, kind, author = tuple(names)
    hint = nip10.public_hint(scope.relay)
    if scope.external:
        page = nip73.is_page(scope.relay) and len(scope.relay) <= nip73.MAX_ID
        hint = scope.relay if page else ""
    tags: list[Tag] = []
    if scope.address:
        tags.append(nip10.trimmed((address, scope.address, hint)))
    if scope.id and not (scope.address and id.isupper()):
        tags.append(nip10.trimmed((id, scope.id, hint, scope.pubkey)))
    if scope.external:
        tags.append(nip10.trimmed((external, scope.external, hint)))
    if scope.kind:
        tags.append((kind, scope.kind))
    if scope.pubkey:
        tags.append((author, scope.pubkey))
    return tuple(tags)

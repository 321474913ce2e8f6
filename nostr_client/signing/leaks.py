"""Whose secret key stands in an event of anybody's: the search of all that arrives.

It costs a few microseconds an event, for it is made of two. A glance at the event's JSON, as one
row of bytes, says of nearly all that no key can be there; `secret_search` looks at the others, text
by text and layer by layer. What the glance passes over that search would not find either.

An id, a public key or a hash that stands where one is named is one place where a key may be, and
no key is looked for that begins in it and ends outside.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from nostr_client.protocol.event import Event, Tags
from nostr_client.protocol.keys import is_hex64
from nostr_client.safe_text import normalized
from nostr_client.signing.secret_search import (
    QUOTED,
    RUN,
    SEPARATORS,
    SHAPE,
    Places,
    SoughtKeys,
    disguised,
    keys_of,
    layers_with_keys,
    letters_of,
    may_hold_key,
    runs,
    shape_of,
)

TRIES_RECEIVED: Final = 64
"""Places that are derived for an event of anybody's, beside one for each 64 characters of it: each
unbroken key in a text of nothing else, and the beginning of an endless run of digits."""

_NAMING: Final = frozenset(("e", "E", "p", "P", "q", "a", "A", "x", "ox", "delegation"))
"""Ids, public keys and hashes, by their place: of strangers' events too many to derive them all."""
_named = re.compile(
    r'"(?:id|pubkey|sig)"\s*:\s*"[0-9a-f]{64,128}"'  # an event in JSON, as in a zap's receipt
    r'|\["(?:[aepq]|ox?|x)"\s*,\s*"[0-9a-f]{64}"'  # its tags
    r"|(?<![0-9a-z])[0-9]{1,5}:[0-9a-f]{64}:"  # an address
    r'|"[0-9a-f]{128}(?=")'  # a signature
    r'|"(?:ox?|x) [0-9a-f]{64}"'  # of `imeta`
    r"|[/_][0-9a-f]{64}\.[a-z0-9]{2,5}(?![0-9a-z])"  # a file whose name is its hash
).search
_is_hex = re.compile("[0-9a-f]*").fullmatch
_BEFORE: Final = 24
_AFTER: Final = 8
"""Characters around an id that may name it."""
_ASCII: Final = bytes(range(128))


def leaked_by(event: Event, sought: SoughtKeys) -> set[str]:
    """Which of the public keys `sought` have their secret key in `event`, anybody's.

    Keys without a trace are not looked for where only an id, a public key or a file's hash is
    named (`_NAMING`, `_named`), and in no more places than `TRIES_RECEIVED` says, unbroken ones
    first.
    """
    ids, others = _items_of(event.tags, sought)
    named = _glance(f"{others} z {event.content}")
    if named is not None:
        return sought.named([*ids, *named])
    texts = (event.content, others)
    found = sought.named(ids)
    layers = layers_with_keys(texts)
    if not layers:
        return found
    found |= sought.owners(keys_of(layers))
    if sought.untraced:
        places = Places(sought, TRIES_RECEIVED + sum(map(len, texts)) // 64)
        without = [_unnamed(layer)[0] for layer in layers]
        for candidate in keys_of([layer for layer in without if may_hold_key(layer)]):
            if not places.look_at(candidate):
                break
        found |= places.found
    return found


def _glance(text: str) -> Collection[str] | None:
    """All that is only named in `text`, in hex; None where a key may be anywhere else."""
    data = text.encode()
    if not text.isascii() and disguised(data.translate(None, _ASCII).decode()):
        text = normalized("NFKC", text).casefold()
        data = text.encode()
    start = b"nsec1"
    if b"\\" in data:
        if b"\\u" in data or b"\\b" in data or b"\\f" in data:
            return None
        data, start = _without_escapes(data), b"sec1"
    shape = data.translate(SHAPE, SEPARATORS)
    if start.translate(SHAPE) in shape and start in letters_of(data).lower():
        return None
    if RUN not in shape:
        return []
    rest, named = _unnamed(text.lower())
    shape = _without_escapes(rest.encode()).translate(SHAPE, SEPARATORS)
    return None if RUN in shape or any(len(each) > 64 for each in named) else named


def _without_escapes(data: bytes) -> bytes:
    """Each of them may be a letter or end a line, and so part a key: none of these letters is a hex
    digit, and of `nsec1` only the first is one of them."""
    return data.replace(b"\\n", b"").replace(b"\\r", b"").replace(b"\\t", b"")


def _unnamed(layer: str) -> tuple[str, list[str]]:
    """`layer` without the ids, public keys and hashes that are known as such by what stands around
    them; and these. What stands around them stays: a key may begin in it."""
    rest: list[str] = []
    named: list[str] = []
    done = 0
    for start, end in runs(shape_of(layer)):
        found = _named(layer, max(done, start - _BEFORE), end + _AFTER)
        if found and found.end() > start:
            rest.append(layer[done:start])
            named.append(layer[start:end])
            done = end
    return " z ".join([*rest, layer[done:]]), named


def _items_of(tags: Tags, sought: SoughtKeys) -> tuple[list[str], str]:
    """What `tags` name, each an id or a public key in hex, and all else that they hold, as a
    text."""
    ids = [item for tag in tags for item in tag if len(item) == 64 and tag[0] in _NAMING]
    if sought.has_seen(ids) or _is_hex("".join(ids)):
        others = [item for tag in tags for item in tag if len(item) != 64 or tag[0] not in _NAMING]
    else:
        ids = [item for item in ids if is_hex64(item)]
        named = frozenset(ids)
        others = [
            item for tag in tags for item in tag if item not in named or tag[0] not in _NAMING
        ]
    return ids, QUOTED.join(others).join('""')

r"""What is found while it is being typed, by how it begins: names of people, hashtags. Pure.

Beside its words (`store.words`) the index keeps, of a profile, the words of its names, its NIP-05
name, its npub and its key; and, of whatever is searched, its hashtags. Each has a mark before it,
which no word of a text has, so that beginnings are looked for among names or tags alone: few,
however much was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from nostr_client.protocol.bech32 import encode_bech32
from nostr_client.protocol.event import MALFORMED, Event
from nostr_client.protocol.kinds import METADATA
from nostr_client.safe_text import normalized
from nostr_client.store.words import LONGEST_WORD, is_searched, phrases, words_in, words_of

NAME: Final = "\ue000"
TAG: Final = "\ue001"
"""Marks: signs of nobody's script, which the index takes for letters."""
_SEALED: Final = 0xE100
"""Where the ASCII signs of a tag stand that would end a word."""
_RESERVED: Final = (0xE000, 0xE200)
LONGEST_TAG: Final = 48
"""Characters; what is longer is nobody's tag."""
LONGEST_NAME: Final = 400
"""Characters of a name that are read."""
MOST_TAGS: Final = 20
"""Of one event."""
SHORTEST: Final = 3
"""Letters of a word from which what merely begins so is found in texts, too: fewer begin half of
all words. Where they are no Latin letters, one says more."""
_NAMES: Final = ("name", "display_name", "displayName", "nip05")
_object = msgspec.json.Decoder(dict[str, object]).decode


def entries_of(event: Event) -> list[str]:
    """All that the index keeps of `event`: its words, and what has a mark."""
    names = (NAME + word for word in names_of(event))
    tags = (TAG + _sealed(tag) for tag in tags_of(event))
    return [*words_of(event), *names, *tags]


def names_of(event: Event) -> list[str]:
    """The words by which the person is found whose profile this is; none for another kind."""
    if event.kind != METADATA:
        return []
    try:
        profile = _object(event.content)
    except MALFORMED:
        profile = {}
    texts = [value for name in _NAMES if isinstance(value := profile.get(name), str)]
    found = [word for text in texts for word in words_in(text[:LONGEST_NAME])]
    codes = (encode_bech32("npub", bytes.fromhex(event.pubkey)), event.pubkey)
    return list(dict.fromkeys((*found, *(code[:LONGEST_WORD] for code in codes))))


def tags_of(event: Event) -> list[str]:
    """The hashtags of what is searched, as `hashtag` writes them."""
    if not is_searched(event):
        return []
    found = dict.fromkeys(map(hashtag, event.values("t")))
    return [tag for tag in found if tag][:MOST_TAGS]


def hashtag(text: str) -> str:
    """A hashtag in one spelling: small letters, no `#`; empty for what is none."""
    tag = normalized("NFC", text.strip().removeprefix("#").lower())
    if not 0 < len(tag) <= LONGEST_TAG or any(map(_is_no_letter, tag)):
        return ""
    return tag


def typed_words(typed: str) -> tuple[list[str], str]:
    """The whole words of a name that is being typed, and the beginning of the last one."""
    *whole, last = words_in(typed[:LONGEST_NAME])[:8] or [""]
    if last and not typed[-1].isalnum():
        return [*whole, last], ""
    return whole, last


def begins_so(event: Event, typed: str) -> bool:
    """Is this the profile of somebody who is found by these words?"""
    whole, last = typed_words(typed)
    words = names_of(event)
    found = set(whole) <= set(words) and any(word.startswith(last) for word in words)
    return bool(whole or last) and found


def expression(typed: str) -> str:
    """In FTS5's language: texts that have all of these words, the last one as a beginning. Empty
    where there is no word."""
    wanted = phrases(typed)
    if not wanted:
        return ""
    quoted = [f'"{" ".join(phrase)}"' for phrase in wanted]
    if goes_on(typed, wanted[-1][-1]):
        quoted[-1] += " *"
    return " ".join(quoted)


def name_expression(typed: str) -> str:
    """In FTS5's language: people who have a name that begins so. Empty where there is no word."""
    whole, last = typed_words(typed)
    quoted = [f'"{NAME}{word}"' for word in whole]
    return " ".join(quoted + ([f'"{NAME}{last}" *'] if last else []))


def goes_on(typed: str, last: str) -> bool:
    """May `last`, the last word of `typed`, be the beginning of another one?"""
    long = len(last) >= SHORTEST or not last.isascii()
    return long and typed[-1].isalnum()


def has_begun(event: Event, typed: str) -> bool:
    """Does this have all words that are typed, the last one as a beginning?"""
    wanted = phrases(typed)
    if not wanted:
        return False
    words = words_of(event)
    *others, last = wanted
    ends = set(_runs(words, len(last)))
    goes = goes_on(typed, last[-1])
    met = any(
        run[:-1] == last[:-1] and (run[-1].startswith(last[-1]) if goes else run[-1] == last[-1])
        for run in ends
    )
    return met and all(phrase in set(_runs(words, len(phrase))) for phrase in others)


def tag_range(typed: str) -> tuple[str, str] | None:
    """First and last of what the index keeps for tags that begin so; None where none can."""
    tag = hashtag(typed)
    return (TAG + _sealed(tag), f"{TAG}{_sealed(tag)}\U0010ffff") if tag else None


def tag_kept(entry: str) -> str:
    """The tag that the index keeps so."""
    shown = (chr(ord(c) - _SEALED) if 0 <= ord(c) - _SEALED < 0x80 else c for c in entry[1:])
    return "".join(shown)


def _runs(words: list[str], size: int) -> Iterator[tuple[str, ...]]:
    return (tuple(words[n : n + size]) for n in range(len(words) - size + 1))


def _is_no_letter(c: str) -> bool:
    return c <= " " or c.isspace() or not c.isprintable() or _RESERVED[0] <= ord(c) < _RESERVED[1]


def _sealed(tag: str) -> str:
    """One word to the index, whatever signs are in it."""
    return "".join(chr(_SEALED + ord(c)) if c.isascii() and not c.isalnum() else c for c in tag)

"""Banned words: many of them, found in one pass over a text.

Text and words are compared without regard to case and width (NFKC, casefold) and without the
characters that show nothing. A word stands for itself, not for a part of a longer one, unless it
begins or ends with `*`; in scripts that do not part words by blanks it is found anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from nostr_client.errors import InvalidData
from nostr_client.protocol.event import Event
from nostr_client.safe_text import normalized

MOST_CHARACTERS: Final = 100
"""In one banned word or phrase."""
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]"
)
_BLANKS: Final = re.compile(r"\s+")
_NO_BLANKS: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, Kana and Han."""
_TOLD: Final = frozenset(
    {"title", "subject", "summary", "description", "name", "about", "alt", "t", "location"}
)
"""Tags whose second element is written for people."""
ENCRYPTED: Final = frozenset({4, 13, 1059, 1060, 21059, 24133})
"""Kinds whose content is nobody's words before it is decrypted."""

_Trie = dict[str, Any]


def plain(text: str) -> str:
    """`text` as it is compared."""
    if text.isascii():
        return text.lower()
    return normalized("NFKC", _UNSEEN.sub("", text)).casefold()


def checked_word(text: str) -> str:
    """A word as it is kept. Raises InvalidData for one that would match nothing, or everything."""
    word = _BLANKS.sub(" ", plain(text)).strip()
    if not word.strip("* "):
        raise InvalidData("a banned word has at least one character besides *")
    if not word.isprintable():
        raise InvalidData("a banned word has no characters that cannot be shown")
    if len(word) > MOST_CHARACTERS:
        raise InvalidData(f"a banned word has at most {MOST_CHARACTERS} characters")
    return word


def pattern_of(words: Iterable[str]) -> re.Pattern[str] | None:
    """One expression that finds any of the checked `words` in a plain text; None for none.

    Common beginnings are tried once, so that a thousand words cost little more than one.
    """
    tries: dict[bool, _Trie] = {True: {}, False: {}}
    for text in words:
        start, end = not text.startswith("*"), not text.endswith("*")
        word = text.strip("*").strip()
        start = start and _is_edge(word[0])
        place = tries[start]
        for char in word:
            place = place.setdefault(char, {})
        place["end" if end and _is_edge(word[-1]) else "anywhere"] = {}
    parts = [
        rf"(?<!\w){_spelled(tries[True])}" if tries[True] else "",
        _spelled(tries[False]) if tries[False] else "",
    ]
    expression = "|".join(part for part in parts if part)
    return re.compile(expression) if expression else None


def _is_edge(char: str) -> bool:
    """Must something else than a letter stand beside `char`?"""
    return (char.isalnum() or char == "_") and _NO_BLANKS.match(char) is None


def _spelled(trie: _Trie) -> str:
    """The expression of what a trie holds. Its depth is bounded by the length of a word."""
    if "anywhere" in trie:
        return ""
    branches = [
        (r"\s+" if char == " " else re.escape(char)) + _spelled(rest)
        for char, rest in sorted(trie.items())
        if char != "end"
    ]
    if "end" in trie:
        branches.append(r"(?!\w)")
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def found_in(event: Event, pattern: re.Pattern[str]) -> bool:
    """Does what `event` says to people hold a banned word?"""
    if event.kind not in ENCRYPTED and pattern.search(plain(event.content)):
        return True
    return any(
        pattern.search(plain(tag[1])) for tag in event.tags if len(tag) > 1 and tag[0] in _TOLD
    )

r"""The words of a text, in any language, and what a search asks for (NIP-50). Pure.

Words are what stands between spaces and punctuation, without accents, in one case and width.
Scripts that put no spaces between words give every pair of neighbours instead, and Chinese
characters alone besides; so 日本語 is found in a sentence as the pairs 日本 and 本語, side by side.
An emoji is a word. Nothing here depends on SQLite's own tables of characters.

A search is for events that have all its words. What is in quotes, or joined by punctuation, or in
a script without spaces, must stand side by side, too. `key:value` is an extension of NIP-50, none
of which is known here, so that it is left out. A search without any word finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final

import msgspec

from nostr_client.protocol.event import MALFORMED, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import METADATA
from nostr_client.safe_text import normalized

SEARCHED_KINDS: Final = frozenset(
    {
        *(METADATA, 1, 9, 11, 20, 21, 22, 42, 1068, 1111, 1222, 1311, 1621, 9802),
        *(30023, 30311, 30315, 30402, 30617, 30818, 31922, 31923, 34235, 34236, 34550),
    }
)
"""Kinds whose content is text for people. Of a profile: its names, NIP-05 name and `about`."""
_NAMED: Final = ("name", "display_name", "nip05", "about")
_TAGS: Final = frozenset({"title", "name", "subject", "summary", "description"})
LONGEST_TEXT: Final = 100_000
"""Characters of an event that are read."""
LONGEST_QUERY: Final = 500
"""Characters of a search that are read."""
_MOST_WORDS: Final = 24
LONGEST_WORD: Final = 24
"""Characters: what is longer, such as keys and names of files, is known by its beginning."""
_LONGEST_KEPT: Final = 32
"""Characters of a piece of text that is remembered with its words."""

_HAN: Final = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_NO_SPACES: Final = (
    f"{_HAN}\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31f0-\u31ff"
    "\uac00-\ud7a3\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u103f\u1050-\u109f\u1780-\u17d3"
)
"""Chinese, Japanese, Korean, whose words carry endings, Thai, Lao, Burmese, Khmer."""
_MARKS: Final = "\u0780-\u07b0\u0900-\u0963\u0966-\u0dff\u0f18-\u0f39\u0f40-\u0fbc\u1b00-\u1b4b"
"""Scripts whose vowel signs belong to the word, though they are no letters."""
_EMOJI: Final = "\u2600-\u27bf\U0001f000-\U0001faff"
_LEFT_OUT: Final = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    "\u064b-\u065f\u0670\u06d6-\u06ed\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\U0001f3fb-\U0001f3ff"
)
"""Accents, vowel points, skin tones, and what shows nothing."""
_plain_words = re.compile("[0-9a-z]+").findall
_left_out = re.compile(f"[{_LEFT_OUT}]+")
_pieces = re.compile(r'"([^"]*)"|(\S+)').findall
_is_extension = re.compile(r"[A-Za-z][\w-]*:[^\s/:]\S*").fullmatch
_object = msgspec.json.Decoder(dict[str, object]).decode


def text_of(event: Event) -> str:
    """What people read in `event`; empty where it is of no kind that is searched."""
    if not is_searched(event):
        return ""
    if event.kind == METADATA:
        try:
            profile = _object(event.content)
        except MALFORMED:
            return ""
        found = (profile.get(name) for name in _NAMED)
        parts = [value for value in found if isinstance(value, str)]
    else:
        parts = [tag[1] for tag in event.tags if len(tag) > 1 and tag[0] in _TAGS]
        parts.append(event.content)
    return "\n".join(parts)[:LONGEST_TEXT]


def is_searched(event: Event) -> bool:
    return event.kind in SEARCHED_KINDS


def words_of(event: Event) -> list[str]:
    """The words under which `event` is found, in their order."""
    return words_in(text_of(event))


def words_in(text: str) -> list[str]:
    """The words of a text, in their order; of one longer than is read, those of its beginning."""
    words, characters = _read(text[:LONGEST_TEXT])
    return words + characters


def phrases(query: str) -> tuple[tuple[str, ...], ...]:
    """What a search asks for: each of these sequences of words. None: it finds nothing."""
    return _phrases(query[: LONGEST_QUERY + 1])


@lru_cache(maxsize=512)
def _phrases(query: str) -> tuple[tuple[str, ...], ...]:
    pieces = _pieces(query[:LONGEST_QUERY])
    if len(query) > LONGEST_QUERY and len(pieces) > 1:
        pieces.pop()  # it may have been cut
    found: dict[tuple[str, ...], None] = {}
    left = _MOST_WORDS
    for quoted, bare in pieces:
        if not quoted and _is_extension(bare):
            continue
        words = _split(quoted or bare)[:left]
        left -= len(words)
        if words:
            found[tuple(words)] = None
    return tuple(found)


def is_phrased(query: str) -> bool:
    """Must words stand side by side for what a search asks?"""
    return any(len(phrase) > 1 for phrase in phrases(query))


def matches(query: str, event: Event) -> bool:
    """Is `event` among what a search for `query` finds?"""
    wanted = phrases(query)
    if not wanted:
        return False
    words = words_of(event)
    return all(stands_in(words, phrase) for phrase in wanted)


def fits(f: Filter, event: Event) -> bool:
    """Does `event` meet every condition of `f`, its search among them?"""
    return f.matches(event) and (f.search is None or matches(f.search, event))


def stands_in(words: Sequence[str], phrase: tuple[str, ...]) -> bool:
    """Do these words have `phrase`, side by side?"""
    size = len(phrase)
    return any(tuple(words[n : n + size]) == phrase for n in range(len(words) - size + 1))


def _split(text: str) -> list[str]:
    return _read(text)[0]


def _read(text: str) -> tuple[list[str], list[str]]:
    """The words, and the Chinese characters that stand in a run, each alone."""
    if text.isascii():
        return [word[:LONGEST_WORD] for word in _plain_words(text.lower())], []
    words: list[str] = []
    characters: list[str] = []
    for piece in text.split():
        if piece.isascii():
            words += _plain_words(piece.lower())
        else:
            found = _strange(piece) if len(piece) <= _LONGEST_KEPT else _read_piece(piece)
            words += found[0]
            characters += found[1]
    return [word[:LONGEST_WORD] for word in words], characters


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Of words, of runs in scripts without spaces, and of Chinese characters. Made with the first
    text beyond ASCII: they take 10 ms, which no other program need wait for at its start."""
    return (
        re.compile(rf"(?:[^\W_]|[{_MARKS}{_NO_SPACES}])+|[{_EMOJI}]"),
        re.compile(f"[{_NO_SPACES}]{{2,}}|[{_NO_SPACES}]"),
        re.compile(f"[{_HAN}]"),
    )


def _read_piece(piece: str) -> tuple[list[str], list[str]]:
    word, run, han = _patterns()
    folded = _folded(piece)
    runs = run.findall(folded)
    if not runs:
        return word.findall(folded), []
    characters = [character for each in runs if len(each) > 1 for character in han.findall(each)]
    return word.findall(run.sub(_pairs, folded)), characters


_strange = lru_cache(maxsize=4096)(_read_piece)


def _folded(text: str) -> str:
    plain = normalized("NFKD", text).casefold()
    return normalized("NFC", _left_out.sub("", plain))


def _pairs(run: re.Match[str]) -> str:
    text = run[0]
    pairs = [text[n : n + 2] for n in range(len(text) - 1)]
    return f" {' '.join(pairs or [text])} "

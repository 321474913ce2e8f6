"""Letters that look like Latin ones: what a reader takes for the word is the word.

The pairs are Unicode's (UTS 39), by `confusable-homoglyphs`; small capitals, letters with hooks and
strokes, and those that are drawn in squares and circles come by their names. The table is made when
it is first wanted: it costs a tenth of a second, and only a text beyond ASCII needs it.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

_ACCENTS: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
"""Marks of no script of their own: in others, marks are vowels."""
_MOST_KNOWN: Final = 50_000
"""Characters that are known at a time: more than are worth work, or a text of all would ever cost
it anew."""
_LONGEST: Final = 6
"""Characters that one stands for: a few stand for whole sentences."""
_DRAWN: Final = (0x1F150, 0x1F170, 0x1F1E6)
"""Where alphabets begin that are drawn white on black, or as flags: 26 letters each."""
_LATIN: Final = ((0x80, 0x2B0), (0x1D00, 0x1DC0), (0x2C60, 0x2C80), (0xA720, 0xA800))
_is_named: Final = re.compile(
    "LATIN (?:LETTER SMALL CAPITAL ([A-Z])|(?:SMALL|CAPITAL) LETTER ([A-Z]) WITH .*)"
).fullmatch


def latin(text: str) -> str:
    """`text` with Latin letters for all that look like them, in lower case, without accents."""
    return text.lower() if text.isascii() else text.translate(_latin)


class _Latin(dict[int, str]):
    """What each character looks like, found when it first comes."""

    def __missing__(self, number: int) -> str:
        if len(self) >= _MOST_KNOWN:
            self.clear()
        found = self[number] = _look_of(chr(number))
        return found


_latin: Final = _Latin()


def _look_of(char: str) -> str:
    table = _table()
    if _stands_for_itself(char, table):  # most of all: a text may be made of nothing else
        return char
    parts = unicodedata.normalize("NFKC", char)
    return "".join(table.get(ord(part)) or _plainest(part, table) for part in parts[:_LONGEST])


def _stands_for_itself(char: str, table: dict[int, str]) -> bool:
    return (
        ord(char) not in table
        and char.casefold() == char
        and not unicodedata.decomposition(char)
        and _ACCENTS.match(char) is None
    )


def _plainest(char: str, table: dict[int, str]) -> str:
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", char)).casefold()
    if bare.isascii():
        return bare
    return "".join(table.get(ord(part), part) for part in char.casefold())


@functools.cache
def _table() -> dict[int, str]:
    """Latin letters, in lower case, by what looks like them."""
    from confusable_homoglyphs.confusables import confusables_data

    table = _by_name()
    for char, likes in confusables_data.items():
        if len(char) == 1 and not char.isascii() and ord(char) not in table:
            found = next(filter(None, (_letters(like["c"], table) for like in likes)), "")
            if found:
                table[ord(char)] = found
    for number, letters in list(table.items()):
        char = chr(number)
        lower = char.lower()
        if len(lower) != 1 or lower == char:
            continue
        # A capital I of any script looks like an l; what small one it has tells them apart.
        if letters == "l" and (of_lower := table.get(ord(lower))) is not None:
            table[number] = of_lower
        table.setdefault(ord(lower), letters)
    return table


def _by_name() -> dict[int, str]:
    table = {first + n: chr(97 + n) for first in _DRAWN for n in range(26)}
    for first, end in _LATIN:
        for number in range(first, end):
            named = _is_named(unicodedata.name(chr(number), ""))
            if named is not None:
                table[number] = (named[1] or named[2]).lower()
    return table


def _letters(like: str, table: dict[int, str]) -> str:
    """The Latin letters that `like` is, in lower case; empty if it is something else."""
    found = _ACCENTS.sub("", unicodedata.normalize("NFKD", like)).translate(table).lower()
    return found if found.isascii() and found.isalpha() else ""

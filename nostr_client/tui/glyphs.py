"""The signs that the screens draw: as terminals show them that know Unicode, and in ASCII.

Screens draw in Unicode. For a terminal that cannot show it, or a person who does not want it
(`glyphs = "ascii"`), `AsciiOnly` puts a sign of ASCII of the same width in place of each that the
screens, or Textual's borders, are made of, at the one place where all lines pass.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

GlyphSetting = Literal["auto", "ascii", "unicode"]


class Glyphs(NamedTuple):
    """One cell each."""

    there: str
    waiting: str
    refused: str
    more: str


UNICODE: Final = Glyphs("●", "○", "✕", "…")
ASCII: Final = Glyphs("*", "o", "x", ".")
_LINES: Final = dict.fromkeys("│┃║▏▎▍▌▕▐", "|") | dict.fromkeys("─━═▔╴╶╸╺┄┅┈┉", "-")
_SIGNS: Final = dict(
    zip(
        "●○◐◆□▣▶✕✗✘×✓✔☑…⋯·•▲▼↑↓←→↩↗↯⟳↻♥♪✉⚠“”„‘’–—«»‹›▁█▇▆▅▄▃▂▀▒░",
        '*o%*##>xxxxvvv..-*^v^v<-<^zRR+~M!"""\'\'--<><>_#######^:.',
        strict=True,
    )
)


@lru_cache(4096)
def in_ascii(char: str) -> str:
    """What stands for a character of ours where there is ASCII only, as wide; others stay."""
    found = _LINES.get(char) or _SIGNS.get(char)
    if found is None and "\u2500" <= char <= "\u257f":
        found = "+"
    if found is None and "\u2580" <= char <= "\u259f":
        found = "#"
    return found or char


class AsciiOnly(LineFilter):
    """Draws what we draw with ASCII; `all_of_it`: what others wrote, too, as question marks."""

    def __init__(self, *, all_of_it: bool = False) -> None:
        super().__init__()
        self._all = all_of_it

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            one if one.text.isascii() else Segment(self.of(one.text), one.style, one.control)
            for one in segments
        ]

    def of(self, text: str) -> str:
        """A text in ASCII, as wide as it was."""
        drawn = "".join(map(in_ascii, text))
        if not self._all or drawn.isascii():
            return drawn
        plain = "".join(char if char.isascii() else "?" * cell_len(char) for char in drawn)
        width = cell_len(drawn)
        return plain[:width].ljust(width, "?")


class _Choice:
    """What the settings say; the terminal's encoding may leave no choice."""

    setting: GlyphSetting = "auto"


def choose_glyphs(setting: GlyphSetting) -> None:
    """What the person wants, for this process."""
    _Choice.setting = setting


def knows_unicode() -> bool:
    """Can the terminal's encoding show what we draw?"""
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    try:
        "".join(UNICODE).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def ascii_filter() -> AsciiOnly | None:
    """What all lines are to pass, if anything."""
    if _Choice.setting != "unicode" and not knows_unicode():
        return AsciiOnly(all_of_it=True)
    return AsciiOnly() if _Choice.setting == "ascii" else None


def glyphs() -> Glyphs:
    """Those that the terminal has and the person wants."""
    return UNICODE if ascii_filter() is None else ASCII

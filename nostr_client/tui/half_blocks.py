"""Pixels as text: two to a cell, the upper one in the colour of a half block, the lower behind it.

Any terminal with colours shows it, and it scrolls like the lines that it is.
"""

from __future__ import annotations

from itertools import groupby
from typing import Final

from textual.color import Color
from textual.content import Content, Span
from textual.style import Style

from nostr_client.social.media.thumbnail_folder import Pixels

HALF: Final = "▀"
_SHADES: Final = 0xF8
"""Colours that differ by less are one: runs of them are shorter to write."""


def half_blocks(pixels: Pixels, width: int, rows: int) -> list[Content]:
    """The picture in at most `width` cells and `rows` lines; smaller ones stay as small."""
    size = _fitted(pixels, width, rows * 2)
    across, down = size
    columns = [x * pixels.width // across for x in range(across)]
    lines = [y * pixels.height // down for y in range(down)]
    shown = []
    for y in range(0, down, 2):
        upper = _row(pixels, lines[y], columns)
        lower = _row(pixels, lines[y + 1], columns) if y + 1 < down else [None] * across
        spans, at = list[Span](), 0
        for (over, under), run in groupby(zip(upper, lower, strict=True)):
            length = sum(1 for _ in run)
            spans.append(Span(at, at + length, _style(over, under)))
            at += length
        shown.append(Content(HALF * across, spans))
    return shown


def fitted_rows(width: int, height: int, across: int, rows: int) -> int:
    """The lines that a picture of `width` x `height` takes in `across` cells and `rows` lines."""
    down = min(rows * 2, height, max(1, height * across // width) if width > across else height)
    return max(1, (down + 1) // 2)


def _fitted(pixels: Pixels, across: int, down: int) -> tuple[int, int]:
    """Smaller where it must be, of the same shape."""
    scale = min(1.0, across / pixels.width, down / pixels.height)
    return max(1, int(pixels.width * scale)), max(1, int(pixels.height * scale))


Rgb = tuple[int, int, int]


def _row(pixels: Pixels, y: int, columns: list[int]) -> list[Rgb | None]:
    row = bytes(
        value & _SHADES for value in pixels.data[3 * pixels.width * y : 3 * pixels.width * (y + 1)]
    )
    return [(row[3 * x], row[3 * x + 1], row[3 * x + 2]) for x in columns]


def _style(over: Rgb | None, under: Rgb | None) -> Style:
    return Style(
        foreground=None if over is None else Color(*over),
        background=None if under is None else Color(*under),
    )

"""The few signs that the screens draw: as terminals show them that know Unicode, and in ASCII."""

from __future__ import annotations

import sys
from functools import cache
from typing import NamedTuple


class Glyphs(NamedTuple):
    """One cell each."""

    there: str
    waiting: str
    refused: str
    more: str


UNICODE = Glyphs("●", "○", "✕", "…")
ASCII = Glyphs("*", "o", "x", ".")


@cache
def glyphs() -> Glyphs:
    """Those that the terminal's encoding has."""
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    try:
        "".join(UNICODE).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE

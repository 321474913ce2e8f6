"""Times as people type them: `12h`, `30d`, a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from nostr_client.exits import CommandError, Exit

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_duration = re.compile(r"([1-9]\d{0,6})([smhdw]?)")
_moment = re.compile(r"\d{9,10}", re.ASCII)
"""Seconds since 1970: since 1973, and for the next centuries."""
_FORMS: Final = (
    "a time is a date (2026-01-31), one with a time (2026-01-31T12:30, in UTC), seconds since 1970,"
    " now, or so long ago: 2d or 2d ago (s, m, h, d, w)"
)


def seconds(text: str) -> float | None:
    """`30m` in seconds; None for nothing. Raises CommandError."""
    if not text:
        return None
    found = _duration.fullmatch(text)
    if found is None:
        raise CommandError("a time is a number of s, m, h, d or w, as 12h", Exit.USAGE)
    return float(int(found[1]) * _UNITS[found[2] or "s"])


def since(text: str, now: float) -> int | None:
    """The moment that `30d` or `30d ago` (before `now`), `2026-01-31` (its beginning),
    `2026-01-31T12:30` (both in UTC), `now` or 1767225600 (itself) names, in seconds since 1970;
    None for nothing.

    Raises CommandError.
    """
    if not text:
        return None
    if text == "now":
        return int(now)
    if _moment.fullmatch(text):
        return int(text)
    if found := _duration.fullmatch(text.removesuffix("ago").rstrip()):
        return max(0, int(now - int(found[1]) * _UNITS[found[2] or "s"]))
    try:
        found_at = datetime.fromisoformat(text)
        known = found_at if found_at.tzinfo else found_at.replace(tzinfo=UTC)
        return max(0, int(known.timestamp()))
    except (ValueError, OverflowError):
        raise CommandError(_FORMS, Exit.USAGE) from None

"""Times as people type them: `12h`, `30d`, a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from nostr_client.exits import CommandError, Exit

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_duration = re.compile(r"([1-9]\d{0,6})([smhdw]?)")


def seconds(text: str) -> float | None:
    """`30m` in seconds; None for nothing. Raises CommandError."""
    if not text:
        return None
    found = _duration.fullmatch(text)
    if found is None:
        raise CommandError("a time is a number of s, m, h, d or w, as 12h", Exit.USAGE)
    return float(int(found[1]) * _UNITS[found[2] or "s"])


def since(text: str, now: float) -> int | None:
    """The moment that `30d` (before `now`) or `2026-01-31` (its beginning, in UTC) names, in
    seconds since 1970; None for nothing. Raises CommandError."""
    if not text:
        return None
    if found := _duration.fullmatch(text):
        return max(0, int(now - int(found[1]) * _UNITS[found[2] or "s"]))
    try:
        return max(0, int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()))
    except ValueError:
        words = "a beginning is a date, as 2026-01-31, or so long ago, as 30d"
        raise CommandError(words, Exit.USAGE) from None

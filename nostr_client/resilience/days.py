"""Days, as others name them. Pure."""

from __future__ import annotations

import time


def safe_day(at: int) -> str:
    """The day, in UTC, of a second since 1970 that anybody may have written: where the calendar
    ends, the number."""
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        return str(at)

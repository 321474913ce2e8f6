"""Times as people say them. Pure: everything is given `now`, in seconds since 1970."""

from __future__ import annotations

import time
from typing import Final

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
_LAST_DATE: Final = 253_402_300_799
"""The end of the year 9999: clocks know no later one, events may."""


def ago(at: int, now: float) -> str:
    """`now`, `5m`, `3h`, `6d`, then the date; what lies in the future says so."""
    passed = now - at
    if passed < -MINUTE:
        return f"dated {date(at)}" if -passed >= DAY else f"in {_span(-passed)}"
    if passed < MINUTE:
        return "now"
    return _span(passed) if passed < 7 * DAY else date(at, now)


def passed(at: int, now: float) -> str:
    """`just now`, `5m ago`, then the date: when something was."""
    words = ago(at, now)
    if words == "now":
        return "just now"
    return f"{words} ago" if at <= now and now - at < 7 * DAY else words


def moment(at: int, now: float) -> str:
    """`today 18:30`, `tomorrow 9:00`, then `on 12 Mar 9:00`: the very minute."""
    when, today = time.localtime(at), time.localtime(now)
    clock = time.strftime("%H:%M", when)
    tomorrow = time.localtime(now + DAY)
    if when[:3] == today[:3]:
        return f"today {clock}"
    return f"tomorrow {clock}" if when[:3] == tomorrow[:3] else f"on {date(at, now)} {clock}"


def ahead(at: int, now: float) -> str:
    """`in 5m`, `in 6d`, then `on 12 Mar`: when something will be."""
    left = at - now
    if left < MINUTE:
        return "now" if left <= 0 else "in less than a minute"
    return f"in {_span(left)}" if left < 7 * DAY else f"on {date(at, now)}"


def date(at: int, now: float | None = None) -> str:
    """`12 Mar 2021`; without the year when it is that of `now`."""
    if at > _LAST_DATE:
        return "after the year 9999"
    day = time.localtime(at)
    text = f"{day.tm_mday} {time.strftime('%b', day)}"
    if now is not None and time.localtime(now).tm_year == day.tm_year:
        return text
    return f"{text} {day.tm_year}"


def minute(at: int) -> str:
    """`2021-03-12 18:40`, in the person's own zone."""
    if at > _LAST_DATE:
        return "after the year 9999"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def latency(seconds: float | None) -> str:
    """`82 ms`, `1.9 s`, or a dash."""
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _span(seconds: float) -> str:
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)}m"
    if seconds < DAY:
        return f"{int(seconds // HOUR)}h"
    return f"{int(seconds // DAY)}d"

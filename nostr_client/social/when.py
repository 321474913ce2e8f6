"""A time as a person types it: `18:30`, `tomorrow 9:00`, `mon 9:00`, `2026-12-24 18:30`, `in 2h`.

Pure: the present is handed in. Times of day are those of this machine.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Final

from nostr_client.errors import InvalidData

HOW: Final = "18:30, tomorrow 9:00, mon 9:00, 2026-12-24 18:30, in 2h"
FARTHEST: Final = 366 * 86_400
"""Seconds from now at most."""
_UNITS: Final = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_clock = re.compile(
    r"(?:(?P<day>.+?)\s+(?:at\s+)?)?(?P<hour>\d{1,2})[:.](?P<minute>\d{2})"
).fullmatch
_spans = re.compile(r"(?:\s*\d{1,5}\s*(?:weeks?|days?|hours?|minutes?|mins?|[wdhm]))+").fullmatch
_span = re.compile(r"(\d{1,5})\s*([wdhm])").findall


def parse_when(text: str, now: float) -> int:
    """The time that `text` means, in seconds since 1970, after `now`, within a year.

    A time of day that is over is tomorrow's. Raises InvalidData, in words for who typed it.
    """
    typed = " ".join(text.lower().split())
    if typed.startswith("in ") and _spans(typed[3:]):
        at = now + sum(int(number) * _UNITS[unit] for number, unit in _span(typed[3:]))
    else:
        meant = _on_the_clock(typed, datetime.fromtimestamp(now))
        try:
            at = meant.timestamp()
        except (ValueError, OverflowError) as error:  # the first and the last days of all calendars
            raise InvalidData(f"{text.strip()} is no time that a clock here shows") from error
    if at <= now:
        raise InvalidData(f"{text.strip()} is over")
    if at - now > FARTHEST:
        raise InvalidData("more than a year from now is too far")
    return int(at)


def _on_the_clock(typed: str, now: datetime) -> datetime:
    found = _clock(typed)
    if found is None:
        raise InvalidData(f"a time is typed as: {HOW}")
    try:
        moment = time(int(found["hour"]), int(found["minute"]))
    except ValueError as error:
        raise InvalidData(f"{found[0]} is no time of a day") from error
    if found["day"] is None:
        today = datetime.combine(now.date(), moment)
        return today if today > now else today + timedelta(days=1)
    return datetime.combine(_day(found["day"], moment, now), moment)


def _day(word: str, moment: time, now: datetime) -> date:
    today = now.date()
    if word in ("today", "tomorrow"):
        return today + timedelta(days=word == "tomorrow")
    day = next((n for n, name in enumerate(_DAYS) if len(word) > 2 and name.startswith(word)), None)
    if day is not None:
        ahead = (day - today.weekday()) % 7
        if ahead == 0 and moment <= now.time():
            ahead = 7
        return today + timedelta(days=ahead)
    try:
        return date.fromisoformat(word)
    except ValueError as error:
        raise InvalidData(f"a time is typed as: {HOW}") from error

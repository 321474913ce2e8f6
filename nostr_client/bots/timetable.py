"""What a bot does at its times: every so often, or once a day."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, NamedTuple

from nostr_client.errors import ConfigError

if TYPE_CHECKING:
    from nostr_client.client.client import NostrClient

Deed = Callable[["NostrClient"], Awaitable[str | None]]
"""Done at its times; what it gives is posted as a note."""
_is_time = re.compile(r"([01]\d|2[0-3]):([0-5]\d)").fullmatch


class Timed(NamedTuple):
    """`name` is remembered across restarts; `due` says when it is to be done next, from when it was
    last done (None: never) and now, in seconds since 1970."""

    name: str
    deed: Deed
    due: Callable[[float | None, float], float]


def every(seconds: float) -> Callable[[float | None, float], float]:
    """At once, and then every so often; what was missed is done once. Raises ConfigError."""
    if seconds <= 0:
        raise ConfigError("every so often is more than 0 seconds")

    def due(last: float | None, now: float) -> float:
        return now if last is None else min(last + seconds, now + seconds)

    return due


def daily(at: str, zone: tzinfo = UTC) -> Callable[[float | None, float], float]:
    """Each day at `at`, as "08:30", in the time of `zone`; of what was missed the last is done.
    Raises ConfigError."""
    match = _is_time(at)
    if match is None:
        raise ConfigError('a time of the day is "08:30"')
    clock = time(int(match[1]), int(match[2]))

    def due(last: float | None, now: float) -> float:
        day = datetime.fromtimestamp(now, zone).date()
        moments = [
            datetime.combine(day + timedelta(days=days), clock, zone).timestamp()
            for days in (-1, 0, 1)
        ]
        missed = [moment for moment in moments if last is not None and last < moment <= now]
        return missed[-1] if missed else min(moment for moment in moments if moment > now)

    return due

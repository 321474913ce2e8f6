"""How often a bot answers: each person, and all of them together."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final, NamedTuple

MOST_PEOPLE: Final = 10_000


class RateLimit(NamedTuple):
    """So many `times` in `seconds`, at the most."""

    times: int
    seconds: float


class BotRates:
    """What was answered lately: in memory, so that a restart begins anew."""

    def __init__(self, per_person: RateLimit, overall: RateLimit) -> None:
        self._per_person = per_person
        self._overall = overall
        self._people: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque()

    def take(self, person: str, now: float) -> bool:
        """May `person` be answered once more? It counts then."""
        own = self._people.setdefault(person, deque())
        self._people.move_to_end(person)
        if len(self._people) > MOST_PEOPLE:
            self._people.popitem(last=False)
        if not (_has_room(own, self._per_person, now) and _has_room(self._all, self._overall, now)):
            return False
        own.append(now)
        self._all.append(now)
        return True


def _has_room(times: deque[float], limit: RateLimit, now: float) -> bool:
    while times and times[0] <= now - limit.seconds:
        times.popleft()
    return len(times) < limit.times

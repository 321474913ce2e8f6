"""What each relay really delivered of what an author wrote, as a chance that it does (pure).

A relay list says where an author wants to write; whether the relay has it is another matter: many
relays take everything and drop it after some weeks. So it is counted, for each author and relay,
how much of what is known of the author a relay delivered when it was asked, and how much it lacked.
What is older than `HORIZON` when it is asked for is counted apart: a relay that prunes has all of
this week.

**The chance** is drawn from the Beta distribution of these counts (Thompson sampling): a relay of
which little is known gets its turns, one that failed often hardly any. What the relay delivered of
others stands in for what is not known of this author, as `RELAY_WEIGHT` events at most. Counts fade
by half in `HALF_LIFE`, one question counts as `MOST_OF_ONE` events at most, and all of them as
`MOST_KEPT`, so that a relay which changes is noticed.
"""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

DAY: Final = 86_400
HORIZON: Final = 30 * DAY
HALF_LIFE: Final = 21 * DAY
MOST_OF_ONE: Final = 10.0
MOST_KEPT: Final = 20.0
MOST_OF_RELAY: Final = 40.0
RELAY_WEIGHT: Final = 4.0
RECENT_IN_PAST: Final = 0.25
"""What a recent event says of older ones."""
SLOW: Final = 4.0
"""Seconds of a round trip that halve a relay's chance."""


class Share(msgspec.Struct, frozen=True, array_like=True):
    """How many events were delivered, and how many were not; faded, so no whole numbers."""

    came: float = 0.0
    lacked: float = 0.0

    @property
    def known(self) -> float:
        return self.came + self.lacked

    def plus(self, other: Share) -> Share:
        return Share(self.came + other.came, self.lacked + other.lacked)

    def times(self, factor: float) -> Share:
        return Share(self.came * factor, self.lacked * factor)

    def at_most(self, most: float) -> Share:
        """The same share of fewer events."""
        return self.times(most / self.known) if self.known > most else self

    def kept(self) -> Share:
        """What is kept of it."""
        fit = self.at_most(MOST_KEPT)
        return Share(round(fit.came, 3), round(fit.lacked, 3))


class Score(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one relay: for one author, or for all of them (`Score.plus`).

    `recent` counts what was younger than `HORIZON`, `past` what was older; `at` is when it was
    last counted, in seconds since 1970.
    """

    recent: Share = Share()
    past: Share = Share()
    at: int = 0

    def after(self, seen: Evidence) -> Score:
        """With what one question showed."""
        now = max(self.at, seen.at)
        old, fresh = self.faded(now), seen.at_most(MOST_OF_ONE).faded(now)
        recent, past = old.recent.plus(fresh.recent), old.past.plus(fresh.past)
        return Score(recent.kept(), past.kept(), now)

    def faded(self, now: float) -> Score:
        """What of it still counts at `now`."""
        factor = 0.5 ** (max(0.0, now - self.at) / HALF_LIFE)
        return Score(self.recent.times(factor), self.past.times(factor), self.at)

    def plus(self, other: Score) -> Score:
        """Both together, as they stand."""
        shares = self.recent.plus(other.recent), self.past.plus(other.past)
        return Score(*shares, at=max(self.at, other.at))

    def share(self, past: bool) -> Share:
        """What it says of a question that goes back beyond `HORIZON` (`past`), or does not."""
        return self.past.plus(self.recent.times(RECENT_IN_PAST)) if past else self.recent


class Evidence(msgspec.Struct, frozen=True):
    """What one question showed: of the author's events that are known, so many came from the relay,
    and so many did not, those older than `HORIZON` apart. `at` is in seconds since 1970, `latency`
    the relay's round trip in seconds, where it is known."""

    pubkey: str
    url: str
    at: int
    recent: Share = Share()
    past: Share = Share()
    latency: float | None = None

    def at_most(self, most: float) -> Score:
        return Score(self.recent.at_most(most), self.past.at_most(most), self.at)


def drawn_relay(everybody: Score, *, past: bool, chance: Random | None) -> float:
    """The chance, 0 to 1, that a relay delivers what anybody wrote, drawn by what is known.

    `everybody` is the score of all authors there, faded to now. `past`: it is asked for what is
    older than `HORIZON` as well. Without `chance` it is the mean of all draws.
    """
    share = everybody.share(past).at_most(MOST_OF_RELAY)
    return _beta(1 + share.came, 1 + share.lacked, chance)


def drawn(pair: Score, usual: float, *, past: bool, chance: Random | None) -> float:
    """The same for one author: by their score at this relay, beside what the relay is thought to do
    for all (`usual`, a `drawn_relay`)."""
    share = pair.share(past)
    came, lacked = share.came + RELAY_WEIGHT * usual, share.lacked + RELAY_WEIGHT * (1 - usual)
    return _beta(0.1 + came, 0.1 + lacked, chance)


def _beta(came: float, lacked: float, chance: Random | None) -> float:
    return came / (came + lacked) if chance is None else chance.betavariate(came, lacked)


def discount(latency: float | None) -> float:
    """What a relay's chance is worth, by its round trip in seconds: 1 at once, 1/2 at `SLOW`."""
    return 1.0 if latency is None else SLOW / (SLOW + max(0.0, latency))

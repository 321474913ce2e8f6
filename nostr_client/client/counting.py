"""How many events there are, as several relays say (NIP-45): their answers put together."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import msgspec

from nostr_client.net.report import CountAnswer
from nostr_client.nips import nip45
from nostr_client.protocol.filters import Filter

_DOUBT = 3
"""Standard errors that an estimate may be off, before it is taken for one of something else."""


class Precision(Enum):
    """What a number rests on."""

    EXACT = "exact"
    """One relay was asked, and it counted: so many it holds."""
    ESTIMATE = "estimate"
    """It may be a few percent off, either way."""
    AT_LEAST = "at least"
    """So many there are; what other relays hold beside is not known."""
    UNKNOWN = "unknown"
    """No relay that was asked counts."""


class EventCount(msgspec.Struct, frozen=True):
    """How many events match, as far as relays say; each one's own `answers` are beside it.

    `count` is None where `precision` is UNKNOWN. `authors`: about how many people wrote them,
    counted once however many relays have them, where relays sent HyperLogLog values; its standard
    error is 6.5 %. Nothing of it can be checked: a relay that lies makes it larger.
    """

    count: int | None
    precision: Precision
    answers: tuple[CountAnswer, ...]
    authors: int | None = None

    @property
    def missed(self) -> tuple[CountAnswer, ...]:
        """The relays that gave no number: `reason` or `problem` says why."""
        return tuple(answer for answer in self.answers if answer.count is None)

    def __str__(self) -> str:
        """One line: "about 120", "at least 3"."""
        if self.count is None:
            return "unknown"
        words = {Precision.ESTIMATE: "about ", Precision.AT_LEAST: "at least "}
        return f"{words.get(self.precision, '')}{self.count}"


def together(filters: Sequence[Filter], answers: Sequence[CountAnswer]) -> EventCount:
    """What relays answered to one question, as one number.

    What several hold cannot be added up, for they hold the same; so the greatest of their numbers
    is a lower bound. Merged HyperLogLog values count people: where the numbers agree with that,
    each wrote one event (as with follows and likes), and the estimate is that of the events too.
    """
    told = [answer for answer in answers if answer.count is not None]
    if not told:
        return EventCount(None, Precision.UNKNOWN, tuple(answers))
    most = max(answer.count or 0 for answer in told)
    sketches = [a.hll for a in told if len(a.hll) == nip45.REGISTERS]
    by_person = len(filters) == 1 and nip45.offset_of(filters[0]) is not None
    authors = nip45.estimate(nip45.merge(sketches)) if sketches and by_person else None
    if len(answers) == 1:
        precision = Precision.ESTIMATE if told[0].approximate else Precision.EXACT
        return EventCount(most, precision, tuple(answers), authors)
    all_sketched = len(sketches) == len(answers)
    if authors is not None and all_sketched and most <= authors * (1 + _DOUBT * nip45.ERROR):
        return EventCount(max(authors, most), Precision.ESTIMATE, tuple(answers), authors)
    sure = [answer.count or 0 for answer in told if not answer.approximate]
    if not sure:
        return EventCount(most, Precision.ESTIMATE, tuple(answers), authors)
    return EventCount(max(sure), Precision.AT_LEAST, tuple(answers), authors)

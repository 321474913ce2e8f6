"""What is tried, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Feature(StrEnum):
    """One column. The value is its heading."""

    PUBLISH = "publish"
    QUERY = "query"
    LIVE = "live"
    TIES = "ties"
    DELETION = "deletion"
    AUTH = "AUTH"
    COUNT = "COUNT"
    SEARCH = "search"
    NEGENTROPY = "negentropy"
    MESSAGES = "DMs"
    BUNKER = "bunker"


NIPS: Final[Mapping[Feature, int]] = {
    Feature.DELETION: 9,
    Feature.AUTH: 42,
    Feature.COUNT: 45,
    Feature.SEARCH: 50,
    Feature.NEGENTROPY: 77,
}
"""What a relay need not have, and says in its document (NIP-11) if it has."""


class Verdict(StrEnum):
    """The value is what stands in the table."""

    PASS = "pass"
    FAIL = "fail"
    NOT_OFFERED = "not offered"
    NOT_HAD = "not to be had"


@dataclass(frozen=True, slots=True)
class Cell:
    """`note` says why, where it is no pass."""

    verdict: Verdict
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One peer: `version` as pinned, `date` (YYYY-MM-DD) of the run that met it."""

    peer: str
    version: str
    date: str
    cells: Mapping[Feature, Cell] = field(default_factory=dict)

    @classmethod
    def not_had(cls, peer: str, version: str, date: str, why: str) -> Row:
        """A peer that could not be met, and why."""
        return cls(peer, version, date, dict.fromkeys(Feature, Cell(Verdict.NOT_HAD, why)))

    @property
    def is_had(self) -> bool:
        return any(cell.verdict is not Verdict.NOT_HAD for cell in self.cells.values())

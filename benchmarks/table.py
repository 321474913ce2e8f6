"""What was measured beside what is wanted: one table, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`measured` in `unit` ("x" is a ratio within one run); `goal` is what it must reach (`least`)
    or must not pass. None: measured to be known, or not to be measured here, as `note` says."""

    what: str
    measured: float | None
    goal: float | None = None
    unit: str = "x"
    least: bool = False
    note: str = ""

    @property
    def is_met(self) -> bool:
        if self.measured is None or self.goal is None:
            return True
        return self.measured >= self.goal if self.least else self.measured <= self.goal

    def cells(self) -> tuple[str, str, str, str]:
        word = "at least " if self.least else "at most "
        goal = "" if self.goal is None else word + _amount(self.goal, self.unit)
        measured = "" if self.measured is None else _amount(self.measured, self.unit)
        verdict = "" if self.measured is None or self.goal is None else ("NO", "yes")[self.is_met]
        note = f" ({self.note})" if self.note else ""
        return self.what + note, goal, measured, verdict


def print_table(rows: Sequence[Row]) -> None:
    """All rows, their columns aligned."""
    cells = [("", "goal", "measured", "met"), *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    for what, *rest in cells:
        right = "  ".join(text.rjust(width) for text, width in zip(rest, widths[1:], strict=True))
        print(f"{what.ljust(widths[0])}  {right}".rstrip())


def _amount(value: float, unit: str) -> str:
    if unit == "x":
        return f"{value:.2f}"
    digits = 0 if unit in {"ms", "times"} and value >= 10 else 2
    return f"{value:,.{digits}f} {unit}"

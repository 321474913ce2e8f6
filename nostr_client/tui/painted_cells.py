"""What stands on the terminal by now, so that only what differs from it is written. Pure.

Textual writes whatever was asked to draw itself again, whether it looks different or not: a clock's
tick, a row that is selected in a list. Here each row is known as the pieces that were written to
it, and a piece that stands there already costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

Piece = tuple[int, int, int, str]
"""Row, first column, column past the last one, and the text with its escape sequences."""


class PaintedCells:
    """A terminal of `size` (columns and rows), of which nothing is known at first."""

    def __init__(self) -> None:
        self.size = (0, 0)
        self._rows: dict[int, dict[int, tuple[int, str]]] = {}

    def forget(self, size: tuple[int, int]) -> None:
        """Something else may have written there: all is unknown."""
        self.size = size
        self._rows.clear()

    def changed(self, pieces: Iterable[Piece]) -> list[Piece]:
        """Those that are not there yet; from now on they are taken as written."""
        return [piece for piece in pieces if self._put(*piece)]

    def _put(self, y: int, x: int, end: int, text: str) -> bool:
        row = self._rows.setdefault(y, {})
        if row.get(x) == (end, text):
            return False
        for start in [s for s, (stop, _) in row.items() if s < end and stop > x]:
            del row[start]
        row[x] = (end, text)
        return True

"""A line at the bottom in which something is said, in place of the keys."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class MessageLine(Static):
    """Shows one message; without one it is away. What goes by itself is `short`, one line and no
    more, so that nothing moves for it; what is wrong is said whole, over three at most. It lies on
    the last line of a screen, unless that puts one where it lies better."""

    def __init__(self, line: Content | None = None, *, short: bool = True) -> None:
        super().__init__(line or "", markup=False, classes="-short" if short else "")
        self._line = line
        self.display = line is not None

    def show(self, line: Content | None, *, short: bool) -> None:
        """Say this now; None: nothing."""
        if line == self._line:
            return
        self._line = line
        self.display = line is not None
        self.set_class(short, "-short")
        if line is not None:
            self.update(line)

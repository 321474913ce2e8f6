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
        self._gives_way = False
        self.display = line is not None

    def give_way(self, now: bool) -> None:
        """While the line below has something to show that the person is typing."""
        self._gives_way = now
        self.display = self._is_shown

    @property
    def _is_shown(self) -> bool:
        return self._line is not None and not (self._gives_way and self.has_class("-short"))

    def show(self, line: Content | None, *, short: bool) -> None:
        """Say this now; None: nothing."""
        if line == self._line:
            return
        self._line = line
        self.set_class(short, "-short")
        self.display = self._is_shown
        if line is not None:
            self.update(line)

"""An app that writes to the terminal no more than it must, and no faster than it is read.

What is there already is not written again (`PaintedCells`). While the terminal has not taken the
last frame, as over a slow line, no other one is made: the next shows how things are by then, so
that the screen is never far behind the keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.control import Control
from rich.segment import Segment
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App
from textual.screen import Screen
from textual.strip import Strip

from nostr_client.tui.painted_cells import PaintedCells, Piece

R = TypeVar("R")
LOOK_AGAIN: Final = 1 / 60
"""Seconds between two looks whether the terminal has taken what was written."""


class _Frame(CompositorUpdate):
    """What is to be written."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self._text)

    def render_segments(self, console: Console) -> str:
        return self._text


class ThriftyApp(App[R]):
    """Textual's app, thrifty with what it writes. Its driver may have `behind`: how much of what
    it was given it has not begun to write."""

    def __init__(self) -> None:
        super().__init__()
        self._painted = PaintedCells()
        self._owes_frame = False

    def on_mount(self) -> None:
        self.app_resume_signal.subscribe(self, lambda _: self.action_paint_anew())

    def tell_terminal(self, sequence: str) -> None:
        """Write a control sequence of our own making, which shows nothing on the screen."""
        if self._driver is not None:
            self._driver.write(sequence)

    def get_screen(self, screen: Screen[Any] | str, *given: Any) -> Any:
        """A new one has the classes of its size from the beginning: Textual gives them to it when
        all styles are worked out, which are worked out again by that."""
        found = super().get_screen(screen, *given)
        if not found.is_running:
            for room, breakpoints in (
                (self.size.width, self.HORIZONTAL_BREAKPOINTS),
                (self.size.height, self.VERTICAL_BREAKPOINTS),
            ):
                fitting = [name for least, name in sorted(breakpoints or ()) if least <= room]
                found.add_class(*fitting[-1:], update=False)
        return found

    def action_paint_anew(self) -> None:
        """Something else may have written to the terminal: write all of it."""
        self._painted.forget(self.size)
        self.refresh()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        writes = self._running and not self._closed and not self.is_headless
        if (
            not isinstance(renderable, ChopsUpdate | LayoutUpdate)
            or self._driver is None
            or self._batch_count
            or not writes
        ):
            super()._display(screen, renderable)
            return
        if self._owes_frame or self._is_behind:
            self._owe_frame()
            super()._display(screen, None)
            return
        if self.size != self._painted.size:
            self._painted.forget(self.size)
        pieces = self._painted.changed(_pieces(renderable, self.console))
        text = "".join(f"{Control.move_to(x, y)}{text}" for y, x, _, text in pieces)
        moved = self.cursor_position != self._previous_cursor_position
        super()._display(screen, _Frame(text) if text or moved else None)

    @property
    def _is_behind(self) -> bool:
        behind: int = getattr(self._driver, "behind", 0)
        return behind > 0

    def _owe_frame(self) -> None:
        if not self._owes_frame:
            self._owes_frame = True
            self.set_timer(LOOK_AGAIN, self._pay_frame)

    def _pay_frame(self) -> None:
        self._owes_frame = False
        if self._is_behind:
            self._owe_frame()
        elif self.is_running:
            self.screen.refresh()


def _pieces(update: ChopsUpdate | LayoutUpdate, console: Console) -> Iterator[Piece]:
    """What Textual would write, piece by piece."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in strips:
                yield y, x, x + strip.cell_length, strip.render(console)
                x += strip.cell_length
        return
    for y, left, right in update.spans:
        row: Mapping[int, Strip | None] = update.chops[y]
        for end, (x, drawn) in zip(update.chop_ends[y], row.items(), strict=False):
            if drawn is None or x > right or end <= left:
                continue
            whole = left <= x < right and end <= right
            shown = drawn if whole else drawn.crop(0, min(end, right) - x)
            yield y, x, x + shown.cell_length, shown.render(console)

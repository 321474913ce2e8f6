"""The line at the bottom: the keys that matter here."""

from __future__ import annotations

import contextlib

from textual import events
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from nostr_client.tui.keymap import key_read
from nostr_client.tui.own_keys import key_of


class HintLine(Static):
    """The keys that matter here, as many as fit; the last one, the help, always does."""

    hints: reactive[tuple[tuple[str, str], ...]] = reactive(())
    count: reactive[str] = reactive("")
    """The count that is being typed, at the very end."""

    def __init__(self, hints: tuple[tuple[str, str], ...] = (), id: str | None = None) -> None:
        super().__init__(markup=False, id=id)
        self.set_reactive(HintLine.hints, hints)
        self._ends: list[tuple[tuple[str, str], int]] = []
        """Each hint that is shown, and the cell after it."""

    def on_click(self, event: events.Click) -> None:
        """A click on a hint is its key."""
        place = event.get_content_offset(self)
        if place is None:
            return
        event.stop()
        for (shown, _), end in self._ends:
            if place.x < end:
                with contextlib.suppress(ValueError):  # ↑↓ is no key
                    key = key_of(key_read(shown))
                    self.app.post_message(events.Key(key, shown if len(shown) == 1 else None))
                return

    def render(self) -> Content:
        if not self.hints:
            return Content(self.count)
        pieces = [
            Content.assemble((f"{key} ", "$text-primary"), (f"{word}  ", "$foreground 60%"))
            for key, word in self.hints
        ]
        last = pieces.pop()
        end = Content.styled(f" {self.count} ", "reverse") if self.count else Content("")
        room = self.size.width - 1 - last.cell_length - end.cell_length
        shown = [Content(" ")]
        self._ends = []
        for hint, piece in zip(self.hints, pieces, strict=False):
            if piece.cell_length > room:
                break
            room -= piece.cell_length
            shown.append(piece)
            self._ends.append((hint, sum(each.cell_length for each in shown)))
        self._ends.append((self.hints[-1], self.size.width))
        gap = Content(" " * max(room, 0)) if self.count else Content("")
        return Content("").join([*shown, last, gap, end])

"""The line at the bottom: the keys that matter here."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static


class HintLine(Static):
    """The keys that matter here, as many as fit; the last one, the help, always does."""

    hints: reactive[tuple[tuple[str, str], ...]] = reactive(())

    def __init__(self, hints: tuple[tuple[str, str], ...] = (), id: str | None = None) -> None:
        super().__init__(markup=False, id=id)
        self.set_reactive(HintLine.hints, hints)

    def render(self) -> Content:
        if not self.hints:
            return Content("")
        pieces = [
            Content.assemble((f"{key} ", "$text-primary"), (f"{word}  ", "$foreground 60%"))
            for key, word in self.hints
        ]
        last = pieces.pop()
        room = self.size.width - 1 - last.cell_length
        shown = [Content(" ")]
        for piece in pieces:
            room -= piece.cell_length
            if room < 0:
                break
            shown.append(piece)
        return Content("").join([*shown, last])

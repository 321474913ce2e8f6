"""The sections: a column at the side where there is room, one line where there is not."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from nostr_client.tui.app_messages import Open
from nostr_client.tui.panes.pane import Pane
from nostr_client.tui.targets import SectionTarget


class NavigationRail(Static):
    """Says where one is, and takes one elsewhere by a click.

    `here` is the name of a section; `marks` are a few cells for a section, by its name.
    """

    here: reactive[str] = reactive("")
    marks: reactive[dict[str, str]] = reactive(dict)
    upright: reactive[bool] = reactive(True)

    def __init__(self, panes: Sequence[Pane], *, upright: bool, id: str | None = None) -> None:
        super().__init__(markup=False, id=id)
        self._panes = panes
        self.set_reactive(NavigationRail.upright, upright)

    def render(self) -> Content:
        return Content("\n" if self.upright else "").join(self._cells())

    def _cells(self) -> list[Content]:
        """One for each section; in a line that is too narrow for all names, only one's own has
        its."""
        cells = self._all_cells()
        if not self.upright and sum(cell.cell_length for cell in cells) > self.size.width:
            cells = self._all_cells(named=False)
        return cells

    def _all_cells(self, *, named: bool = True) -> list[Content]:
        cells = []
        for pane in self._panes:
            chosen = pane.name == self.here
            mark = self.marks.get(pane.name, "")
            title = pane.label
            if not (named or chosen or pane.key):
                cells.append(Content(""))
                continue
            gap = " " * max(self.size.width - 4 - len(title) - len(mark) - 1, 1)
            if self.upright:
                text = f"{title}{gap}"
            else:
                text = f"{title} " if named or chosen else ""
                mark = f"{mark} " if mark and text else f"({mark}) " if mark else ""
            cells.append(
                Content.assemble(
                    ("▌" if chosen else " ", "$primary"),
                    (f"{pane.key or ' '} ", "$text-primary" if chosen else "$foreground 50%"),
                    (text, "bold" if chosen else "$foreground 70%"),
                    (mark, "$text-accent"),
                )
            )
        return cells

    def on_click(self, event: events.Click) -> None:
        event.stop()
        place = event.get_content_offset(self)
        if place is None:
            return
        if self.upright:
            index = place.y
        else:
            ends, end = [], 0
            for cell in self._cells():
                end += cell.cell_length
                ends.append(end)
            index = sum(1 for end in ends if end <= place.x)
        if 0 <= index < len(self._panes):
            self.post_message(Open(SectionTarget(self._panes[index].name)))

"""Items as lines on the screen: laid out once per width, painted once per state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from rich.segment import Segment
from textual.content import Content
from textual.strip import Strip
from textual.style import Style

from nostr_client.tui.widgets.items import ItemRenderer, Styles

GUTTER = 2
"""Cells left of every line, for the mark of the selected item."""
MARK = "▌"
SELECTED = "list--selected"
"""The component class of the selected item: the only one with a background of its own."""
MOST_PAINTED = 120
"""Painted items kept at most: Textual's strips carry caches of their own and are large."""

T = TypeVar("T")


class RenderCache(Generic[T]):
    """Items by a `renderer`, with `gap` empty lines below each; `width` is that of the list."""

    def __init__(self, renderer: ItemRenderer[T], gap: int) -> None:
        self._renderer = renderer
        self._gap = gap
        self.width = 0
        self._blank: tuple[int, Style, Strip] | None = None
        self._heights: dict[str, int] = {}
        self._contents: dict[str, list[Content]] = {}
        self._strips: dict[tuple[str, str], list[Strip]] = {}

    @property
    def text_width(self) -> int:
        """Cells that an item's own text may take."""
        return max(self.width - GUTTER - 1, 8)

    def height(self, item: T, style: Styles) -> int:
        """The lines of an item with its gap."""
        key = self._renderer.key(item)
        if key not in self._heights:
            self._heights[key] = len(self._lay_out(item, style)) + self._gap
        return self._heights[key]

    def strips(self, item: T, base: Style, style: Styles, mark: str = "") -> list[Strip]:
        """The painted lines; `mark` is the component class of the selected item's mark, if any."""
        key = self._renderer.key(item)
        painted = self._strips.get((key, mark))
        if painted is None:
            if len(self._strips) > MOST_PAINTED:
                self._strips.clear()
            lines = self._contents.get(key) or self._lay_out(item, style)
            first, last = self._renderer.lead(item), len(lines) - self._renderer.tail
            painted = [
                self._paint(line, base, style, mark if first <= number < last else "")
                for number, line in enumerate(lines)
            ]
            self._strips[key, mark] = painted
        return painted

    def blank(self, base: Style) -> Strip:
        """An empty line."""
        if self._blank is None or self._blank[:2] != (self.width, base):
            self._blank = (self.width, base, Strip.blank(self.width, base.rich_style))
        return self._blank[2]

    def forget(self, keys: Iterable[str]) -> None:
        """These items changed, or are held no more."""
        gone = set(keys)
        for key in gone:
            self._heights.pop(key, None)
            self._contents.pop(key, None)
        for painted in [painted for painted in self._strips if painted[0] in gone]:
            del self._strips[painted]

    def keep_only(self, keys: Iterable[str]) -> None:
        self.forget(self._heights.keys() - set(keys))

    def forget_all(self) -> None:
        self._heights.clear()
        self.forget_colours()

    def forget_colours(self) -> None:
        """The theme changed: heights stay."""
        self._contents.clear()
        self._strips.clear()

    def _lay_out(self, item: T, style: Styles) -> list[Content]:
        lines = self._renderer.lines(item, self.text_width, style)
        self._contents[self._renderer.key(item)] = lines
        return lines

    def _paint(self, line: Content, base: Style, style: Styles, mark: str) -> Strip:
        gutter = " " * GUTTER
        segments: list[Segment] = []
        if mark:
            base = style(SELECTED)
            segments.append(Segment(MARK, (base + style(mark)).rich_style))
            gutter = gutter[1:]
        segments.append(Segment(gutter, base.rich_style))
        segments += line.render_segments(base)
        return Strip(segments).adjust_cell_length(self.width, base.rich_style)

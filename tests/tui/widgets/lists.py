"""A source of any length that counts what is asked of it, and a look that counts what it draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.app import App, ComposeResult
from textual.content import Content
from textual.pilot import Pilot

from nostr_client.tui.widgets.items import ItemPage, ItemRenderer, Styles
from nostr_client.tui.widgets.list_messages import Chosen
from nostr_client.tui.widgets.windowed_list import WindowedList


@dataclass(frozen=True)
class Row:
    """Item `number` of a list; the higher, the further up. It has `height` lines."""

    number: int
    height: int = 2
    text: str = ""


def row(number: int) -> Row:
    """Heights 1 to 5, so that lines and items never coincide."""
    return Row(number, height=1 + number * 7 % 5)


class Rows:
    """`count` rows, highest number first."""

    def __init__(self, count: int) -> None:
        self.top = count
        self.asked: Counter[str] = Counter()
        self.read = 0

    def _page(self, numbers: Sequence[int], more: bool, name: str) -> ItemPage[Row]:
        self.asked[name] += 1
        self.read += len(numbers)
        return ItemPage([row(number) for number in numbers], more)

    async def first(self, limit: int) -> ItemPage[Row]:
        numbers = range(self.top, max(self.top - limit, 0), -1)
        return self._page(numbers, self.top > limit, "first")

    async def last(self, limit: int) -> ItemPage[Row]:
        return self._page(range(min(limit, self.top), 0, -1), self.top > limit, "last")

    async def after(self, item: Row, limit: int) -> ItemPage[Row]:
        end = max(item.number - 1 - limit, 0)
        return self._page(range(item.number - 1, end, -1), end > 0, "after")

    async def before(self, item: Row, limit: int) -> ItemPage[Row]:
        start = min(item.number + limit, self.top)
        return self._page(range(start, item.number, -1), start < self.top, "before")


class RowRenderer(ItemRenderer[Row]):
    """Shows a row as its number, once per line."""

    def __init__(self) -> None:
        self.laid_out: Counter[int] = Counter()

    def key(self, item: Row) -> str:
        return str(item.number)

    def order(self, item: Row) -> int:
        return -item.number

    def lines(self, item: Row, width: int, style: Styles) -> list[Content]:
        self.laid_out[item.number] += 1
        text = item.text or f"row {item.number}"
        return [Content(f"{text} line {line} of {width}"[:width]) for line in range(item.height)]


class ListApp(App[None]):
    """Nothing but one list."""

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self.rows = rows
        self.renderer = RowRenderer()
        self.said: list[object] = []

    def compose(self) -> ComposeResult:
        yield WindowedList(self.renderer, gap=1, id="list")

    def on_mount(self) -> None:
        self.list.focus()
        self.list.show(self.rows)

    @property
    def list(self) -> WindowedList[Row]:
        return self.query_one("#list", WindowedList)

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        self.said.append(message.item)

    def screen_lines(self) -> list[str]:
        """The text on the screen, line by line."""
        return [
            "".join(segment.text for segment in strip).rstrip()
            for strip in self.screen._compositor.render_strips()
        ]


_CHARACTERS = {"space": " "}


async def tap(pilot: Pilot[None], key: str, times: int = 1) -> None:
    """Press a key and wait until it is dealt with, without `Pilot.press`'s wait for idleness."""
    app = pilot.app
    for _ in range(times):
        character = key if len(key) == 1 else _CHARACTERS.get(key)
        assert app._driver is not None
        app._driver.send_message(events.Key(key, character))
        for _ in range(2):
            await pilot._wait_for_screen()

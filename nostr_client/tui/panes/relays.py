"""The relays: how each of them is, what it last said, and what to do about it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from nostr_client.safe_text import safe_line
from nostr_client.social.views import RelayRow
from nostr_client.tui.keymap import Where, bindings
from nostr_client.tui.time_format import latency
from nostr_client.tui.widgets.items import FixedItems, Styles
from nostr_client.tui.widgets.windowed_list import WindowedList

_STATES = {
    "up": ("up", "list--good"),
    "slow": ("slow", "list--warn"),
    "connecting": ("connecting", "list--dim"),
    "down": ("down", "list--bad"),
    "refusing": ("refuses me", "list--bad"),
    "unknown": ("not asked yet", "list--dim"),
}


class RelayRenderer:
    """A relay on one line, and its last word on another."""

    tail: ClassVar[int] = 0

    def key(self, item: RelayRow) -> str:
        return item.url

    def order(self, item: RelayRow) -> int:
        return 0

    def lines(self, item: RelayRow, width: int, style: Styles) -> list[Content]:
        word, colour = _STATES.get(item.state, (safe_line(item.state, 14), "list--dim"))
        delivered = "" if item.delivered is None else f"took {item.delivered:.0%}"
        figures = (
            f"{role(item):<11} ",
            (f"{word:<14}", style(colour)),
            (f"{latency(item.latency):>7}  {delivered:<10}", style("list--dim")),
        )
        name = safe_line(item.url, 120)
        room = min(width - 46, 48)
        if len(name) < room or width >= 76:
            first = Content(name).truncate(max(room - 1, 8), ellipsis=True)
            first = Content.styled(first.plain, style("list--strong"))
            first = first.extend_right(max(room - first.cell_length, 1))
            line = first + Content.assemble(*figures)
            lines = [line.truncate(width)]
        else:
            top = Content.styled(name, style("list--strong")).truncate(width, ellipsis=True)
            lines = [top, (Content("  ") + Content.assemble(*figures)).truncate(width)]
        said = safe_line(item.gone or item.last_word, 300)
        if said:
            words = Content.styled(f"  {said}", style("list--dim"))
            lines.append(words.truncate(width, ellipsis=True))
        return lines


def role(item: RelayRow) -> str:
    """What a relay is for, in the account's list."""
    if item.own:
        return "own, here"
    if item.read and item.write:
        return "read+write"
    return "read" if item.read else "write"


class RelayList(WindowedList[RelayRow]):
    """The relays, with what can be done to the selected one."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Where.RELAYS)

    class Add(Message):
        """A relay is to be added."""

    class About(Message):
        """Something is to be done with a relay: remove, mode or check."""

        def __init__(self, row: RelayRow, what: str) -> None:
            super().__init__()
            self.row = row
            self.what = what

    def action_add_relay(self) -> None:
        self.post_message(self.Add())

    def action_remove_relay(self) -> None:
        self._about("remove")

    def action_mode(self) -> None:
        self._about("mode")

    def action_check_relay(self) -> None:
        self._about("check")

    def action_choose(self) -> None:
        self._about("check")

    def _about(self, what: str) -> None:
        if (row := self.selected) is not None:
            self.post_message(self.About(row, what))


class RelaysPane(Vertical):
    """All relays of the account; `show` draws their present state."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._renderer = RelayRenderer()
        self._rows: list[RelayRow] = []
        self._foot = Static("", markup=False, classes="foot")
        self.relays = RelayList(self._renderer, gap=0)

    def compose(self) -> ComposeResult:
        yield Static("", markup=False, classes="head")
        yield self.relays
        yield self._foot

    def show(self, rows: list[RelayRow]) -> None:
        """Draw what changed."""
        if rows == self._rows:
            return
        same = [row.url for row in rows] == [row.url for row in self._rows]
        before, self._rows = self._rows, rows
        if same:
            for old, new in zip(before, rows, strict=True):
                if old != new:
                    self.relays.update(new)
        else:
            self.relays.renew(FixedItems(rows, self._renderer.key))
        self._foot.update(_foot(rows))


def _foot(rows: list[RelayRow]) -> str:
    if any(row.fallback for row in rows):
        return "You have no relay list yet: these stand in. Adding or removing one makes it yours."
    if not any(row.write and not row.own for row in rows):
        return "No relay keeps your notes for others to read. a adds one."
    return ""

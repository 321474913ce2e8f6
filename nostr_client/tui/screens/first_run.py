"""The first screen: the ways in."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar

from textual.content import Content
from textual.widget import Widget

from nostr_client.tui.screens.form import Page, prose
from nostr_client.tui.widgets.list_messages import Chosen
from nostr_client.tui.widgets.source import Fixed, Styles
from nostr_client.tui.widgets.windowed_list import WindowedList


class Way(StrEnum):
    """How somebody comes in; the value is what the screen calls it."""

    NEW = "New here"
    KEY = "I have a key"
    LOOK = "Just look"
    DEMO = "Demo"


_SAYS = {
    Way.NEW: "make a key, pick a name, write within a minute",
    Way.KEY: "nsec, ncryptsec or 64 hex digits",
    Way.LOOK: "an npub or name@domain, read only",
    Way.DEMO: "five relays and a small community, no network",
}


class _WayLook:
    tail: ClassVar[int] = 0

    def key(self, item: Way) -> str:
        return item.name

    def order(self, item: Way) -> int:
        return list(Way).index(item)

    def lines(self, item: Way, width: int, style: Styles) -> list[Content]:
        line = Content.assemble(
            (f"{item.value:<16}", style("list--strong")), (_SAYS[item], style("list--dim"))
        )
        return [line.truncate(width, ellipsis=True)]


class FirstRun(Page[Way]):
    """Dismissed with the way that was chosen; with None only where one may go `back`."""

    HEADING = "Your account is a key on this machine."

    def __init__(self, *, back: bool = False) -> None:
        super().__init__()
        self._back = back
        leave = ("esc", "back") if back else ("ctrl+q", "leave")
        self.KEYS = (("↑↓", "choose"), ("enter", "go"), ("?", "help"), leave)

    def parts(self) -> Iterable[Widget]:
        yield prose("No host, cloud or app store can take it away.")
        yield WindowedList(_WayLook(), gap=0, id="ways")

    def on_mount(self) -> None:
        ways: WindowedList[Way] = self.query_one("#ways", WindowedList)
        ways.show(Fixed(list(Way), lambda way: way.name))
        ways.focus()

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        message.stop()
        self.dismiss(message.item)

    def action_leave(self) -> None:
        if self._back:
            self.dismiss(None)

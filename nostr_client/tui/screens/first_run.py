"""The first screen: the ways in."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from textual.content import Content
from textual.widget import Widget

from nostr_client.tui.screens.form import FormScreen, prose
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
from nostr_client.tui.widgets.list_messages import Chosen
from nostr_client.tui.widgets.windowed_list import WindowedList


class FirstRunChoice(StrEnum):
    """How somebody comes in; the value is what the screen calls it."""

    NEW = "New here"
    KEY = "I have a key"
    BUNKER = "Sign with a bunker"
    LOOK = "Just look"
    DEMO = "Demo"


_SAYS = {
    FirstRunChoice.NEW: "make a key, pick a name, write within a minute",
    FirstRunChoice.KEY: "nsec, ncryptsec or 64 hex digits",
    FirstRunChoice.BUNKER: "the key is on a phone or another machine",
    FirstRunChoice.LOOK: "an npub or name@domain, read only",
    FirstRunChoice.DEMO: "five relays and a small community, no network",
}


class _ChoiceRenderer(ItemRenderer[FirstRunChoice]):
    def key(self, item: FirstRunChoice) -> str:
        return item.name

    def lines(self, item: FirstRunChoice, width: int, style: Styles) -> list[Content]:
        line = Content.assemble(
            (f"{item.value:<20}", style("list--strong")), (_SAYS[item], style("list--dim"))
        )
        return [line.truncate(width, ellipsis=True)]


class FirstRunScreen(FormScreen[FirstRunChoice]):
    """Dismissed with the way that was chosen; with None only where one may go `back`."""

    HEADING = "Your account is a key on this machine."

    def __init__(self, *, back: bool = False) -> None:
        super().__init__()
        self._back = back
        leave = ("form.leave", "back") if back else ("app.quit", "leave")
        self.KEYS = (("↑↓", "choose"), ("list.choose", "go"), ("app.help", "help"), leave)

    def body(self) -> Iterable[Widget]:
        yield prose("No host, cloud or app store can take it away.")
        yield WindowedList(_ChoiceRenderer(), gap=0, id="ways")

    def on_mount(self) -> None:
        ways: WindowedList[FirstRunChoice] = self.query_one("#ways", WindowedList)
        ways.show(FixedItems(list(FirstRunChoice), lambda way: way.name))
        ways.focus()

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        message.stop()
        self.dismiss(message.item)

    def action_leave(self) -> None:
        if self._back:
            self.dismiss(None)

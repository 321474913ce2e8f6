"""The line at the top: whose account, where one is, and how the relays are."""

from __future__ import annotations

import time
from dataclasses import dataclass

from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from nostr_client.safe_text import safe_line


@dataclass(frozen=True, slots=True)
class Status:
    """What the status line says. `up` of `relays` are connected; `own_relay`: on, off, failed.
    Who cannot write either has no key here, or one that is `locked`."""

    account: str = ""
    place: str = ""
    writes: bool = True
    locked: bool = False
    up: int = 0
    relays: int = 0
    unsent: int = 0
    own_relay: str = "off"
    known: bool = False


class StatusLine(Static):
    """Account and place on the left; relays, unsent notes, own relay and clock on the right."""

    status: reactive[Status] = reactive(Status())

    def __init__(self, id: str | None = None) -> None:
        super().__init__(markup=False, id=id)

    def on_mount(self) -> None:
        self.set_interval(5, self.refresh)

    def render(self) -> Content:
        status, width = self.status, self.size.width
        words = "locked, L unlocks  " if status.locked else "read only  "
        left = Content.assemble(
            " ",
            (f"{safe_line(status.account, 24)}  ", "bold"),
            ("" if status.writes else words, "$text-warning"),
            (status.place, "$foreground 70%"),
        )
        right = self._right(status, short=width < 90)
        gap = width - left.cell_length - right.cell_length
        if gap < 1:
            return left.truncate(max(width - right.cell_length - 1, 0), ellipsis=True) + " " + right
        return left + " " * gap + right

    def _right(self, status: Status, *, short: bool) -> Content:
        dim = "$foreground 70%"
        clock = time.strftime("%H:%M")
        if not status.known:
            return Content.styled(f"{clock} ", dim)
        up = "$text-success" if status.up else "$text-error"
        own = {"on": dim, "off": "$text-warning"}.get(status.own_relay, "$text-error")
        unsent = "$text-warning" if status.unsent else dim
        own_words = f"own {status.own_relay}" if short else f"own relay {status.own_relay}"
        return Content.assemble(
            (f"relays {status.up}/{status.relays} ", up),
            ("· ", dim),
            (f"unsent {status.unsent} ", unsent),
            ("· ", dim),
            (f"{safe_line(own_words, 40)} ", own),
            (f"· {clock} ", dim),
        )

"""The line at the top: whose account, where one is, and how the relays are."""

from __future__ import annotations

import time
from dataclasses import dataclass

from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from nostr_client.safe_text import safe_line
from nostr_client.tui.keymap import key_for, with_keys


@dataclass(frozen=True, slots=True)
class Status:
    """What the status line says. `up` of `relays` are connected; `own_relay`: on, off, failed.
    Who cannot write either has no key here, or one that is `locked`; `unsaved`: no copy of the key
    is known to be elsewhere."""

    account: str = ""
    place: str = ""
    writes: bool = True
    locked: bool = False
    up: int = 0
    relays: int = 0
    unsent: int = 0
    own_relay: str = "off"
    way: str = ""
    """Through what all goes: tor, proxy, or nothing of the kind."""
    known: bool = False
    unsaved: bool = False


class StatusLine(Static):
    """Account and place on the left; relays, what is unsent, own relay, Tor, clock on the right."""

    status: reactive[Status] = reactive(Status())

    def __init__(self, id: str | None = None) -> None:
        super().__init__(markup=False, id=id)

    def on_mount(self) -> None:
        self.set_interval(5, self.refresh)

    def render(self) -> Content:
        status, width = self.status, self.size.width
        words = with_keys("locked, {app.lock} unlocks  ") if status.locked else "read only  "
        left = Content.assemble(
            " ",
            (f"{safe_line(status.account, 24)}  ", "bold"),
            ("" if status.writes else words, "$text-warning"),
            (
                f"key not saved, {key_for('app.survival')}  " if status.unsaved else "",
                "$text-warning",
            ),
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
        parts = [
            Content.styled(f"relays {status.up}/{status.relays} ", up),
            Content.styled(f"unsent {status.unsent} ", unsent),
            Content.styled(f"{own_words} ", own),
            *([Content.styled(f"{status.way} ", "$text-success")] if status.way else ()),
            Content.styled(f"{clock} ", dim),
        ]
        shown = Content.styled("· ", dim).join(parts)
        while shown.cell_length > self.size.width and len(parts) > 1:
            parts.pop()  # what matters most stands first
            shown = Content.styled("· ", dim).join(parts)
        return shown

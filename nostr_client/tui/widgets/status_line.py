"""Lines that are always there: status at the top, hints at the bottom."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.dom import DOMNode
from textual.reactive import reactive
from textual.widgets import Static

from nostr_client.safe_text import safe_line


@dataclass(frozen=True, slots=True)
class Status:
    """What the status line says. `up` of `relays` are connected; `own_relay`: on, off, failed."""

    account: str = ""
    place: str = ""
    writes: bool = True
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
        left = Content.assemble(
            " ",
            (f"{safe_line(status.account, 24)}  ", "bold"),
            ("" if status.writes else "read only  ", "$text-warning"),
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


class HintLine(Static):
    """The keys that matter here, as many as fit; the last one, the help, always does."""

    hints: reactive[tuple[tuple[str, str], ...]] = reactive(())

    def __init__(self, hints: Sequence[tuple[str, str]] = (), id: str | None = None) -> None:
        super().__init__(markup=False, id=id)
        self.set_reactive(HintLine.hints, tuple(hints))

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


def show(node: DOMNode, selector: str, text: Content | str) -> bool:
    """Put `text` into the line that `selector` names below `node`; False where it is gone.

    What was asked for while a screen was open may come when it is closing, and `is_mounted` is true
    of it for ever.
    """
    lines = list(node.query(selector).results(Static))
    for line in lines:
        line.update(text)
    return bool(lines)

"""Is a relay down for everyone, or just for me? Each step is said as it is taken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from nostr_client.errors import NostrError
from nostr_client.net.relay_check import CheckStep
from nostr_client.safe_text import safe_line
from nostr_client.tui.keymap import Key, KeyGroup, hints
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.time_format import latency
from nostr_client.tui.workers import start_worker

KEYS: Final = KeyGroup(
    "The check of a relay",
    (Key("escape,q,enter", "dismiss", "Close", "close"),),
    "relay_check",
)


class RelayCheckScreen(ModalScreen[None]):
    """Shows the steps of a check while it runs; closing it ends the check."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, url: str, steps: AsyncIterator[CheckStep]) -> None:
        super().__init__()
        self._url = url
        self._steps = steps
        self._lines: list[Content] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="card", id="check"):
            yield Static(f"Checking {safe_line(self._url, 60)}", markup=False, classes="card-title")
            yield Static("…", markup=False, classes="card-text", id="steps")
            yield Static(key_words(hints(KEYS)), markup=False, classes="card-keys")

    def on_mount(self) -> None:
        start_worker(self, self._run, "check")

    async def _run(self) -> None:
        steps = self.query_one("#steps", Static)
        try:
            async for step in self._steps:
                self._lines.append(_line(step))
                steps.update(Content("\n").join(self._lines))
        except NostrError as error:
            self._lines.append(Content.styled(safe_line(str(error), 200), "$text-error"))
            steps.update(Content("\n").join(self._lines))


def _line(step: CheckStep) -> Content:
    mark, colour = {True: ("●", "$success"), False: ("✕", "$error"), None: ("○", "$warning")}[
        step.ok
    ]
    took = f"  {latency(step.seconds)}" if step.seconds else ""
    return Content.assemble(
        (f"{mark} ", colour),
        f"{safe_line(step.name, 14):<15}",
        (safe_line(step.detail, 300), "$foreground 70%"),
        (took, "$foreground 50%"),
    )

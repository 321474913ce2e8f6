"""The note that was sent last: what each relay answered, and goes on answering."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.safe_text import first_lines
from nostr_client.tui.keymap import Key, KeyGroup, hints
from nostr_client.tui.polling import poll
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.widgets.send_progress import Sending, SendProgress
from nostr_client.tui.workers import start_worker

KEYS: Final = KeyGroup("On what was sent", (Key("escape,q,D", "dismiss", "Back", "back"),), "sent")


class SentScreen(ModalScreen[None]):
    """One `Sending`, relay by relay, also with the answers that come later."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, client: NostrClient, sending: Sending) -> None:
        super().__init__()
        self._client = client
        self._sending = sending
        self._progress = SendProgress()

    def compose(self) -> ComposeResult:
        with Vertical(classes="card", id="sent"):
            title = next(iter(first_lines(self._sending.text)), "")
            yield Static(title, markup=False, classes="card-title line")
            with VerticalScroll(can_focus=True):
                yield self._progress
            yield Static(key_words(hints(KEYS)), markup=False, classes="card-keys")

    def on_mount(self) -> None:
        self._sending.watch(self._show)
        self._show()
        start_worker(self, self._follow, "sent")

    def on_unmount(self) -> None:
        self._sending.unwatch(self._show)

    async def _follow(self) -> None:
        await poll(self._look, lambda words: self.post_message(Say(words, "error")))

    async def _look(self) -> str:
        """What the ledger knows by now: replication goes on after the first round."""
        if self._sending.event_id:
            self._sending.learn(await self._client.copies.copies(self._sending.event_id))
        return ""

    def _show(self) -> None:
        self._progress.refresh_from(self._sending)

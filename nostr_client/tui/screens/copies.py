"""Where a note of one's own is, relay by relay, and what it would survive."""

from __future__ import annotations

import time
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.safe_text import first_lines
from nostr_client.social.views import NoteView
from nostr_client.tui.app_messages import ActRequest
from nostr_client.tui.copies_lines import copy_lines
from nostr_client.tui.keymap import Key, KeyGroup, hints
from nostr_client.tui.polling import poll
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.widgets.static_text import set_text
from nostr_client.tui.workers import start_worker

KEYS: Final = KeyGroup(
    "On the copies of a note",
    (
        Key("r", "look_now", "Look now whether the copies are there", "look now"),
        Key("E", "evacuate", "Leave relays that are lost", "evacuate"),
        Key("escape,q,C", "dismiss", "Back", "back"),
    ),
    "copies",
)


class CopiesScreen(ModalScreen[None]):
    """The copies of one note, kept as they change."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, client: NostrClient, note: NoteView) -> None:
        super().__init__()
        self._client = client
        self._note = note
        self._looking = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="card", id="copies"):
            title = next(iter(first_lines(self._note.event.content)), "")
            yield Static(title or "Copies", markup=False, classes="card-title line")
            yield Static("", markup=False, id="survival", classes="line")
            with VerticalScroll(can_focus=True):
                yield Static("", markup=False, id="lines")
            yield Static(key_words(hints(KEYS)), markup=False, classes="card-keys")

    def on_mount(self) -> None:
        start_worker(self, self._follow, "copies")

    async def _follow(self) -> None:
        await poll(self._show, lambda words: self.post_message(Say(words, "error")))

    async def _show(self) -> str:
        found = await self._client.survivals.copies_of(self._note.event.id)
        words = "Looking now …" if self._looking else found.survival.line
        set_text(self, "#survival", Content.styled(words, "$text-primary"))
        lines = list(copy_lines(found, time.time())) if found.copies else []
        none = Content(
            "It is kept here. No relay is to have it yet: a relay is added under Relays."
        )
        set_text(self, "#lines", Content("\n").join(lines or [none]))
        return ""

    def action_look_now(self) -> None:
        if not self._looking:
            self._looking = True
            start_worker(self, self._look, "look")

    async def _look(self) -> None:
        try:
            await self._show()
            await self._client.replication.look_now(self._note.event.id)
            self._looking = False
            await self._show()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))
        finally:
            self._looking = False

    def action_evacuate(self) -> None:
        self.post_message(ActRequest(lambda actions: actions.evacuate(None)))

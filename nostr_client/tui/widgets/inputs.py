"""The fields in which people write: a note, and one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual import events
from textual.widgets import Input, TextArea

from nostr_client.errors import InvalidData
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.safe_text import typeable


class NoteTextArea(TextArea):
    """A text area that wraps, and whose pasted text cannot command the terminal.

    `takes_key` is asked first what becomes of a key, by its name: True when it is dealt with.
    """

    def __init__(self, text: str = "", id: str | None = None) -> None:
        super().__init__(
            typeable(text),
            soft_wrap=True,
            tab_behavior="focus",
            show_line_numbers=False,
            highlight_cursor_line=False,
            id=id,
        )
        self.takes_key: Callable[[str], bool] = lambda key: False

    @property
    def before_cursor(self) -> str:
        """The line up to the cursor; nothing while something is selected."""
        row, column = self.cursor_location
        return self.document[row][:column] if self.selection.is_empty else ""

    # Textual runs the handler of each class in turn: this one, then the text area's own.
    async def _on_key(self, event: events.Key) -> None:
        if self.takes_key(event.key):
            event.stop()
            event.prevent_default()

    async def _on_paste(self, event: events.Paste) -> None:
        event.text = typeable(event.text)


class LineInput(Input):
    """A field of one line: what is pasted is one, however it was folded."""

    def _on_paste(self, event: events.Paste) -> None:
        event.text = " ".join(filter(None, typeable(event.text).splitlines()))


def typed_path(typed: str) -> Path:
    """The path that a person means; `~` is their home, and `~name` nobody's."""
    text = typed.strip()
    return Path.home() / text[2:] if text.startswith("~/") else Path(text)


def relay_url(typed: str) -> str:
    """The URL of a relay as people type it: `relay.example` is `wss://relay.example`.

    Raises InvalidData, in words for the person who typed it.
    """
    text = typed.strip()
    try:
        return normalize_relay_url(text if "://" in text else f"wss://{text}")
    except InvalidData as error:
        raise InvalidData(f"Not the address of a relay: {error}") from error

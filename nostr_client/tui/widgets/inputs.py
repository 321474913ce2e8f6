"""The fields in which people write: a note, and one line."""

from __future__ import annotations

from pathlib import Path

from textual import events
from textual.widgets import Input, TextArea

from nostr_client.errors import InvalidData
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.safe_text import typeable


class NoteTextArea(TextArea):
    """A text area that wraps, and whose pasted text cannot command the terminal."""

    def __init__(self, text: str = "", id: str | None = None) -> None:
        super().__init__(
            typeable(text),
            soft_wrap=True,
            tab_behavior="focus",
            show_line_numbers=False,
            highlight_cursor_line=False,
            id=id,
        )

    # Textual runs the handler of each class in turn: this one, then the text area's own.
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

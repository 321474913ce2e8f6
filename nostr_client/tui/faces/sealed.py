"""What is encrypted: that it is there is all that is shown, never its letters."""

from __future__ import annotations

from typing import Final

from textual.content import Content

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.social.views import NoteView
from nostr_client.tui.faces.face import Face
from nostr_client.tui.faces.sheet import Sheet


def _summary(event: Event) -> str:
    return "It is encrypted."


def _message(view: NoteView, sheet: Sheet) -> list[Content]:
    return sheet.words("It is encrypted; whom it is for reads it under Messages.")


def _draft(view: NoteView, sheet: Sheet) -> list[Content]:
    return sheet.words(_summary(view.event))


FACES: Final = (
    Face(
        (kinds.DIRECT_MESSAGE, kinds.CHAT_MESSAGE, kinds.FILE_MESSAGE, *kinds.GIFT_WRAPS),
        "private message",
        _message,
        _summary,
    ),
    Face((kinds.SEAL,), "sealed message", _message, _summary),
    Face((31234,), "private draft", _draft, _summary),
)

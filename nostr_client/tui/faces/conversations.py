"""What people say to each other: comments (NIP-22), forum threads (NIP-7D), public messages
(NIP-A4), chats of a live stream (NIP-53), reports of issues (NIP-34)."""

from __future__ import annotations

from typing import Final

from textual.content import Content

from nostr_client.nips import nip22, nip73
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.social.views import NoteView
from nostr_client.tui.faces.face import Face, first_value
from nostr_client.tui.faces.sheet import Sheet


def about(event: Event) -> str:
    """What a comment is on, where that is not on Nostr, in words; else "". Raw."""
    root = nip22.scopes(event).root
    return f"on {nip73.in_words(root.external)}" if root and root.external else ""


def _comment(view: NoteView, sheet: Sheet) -> list[Content]:
    return sheet.words(about(view.event), "link") + sheet.body(view)


def _titled(view: NoteView, sheet: Sheet) -> list[Content]:
    return sheet.words(first_value(view.event, "title", "subject"), "name") + sheet.body(view)


def _title_and_text(event: Event) -> str:
    title = first_value(event, "title", "subject")
    return f"{title}\n{event.content}" if title else event.content


FACES: Final = (
    Face((kinds.COMMENT,), "comment", _comment),
    Face((kinds.FORUM_THREAD,), "thread", _titled, _title_and_text),
    Face((kinds.PUBLIC_MESSAGE,), "public message"),
    Face((9, 42, 1311), "chat message"),
    Face((1621,), "issue", _titled, _title_and_text),
    Face((1618,), "pull request", _titled, _title_and_text),
)

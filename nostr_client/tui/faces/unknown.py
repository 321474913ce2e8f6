"""The face of what this client does not know: what the event says of itself (NIP-31), and
which programs can open it (NIP-89)."""

from __future__ import annotations

from typing import Final

from textual.content import Content

from nostr_client.protocol.event import Event
from nostr_client.safe_text import first_lines
from nostr_client.social.views import NoteView
from nostr_client.tui.faces.face import Face, first_value
from nostr_client.tui.faces.sheet import Sheet


def _says(event: Event) -> str:
    return first_value(event, "alt", "title", "name", "summary", "description")


def _summary(event: Event) -> str:
    return _says(event) or f"an event of kind {event.kind}"


def _lines(view: NoteView, sheet: Sheet) -> list[Content]:
    event = view.event
    says = sheet.words(_says(event), "text")
    if not says:
        for line in first_lines(event.content):
            says += sheet.line(line, "dim")
    says += sheet.words(f"This client has no way yet to show events of kind {event.kind}.")
    for opener in view.openers:
        says += sheet.words(f"{opener.name} says that it shows it:")
        says += sheet.words(opener.url, "link")
    return says


UNKNOWN: Final = Face((), "event", _lines, _summary)

"""Code: snippets with their language and name (NIP-C0), patches (NIP-34)."""

from __future__ import annotations

from typing import Final

from textual.content import Content

from nostr_client.protocol.event import Event
from nostr_client.social.views import NoteView
from nostr_client.tui.faces.face import Face, first_value
from nostr_client.tui.faces.sheet import Sheet


def _about(event: Event) -> str:
    name = first_value(event, "name") or "without a name"
    language = first_value(event, "l", "extension")
    count = event.content.count("\n") + 1 if event.content else 0
    lines = "1 line" if count == 1 else f"{count:,} lines"
    license = first_value(event, "license")
    return " · ".join(part for part in (name, language, lines, license) if part)


def _snippet(view: NoteView, sheet: Sheet) -> list[Content]:
    event = view.event
    lines = sheet.words(_about(event), "name")
    lines += sheet.words(first_value(event, "description"), "text")
    return lines + sheet.code(event.content)


def _snippet_summary(event: Event) -> str:
    return f"{_about(event)}\n{first_value(event, 'description')}"


def _subject(event: Event) -> str:
    """The subject of a patch as `git format-patch` writes it."""
    for line in event.content[:2_000].splitlines():
        if line.startswith("Subject:"):
            return line.removeprefix("Subject:").strip()
    return first_value(event, "description", "alt") or "a patch"


def _patch(view: NoteView, sheet: Sheet) -> list[Content]:
    return sheet.words(_subject(view.event), "name") + sheet.code(view.event.content)


FACES: Final = (
    Face((1337,), "code", _snippet, _snippet_summary),
    Face((1617,), "patch", _patch, _subject),
)

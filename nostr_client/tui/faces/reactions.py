"""What people think of something: likes and emoji (NIP-25), reposts (NIP-18), reports (NIP-56)."""

from __future__ import annotations

from typing import Final

from textual.content import Content

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.social.views import NoteView
from nostr_client.tui.faces.face import Face, first_value
from nostr_client.tui.faces.sheet import Sheet


def reaction_of(event: Event) -> str:
    """A reaction in a sign or two: `♥`, `👎`, an emoji, `:name:` of a custom one. Raw."""
    content = event.content.strip()
    return {"": "♥", "+": "♥", "-": "👎"}.get(content, content)


def _reacted(event: Event) -> str:
    said = reaction_of(event)
    words = {"♥": "likes", "👎": "does not like"}.get(said, "says")
    page = first_value(event, "r") if event.kind == 17 else ""
    return f"{said} {words} {page}".rstrip() + ("" if page else " something")


def _reaction(view: NoteView, sheet: Sheet) -> list[Content]:
    return sheet.words(_reacted(view.event), "text")


def _reposted(event: Event) -> str:
    return "passes something on that is not here"


def _repost(view: NoteView, sheet: Sheet) -> list[Content]:
    return sheet.words(_reposted(view.event))


def _reported(event: Event) -> str:
    why = next((tag[2] for tag in event.tags if tag[0] in "epx" and len(tag) > 2 and tag[2]), "")
    return f"reports somebody or something: {why or 'for no reason given'}"


def _report(view: NoteView, sheet: Sheet) -> list[Content]:
    return sheet.words(_reported(view.event)) + sheet.body(view)


FACES: Final = (
    Face((kinds.REACTION, 17), "reaction", _reaction, _reacted),
    Face(kinds.REPOSTS, "repost", _repost, _reposted),
    Face((kinds.REPORT,), "report", _report, _reported),
)

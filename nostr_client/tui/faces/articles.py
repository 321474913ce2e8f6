"""Long texts: articles (NIP-23), their drafts, pages of a wiki (NIP-54)."""

from __future__ import annotations

from typing import Final

from textual.content import Content

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.safe_text import first_lines
from nostr_client.social.views import NoteView
from nostr_client.tui.faces.face import Face, first_value
from nostr_client.tui.faces.sheet import Sheet

WORDS_A_MINUTE: Final = 220
_MOST_COUNTED: Final = 200_000
"""Characters in which words are counted."""


def title_of(event: Event) -> str:
    """What it is called; by its `d` tag where it has no title. Raw."""
    return first_value(event, "title", "name", "d") or "without a title"


def reading_time(event: Event) -> str:
    """How long it takes to read, in words."""
    words = len(event.content[:_MOST_COUNTED].split())
    if len(event.content) > _MOST_COUNTED:
        words = words * len(event.content) // _MOST_COUNTED
    minutes = round(words / WORDS_A_MINUTE)
    return f"{minutes:,} min to read" if minutes > 1 else "1 min to read"


def _lines(view: NoteView, sheet: Sheet) -> list[Content]:
    event = view.event
    lines = sheet.words(title_of(event), "name")
    summary = first_value(event, "summary", "description")
    for line in [summary] if summary else first_lines(event.content, 2):
        lines += sheet.words(line, "text")
    topics = " ".join(f"#{tag}" for tag in list(event.values("t"))[:5])
    return lines + sheet.words(f"{reading_time(event)} {topics}")


FACES: Final = (
    Face((kinds.ARTICLE,), "article", _lines, title_of),
    Face((kinds.ARTICLE_DRAFT,), "draft of an article", _lines, title_of),
    Face((kinds.WIKI,), "wiki page", _lines, title_of),
)

"""Highlights: a passage that somebody found worth keeping, and where it stands (NIP-84)."""

from __future__ import annotations

from typing import Final

from textual.content import Content

from nostr_client.nips import nip22
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import is_hex64
from nostr_client.social.views import NoteView
from nostr_client.tui.faces.face import Face, first_value
from nostr_client.tui.faces.sheet import Sheet


def source_of(event: Event) -> str:
    """Where the passage stands, in words: the page marked as `source`, or the first one. Raw."""
    pages = [tag for tag in event.tags if tag[0] == "r" and len(tag) > 1]
    marked = [tag for tag in pages if tag[-1] == "source"]
    for tag in marked or pages:
        if tag[-1] != "mention":
            return tag[1]
    address = event.value("a") or ""
    if nip22.is_address(address):
        return f"an article: {address.split(':', 2)[2]}"
    return "a note" if is_hex64(event.value("e") or "") else ""


def _lines(view: NoteView, sheet: Sheet) -> list[Content]:
    event = view.event
    lines = sheet.written(first_value(event, "comment"))
    inner = sheet.narrower(2)
    bar = Content.styled("▍ ", sheet.style("note--mention"))
    lines += [bar + line for line in inner.body(view)]
    source = source_of(event)
    return lines + sheet.words(f"from {source}" if source else "")


def _summary(event: Event) -> str:
    return f"{first_value(event, 'comment')}\n“{event.content}”".strip()


FACES: Final = (Face((kinds.HIGHLIGHT,), "highlight", _lines, _summary),)

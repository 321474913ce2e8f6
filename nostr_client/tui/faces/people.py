"""What says something of a person or their relays, and asks for something to be done."""

from __future__ import annotations

from typing import Final

import msgspec
from textual.content import Content

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.social.views import NoteView
from nostr_client.tui.faces.face import Face, first_value
from nostr_client.tui.faces.sheet import Sheet


def _profile(event: Event) -> str:
    """Name and words of a kind 0, as far as it is one."""
    try:
        said = msgspec.json.decode(event.content)
    except (msgspec.DecodeError, RecursionError):
        return "a profile that cannot be read"
    texts = (
        [said.get(name) for name in ("display_name", "name", "about")]
        if isinstance(said, dict)
        else []
    )
    kept = dict.fromkeys(text.strip() for text in texts if isinstance(text, str) and text.strip())
    return "\n".join(kept) or "a profile that says nothing"


def _profile_lines(view: NoteView, sheet: Sheet) -> list[Content]:
    name, _, rest = _profile(view.event).partition("\n")
    return sheet.words(name, "name") + sheet.written(rest[:600])


def _relays(event: Event) -> str:
    urls = [*event.values("r"), *event.values("relay")]
    return "names no relays" if not urls else "relays: " + ", ".join(urls[:20])


def _relay_lines(view: NoteView, sheet: Sheet) -> list[Content]:
    return sheet.words(_relays(view.event), "text")


def _deletion(event: Event) -> str:
    count = sum(tag[0] in ("e", "a") for tag in event.tags)
    what = "1 event" if count == 1 else f"{count:,} events"
    reason = event.content.strip()
    return f"asks for {what} to be deleted" + (f": {reason}" if reason else "")


def _deletion_lines(view: NoteView, sheet: Sheet) -> list[Content]:
    return sheet.words(_deletion(view.event), "text")


def _label(event: Event) -> str:
    labels = [text for text in event.values("l") if text.strip()]
    return "labels: " + (", ".join(labels[:8]) or first_value(event, "L") or "none")


def _label_lines(view: NoteView, sheet: Sheet) -> list[Content]:
    return sheet.words(_label(view.event), "text") + sheet.body(view)


FACES: Final = (
    Face((kinds.METADATA,), "profile", _profile_lines, _profile),
    Face((kinds.RELAY_LIST, kinds.DM_RELAYS), "relay list", _relay_lines, _relays),
    Face((kinds.DELETION,), "deletion", _deletion_lines, _deletion),
    Face((1985,), "label", _label_lines, _label),
)

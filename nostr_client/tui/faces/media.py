"""Pictures (NIP-68), videos (NIP-71), files (NIP-94) and voices (NIP-A0): what each is, what it is
said to show, and where it lies."""

from __future__ import annotations

from typing import Final

from textual.content import Content

from nostr_client.nips.nip92 import MediaItem, media_of
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.social.views import NoteView
from nostr_client.tui.faces.face import Face, first_value
from nostr_client.tui.faces.sheet import Sheet

MOST_SHOWN: Final = 4
"""Files of one event that have lines of their own."""
GLYPHS: Final = {"picture": "▣", "video": "▶", "audio": "♪", "file": "□"}


def length(seconds: float) -> str:
    """`0:08`, `12:30`, `1:02:03`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:,}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def of_size(size: int) -> str:
    """Bytes as people say them."""
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_:
            return f"{size / bytes_:,.1f} {unit}"
    return f"{size} bytes"


def says_of(item: MediaItem) -> str:
    """What it is and how much of it: `video · 1920x1080 · 0:29`."""
    said: list[str] = [item.form]
    if item.form == "file" and item.type:
        said.append(item.type)
    if item.width and item.height:
        said.append(f"{item.width}x{item.height}")
    if item.duration:
        said.append(length(item.duration))
    if item.size:
        said.append(of_size(item.size))
    return " · ".join(said)


def _item_lines(item: MediaItem, sheet: Sheet) -> list[Content]:
    lines = sheet.line(f"{GLYPHS[item.form]} {says_of(item)}", "dim")
    lines += sheet.words(item.alt[:600], "text")
    return lines + sheet.words(item.url, "link")


def _lines(view: NoteView, sheet: Sheet) -> list[Content]:
    event = view.event
    items = _variants_joined(event)
    lines = sheet.words(first_value(event, "title", "subject"), "name")
    alone = len(items) == 1 and event.content.strip() == items[0].url
    lines += [] if alone else sheet.body(view)
    for item in items[:MOST_SHOWN]:
        lines += _item_lines(item, sheet)
    if len(items) > MOST_SHOWN:
        lines += sheet.words(f"… and {len(items) - MOST_SHOWN} more")
    if not items:
        lines += sheet.words(first_value(event, "alt"), "text")
    if not any(item.alt for item in items):
        lines += sheet.words(first_value(event, "summary"), "text")
    return lines


def _variants_joined(event: Event) -> list[MediaItem]:
    """The files, of a video only the one that is largest: the others are the same, smaller."""
    items = list(media_of(event))
    videos = [item for item in items if item.form in ("video", "audio")]
    if event.kind in kinds.VIDEOS and len(videos) > 1:
        best = max(videos, key=lambda item: item.width * item.height)
        return [best, *(item for item in items if item not in videos)]
    return items


def _summary(event: Event) -> str:
    items = _variants_joined(event)
    title = first_value(event, "title", "subject") or event.content.strip()
    if items and (not title or title == items[0].url):
        title = next((item.alt for item in items if item.alt), "") or first_value(event, "alt")
    said = says_of(items[0]) if items else ""
    more = f" · {len(items)} files" if len(items) > 1 else ""
    return "\n".join(part for part in (title, f"{said}{more}") if part) or items_missing(event)


def items_missing(event: Event) -> str:
    """What is said of an event that names no file."""
    return first_value(event, "alt", "summary") or "a file that it does not name"


FACES: Final = (
    Face((kinds.PICTURE,), "picture", _lines, _summary),
    Face((kinds.VIDEO, kinds.ADDRESSABLE_VIDEO), "video", _lines, _summary),
    Face((kinds.SHORT_VIDEO, kinds.ADDRESSABLE_SHORT_VIDEO), "short video", _lines, _summary),
    Face((kinds.FILE_METADATA,), "file", _lines, _summary),
    Face(kinds.VOICES, "voice message", _lines, _summary),
)

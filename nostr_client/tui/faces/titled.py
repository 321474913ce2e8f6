"""What has a title and a line or two about it: goals, live streams, dates, badges, lists, apps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from textual.content import Content

from nostr_client.protocol import kinds
from nostr_client.protocol.event import MAX_TIMESTAMP, Event
from nostr_client.social.views import NoteView
from nostr_client.tui.faces.face import Face, first_value
from nostr_client.tui.faces.sheet import Sheet
from nostr_client.tui.time_format import date

Details = Callable[[Event], str]
"""What else is to be said of an event, on one line; "" for nothing. Raw."""


def title_of(event: Event) -> str:
    """What an event calls itself."""
    named = first_value(event, "title", "name", "alt") or event.content.strip()
    return named or first_value(event, "summary", "description", "d") or "without a title"


def number(text: str | None, most: int = MAX_TIMESTAMP) -> int | None:
    """A whole number that a tag says, at most `most`; None for anything else."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 16):
        return None
    return int(text) if int(text) <= most else None


def _lines(details: Details, view: NoteView, sheet: Sheet) -> list[Content]:
    event = view.event
    title = title_of(event)
    lines = sheet.words(title, "name")
    about = first_value(event, "summary", "description") or event.content
    if about.strip() != title.strip():
        lines += sheet.words(about[:600], "text")
    return lines + sheet.words(details(event))


def _titled(of: tuple[int, ...], called: str, details: Details = lambda event: "") -> Face:
    return Face(of, called, partial(_lines, details), title_of)


def _goal(event: Event) -> str:
    msat = number(event.value("amount"), 21_000_000 * 10**11)
    return f"asks for {msat // 1000:,} sats" if msat is not None else ""


def _stream(event: Event) -> str:
    starts = _day(number(event.value("starts")))
    says = first_value(event, "status")
    return " · ".join(part for part in (says, starts and f"from {starts}") if part)


def _appointment(event: Event) -> str:
    begins, ends = event.value("start"), event.value("end")
    if event.kind == 31923:
        begins, ends = _day(number(begins), hour=True), _day(number(ends), hour=True)
    where = first_value(event, "location")
    span = f"{begins} to {ends}" if begins and ends else begins or ""
    return " · ".join(part for part in (span, where) if part)


def _answer(event: Event) -> str:
    says = {"accepted": "will come", "declined": "will not come", "tentative": "may come"}
    return says.get(first_value(event, "status"), "answers an invitation")


def _people(event: Event) -> str:
    count = sum(tag[0] == "p" for tag in event.tags)
    return "1 person" if count == 1 else f"{count:,} people"


def _entries(event: Event) -> str:
    count = sum(tag[0] in ("e", "a", "r", "t", "p", "relay", "emoji") for tag in event.tags)
    return "1 entry" if count == 1 else f"{count:,} entries"


def _opens(event: Event) -> str:
    known = [text for text in event.values("k") if number(text, kinds.MAX_KIND) is not None]
    return f"opens events of kind {', '.join(known[:12])}" if known else ""


def _day(at: int | None, *, hour: bool = False) -> str:
    """A time as a day, in UTC with its hour: where the person is does not matter."""
    if at is None:
        return ""
    if not hour or at > 253_402_300_799:
        return date(at)
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


FACES: Final = (
    _titled((9041,), "zap goal", _goal),
    _titled((30311,), "live stream", _stream),
    _titled((30312, 30313), "meeting", _stream),
    _titled((31922, 31923), "date", _appointment),
    _titled((31924,), "calendar", _entries),
    _titled((31925,), "answer to an invitation", _answer),
    _titled((30009,), "badge"),
    _titled((8,), "award of a badge", _people),
    _titled((34550,), "community"),
    _titled((kinds.FOLLOWS, 30000, 39089), "list of people", _people),
    _titled((10003, 30001, 30003, 30004, 30005, 30015), "list", _entries),
    _titled((30030,), "set of emoji", _entries),
    _titled((30315,), "status"),
    _titled((kinds.APP_HANDLER,), "app", _opens),
    _titled((39701,), "bookmark of a page"),
    _titled((30402,), "offer"),
    _titled((30617,), "repository"),
    _titled((2003,), "torrent"),
)

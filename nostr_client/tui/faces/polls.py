"""Polls: the question, its answers, and how they stand (NIP-88)."""

from __future__ import annotations

from typing import Final

from textual.content import Content

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.social.views import NoteView
from nostr_client.tui.faces.face import Face
from nostr_client.tui.faces.sheet import Sheet
from nostr_client.tui.faces.titled import number
from nostr_client.tui.time_format import ahead, passed

MOST_OPTIONS: Final = 20


def options_of(poll: Event) -> dict[str, str]:
    """Option id -> its label, raw; the first of those that share an id."""
    found: dict[str, str] = {}
    for tag in poll.tags:
        if tag[0] == "option" and len(tag) > 1 and tag[1]:
            found.setdefault(tag[1], tag[2] if len(tag) > 2 and tag[2] else tag[1])
    return found


def _rules(poll: Event, sheet: Sheet) -> str:
    several = poll.value("polltype") == "multiplechoice"
    words = "several answers can be chosen" if several else "one answer can be chosen"
    ends = number(poll.value("endsAt"))
    if ends is None:
        return words
    over = sheet.now > ends
    return f"{words} · " + (
        f"ended {passed(ends, sheet.now)}" if over else f"ends {ahead(ends, sheet.now)}"
    )


def _lines(view: NoteView, sheet: Sheet) -> list[Content]:
    poll = view.event
    lines = sheet.body(view)
    labels = list(options_of(poll).values())
    for label in labels[:MOST_OPTIONS]:
        lines += sheet.line(f"○ {label}", "text")
    if len(labels) > MOST_OPTIONS:
        lines += sheet.words(f"… and {len(labels) - MOST_OPTIONS} more")
    return lines + sheet.words(_rules(poll, sheet))


def _summary(poll: Event) -> str:
    labels = list(options_of(poll).values())[:MOST_OPTIONS]
    return f"{poll.content}\n{' '.join(f'○ {label}' for label in labels)}"


FACES: Final = (
    Face((kinds.POLL,), "poll", _lines, _summary),
    Face(
        (1018,), "vote", lambda view, sheet: sheet.words("votes in a poll"), lambda event: "votes"
    ),
)

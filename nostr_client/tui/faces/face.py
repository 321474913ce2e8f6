"""A face: how the events of some kinds look in a list, and what they are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual.content import Content

from nostr_client.protocol.event import Event
from nostr_client.social.views import NoteView
from nostr_client.tui.faces.sheet import Sheet


def content_of(event: Event) -> str:
    """The text of an event whose content is its text."""
    return event.content


def text_lines(view: NoteView, sheet: Sheet) -> list[Content]:
    """The lines of an event whose content is its text."""
    return sheet.body(view)


@dataclass(frozen=True, slots=True)
class Face:
    """How the events of `kinds` look.

    `called`: what one is called, in lower case and without an article ("poll"). `lines`: those of
    a list, below who wrote it and when; each at most as wide as the sheet. `summary`: the event in
    a few words, for a quote or a notification; raw, as its author wrote it. Tags are anything that
    strangers write: neither function raises, whatever they are.
    """

    kinds: tuple[int, ...]
    called: str
    lines: Callable[[NoteView, Sheet], list[Content]] = text_lines
    summary: Callable[[Event], str] = content_of


def first_value(event: Event, *names: str) -> str:
    """What the first tag with one of `names` says, in their order; "" if none says anything."""
    for name in names:
        value = event.value(name)
        if value and value.strip():
            return value
    return ""

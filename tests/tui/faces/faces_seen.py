"""Events of any kind as a list shows them."""

from __future__ import annotations

from collections.abc import Sequence

from textual.style import Style

from nostr_client.nips import nip27
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.social.views import NoteView, Profile
from nostr_client.tui.note_renderer import NoteRenderer

KEY = SecretKey.from_hex("5" * 64)
ME = KEY.public_key.hex
NOW = 1_700_000_000


def style(name: str) -> Style:
    return Style(bold=name.endswith("name"), underline=name.endswith("mention"))


def event(kind: int, content: str = "", *tags: Sequence[str]) -> Event:
    return Draft(kind, content, tuple(map(tuple, tags)), NOW - 120).sign(KEY, NOW)


def view(shown: Event, **fields: object) -> NoteView:
    parts = nip27.parts(shown.content)
    return NoteView(shown, shown, Profile(ME, name="ben"), parts, **fields)  # type: ignore[arg-type]


def renderer() -> NoteRenderer:
    return NoteRenderer(lambda pubkey: "someone", clock=lambda: NOW)


def seen(item: NoteView, width: int = 60) -> list[str]:
    """The lines as a person reads them."""
    return [line.plain.rstrip() for line in renderer().lines(item, width, style)]


def shown(kind: int, content: str = "", *tags: Sequence[str]) -> list[str]:
    return seen(view(event(kind, content, *tags)))

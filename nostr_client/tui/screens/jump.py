"""Letters at whatever can be gone to: each item in view, and what a note points to in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any, Final, NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from nostr_client.social.views import NoteView
from nostr_client.tui.app_messages import Open
from nostr_client.tui.note_targets import NameOf, targets_in
from nostr_client.tui.thread_renderer import ThreadRow
from nostr_client.tui.widgets.windowed_list import WindowedList

LETTERS: Final = "asdfghjklqwertyuiopzxcvbnm"


class JumpPlace(NamedTuple):
    """A cell of the screen, and how one goes to what stands there."""

    x: int
    y: int
    go: Callable[[], object]


class JumpScreen(ModalScreen[JumpPlace]):
    """Dismissed with the place whose letters were typed; any other key goes back."""

    def __init__(self, places: Sequence[JumpPlace]) -> None:
        super().__init__()
        self._places = dict(zip(labels(len(places)), places, strict=False))
        self._typed = ""

    def compose(self) -> ComposeResult:
        for label, place in self._places.items():
            shown = Static(label, markup=False, classes="jump-label")
            shown.styles.offset = (place.x, place.y)
            yield shown

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        self._typed += event.key
        if self._typed in self._places:
            self.dismiss(self._places[self._typed])
        elif not any(label.startswith(self._typed) for label in self._places):
            self.dismiss(None)


def labels(count: int) -> list[str]:
    """As many letters, or pairs of them where one is not enough."""
    if count <= len(LETTERS):
        return list(LETTERS[:count])
    return ["".join(pair) for pair in product(LETTERS, repeat=2)][:count]


def jump_places(screen: Screen[Any], name_of: NameOf) -> list[JumpPlace]:
    """Where one can go on a screen."""
    return [
        place
        for each in screen.query(WindowedList)
        if each.is_on_screen
        for place in _in_list(each, name_of)
    ]


def _in_list(shown: WindowedList[Any], name_of: NameOf) -> Iterator[JumpPlace]:
    region = shown.scrollable_content_region
    for item, rows in shown.rows_in_view():
        key = shown.renderer.key(item)
        yield JumpPlace(region.x, region.y + rows.start, partial(_select, shown, key))
        view = item.view if isinstance(item, ThreadRow) else item
        if isinstance(view, NoteView):
            yield from _in_note(shown, view, rows, name_of)


def _in_note(
    shown: WindowedList[Any], view: NoteView, rows: range, name_of: NameOf
) -> Iterator[JumpPlace]:
    region = shown.scrollable_content_region
    texts = {row: shown.render_line(row).text for row in rows}
    for pointed in targets_in(view, name_of):
        found = ((row, text.find(pointed.words)) for row, text in texts.items())
        row, column = next(((r, c) for r, c in found if c >= 0), (-1, -1))
        if row >= 0:
            go = partial(shown.post_message, Open(pointed.target))
            yield JumpPlace(region.x + column, region.y + row, go)


def _select(shown: WindowedList[Any], key: str) -> None:
    shown.focus()
    shown.select(key)

"""The pictures of a note, one at a time, as large as the terminal is."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Middle
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.nips.nip92 import MediaItem
from nostr_client.safe_text import safe_line
from nostr_client.social.views import NoteView
from nostr_client.tui.graphics import MOST_SIDE, PictureWidget
from nostr_client.tui.half_blocks import half_blocks
from nostr_client.tui.keymap import Key, KeyGroup, keyed
from nostr_client.tui.pictures import caption, pictures_of, place_of
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.workers import start_worker

_WORDS = 400
RESIZED = 0.3
"""Seconds for which a window must keep its size before its picture is fetched again."""


KEYS: Final = KeyGroup(
    "Pictures",
    (
        Key("escape,q,i,enter", "leave", "Back", name="back"),
        Key("j,down,n,right,space,l", "turn(1)", "The next one", name="next"),
        Key("k,up,N,left,h", "turn(-1)", "The one before", name="previous"),
    ),
    "picture",
)


class PictureScreen(Screen[None]):
    """Those of `note`, which was opened: they are fetched without being asked about again."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(
        self, client: NostrClient, note: NoteView, graphics: PictureWidget | None = None
    ) -> None:
        super().__init__()
        self._client = client
        self._note = note
        self._graphics = graphics
        self._items = pictures_of(note)
        self._number = 0
        self._resized: Timer | None = None
        self._picture = Static("", markup=False, id="picture")
        self._says = Static("", markup=False, id="says")

    def compose(self) -> ComposeResult:
        with Middle():
            yield self._picture
        yield self._says
        turn = (("picture.next", "next"), ("picture.previous", "previous"))
        keys = (*(turn if len(self._items) > 1 else ()), ("picture.back", "back"))
        yield Static(key_words(keyed(*keys)), markup=False, classes="card-keys")

    def on_mount(self) -> None:
        self.call_after_refresh(self._show)

    def on_resize(self) -> None:
        """Fetched for another size once the window stays as it is: dragging it is many sizes."""
        if self._resized is not None:
            self._resized.stop()
        self._resized = self.set_timer(RESIZED, self._show)

    def action_turn(self, by: int) -> None:
        self._number = (self._number + by) % len(self._items)
        self._show()

    def action_leave(self) -> None:
        self.dismiss()

    def _show(self) -> None:
        if not self._items:
            return
        item = self._items[self._number]
        which = f"{self._number + 1} of {len(self._items)}  " if len(self._items) > 1 else ""
        self._says.update(f"{which}{caption(item)}")
        self._picture.display = True
        self.query(".sharp").remove()
        self._picture.update(f"fetched from {place_of(item.url)} …")
        start_worker(self, partial(self._fetch, item), "picture", exclusive=True)

    async def _fetch(self, item: MediaItem) -> None:
        width, rows = self.size.width, max(self.size.height - self._says.size.height - 2, 1)
        across, down = (MOST_SIDE, MOST_SIDE) if self._graphics else (width, rows * 2)
        try:
            pixels = await self._client.media.thumbnails.large(
                item, self._note.event.pubkey, across, down
            )
        except NostrError as error:
            self._picture.update(safe_line(str(error), _WORDS))
            return
        if self._graphics is None:
            self._picture.update(Content("\n").join(half_blocks(pixels, width, rows)))
            return
        await self.query(".sharp").remove()
        sharp = self._graphics(pixels)
        sharp.add_class("sharp")
        await self.query_one(Middle).mount(sharp)
        self._picture.display = False

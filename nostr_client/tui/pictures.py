"""Which pictures stand below which notes, and how: pixels, what stands in for them, or a line; and
the titles of pages, where the person wants them.

Pictures are asked for one by one (`i`), or come by themselves for those whom the account follows;
never for strangers, never where the person turned them off. The room for one is kept free from the
start, by what the author says of its size: nothing moves when it comes. `lines` reads what is there
and does nothing else; `load` fetches, and is called for what is in view.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from textual.content import Content

from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import InvalidData, NostrError
from nostr_client.nips import nip27
from nostr_client.nips.blurhash import decode_blurhash, decode_thumbhash
from nostr_client.nips.nip92 import MediaItem, media_of
from nostr_client.protocol import kinds
from nostr_client.safe_text import safe_line
from nostr_client.social.media import thumbnails
from nostr_client.social.media.thumbnail_folder import Pixels
from nostr_client.social.views import NoteView
from nostr_client.tui.avatars import Avatars
from nostr_client.tui.faces.media import says_of
from nostr_client.tui.half_blocks import fitted_rows, half_blocks
from nostr_client.tui.widgets.items import Styles

ROWS: Final = thumbnails.DOWN // 2
MOST_SHOWN: Final = 4
"""Pictures below one note."""
MOST_KEPT: Final = 300
"""Small pictures that are held."""
MOST_DRAWN: Final = 60
"""Pictures whose lines are held."""
_WITH_CAPTIONS: Final = frozenset({kinds.NOTE, kinds.COMMENT})
"""Kinds whose face says nothing of their files by itself."""
_LINE: Final = 240
"""Cells of what is said of one file."""
MOST_CAPTION: Final = 3
"""Lines of the same."""
MOST_TITLES: Final = 2
"""Links of one note whose titles are shown."""
PAGE: Final = "text/html"


class Pictures:
    """Those of the account of `client`. `by_themselves`: for whom is followed they need not be
    asked for."""

    def __init__(
        self,
        client: NostrClient,
        *,
        by_themselves: bool,
        titles: bool = False,
        avatars: bool = False,
    ) -> None:
        self._client = client
        on = avatars and self.may_be_shown
        self.avatars = Avatars(self._fetch, self._avatar_comes, on=on)
        self._by_themselves = by_themselves and thumbnails.is_available()
        self._titles = titles
        self._small: OrderedDict[str, Pixels | str] = OrderedDict()
        """By URL: the picture, or why there is none."""
        self._titled: OrderedDict[str, str] = OrderedDict()
        """Titles by URL; empty for a page without one, or that could not be had."""
        self._grounds: dict[str, Pixels | None] = {}
        self._asked: set[str] = set()
        self._drawn: dict[tuple[str, int], list[Content]] = {}
        self.loading: set[str] = set()
        """URLs that are being fetched."""
        self._followed: frozenset[str] = frozenset()

    @property
    def come_by_themselves(self) -> bool:
        return self._by_themselves

    def turn(self) -> bool:
        """Let pictures come by themselves, or no longer, until this program ends; do they now?"""
        self._by_themselves = not self._by_themselves and thumbnails.is_available()
        return self._by_themselves

    async def know_followed(self) -> bool:
        """Look again whom the account follows; true where that changes what is shown. Never fails:
        what cannot be read is followed by nobody."""
        if not self._by_themselves and not self._titles:
            return False
        before = self._followed
        try:
            self._followed = frozenset(await self._client.follows.pubkeys())
        except NostrError:
            return False
        return self._followed != before

    def is_shown(self, view: NoteView) -> bool:
        """Do its pictures stand below a note?"""
        if view.event.id in self._asked:
            return True
        return self._by_themselves and self._is_near(view)

    def _is_near(self, view: NoteView) -> bool:
        return view.mine or view.author.pubkey in self._followed

    def _avatar_comes(self, pubkey: str) -> bool:
        is_near = pubkey in self._followed or pubkey == self._client.pubkey
        return self._by_themselves and is_near

    def ask(self, view: NoteView) -> None:
        """The person wants to see those of this note, and those that failed once more."""
        self._asked.add(view.event.id)
        for item in pictures_of(view):
            if isinstance(self._small.get(item.url), str):
                del self._small[item.url]

    def lines(self, view: NoteView, width: int, style: Styles) -> list[Content]:
        """What stands below the text of a note: its pictures, or what they are."""
        shown = [self._title(url, width, style) for url in self._pages(view)]
        if not (items := media_of(view.event)):
            return shown
        if not self.is_shown(view):
            return [*shown, *_captions(view, items, width, style)]
        for item in pictures_of(view):
            shown += self._picture(item, width, style)
        return shown

    def missing(self, view: NoteView) -> list[MediaItem]:
        """What is to be shown below a note, is not here, and is not fetched just now."""
        known = self._small.keys() | self._titled.keys() | self.loading
        pages = [MediaItem(url=url, type=PAGE) for url in self._pages(view)]
        wanted = [*(pictures_of(view) if self.is_shown(view) else ()), *pages]
        return [item for item in wanted if item.url not in known]

    def has_failed(self, view: NoteView) -> bool:
        """Is there one that could not be had?"""
        return any(isinstance(self._small.get(item.url), str) for item in pictures_of(view))

    @property
    def may_be_shown(self) -> bool:
        """Can any be shown here, asked for or not?"""
        return not self.hint

    @property
    def hint(self) -> str:
        """Why none can be shown; empty where they can."""
        if not self._client.config.media:
            return "Files are not fetched: `media` is false in the settings."
        return "" if thumbnails.is_available() else f"Here {thumbnails.HINT}"

    async def load(self, view: NoteView, item: MediaItem, on_change: Callable[[], None]) -> None:
        """Fetch one; `on_change` is told when it looks different."""
        self.loading.add(item.url)
        try:
            if item.type == PAGE:
                await self._load_title(item.url)
                return
            if (item.blurhash or item.thumbhash) and item.url not in self._grounds:
                self._grounds[item.url] = await asyncio.to_thread(_ground, item)
                on_change()
            self._small[item.url] = await self._fetch(item, view.event.pubkey)
        except NostrError as error:
            self._small[item.url] = str(error)
        finally:
            self.loading.discard(item.url)
            self._forget(item.url)
            on_change()

    async def _fetch(self, item: MediaItem, author: str) -> Pixels:
        return await self._client.media.thumbnails.small(item, author)

    async def _load_title(self, url: str) -> None:
        """One that cannot be had is none: the link stands in the note."""
        try:
            self._titled[url] = await self._client.media.titles.get(url)
        except NostrError:
            self._titled[url] = ""
        while len(self._titled) > MOST_KEPT:
            self._titled.popitem(last=False)

    def _pages(self, view: NoteView) -> list[str]:
        """The links of a note whose titles stand below it."""
        if not self._titles or not self._is_near(view) or view.event.kind not in _WITH_CAPTIONS:
            return []
        links = (part.url for part in view.parts if isinstance(part, nip27.UrlPart))
        files = {item.url for item in media_of(view.event)}
        pages = [url for url in links if url.lower().startswith("https://") and url not in files]
        return list(dict.fromkeys(pages))[:MOST_TITLES]

    def _title(self, url: str, width: int, style: Styles) -> Content:
        """One line, of which the host is never cut off: a title may lie about where it leads."""
        place, title = place_of(url), safe_line(self._titled.get(url, ""), _LINE)
        line = f"↗ {place}  {title}" if title else f"↗ {place}"
        return Content.styled(line, style("note--dim")).truncate(width, ellipsis=True)

    def _forget(self, url: str) -> None:
        """What was drawn of one is old; and the oldest give way."""
        self._grounds.pop(url, None)
        while len(self._small) > MOST_KEPT:
            gone, _ = self._small.popitem(last=False)
            self._drawn = {key: drawn for key, drawn in self._drawn.items() if key[0] != gone}
        for key in [key for key in self._drawn if key[0] == url]:
            del self._drawn[key]

    def _drawn_once(self, url: str, pixels: Pixels, width: int, rows: int) -> list[Content]:
        """Lines of a picture take some milliseconds to make, and are asked for again and again."""
        drawn = self._drawn.get((url, width))
        if drawn is None:
            if len(self._drawn) >= MOST_DRAWN:
                self._drawn.clear()
            drawn = self._drawn[url, width] = half_blocks(pixels, width, rows)
        return list(drawn)

    def _picture(self, item: MediaItem, width: int, style: Styles) -> list[Content]:
        rows = _rows(item, width)
        found = self._small.get(item.url) or self._grounds.get(item.url)
        dim = style("note--dim")
        if isinstance(found, Pixels):
            shown = self._drawn_once(item.url, found, width, rows)
        else:
            words = safe_line(found, _LINE) if found else "…"
            shown = [Content.styled(f"▒ {words}", dim).truncate(width, ellipsis=True)]
        shown += [Content("")] * (rows - len(shown))
        return [*shown[:rows], *Content.styled(caption(item), dim).wrap(width)[:MOST_CAPTION]]


def pictures_of(view: NoteView) -> list[MediaItem]:
    """Those of a note that stand below it."""
    return [item for item in media_of(view.event) if item.form == "picture"][:MOST_SHOWN]


def caption(item: MediaItem) -> str:
    """`[picture · 1200x800: a dog on the beach] example.com/…`, safe."""
    alt = safe_line(item.alt, _LINE)
    said = safe_line(says_of(item), _LINE)
    return f"[{said}{': ' if alt else ''}{alt}] {place_of(item.url)}"


def place_of(url: str) -> str:
    """The host of a URL, and that there is more of it; safe."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return safe_line(url, 40)
    more = "/…" if parts.path not in ("", "/") or parts.query else ""
    return f"{safe_line(parts.netloc, 40)}{more}"


def _captions(
    view: NoteView, items: Collection[MediaItem], width: int, style: Styles
) -> list[Content]:
    """What the files of a note are, where nobody else says it; what is only a link says itself."""
    if view.event.kind not in _WITH_CAPTIONS:
        return []
    said = [item for item in items if item.alt or item.width or item.duration]
    lines = [caption(item) for item in said[:MOST_SHOWN]]
    if len(said) > MOST_SHOWN:
        lines.append(f"… and {len(said) - MOST_SHOWN} more")
    dim = style("note--dim")
    wrapped = (Content.styled(line, dim).wrap(width)[:MOST_CAPTION] for line in lines)
    return [line for each in wrapped for line in each]


def _rows(item: MediaItem, width: int) -> int:
    """The lines that are kept free for a picture."""
    if not item.width:
        return ROWS
    return fitted_rows(item.width, item.height, min(width, thumbnails.ACROSS), ROWS)


def _ground(item: MediaItem) -> Pixels | None:
    """What stands in for a picture, of its shape. Blocks for some milliseconds."""
    width, height = item.width or 3, item.height or 2
    scale = min(thumbnails.ACROSS / width, thumbnails.DOWN / height)
    across, down = max(1, int(width * scale)), max(1, int(height * scale))
    try:
        if item.blurhash:
            return Pixels(across, down, decode_blurhash(item.blurhash, across, down))
        return Pixels(across, down, decode_thumbhash(item.thumbhash, across, down))
    except InvalidData:
        return None


def wanted_by(config: ClientConfig, environment: Mapping[str, str]) -> bool:
    """Do pictures of people who are followed come by themselves here? Over SSH only if they were
    asked for: each is some kilobytes of colours."""
    if not config.media or environment.get("NO_COLOR"):
        return False
    remote = environment.get("SSH_CONNECTION") or environment.get("SSH_TTY")
    return config.pictures == "always" or (config.pictures == "followed" and not remote)

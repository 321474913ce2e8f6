"""Pictures, videos and other files that events name, as values (NIP-92, 94; 68, 71, A0 and B7).

`media_of` reads them from `imeta` tags, from the tags of a file's own event (kind 1063), and from
links in the text whose ending says what they are. All of it is what a stranger says: nothing is
checked but its form, and what is malformed is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

import msgspec

from nostr_client.nips.nipb7 import hash_in
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, Tag
from nostr_client.protocol.keys import is_hex64

MOST_ITEMS: Final = 32
"""Files of one event that are read."""
MOST_FALLBACKS: Final = 5
LONGEST_URL: Final = 2_000
LONGEST_ALT: Final = 2_000
LONGEST_HASH: Final = 200
"""Characters of a blurhash or thumbhash."""
MOST_SIDE: Final = 1_000_000

MediaForm = Literal["picture", "video", "audio", "file"]

_FORMS: Final[dict[str, MediaForm]] = {"image": "picture", "video": "video", "audio": "audio"}
_ENDINGS: Final = {
    **dict.fromkeys(("jpg", "jpeg"), "image/jpeg"),
    **{end: f"image/{end}" for end in ("png", "gif", "webp", "apng", "avif", "heic", "bmp")},
    **{end: f"video/{end}" for end in ("mp4", "webm", "ogv", "mpeg")},
    **dict.fromkeys(("mov", "qt"), "video/quicktime"),
    **dict.fromkeys(("m4a", "aac"), "audio/mp4"),
    **{end: f"audio/{end}" for end in ("ogg", "flac", "wav")},
    **dict.fromkeys(("mp3", "mpga"), "audio/mpeg"),
    "opus": "audio/ogg",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
}
_IMPLIED: Final = {
    kinds.PICTURE: "image",
    **dict.fromkeys(kinds.VIDEOS, "video"),
    **dict.fromkeys(kinds.VOICES, "audio"),
}
"""What the kind of an event says of files whose type is not said."""
_WITH_LINKS: Final = frozenset({kinds.NOTE, kinds.COMMENT})
"""Kinds whose text holds links to files."""
_is_size = re.compile(r"(\d{1,7})x(\d{1,7})").fullmatch
_is_seconds = re.compile(r"\d{1,7}(\.\d{1,9})?").fullmatch
_UNREAD: Final = re.compile("[?#]")
_LINK: Final = re.compile(r"https?://[^\s<>\"`]+", re.IGNORECASE)


class MediaItem(msgspec.Struct, frozen=True, kw_only=True):
    """A file that an event names. Texts are raw, empty where nothing is said; so is 0.

    `sha256` is in hex, that of the bytes at `url`; `type` a MIME type; `width` and `height` are in
    pixels, `size` in bytes, `duration` in seconds. `blurhash` and `thumbhash` stand in for a
    picture until it is there; `preview` is the URL of a smaller picture of it.
    """

    url: str
    alt: str = ""
    type: str = ""
    width: int = 0
    height: int = 0
    size: int = 0
    duration: float = 0.0
    sha256: str = ""
    blurhash: str = ""
    thumbhash: str = ""
    preview: str = ""
    fallbacks: tuple[str, ...] = ()

    @property
    def form(self) -> MediaForm:
        """What it is to whoever looks at it."""
        return _FORMS.get(self.type.partition("/")[0], "file")

    @property
    def hash(self) -> str:
        """The SHA-256 that the file is found by and checked with (hex): what is said, or else what
        stands in the URL (NIP-B7); empty for neither."""
        return self.sha256 or hash_in(self.url)


def media_of(event: Event) -> tuple[MediaItem, ...]:
    """The files that `event` names, in its order, each URL once; `MOST_ITEMS` at most."""
    found: dict[str, MediaItem] = {}
    for item in _items(event):
        if item.url not in found:
            found[item.url] = item
        if len(found) >= MOST_ITEMS:
            break
    return tuple(found.values())


def imeta_tag(item: MediaItem) -> Tag:
    """The `imeta` tag that says all this of a file."""
    size = f"{item.width}x{item.height}" if item.width and item.height else ""
    fields = [
        ("url", item.url),
        ("m", item.type),
        ("x", item.sha256),
        ("size", str(item.size) if item.size else ""),
        ("dim", size),
        ("duration", f"{item.duration:g}" if item.duration else ""),
        ("blurhash", item.blurhash),
        ("thumbhash", item.thumbhash),
        ("alt", " ".join(item.alt.split())),
        *(("fallback", url) for url in item.fallbacks),
    ]
    return ("imeta", *(f"{name} {text}" for name, text in fields if text))


def type_of_ending(url: str) -> str:
    """The MIME type that the ending of a URL's path, or of a file's name, says; or empty."""
    path = _UNREAD.split(url, maxsplit=1)[0].partition("://")[2] or url
    name = path.rpartition("/")[2] if "://" not in url or "/" in path else ""
    return _ENDINGS.get(name.rpartition(".")[2].lower(), "") if "." in name else ""


def ending_of(mime: str) -> str:
    """`.jpg` for `image/jpeg`: how the name of such a file ends; empty where it is unknown."""
    return next((f".{end}" for end, found in _ENDINGS.items() if found == mime), "")


def _items(event: Event) -> Iterator[MediaItem]:
    implied = _IMPLIED.get(event.kind, "")
    for tag in event.tags:
        if len(tag) > 1 and tag[0] == "imeta":
            yield from _item(_fields(tag[1:]), implied)
    if event.kind == kinds.FILE_METADATA:
        tags = ((tag[0], tag[1]) for tag in event.tags if len(tag) > 1)
        yield from _item(_gathered(tags), implied)
    elif event.kind in kinds.VOICES and _is_url(event.content.strip()):
        url = event.content.strip()
        yield MediaItem(url=url, type=type_of_ending(url) or "audio/mp4")
    elif event.kind in _WITH_LINKS:
        for match in _LINK.finditer(event.content, 0, 20_000):
            url = match[0].rstrip(".,;:!?'*_~…)]}")
            if (mime := type_of_ending(url)) and len(url) <= LONGEST_URL:
                yield MediaItem(url=url, type=mime)


def _fields(entries: Iterable[str]) -> Mapping[str, list[str]]:
    split = (entry.partition(" ") for entry in entries)
    return _gathered((name, text.strip()) for name, _, text in split)


def _gathered(pairs: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, text in pairs:
        if text and len(found.setdefault(name, [])) < MOST_FALLBACKS:
            found[name].append(text)
    return found


def _item(fields: Mapping[str, list[str]], implied: str) -> Iterator[MediaItem]:
    """The item that these describe, if they do."""

    def first(name: str) -> str:
        return fields.get(name, [""])[0]

    url = first("url")
    if not _is_url(url):
        return
    mime = first("m").lower().partition(";")[0].strip()
    mime = mime if 0 < len(mime) < 100 and "/" in mime else type_of_ending(url)
    sides = _is_size(first("dim"))
    width, height = (int(side) for side in sides.groups()) if sides else (0, 0)
    size, seconds, x = first("size"), first("duration"), first("x").lower()
    previews = [url for name in ("thumb", "image") for url in fields.get(name, ())]
    yield MediaItem(
        url=url,
        alt=first("alt")[:LONGEST_ALT],
        type=mime or (f"{implied}/*" if implied else ""),
        width=min(width, MOST_SIDE) if height else 0,
        height=min(height, MOST_SIDE) if width else 0,
        size=int(size) if size.isascii() and size.isdigit() and len(size) < 16 else 0,
        duration=float(seconds) if _is_seconds(seconds) else 0.0,
        sha256=x if is_hex64(x) else "",
        blurhash=first("blurhash")[:LONGEST_HASH],
        thumbhash=first("thumbhash")[:LONGEST_HASH],
        preview=next(filter(_is_url, previews), ""),
        fallbacks=tuple(filter(_is_url, fields.get("fallback", ()))),
    )


def _is_url(text: str) -> bool:
    return len(text) <= LONGEST_URL and _LINK.fullmatch(text) is not None

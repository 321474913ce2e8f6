"""Programs, their releases and the files of these, as signed events (NIP-82, a draft).

The draft is nostr-protocol/nips pull request 1336, still open, with its text of 2026-01-29;
Zapstore writes these kinds. An *application* (kind 32267) is described and replaced; a *release*
(30063) is one version of it, and names its *assets* (3063) by their ids: each is one file, by its
SHA-256. Nothing here looks at a signature, or at who signed.

Where the draft leaves two ways, this takes the strict one: an asset has the identifier and the
version of its release, and both are read alone where they are Semantic Versions. Its table of MIME
types has none for a file that a Python runs; `BUNDLE` is ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from nostr_client.errors import InvalidData, InvalidEvent
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tag
from nostr_client.protocol.keys import is_hex64

BUNDLE: Final = "application/x-python-zipapp"
"""A file that a Python runs, whatever else it needs being in it."""
MAIN: Final = "main"
"""The channel of what everybody is to have."""
PLATFORMS: Final = frozenset(
    {
        *("darwin-arm64", "darwin-x86_64", "windows-aarch64", "windows-x86_64"),
        *("linux-aarch64", "linux-x86_64", "linux-armv7l", "linux-riscv64"),
        *("freebsd-x86_64", "freebsd-aarch64"),
    }
)
"""Those identifiers of the draft on which a Python runs programs."""
MOST_ASSETS: Final = 64
MOST_URLS: Final = 16
LARGEST: Final = 1 << 40
_SEMANTIC: Final = re.compile(
    r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})"
    r"(?:-([0-9A-Za-z-]{1,40}(?:\.[0-9A-Za-z-]{1,40}){0,7}))?(?:\+[0-9A-Za-z.-]{1,40})?",
    re.ASCII,
)
_is_size: Final = re.compile(r"[1-9]\d{0,12}", re.ASCII).fullmatch

VersionOrder = tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]


def version_order(version: str) -> VersionOrder:
    """What versions are sorted by (Semantic Versioning 2.0.0, 11). Raises InvalidData."""
    found = _SEMANTIC.fullmatch(version)
    if found is None:
        raise InvalidData("a version is MAJOR.MINOR.PATCH")
    parts = found[4].split(".") if found[4] else []
    numbers = (int(found[1]), int(found[2]), int(found[3]))
    # Numbers come before words, and what has fewer parts before what has more of the same.
    before = tuple((not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in parts)
    return numbers, not parts, before


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """How a program describes itself; texts are raw, empty where nothing is said."""

    id: str
    name: str
    summary: str = ""
    description: str = ""
    url: str = ""
    repository: str = ""
    license: str = ""
    platforms: tuple[str, ...] = ()

    def draft(self) -> Draft:
        """The event that says so."""
        said = [
            ("d", self.id),
            ("name", self.name),
            ("summary", self.summary),
            ("url", self.url),
            ("repository", self.repository),
            *(("f", platform) for platform in self.platforms),
            ("license", self.license),
        ]
        tags = tuple(tag for tag in said if tag[1])
        return Draft(kinds.SOFTWARE_APPLICATION, self.description, tags)


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a release: what it is of, its SHA-256 (hex), size in bytes and MIME type.

    `platforms` are those that it is for; none means any. `urls` are where it lies, `filename` what
    it is called, `commit` what it was built of. `event` is what says so.
    """

    app: str
    version: str
    sha256: str
    size: int
    type: str
    platforms: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    filename: str = ""
    commit: str = ""
    event: Event | None = None

    def draft(self) -> Draft:
        """The event that says so, for this very file."""
        tags: list[Tag] = [("i", self.app), *(("url", url) for url in self.urls)]
        tags += [("m", self.type), ("x", self.sha256), ("size", str(self.size))]
        tags += [("version", self.version), *(("f", each) for each in self.platforms)]
        tags += [("filename", self.filename)] if self.filename else []
        tags += [("commit", self.commit)] if self.commit else []
        return Draft(kinds.SOFTWARE_ASSET, "", tuple(tags))


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the program `app`: `assets` are the ids of its files' events, `notes` what is
    new. `event` is what says so."""

    app: str
    version: str
    assets: tuple[str, ...]
    channel: str = MAIN
    notes: str = ""
    event: Event | None = None

    def draft(self) -> Draft:
        """The event that says so."""
        tags = (
            ("i", self.app),
            ("version", self.version),
            ("d", f"{self.app}@{self.version}"),
            ("c", self.channel),
            *(("e", each) for each in self.assets),
        )
        return Draft(kinds.SOFTWARE_RELEASE, self.notes, tags)


def release_of(event: Event) -> Release:
    """What an event of kind 30063 says. Raises InvalidEvent for what is no release of one version,
    or does not say which."""
    if event.kind != kinds.SOFTWARE_RELEASE:
        raise InvalidEvent("this is not a release (kind 30063)")
    app, version = _only(event, "i"), _only(event, "version")
    if _only(event, "d") != f"{app}@{version}":
        raise InvalidEvent("its name is not that of its program and version")
    assets = tuple(event.values("e"))
    if not 0 < len(assets) <= MOST_ASSETS or not all(map(is_hex64, assets)):
        raise InvalidEvent("it does not name its files")
    return Release(
        app=app,
        version=_version(version),
        assets=assets,
        channel=event.value("c") or MAIN,
        notes=event.content,
        event=event,
    )


def asset_of(event: Event) -> Asset:
    """What an event of kind 3063 says. Raises InvalidEvent for what does not say which file it is,
    of what, and how large; the draft does not ask for the last."""
    if event.kind != kinds.SOFTWARE_ASSET:
        raise InvalidEvent("this is not a file of a release (kind 3063)")
    digest, size = _only(event, "x"), _only(event, "size")
    if not is_hex64(digest) or _is_size(size) is None or int(size) > LARGEST:
        raise InvalidEvent("it has no hash, or no size")
    return Asset(
        app=_only(event, "i"),
        version=_version(_only(event, "version")),
        sha256=digest,
        size=int(size),
        type=_only(event, "m"),
        platforms=tuple(dict.fromkeys(event.values("f"))),
        urls=tuple(dict.fromkeys(event.values("url")))[:MOST_URLS],
        filename=event.value("filename") or "",
        commit=event.value("commit") or "",
        event=event,
    )


def _only(event: Event, name: str) -> str:
    """The one value of a tag that must stand there once. Raises InvalidEvent."""
    values: Sequence[str] = list(event.values(name))
    if len(values) != 1 or not values[0]:
        raise InvalidEvent(f"it must say once what its `{name}` is")
    return values[0]


def _version(text: str) -> str:
    try:
        version_order(text)
    except InvalidData as error:
        raise InvalidEvent(str(error)) from None
    return text

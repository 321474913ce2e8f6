"""Where a release may come from: a file, a neighbour's share, relays and media servers.

None of them is believed. An offer brings events, each with a good signature, and bytes that whoever
takes them checks; what is too large, or not what was asked for, is not read to its end.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from nostr_client.errors import InvalidData, NostrError, RelayError, ReleaseRefused
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.nips.nipb7 import blob_url, server_url
from nostr_client.paths import store_error
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.releases.evidence import MOST_BYTES, SignedFile, events_in
from nostr_client.releases.installation import MOST_BUNDLE
from nostr_client.releases.origin import ReleaseKeys
from nostr_client.social.media.blob_folder import BlobFolder
from nostr_client.social.media.blossom import ANSWER_LIMIT, SLOWEST

EVENTS: Final = "release.jsonl"
"""What a share calls the events of the release that it serves."""
SIDECAR: Final = ".jsonl"
"""What stands behind the name of a file, in that of its events."""
MOST_PLACES: Final = 12
"""Addresses at which a file is looked for."""
MOST_ASKED: Final = 200
"""Events of a kind that a relay is asked for."""


class ReleaseOffer(Protocol):
    """One place that a release may come from. `given` is the SHA-256 (hex) of the one file that is
    offered; empty where it is whichever is the newest."""

    given: str

    async def events(self, keys: ReleaseKeys) -> list[Event]:
        """What proves releases of these keys, with signatures that are good.

        Raises RelayError, InvalidData, StoreError, ReleaseRefused."""

    async def bytes_of(self, file: SignedFile) -> bytes:
        """What is said to be that file. Raises as `events` does."""


class FileOffer:
    """A bundle on this machine, with its events beside it (`FILE.jsonl`) or in a file `events`."""

    def __init__(self, path: Path, events: Path | None = None) -> None:
        self.path = path
        self._events = events or path.with_name(path.name + SIDECAR)
        self._is_named = events is not None
        self.data = _read(path, MOST_BUNDLE)
        self.given = sha256(self.data).hexdigest()

    async def events(self, keys: ReleaseKeys) -> list[Event]:
        """Those beside it; none where there is no such file."""
        if not self._is_named and not self._events.exists():
            return []
        return await asyncio.to_thread(lambda: events_in(_read(self._events, MOST_BYTES)))

    async def bytes_of(self, file: SignedFile) -> bytes:
        """The file itself, whatever it is."""
        return self.data


class UrlOffer:
    """A share (`app share`), by its address; or a bundle, by its own, with its events beside it."""

    def __init__(self, url: str, dial: DialOptions) -> None:
        self.url = url.rstrip("/")
        self._dial = dial
        self._is_file = self.url.endswith(".pyz")
        self.given = ""

    async def events(self, keys: ReleaseKeys) -> list[Event]:
        """Those that lie there."""
        url = f"{self.url}{SIDECAR}" if self._is_file else f"{self.url}/{EVENTS}"
        data = await http.fetch_file(url, self._dial, max_bytes=MOST_BYTES)
        return await asyncio.to_thread(events_in, data)

    async def bytes_of(self, file: SignedFile) -> bytes:
        """What lies there."""
        url = self.url if self._is_file else blob_url(self.url, file.asset.sha256)
        return await fetch_release(url, file, self._dial)


class NetworkOffer:
    """Relays, asked by `ask`; and media servers, those that a release names and those that
    `servers` knows of its signer. Copies in `kept` come first; `dial` says how a host is reached.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Filter]], Awaitable[Sequence[Event]]],
        servers: Callable[[str], Awaitable[Sequence[str]]],
        dial: Callable[[str], DialOptions],
        kept: BlobFolder,
    ) -> None:
        self._ask = ask
        self._servers = servers
        self._dial = dial
        self._kept = kept
        self.given = ""

    async def events(self, keys: ReleaseKeys) -> list[Event]:
        """What relays, and the own store, have of these keys and of those that follow them."""
        found: list[Event] = []
        asked: set[str] = set()
        wanted = {keys.release_key, keys.offline_key} - {""}
        while wanted and len(asked) < MOST_PLACES:
            found += await self._ask(filters_of(wanted))
            asked |= wanted
            followers = {
                name
                for event in found
                if event.kind == kinds.APPLICATION_DATA and event.pubkey in asked
                for tag in ("release", "offline")
                for name in event.values(tag)
            }
            wanted = {name for name in followers if len(name) == 64} - asked
        return found

    async def bytes_of(self, file: SignedFile) -> bytes:
        """From the own disk, from where the release says that it lies, or from its signer's media
        servers: the first that is whole."""
        kept = await asyncio.to_thread(self._kept.get, file.asset.sha256)
        if kept is not None:
            return kept
        problems: list[NostrError] = []
        places = 0
        async for url in self._places(file):
            places += 1
            try:
                return await fetch_release(url, file, self._dial(url))
            except (RelayError, InvalidData) as error:
                problems.append(error)
            if places == MOST_PLACES:
                break
        if problems:
            raise problems[0]
        raise InvalidData("nobody says where the file lies")

    async def _places(self, file: SignedFile) -> AsyncIterator[str]:
        for url in file.asset.urls:
            yield url
        for server in await self._servers(file.signer):
            url = blob_url(server_url(server), file.asset.sha256)
            if url not in file.asset.urls:
                yield url


def filters_of(keys: set[str]) -> list[Filter]:
    """What is asked of relays: the releases of these keys, and what they say of keys."""
    authors = sorted(keys)
    each = (
        kinds.SOFTWARE_RELEASE,
        kinds.SOFTWARE_ASSET,
        kinds.SOFTWARE_APPLICATION,
        kinds.APPLICATION_DATA,
        kinds.DELETION,
    )
    return [Filter.of(authors=authors, kinds=[kind], limit=MOST_ASKED) for kind in each]


async def fetch_release(url: str, file: SignedFile, dial: DialOptions) -> bytes:
    """The file at `url`, if it is that one.

    Raises InvalidData for another, a part of it or one that is too large; RelayError.
    """
    size = file.asset.size
    if size > MOST_BUNDLE:
        raise InvalidData(f"a file of {size} bytes is more than is taken")
    limit = ANSWER_LIMIT + size / SLOWEST
    data = await http.fetch_file(url, dial, max_bytes=size, timeout=limit)
    digest = await asyncio.to_thread(lambda: sha256(data).hexdigest())
    if len(data) != size or not hmac.compare_digest(digest, file.asset.sha256):
        raise InvalidData(f"what lies at {url} is not the file, or not all of it")
    return data


def _read(path: Path, most: int) -> bytes:
    """Raises StoreError; ReleaseRefused for what is longer than `most` bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise store_error(f"cannot read {path}", error) from error
    if len(data) > most:
        raise ReleaseRefused("damaged", f"{path} is larger than a release may be")
    return data

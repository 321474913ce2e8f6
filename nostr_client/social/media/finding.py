"""A file that an event names, fetched and checked; a dead link is looked for by its hash (NIP-B7).

In turn: the copy at home, the URL, its fallbacks, and where a hash is known the media servers of
its author. What has another hash than was said is not the file, wherever it lies. Addresses are a
stranger's: `net.http` dials none that is private, follows few redirects and reads so many bytes.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from typing import Final

import msgspec

from nostr_client.errors import InvalidData, NostrError, RelayError
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.nips.nip92 import MediaItem, ending_of, type_of_ending
from nostr_client.nips.nipb7 import blob_url
from nostr_client.social.media.blob_folder import BlobFolder
from nostr_client.social.media.media_servers import MediaServers

MOST_PLACES: Final = 8
"""Addresses at which one file is looked for."""
PLACE_LIMIT: Final = 30.0
"""Seconds for each of them."""


class FoundFile(msgspec.Struct, frozen=True):
    """A file, and where it was: a URL, or empty for the copy at home. `checked`: its hash was known
    beforehand, and is right."""

    data: bytes
    url: str
    checked: bool


class FileFinder:
    """Fetches through `dial`; None: nothing is fetched, and only copies at home are found."""

    def __init__(
        self, servers: MediaServers, folder: BlobFolder, dial: Callable[[str], DialOptions] | None
    ) -> None:
        self._servers = servers
        self._folder = folder
        self._dial = dial

    async def find(self, item: MediaItem, author: str, *, most_bytes: int) -> FoundFile:
        """The file that `author` (hex; empty: unknown) named.

        Raises InvalidData where what lies there is not the file, or too large, or where nothing may
        be fetched; RelayError where nobody answered; StoreError.
        """
        digest = item.hash
        if digest and (kept := await asyncio.to_thread(self._folder.get, digest)) is not None:
            return FoundFile(kept, "", checked=True)
        if self._dial is None:
            raise InvalidData("files are not fetched: `media` is false in the settings")
        problems: list[NostrError] = []
        async for url in self._places(item, digest, author):
            try:
                return await self._fetch(url, self._dial(url), digest, most_bytes)
            except (RelayError, InvalidData) as error:
                problems.append(error)
        raise problems[0]  # that others do not have it either says less

    async def _places(self, item: MediaItem, digest: str, author: str) -> AsyncIterator[str]:
        """Where it may lie; the author's servers are asked for when the others have failed."""
        named = dict.fromkeys((item.url, *item.fallbacks))
        for url in list(named)[:MOST_PLACES]:
            yield url
        if digest and author:
            ending = ending_of(item.type or type_of_ending(item.url))
            for server in (await self._servers.of(author))[: MOST_PLACES - len(named)]:
                if (url := blob_url(server, digest, ending)) not in named:
                    yield url

    async def _fetch(self, url: str, dial: DialOptions, digest: str, most_bytes: int) -> FoundFile:
        data = await http.fetch_file(url, dial, max_bytes=most_bytes, timeout=PLACE_LIMIT)
        if digest:
            found = await asyncio.to_thread(lambda: sha256(data).hexdigest())
            if not hmac.compare_digest(found, digest):
                raise InvalidData("what lies there is not the file that the author named")
        return FoundFile(data, url, checked=bool(digest))

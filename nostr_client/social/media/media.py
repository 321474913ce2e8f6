"""Files of an account and of those whom it reads: the room that screens and commands come to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec

from nostr_client.errors import InvalidData
from nostr_client.net.dial import DialOptions
from nostr_client.nips.nip92 import MediaItem
from nostr_client.nips.nipb7 import BlobDescriptor, server_url
from nostr_client.protocol.event import Tag
from nostr_client.protocol.urls import host_of
from nostr_client.routing.courier import Courier
from nostr_client.routing.list_guard import ListGuard
from nostr_client.signing.signer import Signer
from nostr_client.social.media.blob_folder import BlobFolder
from nostr_client.social.media.blossom import Blob, MediaServer, ServerAnswer
from nostr_client.social.media.finding import FileFinder, FoundFile
from nostr_client.social.media.link_titles import LinkTitles
from nostr_client.social.media.media_servers import MediaServers
from nostr_client.social.media.thumbnail_folder import ThumbnailFolder
from nostr_client.social.media.thumbnails import Thumbnails, blurhash_of
from nostr_client.social.media.uploaded import UploadedFiles
from nostr_client.social.media.uploads import WANTED, OnProgress, UploadFile, UploadReport, Uploads


class Media:
    """`servers` is the account's own list. `fetches`: may files that others name be fetched?

    Copies of what was uploaded are kept in `folder`, small pictures in `pictures`. All goes through
    `proxy`, if there is one. `private_hosts` are those that the person lets stand
    in a private network; no other one may.
    """

    def __init__(
        self,
        courier: Courier,
        guard: ListGuard,
        signer: Signer | None,
        *,
        folder: Path,
        pictures: Path,
        proxy: str | None,
        fetches: bool,
        private_hosts: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        self._pubkey = guard.reader.pubkey
        self.servers = MediaServers(courier, guard, guard.reader.pubkey)
        self._kept = BlobFolder(folder)
        self._uploaded = UploadedFiles(folder.with_suffix(".json"))
        self._dial = DialOptions.through(proxy)
        self._dial_private = DialOptions.through(proxy, private=True)
        self._private_hosts = frozenset(host.lower() for host in private_hosts)
        self._signer = signer
        self._clock = clock
        self._uploads = Uploads(self._server_at, self._kept)
        self._finder = FileFinder(self.servers, self._kept, self.dial if fetches else None)
        self.titles = LinkTitles(self.dial if fetches else None)
        self.thumbnails = Thumbnails(self._finder, ThumbnailFolder(pictures))

    async def upload(
        self,
        file: UploadFile,
        servers: Sequence[str] = (),
        *,
        wanted: int = WANTED,
        on_progress: OnProgress = lambda progress: None,
    ) -> UploadReport:
        """Have `file` (`uploads.read_file`) served by `wanted` of `servers`, or of those that the
        account names; a note that holds its URL says from then on what it is (`imeta_of`).

        Raises InvalidData, SignerError, StoreError.
        """
        servers = servers or await self.servers.urls()
        file = msgspec.structs.replace(file, blurhash=await blurhash_of(file.blob.data))
        report = await self._uploads.upload(file, servers, wanted=wanted, on_progress=on_progress)
        if report.ok:
            await asyncio.to_thread(self._uploaded.add, report.item())
        return report

    async def imeta_of(self, url: str) -> Tag | None:
        """The `imeta` tag of a file that was uploaded from here; None for any other URL.

        Raises StoreError.
        """
        return await asyncio.to_thread(self._uploaded.tag_of, url)

    async def find(self, item: MediaItem, author: str = "", *, most_bytes: int) -> FoundFile:
        """The file that an event of `author` names: see `FileFinder.find`."""
        return await self._finder.find(item, author, most_bytes=most_bytes)

    async def check(self, blob: Blob, servers: Sequence[str]) -> list[ServerAnswer]:
        """Which of these servers serve the file."""
        return [await self._server_at(url).check(blob) for url in map(server_url, servers)]

    async def delete(self, sha256: str, servers: Sequence[str]) -> list[ServerAnswer]:
        """Have these servers delete a file (its hash in hex) of this account; the copy that is
        kept here stays. Raises InvalidData, SignerError."""
        return [await self._server_at(url).delete(sha256) for url in map(server_url, servers)]

    async def files_at(self, server: str) -> list[BlobDescriptor]:
        """What a server says that this account has there. Raises InvalidData, RelayError,
        SignerError."""
        return await self._server_at(server_url(server)).files(self._pubkey)

    def dial(self, url: str) -> DialOptions:
        """How the host of an http or https URL is dialled."""
        try:
            host = host_of(f"wss://{url.partition('://')[2]}")
        except InvalidData:
            return self._dial
        return self._dial_private if host in self._private_hosts else self._dial

    def _server_at(self, url: str) -> MediaServer:
        return MediaServer(url, self.dial(url), self._signer, self._clock)

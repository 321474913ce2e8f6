"""Files that events name: fetched, checked, and looked for by their hash (NIP-B7)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from nostr_client.errors import InvalidData, NostrError
from nostr_client.net.dial import DialOptions
from nostr_client.nips.nip92 import MediaItem
from nostr_client.protocol import kinds
from nostr_client.social.media.blob_folder import BlobFolder
from nostr_client.social.media.finding import FileFinder
from nostr_client.social.media.media_servers import MediaServers
from tests.social.house import BEN, BEN_KEY, ME, house, signed
from tests.social.media.blossom_host import LOCAL, BlossomHost, blossom_host, said

DATA = b"a picture"
HASH = sha256(DATA).hexdigest()


class Search(NamedTuple):
    finder: FileFinder
    servers: MediaServers
    kept: BlobFolder
    host: BlossomHost


@asynccontextmanager
async def search(folder: Path, dial: DialOptions | None = LOCAL) -> AsyncIterator[Search]:
    async with house(folder) as h, blossom_host() as host:
        servers = MediaServers(h.courier, h.guard, ME)
        kept = BlobFolder(folder / "blobs")
        await h.keep(
            signed(BEN, kind=kinds.MEDIA_SERVERS, tags=(("server", f"{host.url}/"),)),
            signed(kind=kinds.MEDIA_SERVERS, tags=(("x", "?"), ("server", "https://One.example/"))),
        )
        finder = FileFinder(servers, kept, None if dial is None else lambda url: dial)
        yield Search(finder, servers, kept, host)


async def test_a_dead_link_is_found_by_its_hash(tmp_path: Path) -> None:
    async with search(tmp_path) as s:
        s.host.blobs[HASH] = DATA
        dead = "http://localhost:1"
        for item in (
            MediaItem(url=f"{dead}/cat.jpg", sha256=HASH),
            MediaItem(url=f"{dead}/user/{'0' * 64}/{HASH}.jpg"),
            MediaItem(url=f"{dead}/a.jpg", sha256=HASH, fallbacks=(f"{s.host.url}/{HASH}",)),
        ):
            found = await s.finder.find(item, BEN_KEY, most_bytes=100)
            assert (found.data, found.checked) == (DATA, True)
        assert found.url == f"{s.host.url}/{HASH}"
        with pytest.raises(NostrError, match="tcp"):
            await s.finder.find(MediaItem(url=f"{dead}/cat.jpg"), BEN_KEY, most_bytes=100)


async def test_what_has_another_hash_is_not_the_file(tmp_path: Path) -> None:
    async with search(tmp_path) as s:
        s.host.instead = lambda method, path, body: said(200, b"an advertisement")
        item = MediaItem(url=f"{s.host.url}/cat.jpg", sha256=HASH)
        with pytest.raises(InvalidData, match="not the file that the author named"):
            await s.finder.find(item, BEN_KEY, most_bytes=100)
        found = await s.finder.find(MediaItem(url=f"{s.host.url}/x"), "", most_bytes=100)
        assert not found.checked
        with pytest.raises(InvalidData, match="more than 5 bytes"):
            await s.finder.find(MediaItem(url=f"{s.host.url}/x"), "", most_bytes=5)


async def test_the_copy_at_home_is_the_last_that_is_lost(tmp_path: Path) -> None:
    async with search(tmp_path, dial=None) as s:
        item = MediaItem(url="https://gone.example/x.png", sha256=HASH)
        with pytest.raises(InvalidData, match="files are not fetched"):
            await s.finder.find(item, ME, most_bytes=100)
        s.kept.keep(DATA)
        assert (await s.finder.find(item, ME, most_bytes=100)).data == DATA
        assert s.host.requests == []


async def test_a_strangers_link_into_the_own_network_is_not_followed(tmp_path: Path) -> None:
    async with search(tmp_path, DialOptions(proxy=None)) as s:
        for url in (s.host.url, f"https://localhost:{s.host.port}"):
            item = MediaItem(url=f"{url}/cat.jpg", sha256=HASH)
            with pytest.raises(NostrError):
                await s.finder.find(item, BEN_KEY, most_bytes=100)
        assert s.host.requests == []


async def test_the_own_list_is_read_first_and_kept_whole(tmp_path: Path) -> None:
    async with search(tmp_path) as s:
        assert await s.servers.urls() == ("https://one.example",)
        posted = await s.servers.add("https://two.example/")
        assert posted is not None
        assert posted.event.tags == (
            ("x", "?"),
            ("server", "https://One.example/"),
            ("server", "https://two.example"),
        )
        assert await s.servers.add("https://ONE.example") is None
        await s.servers.add("https://two.example", first=True)
        assert await s.servers.urls() == ("https://two.example", "https://one.example")
        posted = await s.servers.remove("https://one.example")
        assert posted is not None
        assert posted.event.tags == (("server", "https://two.example"), ("x", "?"))
        for wrong in ("two.example", "https://two.example/path", "ftp://two.example", "https://"):
            with pytest.raises(InvalidData):
                await s.servers.add(wrong)
        assert await s.servers.of(BEN_KEY) == (s.host.url,)

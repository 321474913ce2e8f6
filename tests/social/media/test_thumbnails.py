"""Strangers' pictures, decoded where nothing is that could be harmed."""

from __future__ import annotations

import asyncio
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nostr_client.errors import ConfigError, InvalidData
from nostr_client.net.dial import DialOptions
from nostr_client.nips.nip92 import MediaItem
from nostr_client.social.media import thumbnails
from nostr_client.social.media.blob_folder import BlobFolder
from nostr_client.social.media.finding import FileFinder
from nostr_client.social.media.media_servers import MediaServers
from nostr_client.social.media.picture_worker import pixels_of
from nostr_client.social.media.thumbnail_folder import Pixels, ThumbnailFolder
from nostr_client.social.media.thumbnails import Thumbnails, decoded
from tests.social.house import ME, house
from tests.social.media.blossom_host import LOCAL, blossom_host, said
from tests.social.media.pictures import jpeg, saved


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is huge."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def size(found: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">HH", found)
    assert len(found) == 4 + 3 * width * height
    return width, height


def test_a_picture_fits_and_stands_upright() -> None:
    wide = saved("PNG", Image.new("RGB", (400, 100), (10, 200, 10)))
    assert size(pixels_of(wide, 60, 20)) == (60, 15)
    assert pixels_of(wide, 60, 20)[4:7] == bytes((10, 200, 10))
    assert size(pixels_of(jpeg(6), 60, 20)) == (4, 6)
    clear = saved("PNG", Image.new("RGBA", (2, 2), (0, 0, 0, 0)))
    assert pixels_of(clear, 60, 20)[4:7] == bytes((240, 240, 240))
    frames = [Image.new("P", (6, 4), n) for n in range(5)]
    assert size(pixels_of(saved("GIF", save_all=True, append_images=frames), 60, 20)) == (6, 4)
    assert size(pixels_of(saved("WEBP"), 60, 20)) == (6, 4)


@pytest.mark.parametrize(
    "data",
    [
        bomb(60_000, 60_000),
        bomb(8_000, 7_000),
        jpeg()[:200],
        b"\x89PNG\r\n\x1a\n",
        b"BM" + bytes(50),
    ],
)
def test_bombs_and_rubbish_are_no_pictures(data: bytes) -> None:
    with pytest.raises(Exception, match=r".*"):
        pixels_of(data, 60, 20)


async def test_it_is_decoded_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await decoded(jpeg(), 60, 20) == Pixels(6, 4, pixels_of(jpeg(), 60, 20)[4:])
    with pytest.raises(InvalidData, match="cannot be read"):
        await decoded(bomb(60_000, 60_000), 60, 20)
    with pytest.raises(InvalidData, match="no picture"):
        await decoded(b"<html>", 60, 20)
    monkeypatch.setattr(thumbnails, "LIMIT", 0.001)
    with pytest.raises(InvalidData, match="not decoded within"):
        await decoded(jpeg(), 60, 20)


async def test_it_ends_with_whoever_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that is free again is not held by a process of before."""
    started: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def noted(*command: str, **given: Any) -> asyncio.subprocess.Process:
        process = await start(sys.executable, "-c", "import time; time.sleep(60)", **given)
        started.append(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    task = asyncio.create_task(decoded(jpeg(1) * 1000, 60, 20))
    async with asyncio.timeout(10):
        while not started:
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert started[0].returncode is not None


async def test_one_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(data: bytes, across: int, down: int) -> Pixels:
        found = pixels_of(data, across, down)
        return Pixels(*size(found), found[4:])

    monkeypatch.setattr(thumbnails, "decoded", at_once)
    async with house(tmp_path) as h, blossom_host() as host:
        host.instead = lambda method, path, body: said(200, jpeg())
        servers = MediaServers(h.courier, h.guard, ME)

        def room(dial: DialOptions) -> Thumbnails:
            finder = FileFinder(servers, BlobFolder(tmp_path / "blobs"), lambda url: dial)
            return Thumbnails(finder, ThumbnailFolder(tmp_path / "pictures"))

        item = MediaItem(url=f"{host.url}/x.jpg", type="image/jpeg")
        first = await room(LOCAL).small(item, ME)
        assert await room(LOCAL).small(item, ME) == first
        assert len(host.requests) == 1
        monkeypatch.setattr(thumbnails, "is_available", lambda: False)
        with pytest.raises(ConfigError, match="nostr-client\\[images\\]"):
            await room(LOCAL).large(item, ME, 60, 20)


def test_the_folder_is_bounded_and_damage_is_nothing(tmp_path: Path) -> None:
    folder = ThumbnailFolder(tmp_path / "pictures", most_files=10)
    assert folder.get("https://a.example/1.png") is None
    for number in range(25):
        folder.keep(f"https://a.example/{number}.png", Pixels(1, 1, bytes((number, 0, 0))))
    assert len(list((tmp_path / "pictures").iterdir())) <= 10
    assert folder.get("https://a.example/24.png") == Pixels(1, 1, bytes((24, 0, 0)))
    assert folder.get("https://a.example/0.png") is None
    for file in (tmp_path / "pictures").iterdir():
        file.write_bytes(b"damaged")
    assert folder.get("https://a.example/24.png") is None
    for file in (tmp_path / "pictures").iterdir():
        file.write_bytes(bytes(4))  # a picture of no pixels
    assert folder.get("https://a.example/24.png") is None

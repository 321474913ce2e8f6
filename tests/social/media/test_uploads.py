"""Files on media servers, which say what they like: what counts is what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from nostr_client.errors import InvalidData, SecretFound, SigningRefused, StoreError, UploadFailed
from nostr_client.net.dial import DialOptions
from nostr_client.nips.nip92 import MediaItem, imeta_tag, media_of
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.media import blossom
from nostr_client.social.media.blob_folder import BlobFolder
from nostr_client.social.media.blossom import Blob, MediaServer, ServerState
from nostr_client.social.media.uploads import (
    MetadataUnknown,
    UploadFile,
    UploadProgress,
    Uploads,
    read_file,
)
from tests.social.house import START, signed
from tests.social.media.blossom_host import LOCAL, BlossomHost, blossom_host, said
from tests.social.media.pictures import jpeg

SIGNER = LocalSigner(SecretKey.from_hex("1" * 64))
DATA = b"a picture of a dog" * 1000
FILE = UploadFile(Blob.of(DATA, "image/png"), 30, 20, alt="a dog")


def at(url: str, dial: DialOptions = LOCAL, signer: LocalSigner | None = SIGNER) -> MediaServer:
    return MediaServer(url, dial, signer, lambda: START)


def uploads(folder: Path, most_bytes: int = 1 << 30) -> Uploads:
    return Uploads(at, BlobFolder(folder / "blobs", most_bytes))


@asynccontextmanager
async def hosts(count: int) -> AsyncIterator[list[BlossomHost]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(blossom_host()) for _ in range(count)]


async def test_one_is_sent_it_and_the_other_copies_it(tmp_path: Path) -> None:
    told: list[UploadProgress] = []
    async with hosts(3) as (one, two, three):
        where = [one.url, two.url, three.url]
        report = await uploads(tmp_path).upload(FILE, where, on_progress=told.append)
        assert [answer.served for answer in report.answers] == [True, True]
        assert one.blobs == two.blobs == {FILE.blob.sha256: DATA}
        assert "PUT /mirror" in two.requests
        assert "PUT /upload" not in two.requests
        assert not three.requests
        again = await uploads(tmp_path).upload(FILE, where)  # it goes on where it ended
        assert again.ok
        assert [r for r in one.requests + two.requests if r.startswith("PUT")] == [
            "PUT /upload",
            "PUT /mirror",
        ]
    assert [(p.server, p.step) for p in told if p.step != "sending" or p.sent == 0] == [
        (one.url, "sending"),
        (one.url, "done"),
        (two.url, "copying"),
        (two.url, "done"),
    ]
    item = report.item()
    assert item.url == f"{one.url}/{FILE.blob.sha256}.png"
    assert item.fallbacks == (f"{two.url}/{FILE.blob.sha256}.png",)
    note = signed(content=f"look {item.url}", tags=(imeta_tag(item),))
    assert media_of(note) == (item,)
    kept = tmp_path / "blobs" / FILE.blob.sha256
    assert kept.read_bytes() == DATA
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)


async def test_who_cannot_copy_is_sent_it_and_who_fails_gives_way(tmp_path: Path) -> None:
    async with hosts(3) as (one, two, three):
        two.mirrors = False
        one.instead = lambda method, path, body: (
            said(403, reason="members \x1b[31monly") if method == "PUT" else None
        )
        dead = "http://localhost:1"
        report = await uploads(tmp_path).upload(FILE, [dead, one.url, three.url, two.url])
    states = [answer.state for answer in report.answers]
    served = ServerState.SERVED
    assert states == [ServerState.SILENT, ServerState.REFUSED, served, served]
    assert "403 members only" in str(report)
    assert two.requests.count("PUT /upload") == 1
    assert report.item().url.startswith(three.url)


async def test_a_server_that_says_yes_and_serves_something_else(tmp_path: Path) -> None:
    def nothing(method: str, path: str, body: bytes) -> bytes | None:
        return said(200, b'{"sha256":"00"}') if method == "PUT" else None

    def other(method: str, path: str, body: bytes) -> bytes | None:
        return said(200, b"" if method == "HEAD" else b"an advertisement")

    def endless(method: str, path: str, body: bytes) -> bytes | None:
        start = b"HTTP/1.1 200 OK\r\n\r\n"
        return start + b"..." if method == "GET" else said(200)

    def home(method: str, path: str, body: bytes) -> bytes | None:
        return b"HTTP/1.1 302 x\r\nLocation: http://10.0.0.1/x\r\nContent-Length: 0\r\n\r\n"

    for lie in (nothing, other, endless, home):
        async with blossom_host() as host:
            host.instead = lie
            report = await uploads(tmp_path).upload(FILE, [host.url])
        assert not report.ok
        assert report.answers[0].state in (ServerState.WRONG, ServerState.SILENT), lie.__name__
        with pytest.raises(UploadFailed, match="0 of 1 media servers"):
            report.item()


async def test_what_is_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = UploadFile(Blob.of(bytes(12_000_000), "video/mp4"))
    async with blossom_host() as host:
        host.largest = 1000
        report = await uploads(tmp_path).upload(file, [host.url])
        assert "HEAD /upload" in host.requests
        assert (report.answers[0].state, report.ok) == (ServerState.REFUSED, False)
        assert "413 too large for us" in str(report)
        host.instead = lambda method, path, body: (
            said(413, reason="ask first") if (method, path) == ("HEAD", "/upload") else None
        )
        host.requests.clear()
        report = await uploads(tmp_path).upload(file, [host.url])
        assert "PUT /upload" not in host.requests


async def test_private_servers_are_not_dialled_and_watchers_do_not_sign(tmp_path: Path) -> None:
    async with blossom_host() as host:
        answer = await at(host.url.replace("http", "https"), DialOptions(proxy=None)).upload(
            FILE.blob
        )
        assert answer.state is ServerState.SILENT
        assert "a private address" in answer.words
        assert host.requests == []
        with pytest.raises(SigningRefused):
            await at(host.url, signer=None).upload(FILE.blob)
    with pytest.raises(InvalidData, match="no media server"):
        await uploads(tmp_path).upload(FILE, [])


async def test_a_server_that_hangs_is_waited_for_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blossom, "ANSWER_LIMIT", 0.1)

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with server:
        url = f"http://localhost:{server.sockets[0].getsockname()[1]}"
        answer = await at(url).check(FILE.blob)
    assert answer.state is ServerState.SILENT
    assert "not done within 0.1 s" in answer.words


async def test_the_folder_at_home_is_bounded_and_says_so(tmp_path: Path) -> None:
    async with blossom_host() as host:
        report = await uploads(tmp_path, most_bytes=100).upload(FILE, [host.url])
    assert report.ok
    assert not report.kept
    assert "no copy is kept here" in str(report)
    folder = BlobFolder(tmp_path / "blobs")
    assert folder.get(FILE.blob.sha256) is None
    assert folder.keep(DATA)
    folder.path_of(FILE.blob.sha256).write_bytes(b"damaged")
    assert folder.get(FILE.blob.sha256) is None
    assert folder.keep(DATA)
    assert folder.get(FILE.blob.sha256) == DATA
    with pytest.raises(InvalidData):
        folder.path_of("../../etc/passwd")


def test_a_file_says_nothing_of_its_maker_unless_it_may(tmp_path: Path) -> None:
    picture = tmp_path / "photo.jpg"
    picture.write_bytes(jpeg(comment=b"at home"))
    file = read_file(picture)
    assert (file.cleaned, file.blob.type, file.width, file.height) == (True, "image/jpeg", 6, 4)
    assert b"at home" not in file.blob.data
    assert file.blob.sha256 == sha256(file.blob.data).hexdigest()
    assert b"at home" in read_file(picture, as_it_is=True).blob.data

    video = tmp_path / "film.mp4"
    video.write_bytes(b"\0\0\0\x18ftypisom" + bytes(20))
    with pytest.raises(MetadataUnknown, match="video/mp4 may say where"):
        read_file(video)
    assert read_file(video, as_it_is=True).blob.type == "video/mp4"
    key = tmp_path / "key.txt"
    key.write_text("nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5")
    with pytest.raises(SecretFound):
        read_file(key, as_it_is=True)
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises((InvalidData, StoreError)):
            read_file(path)


def test_what_is_said_of_a_file_comes_back() -> None:
    item = MediaItem(url="https://a.example/x.png", alt="two\nlines", type="image/png", size=3)
    assert imeta_tag(item) == ("imeta", "url https://a.example/x.png", "m image/png", "size 3",
                               "alt two lines")  # fmt: skip

"""What is carried for others, and served to them on the local network."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

from nostr_client.errors import InvalidData, ReleaseRefused, StoreFull
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.filters import Filter
from nostr_client.releases import sharing
from nostr_client.releases.carrying import Carried, carried, carry
from nostr_client.releases.evidence import lines_of
from nostr_client.releases.installation import Installation
from nostr_client.releases.offers import FileOffer, NetworkOffer, UrlOffer
from nostr_client.releases.sharing import shared
from nostr_client.releases.updating import prove
from nostr_client.social.media.blob_folder import BlobFolder
from nostr_client.store.opening import open_store
from tests.releases.made import (
    AT,
    KEYS,
    RELEASER,
    bundle,
    digest_of,
    events_of,
    tree_of,
    with_sidecar,
)
from tests.social.media.blossom_host import blossom_host

LOCAL = DialOptions(proxy=None, private=True)


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    installation = Installation(tmp_path / "root")
    installation.trust(KEYS)
    return installation


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = bundle(tmp_path / "new", "0.3.0")
    return with_sidecar(made, events_of(made, "0.3.0"))


@pytest.fixture
async def kept(here: Installation, file: Path, tmp_path: Path) -> Carried:
    """The release, carried."""
    async with open_store("memory:") as store:
        return await carry(here, [FileOffer(file)], store, BlobFolder(tmp_path / "blobs"))


async def test_what_is_carried_is_in_the_store_and_in_the_folder(
    here: Installation, file: Path, tmp_path: Path
) -> None:
    folder = BlobFolder(tmp_path / "blobs")
    with pytest.raises(ReleaseRefused, match="app carry"):
        carried(here, folder)
    async with open_store("memory:") as store:
        found = await carry(here, [FileOffer(file)], store, folder)
        held = await store.query([Filter.of(authors=[KEYS.release_key])])
    assert {event.kind for event in held} == {3063, 30063}
    assert folder.get(digest_of(file)) == file.read_bytes()
    again = carried(here, folder)
    assert (again.filename, again.data) == (found.filename, found.data)
    assert {event.id for event in again.evidence} == {event.id for event in held}
    folder.path_of(digest_of(file)).write_bytes(b"damaged")
    with pytest.raises(ReleaseRefused, match="app carry"):
        carried(here, folder)


async def test_what_is_here_is_shared_though_a_newer_one_is_known(
    here: Installation, kept: Carried, tmp_path: Path
) -> None:
    newest = bundle(tmp_path / "newest", "0.4.0")
    here.remember(events_of(newest, "0.4.0"))
    assert carried(here, BlobFolder(tmp_path / "blobs")).file == kept.file


async def test_withdrawals_are_shared(here: Installation, file: Path, tmp_path: Path) -> None:
    bad = events_of(bundle(tmp_path / "bad", "0.4.0"), "0.4.0")
    deletion = Draft(kinds.DELETION, "", (("e", bad[0].id),)).sign(RELEASER, AT)
    with_sidecar(file, [*events_of(file, "0.3.0"), *bad, deletion])
    async with open_store("memory:") as store:
        found = await carry(here, [FileOffer(file)], store, BlobFolder(tmp_path / "blobs"))
        assert await store.query([Filter.of(kinds=[kinds.DELETION])]) == [deletion]
    assert found.file.version == "0.3.0"
    assert deletion in carried(here, BlobFolder(tmp_path / "blobs")).evidence


async def test_a_full_folder_carries_nothing(
    here: Installation, file: Path, tmp_path: Path
) -> None:
    before = tree_of(here.root)
    async with open_store("memory:") as store:
        with pytest.raises(StoreFull):
            await carry(here, [FileOffer(file)], store, BlobFolder(tmp_path / "blobs", 10))
        assert await store.query([Filter.of(kinds=[30063])]) == []
    assert tree_of(here.root) == before


async def test_a_neighbour_takes_it_from_there(kept: Carried, tmp_path: Path) -> None:
    theirs = Installation(tmp_path / "theirs")
    theirs.trust(KEYS)
    async with shared(kept, "127.0.0.1", 0) as url:
        for address in (url, f"{url}/", f"{url}/{kept.filename}"):
            offer = UrlOffer(address, LOCAL)
            proven = await prove(theirs, [offer])
            assert proven.file == kept.file
            assert await offer.bytes_of(proven.file) == kept.data


async def test_what_is_served_is_read_and_nothing_else(kept: Carried) -> None:
    digest = kept.file.asset.sha256
    async with shared(kept, "127.0.0.1", 0) as url:
        page = await http.get(url, LOCAL, accept="*/*")
        text = page.body.decode()
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        for words in (
            f"sha256sum {kept.filename}\n{digest}",
            "app verify",
            f"--from {url}",
            "<svg",
        ):
            assert words in text
        for path in (kept.filename, digest, f"{digest}.pyz"):
            assert (await http.get(f"{url}/{path}", LOCAL)).body == kept.data
        head = await http.send("HEAD", f"{url}/{digest}", LOCAL)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(kept.data))
        events = await http.get(f"{url}/release.jsonl", LOCAL)
        assert events.body == lines_of(kept.evidence)
        for path in ("../etc/passwd", "%2e%2e/trust.json", "trust.json", "0" * 64):
            assert (await http.get(f"{url}/{path}", LOCAL)).status == 404
        for method in ("PUT", "POST", "DELETE"):
            assert (await http.send(method, f"{url}/{digest}", LOCAL, body=b"x")).status == 405


async def test_what_is_new_is_shown_as_text(kept: Carried) -> None:
    import msgspec

    notes = "<script>alert(1)</script>\x1b]0;x\x07 {url}"
    release = msgspec.structs.replace(kept.file.release, notes=notes)
    file = msgspec.structs.replace(kept.file, release=release)
    text = sharing.page(msgspec.structs.replace(kept, file=file), "http://10.0.0.1:1")
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {url}" in text


async def test_nobody_keeps_others_from_it(kept: Carried, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(sharing, "REQUEST_LIMIT", 0.2)
    async with shared(kept, "127.0.0.1", 0) as url:
        host, port = url.removeprefix("http://").split(":")
        idle = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
        # Those who say nothing are let go, and whoever is one too many is not waited for.
        for reader, writer in idle:
            assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()
        assert (await http.get(f"{url}/", LOCAL)).status == 200
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"nonsense\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is not this machine everywhere")
async def test_one_neighbour_has_so_many_connections(kept: Carried) -> None:
    """And others have theirs, meanwhile."""
    async with shared(kept, "127.0.0.1", 0) as url:
        host, port = url.removeprefix("http://").split(":")

        async def call(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection(host, int(port), local_addr=(address, 0))

        slow = [await call("127.0.0.1") for _ in range(sharing.MOST_OF_ONE)]
        reader, writer = await call("127.0.0.1")
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        other_reader, other = await call("127.0.0.2")
        other.write(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await asyncio.wait_for(other_reader.readline(), 10)).startswith(b"HTTP/1.1 200")
        for each in (writer, other, *(mine for _, mine in slow)):
            each.close()


async def test_media_servers_are_asked_in_turn(
    here: Installation, tmp_path: Path, kept: Carried
) -> None:
    """One has another file, one has half of it, and the third is found by the signer's list."""
    made = bundle(tmp_path / "newest", "0.4.0")
    data, digest = made.read_bytes(), digest_of(made)
    async with blossom_host() as one, blossom_host() as two, blossom_host() as three:
        one.blobs[digest], two.blobs[digest] = b"x" * len(data), data[:100]
        urls = [f"{each.url}/{digest}" for each in (one, two)]
        events = events_of(made, "0.4.0", urls=urls)

        async def ask(filters: object) -> list[object]:
            return events  # type: ignore[return-value]

        async def servers(pubkey: str) -> list[str]:
            assert pubkey == KEYS.release_key
            return [three.url]

        folder = BlobFolder(tmp_path / "other blobs")
        offer = NetworkOffer(ask, servers, lambda url: LOCAL, folder)  # type: ignore[arg-type]
        proven = await prove(here, [offer])
        with pytest.raises(InvalidData, match="not the file"):
            await offer.bytes_of(proven.file)
        three.blobs[digest] = data
        assert await offer.bytes_of(proven.file) == data
        folder.keep(data)
        three.blobs.clear()
        assert await offer.bytes_of(proven.file) == data  # from one's own disk

"""`nostr-client blossom`: files on media servers."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from nostr_client.cli.progress import progress
from nostr_client.command_line.context import Context
from nostr_client.exits import Exit
from nostr_client.protocol.keys import SecretKey
from tests.cli.conftest import LIMIT, Home
from tests.conftest import RelayProcess
from tests.social.media.blossom_host import blossom_host, said
from tests.social.media.pictures import jpeg
from tests.waiting import until


async def test_a_picture_goes_to_two_servers_and_comes_back(
    home: Home, key: SecretKey, relay: RelayProcess, tmp_path: Path
) -> None:
    home.configure([relay.url])
    await home.import_key(key)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg(comment=b"at home"))
    async with blossom_host() as one, blossom_host() as two:
        urls = [f"http://127.0.0.1:{host.port}" for host in (one, two)]
        for number, url in enumerate(urls):
            added = await home.run("blossom", "add", url, *(["--start-empty"] * (number == 0)))
            assert added.code == 0, added.err
        listed = (await home.run("blossom", "list", "--json")).records
        assert [each["server"] for each in listed] == urls
        sent = await home.run("blossom", "upload", str(photo), "--alt", "my dog", "--json")
        assert sent.code == 0, sent.err
        assert "alt my dog" in sent.record["imeta"]
        (blob,) = one.blobs.values()
        assert list(two.blobs.values()) == [blob]
        assert b"at home" not in blob
        digest = sent.record["sha256"]

        del two.blobs[digest]
        checked = await home.run("blossom", "check", digest, "--json")
        assert [each["served"] for each in checked.records] == [True, False]
        assert checked.code == Exit.INCOMPLETE
        assert (await home.run("blossom", "mirror", digest)).code == 0
        assert two.blobs == {digest: blob}
        back = tmp_path / "back.jpg"
        assert (await home.run("blossom", "get", sent.record["url"], str(back))).code == 0
        assert back.read_bytes() == blob

        text = b"words that a pipe takes"
        one.blobs[sha256(text).hexdigest()] = text
        piped = await home.run("blossom", "get", f"{urls[0]}/{sha256(text).hexdigest()}", "-")
        assert (piped.code, piped.out) == (Exit.DONE, text.decode())
        assert "23 bytes saved, checked" in piped.err

    film = tmp_path / "film.mp4"
    film.write_bytes(b"\0\0\0\x18ftypisom" + bytes(20))
    refused = await home.run("blossom", "upload", str(film), "--to", urls[0])
    assert (refused.code, "--as-it-is" in refused.err) == (Exit.USAGE, True)
    nobody = await home.run("blossom", "upload", str(photo), "--to", urls[0])
    assert nobody.code == Exit.NOT_ACCEPTED, nobody.err


async def test_files_are_listed_and_deleted(home: Home, key: SecretKey) -> None:
    """It asks first; a server is believed once it does not give the file back any more."""
    await home.import_key(key)
    blob = b"a picture"
    digest = sha256(blob).hexdigest()
    async with blossom_host() as one, blossom_host() as other:
        one.blobs[digest] = blob
        other.lists = False
        urls = [f"http://127.0.0.1:{host.port}" for host in (one, other)]
        at = ("--at", urls[0], "--at", urls[1])
        listed = await home.run("blossom", "files", *at, "--json")
        assert [(each["server"], each["sha256"]) for each in listed.records] == [(urls[0], digest)]
        assert (listed.code, urls[1] in listed.err) == (Exit.INCOMPLETE, True)
        asked = await home.run("blossom", "delete", digest, *at)
        assert (asked.code, "--yes" in asked.err, one.blobs) == (Exit.USAGE, True, {digest: blob})
        done = await home.run("blossom", "delete", f"{urls[0]}/{digest}", *at, "--yes", "--json")
        assert [each["deleted"] for each in done.records] == [True, False]
        assert (done.code, one.blobs) == (Exit.DONE, {}), done.err
        assert (await home.run("blossom", "files", "--at", urls[0])).code == Exit.NOT_FOUND
        assert (await home.run("blossom", "files", "--at", urls[1])).code == Exit.NOT_ALLOWED
        other.blobs[digest] = blob
        other.instead = lambda method, path, body: said(200) if method == "DELETE" else None
        lying = await home.run("blossom", "delete", digest, "--at", urls[1], "--yes")
        assert (lying.code, "serves it all the same" in lying.out) == (Exit.NOT_ACCEPTED, True)


async def test_progress_is_told_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for shown, context in (
        (True, Context()),
        (False, Context(quiet=True)),
        (False, Context(json=True)),
    ):
        err, told = io.StringIO(), asyncio.Event()
        monkeypatch.setattr(sys, "stderr", err)
        counts = iter(range(1000))

        def words(told: asyncio.Event = told, counts: Iterator[int] = counts) -> str:
            told.set()
            return f"{next(counts)} done"

        async with progress(context, words, every=0.001):
            pass
        assert err.getvalue() == "", "no terminal"
        monkeypatch.setattr(err, "isatty", lambda: True)
        async with progress(context, words, every=0.001):
            if shown:
                await asyncio.wait_for(told.wait(), LIMIT)
                await until(err.getvalue)
        assert err.getvalue().startswith("0 done\n") is shown

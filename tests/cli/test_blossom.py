"""`nostr-client blossom`: files on media servers."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from nostr_client.exits import Exit
from nostr_client.protocol.keys import SecretKey
from tests.cli.conftest import Home
from tests.conftest import RelayProcess
from tests.social.media.blossom_host import blossom_host
from tests.social.media.pictures import jpeg


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

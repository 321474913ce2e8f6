"""Files of messages: fetched, checked, decrypted, saved."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec.structs import replace

from nostr_client.errors import ConnectFailed, DecryptionFailed, InvalidData
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.social.messages import file_download
from nostr_client.social.messages.file_download import download
from nostr_client.social.messages.views import MessageFile
from tests.routing.rooms import ANA, BEN, Relay
from tests.social.messages.people import dm_list, person

A, B = ANA.public_key.hex, BEN.public_key.hex
KEY, NONCE, PLAIN = b"k" * 32, b"n" * 12, b"a picture" * 100
SEALED = AESGCM(KEY).encrypt(NONCE, PLAIN, None)
URL, MIRROR = "https://files.example/a/B?c=D", "https://mirror.example/b"
FILE = MessageFile(
    url=URL,
    mime_type="image/png",
    sha256=sha256(SEALED).hexdigest(),
    sha256_plain=sha256(PLAIN).hexdigest(),
    size=len(SEALED),
    key=KEY,
    nonce=NONCE,
    fallbacks=(MIRROR,),
)


@pytest.fixture(autouse=True)
def web(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What lies at each address."""
    there = {URL: SEALED}

    async def get(url: str, dial: DialOptions, *, max_bytes: int, **_: object) -> http.Response:
        if not url.startswith("https://"):
            raise InvalidData("only https is fetched")
        if url not in there:
            raise ConnectFailed(url, "nobody")
        if len(there[url]) > max_bytes:
            raise InvalidData("too long")
        return http.Response(200, {}, there[url])

    monkeypatch.setattr(file_download.http, "get", get)
    return there


async def test_a_file_is_saved_as_it_was_sent(tmp_path: Path) -> None:
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        async with (
            person(tmp_path / "ana", ANA, *lists) as ana,
            person(tmp_path / "ben", BEN, *lists) as ben,
        ):
            sent = await ana.messages.send_file([B], FILE)
            await ana.messages.send([B], "look", reply_to=sent.id)
            await ben.hears("look", A)
            heard = await ben.messages.message(sent.id)
            assert heard is not None
            assert heard.file == FILE
            assert KEY.hex() not in repr(heard)
            target = tmp_path / "picture.png"
            assert await ben.messages.download(sent.id, target) == len(PLAIN)
            assert target.read_bytes() == PLAIN
            with pytest.raises(InvalidData):
                await ben.messages.download(sent.id, target)


async def test_another_address_stands_in_and_nothing_else_is_taken(
    tmp_path: Path, web: dict[str, bytes]
) -> None:
    web[URL] = b"something else"
    with pytest.raises(ConnectFailed):
        await download(FILE, tmp_path / "a", DialOptions())
    web[MIRROR] = SEALED
    assert await download(FILE, tmp_path / "a", DialOptions()) == len(PLAIN)


@pytest.mark.parametrize(
    ("file", "error"),
    [
        (replace(FILE, key=b"w" * 32), DecryptionFailed),
        (replace(FILE, sha256_plain="0" * 64), DecryptionFailed),
        (replace(FILE, sha256=""), InvalidData),
        (replace(FILE, size=file_download.MOST_BYTES + 1), InvalidData),
        (replace(FILE, algorithm="rot13"), InvalidData),
        (replace(FILE, url="http://files.example/a", fallbacks=()), InvalidData),
    ],
)
async def test_what_cannot_be_checked_is_not_saved(
    tmp_path: Path, file: MessageFile, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await download(file, tmp_path / "a", DialOptions())
    assert not (tmp_path / "a").exists()

"""Blossom's formats: hashes in URLs, lists of servers, authorizations."""

from __future__ import annotations

import base64

import pytest

from nostr_client.errors import InvalidData
from nostr_client.nips.nipb7 import (
    MOST_SERVERS,
    authorization,
    blob_url,
    hash_in,
    header_of,
    server_url,
    servers_of,
)
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey

KEY = SecretKey.from_hex("1" * 64)
HASH = "b1674191a88ec5cdd733e4240a81803105dc412d6c6708d53ab94fc248f4f553"
OTHER = "ec4425ff5e9446080d2f70440188e3ca5d6da8713db7bdeef73d0ed54d9093f0"


@pytest.mark.parametrize(
    "url",
    [
        f"https://blossom.example.com/{HASH}.pdf",
        f"https://cdn.example.com/{HASH.upper()}",
        f"https://cdn.example.com/user/{OTHER}/media/{HASH}.pdf",
        f"http://media.example.com/documents/b1/67/{HASH}.pdf?x=1",
    ],
)
def test_the_last_hash_in_a_url_is_meant(url: str) -> None:
    assert hash_in(url) == HASH
    assert hash_in(f"https://a.example/{HASH}0") == ""


def test_a_list_of_servers() -> None:
    urls = [
        "https://CDN.example.com/",
        "http://a.onion",
        "https://x.example/path",
        "no",
        "https://",
    ]
    tags = [("server", url) for url in urls] + [("server",), ("server", "https://cdn.example.com")]
    found = Draft(10063, "", tuple(tags), created_at=1).sign(KEY, 1)
    assert servers_of(found) == ("https://cdn.example.com", "http://a.onion")
    assert servers_of(None) == ()
    many = tuple(("server", f"https://{n}.example") for n in range(99))
    assert len(servers_of(Draft(10063, "", many, created_at=1).sign(KEY, 1))) == MOST_SERVERS
    with pytest.raises(InvalidData):
        server_url("https://u:p@cdn.example.com")
    assert blob_url("https://a.example", HASH, ".png") == f"https://a.example/{HASH}.png"


@pytest.mark.parametrize(
    "server", ["https://a.example", "https://bcd.example:8443", "http://e.onion"]
)
def test_an_authorization_is_for_one_thing_at_one_server(server: str) -> None:
    draft = authorization("upload", HASH, server, 1_700_000_000.5, "Upload a file")
    event = draft.sign(KEY, 1)
    scheme, _, code = header_of(event).partition(" ")
    plain, safe = base64.b64decode(code, validate=True), base64.urlsafe_b64decode(code)
    assert (scheme, plain) == ("Nostr", safe)
    assert "=" not in code
    back = Event.parse(plain)
    assert back.verify()
    assert back.created_at < 1_700_000_000 < int(back.value("expiration") or "")
    host = server.partition("://")[2].partition(":")[0]
    assert [back.value(name) for name in ("t", "x", "server")] == ["upload", HASH, host]

"""Signed HTTP requests."""

from __future__ import annotations

import base64
import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import InvalidData
from nostr_client.nips.nip98 import KIND, authorization, check, request, spellings
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey

KEY = SecretKey(b"\x31" * 32)
NOW = 1_700_000_000
URL = "https://api.example.com/list?x=1"
BODY = b'{"method":"supportedmethods"}'

# The example of the NIP.
EXAMPLE = (
    "Nostr eyJpZCI6ImZlOTY0ZTc1ODkwMzM2MGYyOGQ4NDI0ZDA5MmRhODQ5NGVkMjA3Y2JhODIzMTEwYmUzYTU3ZGZlNGI1"
    "Nzg3MzQiLCJwdWJrZXkiOiI2M2ZlNjMxOGRjNTg1ODNjZmUxNjgxMGY4NmRkMDllMThiZmQ3NmFhYmMyNGEwMDgxY2UyOD"
    "U2ZjMzMDUwNGVkIiwiY29udGVudCI6IiIsImtpbmQiOjI3MjM1LCJjcmVhdGVkX2F0IjoxNjgyMzI3ODUyLCJ0YWdzIjpb"
    "WyJ1IiwiaHR0cHM6Ly9hcGkuc25vcnQuc29jaWFsL2FwaS92MS9uNXNwL2xpc3QiXSxbIm1ldGhvZCIsIkdFVCJdXSwic2"
    "lnIjoiNWVkOWQ4ZWM5NThiYzg1NGY5OTdiZGMyNGFjMzM3ZDAwNWFmMzcyMzI0NzQ3ZWZlNGEwMGUyNGY0YzMwNDM3ZmY0"
    "ZGQ4MzA4Njg0YmVkNDY3ZDlkNmJlM2U1YTUxN2JiNDNiMTczMmNjN2QzMzk0OWEzYWFmODY3MDVjMjIxODQifQ"
)


def make(url: str, method: str, key: SecretKey, at: int, body: bytes | None = None) -> str:
    return authorization(request(url, method, body).sign(key, at))


def checked(header: str, **changes: object) -> Event:
    options: dict[str, object] = {
        "urls": {URL},
        "method": "POST",
        "now": NOW,
        "body": BODY,
    }
    return check(header, **(options | changes))  # type: ignore[arg-type]


def header_of(*tags: tuple[str, ...], kind: int = KIND, at: int = NOW) -> str:
    event = Draft(kind, tags=tags).sign(KEY, at)
    return f"Nostr {base64.b64encode(event.json).decode()}"


def test_what_is_made_is_right() -> None:
    event = checked(make(URL, "post", KEY, NOW, BODY))
    assert event.pubkey == KEY.public_key.hex
    assert event.value("payload") == sha256(BODY).hexdigest()
    plain = make(URL, "GET", KEY, NOW)
    assert checked(plain, method="GET", body=b"", payload_needed=False).value("payload") is None


def test_the_example_of_the_nip() -> None:
    """It is read; its id is not that of its event, though."""
    with pytest.raises(InvalidData, match="id does not match"):
        checked(EXAMPLE)


def test_padding_may_be_missing() -> None:
    headers = [make(URL, "POST", KEY, NOW + n, BODY + bytes(n)) for n in range(3)]
    headers += [header_of(*RIGHT, ("x", "y" * n)) for n in range(3)]
    assert any(header.endswith("=") for header in headers)
    for header in headers:
        assert checked(header.rstrip("="), body=_body_of(header)).verify()


def _body_of(header: str) -> bytes:
    event = json.loads(base64.b64decode(header.removeprefix("Nostr ")))
    return BODY + bytes(max(0, event["created_at"] - NOW))


@pytest.mark.parametrize("seconds", [-60, 0, 60])
def test_within_the_window(seconds: int) -> None:
    checked(make(URL, "POST", KEY, NOW + seconds, BODY))


RIGHT = (("u", URL), ("method", "POST"), ("payload", sha256(BODY).hexdigest()))


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("", "form"),
        ("Bearer abc", "form"),
        ("Nostr", "base64|event|JSON|Input"),
        ("Nostr !!!", "base64"),
        ("Nostr " + "A" * 9000, "form"),
        ("Nostr e30=", "authorization"),
        (header_of(*RIGHT, kind=1), "kind"),
        (header_of(*RIGHT, at=NOW - 61), "created_at"),
        (header_of(*RIGHT, at=NOW + 61), "created_at"),
        (header_of(("u", URL + "0"), *RIGHT[1:]), "another URL"),
        (header_of(*RIGHT[1:]), "one tag u"),
        (header_of(("u", "https://evil.example"), *RIGHT), "one tag u"),
        (header_of(RIGHT[0], ("method", "GET"), RIGHT[2]), "another method"),
        (header_of(RIGHT[0], RIGHT[2]), "one tag method"),
        (header_of(*RIGHT[:2]), "one tag payload"),
        (header_of(*RIGHT[:2], ("payload", "00" * 32)), "hash"),
        (header_of(*RIGHT, RIGHT[2]), "one tag payload"),
    ],
)
def test_what_is_not_right(header: str, why: str) -> None:
    with pytest.raises(InvalidData, match=why):
        checked(header)


def test_a_wrong_signature() -> None:
    event = json.loads(Draft(KIND, tags=RIGHT).sign(KEY, NOW).json)
    event["sig"] = "00" * 64
    header = f"Nostr {base64.b64encode(json.dumps(event).encode()).decode()}"
    with pytest.raises(InvalidData, match="signature"):
        checked(header)


def test_a_payload_that_is_not_needed_is_still_checked() -> None:
    header = header_of(*RIGHT[:2], ("payload", "00" * 32))
    with pytest.raises(InvalidData, match="hash"):
        checked(header, payload_needed=False)


@given(st.text(max_size=60))
def test_junk_is_refused(text: str) -> None:
    for header in (text, f"Nostr {text}"):
        with pytest.raises(InvalidData):
            checked(header)


def test_how_clients_write_a_relays_url() -> None:
    assert spellings("wss://Relay.example.com/") == {
        "wss://relay.example.com",
        "wss://relay.example.com/",
        "https://relay.example.com",
        "https://relay.example.com/",
    }
    assert spellings("ws://127.0.0.1:7777/inbox") == {
        "ws://127.0.0.1:7777/inbox",
        "http://127.0.0.1:7777/inbox",
    }

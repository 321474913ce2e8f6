"""Our code as squares in text: what is read of them is what was meant, in 80x24 too."""

from __future__ import annotations

import secrets

import pytest
import segno

from nostr_client.accounts.bunker_meeting import CLIENT, WANTED
from nostr_client.accounts.qr import qr_lines, qr_of
from nostr_client.cli.bunker_codes import LOWEST, SECRET_BYTES
from nostr_client.nips.nip46 import BunkerUri, ClientMetadata, NostrConnectUri

RELAYS = ("wss://relay.example.org", "wss://relay.example.com")
URI = NostrConnectUri("ab" * 32, RELAYS, "abcd1234", WANTED, CLIENT)
SHORTEST = NostrConnectUri("ab" * 32, RELAYS[:1], "abcd1234", (), ClientMetadata())


def squares(lines: list[str]) -> list[list[int]]:
    """Dark is 1, without the quiet zone."""
    both = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}
    rows = [[both[char][half] for char in line] for line in lines for half in (0, 1)]
    size = len(rows[0]) - 2
    assert not any(rows[0])
    return [row[1:-1] for row in rows[1 : size + 1]]


@pytest.mark.parametrize(("rows", "uri"), [(22, SHORTEST), (60, URI)])
def test_the_squares_are_those_of_the_code(rows: int, uri: NostrConnectUri) -> None:
    lines = qr_lines(URI, rows)
    assert len(lines) <= rows
    assert max(map(len, lines)) <= 2 * rows
    code = segno.make(uri.format(), error="l", micro=False)
    assert squares(lines) == [list(row) for row in code.matrix]


def test_the_code_of_a_bunker_with_one_relay_fits_a_terminal_of_24_lines() -> None:
    secret = secrets.token_urlsafe(SECRET_BYTES)
    code = BunkerUri("ab" * 32, ("wss://nostr-relay.example.com",), secret).format()
    assert 0 < len(qr_of(code, LOWEST)) <= LOWEST < 24
    assert len(qr_of(code, LOWEST)[0]) <= 80


def test_a_code_that_does_not_fit_is_none() -> None:
    assert qr_lines(URI, 10) == []

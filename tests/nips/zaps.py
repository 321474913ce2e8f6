"""Zap receipts as a provider would make them, for tests."""

from __future__ import annotations

from hashlib import sha256

from pynostr import bech32

from nostr_client.protocol.bech32 import encode_bech32
from nostr_client.protocol.event import Draft, Event, Tag
from nostr_client.protocol.keys import SecretKey

ANA = SecretKey(bytes.fromhex("a1" * 32))
PAYER = SecretKey(bytes.fromhex("b2" * 32))
PROVIDER = SecretKey(bytes.fromhex("c3" * 32))
LNURL = encode_bech32("lnurl", b"https://roof.example/.well-known/lnurlp/ana")


def invoice(amount: str, described: str | bytes, *, hashes: int = 1, cut: bool = False) -> str:
    """An invoice whose signature nobody made, for what is `described`."""
    data = described.encode() if isinstance(described, str) else described
    hashed = bech32.convertbits(sha256(data).digest(), 8, 5)
    words = [0] * 7 + [13, 0, 2, 4, 4] + [23, 1, 20, *hashed] * hashes
    words += [13, 31, 31] if cut else []
    encoded = bech32.bech32_encode(f"lnbc{amount}", words + [0] * 104, bech32.Encoding.BECH32)
    return str(encoded)


def request(
    msat: int | None,
    *,
    e: str = "",
    a: str = "",
    content: str = "",
    lnurl: str = "",
    to: str = ANA.public_key.hex,
    by: SecretKey = PAYER,
    at: int = 5,
) -> Event:
    """A zap request (kind 9734)."""
    tags: list[Tag] = [("relays", "wss://relay.example"), ("p", to)]
    tags += [("amount", str(msat))] if msat is not None else []
    tags += [(name, value) for name, value in (("e", e), ("a", a), ("lnurl", lnurl)) if value]
    return Draft(9734, content, tuple(tags)).sign(by, at)


def receipt(asked: Event, amount: str, *, by: SecretKey = PROVIDER, at: int = 10) -> Event:
    """The receipt (kind 9735) of a request; `amount` as in the invoice's prefix."""
    described = asked.json.decode()
    tags: list[Tag] = [tag for tag in asked.tags if tag[0] in ("p", "e", "a")]
    tags += [("P", asked.pubkey), ("bolt11", invoice(amount, described))]
    return Draft(9735, "", (*tags, ("description", described))).sign(by, at)

"""NIP-57: zaps, that is receipts of lightning payments, and what can be said of one by itself.

A receipt (kind 9735) holds the request that was paid for (kind 9734, in its `description`) and the
invoice (BOLT 11). `read_receipt` takes only one in which these agree with each other. That is no
proof: anybody can write such a receipt. It counts once it is signed by the key that the
recipient's provider names (`read_provider`), and even then it is the provider's word.

Nothing is paid here, and no invoice is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec

from nostr_client.errors import InvalidCode, InvalidData, InvalidEvent
from nostr_client.protocol.bech32 import decode_bech32
from nostr_client.protocol.event import MALFORMED, Event
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.kinds import ZAP_RECEIPT, ZAP_REQUEST

MOST_INVOICE: Final = 8_000
"""Characters of an invoice."""
MOST_LNURL: Final = 2_000
MOST_MSAT: Final = 21_000_000 * 10**11
"""All the bitcoin that there will be, in millisatoshi."""
_prefix = re.compile("lnbc([1-9][0-9]{0,17})?([munp])?").fullmatch
_SCALES: Final = {"": 10**12, "m": 10**9, "u": 10**6, "n": 10**3, "p": 1}
"""Of one bitcoin 10^12 are its smallest part here, a tenth of a millisatoshi."""
_VALUE_OF: Final = {c: n for n, c in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_TIMESTAMP, _SIGNATURE, _CHECKSUM = 7, 104, 6
"""Lengths in words of five bits."""
_DESCRIPTION_HASH, _HASH_WORDS = 23, 52
MOST_SHARES: Final = 50
"""People among whom the zaps of one event are split."""
_weight = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?").fullmatch
_local_part = re.compile("[a-z0-9_.+-]{1,64}").fullmatch
_domain = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?").fullmatch


@dataclass(frozen=True, slots=True)
class Invoice:
    """What a BOLT 11 invoice says: millisatoshi, and the hash of what it is for (32 bytes)."""

    msat: int
    description_hash: bytes


@dataclass(frozen=True, slots=True)
class Zap:
    """A receipt that agrees with itself. `sender` signed the request; `target` is the id or the
    address of what it is for, empty for the person; `comment` is raw text; `lnurl` as in the tag.
    """

    receipt: Event
    request: Event
    recipient: str
    msat: int
    target: str = ""
    lnurl: str = ""

    @property
    def sender(self) -> str:
        return self.request.pubkey

    @property
    def comment(self) -> str:
        return self.request.content


@dataclass(frozen=True, slots=True)
class ZapProvider:
    """What a provider says of itself: where it was asked, and the key that signs its receipts."""

    url: str
    pubkey: str


def parse_invoice(text: str) -> Invoice:
    """The amount and the description hash of a BOLT 11 invoice on bitcoin's main network.

    The checksum and the payee's signature are not looked at: whoever wrote the receipt could have
    made both. Raises InvalidCode, also where the invoice leaves either of the two open.
    """
    text = text.strip()
    if len(text) > MOST_INVOICE or not text.isascii() or text not in (text.lower(), text.upper()):
        raise InvalidCode("not an invoice")
    prefix, _, rest = text.lower().rpartition("1")
    words = [_VALUE_OF.get(character, -1) for character in rest]
    if len(words) < _TIMESTAMP + _SIGNATURE + _CHECKSUM or -1 in words:
        raise InvalidCode("not an invoice")
    fields = words[_TIMESTAMP : -_SIGNATURE - _CHECKSUM]
    return Invoice(_amount(prefix), _description_hash(fields))


def read_receipt(receipt: Event) -> Zap:
    """What a receipt says, if its parts agree: the request is signed, the invoice is for it and of
    its amount, and both name the same person and the same event.

    Raises InvalidEvent, whose words say what does not agree.
    """
    if receipt.kind != ZAP_RECEIPT:
        raise InvalidEvent("not a zap receipt")
    description, bolt11 = _only(receipt, "description"), _only(receipt, "bolt11")
    try:
        request = Event.parse(description)
        invoice = parse_invoice(bolt11)
    except InvalidData as error:
        raise InvalidEvent(f"the zap receipt does not hold what it must: {error}") from None
    if request.kind != ZAP_REQUEST:
        raise InvalidEvent("what the zap receipt is for is no zap request")
    recipient, target = _agreed(receipt, request)
    if invoice.description_hash != sha256(description.encode()).digest():
        raise InvalidEvent("the invoice is for something else than the zap request")
    asked = request.value("amount")
    if asked is not None and asked != str(invoice.msat):
        raise InvalidEvent("the invoice is of another amount than the zap request")
    if not request.verify():
        raise InvalidEvent("the zap request is not signed by whom it names")
    return Zap(receipt, request, recipient, invoice.msat, target, request.value("lnurl") or "")


def provider_url(lud16: str) -> str:
    """Where the provider of a lightning address (`name@domain`, LUD-16) says what it does.

    Raises InvalidCode.
    """
    name, _, domain = lud16.strip().lower().partition("@")
    if not _local_part(name) or not _domain(domain):
        raise InvalidCode("not a lightning address: it has the form name@domain")
    return f"https://{domain}/.well-known/lnurlp/{name}"


def lnurl_provider_url(lud06: str) -> str:
    """The same of a provider's address as a code (`lnurl1...`, LUD-01 and LUD-06): an https URL.

    Raises InvalidCode.
    """
    url = _address_in(lud06.strip().lower().removeprefix("lightning:"))
    if not url.startswith("https://") or not url.isascii() or not url.isprintable():
        raise InvalidCode("not a lightning code: lnurl1 and the https address in it")
    return url


@dataclass(frozen=True, slots=True)
class ZapShare:
    """Somebody (pubkey in hex) to whom a part of each zap is to go: `part` of 1."""

    pubkey: str
    part: float


def zap_shares(event: Event) -> tuple[ZapShare, ...]:
    """How zaps of an event are to be split, by its `zap` tags: as their weights say; equally where
    none has one; else nobody without a weight has a part. Empty where nothing is said, and all goes
    to the author."""
    named: dict[str, float | None] = {}
    for tag in event.tags:
        if tag[0] == "zap" and len(tag) > 1 and is_hex64(tag[1]) and len(named) < MOST_SHARES:
            weight = tag[3] if len(tag) > 3 else ""
            named.setdefault(tag[1], float(weight) if _weight(weight) else None)
    weights = {who: weight or 0.0 for who, weight in named.items()}
    if all(weight is None for weight in named.values()):
        weights = dict.fromkeys(named, 1.0)
    whole = sum(weights.values())
    return tuple(ZapShare(who, weight / whole) for who, weight in weights.items() if weight)


def read_provider(url: str, body: bytes) -> ZapProvider:
    """The provider that answered so at `url` (LUD-06, with what NIP-57 adds). Raises InvalidData
    where it signs no receipts."""
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
    except MALFORMED:
        raise InvalidData("the provider's answer is not a JSON object") from None
    pubkey = answer.get("nostrPubkey")
    if answer.get("allowsNostr") is not True or not isinstance(pubkey, str) or not is_hex64(pubkey):
        raise InvalidData("the provider signs no zap receipts")
    return ZapProvider(url, pubkey)


def is_of_provider(zap: Zap, provider: ZapProvider) -> bool:
    """Is the receipt signed by the provider, and the request for that provider where it says so?"""
    return zap.receipt.pubkey == provider.pubkey and (
        not zap.lnurl or _address_in(zap.lnurl) == provider.url
    )


def _address_in(lnurl: str) -> str:
    """The URL that an `lnurl` code holds; empty if none."""
    try:
        prefix, data = decode_bech32(lnurl) if len(lnurl) <= MOST_LNURL else ("", b"")
        return data.decode() if prefix == "lnurl" else ""
    except (InvalidCode, UnicodeDecodeError):
        return ""


def _amount(prefix: str) -> int:
    found = _prefix(prefix)
    if found is None or found[1] is None:
        raise InvalidCode("the invoice is of no amount, or not of bitcoin's main network")
    msat, left = divmod(int(found[1]) * _SCALES[found[2] or ""], 10)
    if left or not 0 < msat <= MOST_MSAT:
        raise InvalidCode("the invoice is of an amount that there is not")
    return msat


def _description_hash(fields: list[int]) -> bytes:
    """Of the fields (one word for the type, two for the length, so many words) the one of this
    type. Raises InvalidCode where there is none, or more than one."""
    found: list[bytes] = []
    place = 0
    while place + 3 <= len(fields):
        kind, length = fields[place], fields[place + 1] * 32 + fields[place + 2]
        words = fields[place + 3 : place + 3 + length]
        if len(words) < length:
            raise InvalidCode("a field of the invoice is cut short")
        if kind == _DESCRIPTION_HASH and length == _HASH_WORDS:
            number = 0
            for word in words:
                number = number << 5 | word
            found.append((number >> 4).to_bytes(32, "big"))
        place += 3 + length
    if len(found) != 1:
        raise InvalidCode("the invoice does not say by a hash what it is for")
    return found[0]


def _only(event: Event, name: str) -> str:
    values = list(event.values(name))
    if len(values) != 1:
        raise InvalidEvent(f"the zap receipt has {len(values) or 'no'} {name} tags")
    return values[0]


def _agreed(receipt: Event, request: Event) -> tuple[str, str]:
    """The person and the event (id or address, or empty) that both name. Raises InvalidEvent."""
    for name, least in (("p", 1), ("e", 0), ("a", 0)):
        asked = list(request.values(name))
        if not least <= len(asked) <= 1 or asked != list(receipt.values(name)):
            raise InvalidEvent(f"the zap receipt and its request do not name the same ({name})")
    for sender in receipt.values("P"):
        if sender != request.pubkey:
            raise InvalidEvent("the zap receipt names another sender than its request")
    for signer in request.values("P"):
        if signer != receipt.pubkey:
            raise InvalidEvent("the zap request is for the receipts of another key")
    return request.value("p") or "", request.value("e") or request.value("a") or ""

"""The relay information document: what a relay says of itself (NIP-11)."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from nostr_client.errors import InvalidData
from nostr_client.protocol.event import MALFORMED
from nostr_client.protocol.keys import is_hex64

MEDIA_TYPE: Final = "application/nostr+json"
MAX_SIZE: Final = 256 * 1024
"""Bytes of the longest document that is read."""

_MAX_ITEMS: Final = 1000
"""Entries of any list in the document."""
_MAX_NUMBER: Final = 2**63 - 1
_Form = TypeVar("_Form", bound=msgspec.Struct)


class Limitation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the relay takes at most; None where it says nothing. Bytes, characters, seconds."""

    max_message_length: int | None = None
    max_subscriptions: int | None = None
    max_filters: int | None = None
    max_limit: int | None = None
    max_subid_length: int | None = None
    max_event_tags: int | None = None
    max_content_length: int | None = None
    min_pow_difficulty: int | None = None
    auth_required: bool | None = None
    payment_required: bool | None = None
    restricted_writes: bool | None = None
    created_at_lower_limit: int | None = None
    created_at_upper_limit: int | None = None
    default_limit: int | None = None


class Fee(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A price: `amount` of `unit` (msats, as a rule), for `period` seconds, for these kinds."""

    amount: int
    unit: str
    period: int | None = None
    kinds: tuple[int, ...] = ()


class Fees(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the relay asks money for."""

    admission: tuple[Fee, ...] = ()
    subscription: tuple[Fee, ...] = ()
    publication: tuple[Fee, ...] = ()


class Retention(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long events of these kinds (numbers, or first and last) are kept; no kinds: all others.

    `time` in seconds, `count` in events; None: no end. From earlier versions of NIP-11.
    """

    kinds: tuple[int | tuple[int, int], ...] = ()
    time: int | None = None
    count: int | None = None


class RelayInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The document; None or empty where it does not say. All text in it is the relay's own.

    `pubkey` is who keeps the relay, `self` the relay's own key: 64 lowercase hex digits.
    """

    name: str | None = None
    description: str | None = None
    banner: str | None = None
    icon: str | None = None
    pubkey: str | None = None
    self: str | None = None
    contact: str | None = None
    supported_nips: tuple[int, ...] = ()
    software: str | None = None
    version: str | None = None
    terms_of_service: str | None = None
    posting_policy: str | None = None
    privacy_policy: str | None = None
    relay_countries: tuple[str, ...] = ()
    language_tags: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    retention: tuple[Retention, ...] = ()
    payments_url: str | None = None
    limitation: Limitation = Limitation()
    fees: Fees = Fees()

    def encode(self) -> bytes:
        """The JSON document, without the fields that say nothing."""
        return msgspec.json.encode(self)


def parse(data: bytes) -> RelayInfo:
    """What a relay sent. A field of a wrong type is left out and spoils no other.

    Raises InvalidData when it is no JSON object, or beyond `MAX_SIZE`.
    """
    if len(data) > MAX_SIZE:
        raise InvalidData(f"the information document has more than {MAX_SIZE} bytes")
    try:
        document = msgspec.json.decode(data, type=dict[str, Any])
    except MALFORMED as error:
        raise InvalidData(f"not an information document: {error}") from None
    for name in ("pubkey", "self"):
        if not (isinstance(document.get(name), str) and is_hex64(document[name])):
            document.pop(name, None)
    document["supported_nips"] = _numbers(document.get("supported_nips"))
    document["limitation"] = limitation_of(document.get("limitation"))
    document["fees"] = _fees(document.get("fees"))
    return _fitting(document, RelayInfo) or RelayInfo()


def limitation_of(value: object) -> Limitation:
    """Limits out of decoded JSON of unknown origin; what has a wrong type is left out."""
    return _fitting(value, Limitation) or Limitation()


def _fees(value: object) -> Fees:
    if not isinstance(value, dict):
        return Fees()
    lists: dict[str, tuple[Fee, ...]] = {}
    for name in Fees.__struct_fields__:
        prices = value.get(name)
        if isinstance(prices, list):
            found = (_fee(price) for price in prices[:_MAX_ITEMS])
            lists[name] = tuple(fee for fee in found if fee is not None)
    return Fees(**lists)


def _fee(value: object) -> Fee | None:
    if not isinstance(value, dict):
        return None
    return _fitting(value | {"kinds": _numbers(value.get("kinds"))}, Fee)


def _numbers(value: object) -> tuple[int, ...]:
    """The whole numbers in a list."""
    if not isinstance(value, list):
        return ()
    return tuple(item for item in value[:_MAX_ITEMS] if _is_number(item))


def _fitting(value: object, form: type[_Form]) -> _Form | None:
    """`form` made of those fields that have the right type; None where a needed one is missing."""
    if not isinstance(value, dict):
        return None
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(form):
        item = value.get(field.name)
        if item is None or (isinstance(item, int | float) and not _is_number(item)):
            continue
        try:
            fields[field.name] = msgspec.convert(item, field.type)
        except msgspec.ValidationError:
            continue  # its author's affair: there is nobody to tell
    try:
        return form(**fields)
    except TypeError:
        return None


def _is_number(value: object) -> bool:
    """A whole number that the network can carry; True and False are let through to their fields."""
    return isinstance(value, int) and 0 <= value <= _MAX_NUMBER

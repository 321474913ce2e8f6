"""The relay information document: what a relay says of itself (NIP-11)."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from nostr_client.errors import InvalidData
from nostr_client.protocol.event import MALFORMED

MEDIA_TYPE: Final = "application/nostr+json"
MAX_SIZE: Final = 256 * 1024
"""Bytes of the longest document that is read."""

_Form = TypeVar("_Form", bound=msgspec.Struct)


class Limitation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the relay takes at most; None where it says nothing. Bytes, characters, seconds."""

    max_message_length: int | None = None
    max_subscriptions: int | None = None
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


class RelayInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The document; None or empty where it does not say."""

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
    payments_url: str | None = None
    limitation: Limitation = Limitation()

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
    nips = document.get("supported_nips")
    if isinstance(nips, list):
        document["supported_nips"] = [n for n in nips if type(n) is int and n >= 0]
    limitation = document.pop("limitation", None)
    limits = _fitting(limitation, Limitation) if isinstance(limitation, dict) else Limitation()
    return msgspec.structs.replace(_fitting(document, RelayInfo), limitation=limits)


def _fitting(document: dict[str, Any], form: type[_Form]) -> _Form:
    """`form` made from those fields that have the right type."""
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(form):
        if field.name in document:
            try:
                fields[field.name] = msgspec.convert(document[field.name], field.type)
            except msgspec.ValidationError:
                continue
    return form(**fields)

"""nostr-sdk's objects to ours and back, so that programs with both need no code of their own.

That package is none of ours to need: its objects are known by what they offer, and it is loaded
where one of them is to be made. Whatever comes from there is parsed anew: ids are computed, and
signatures are checked, since an object there need not have been.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from nostr_client.errors import InvalidEvent
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import PublicKey, SecretKey

if TYPE_CHECKING:
    from nostr_sdk import Event as SdkEvent
    from nostr_sdk import Filter as SdkFilter
    from nostr_sdk import Keys as SdkKeys
    from nostr_sdk import PublicKey as SdkPublicKey
    from nostr_sdk import UnsignedEvent as SdkUnsignedEvent


class AsJson(Protocol):
    """What nostr-sdk's objects can say of themselves."""

    def as_json(self) -> str: ...


def event_from_nostr_sdk(event: SdkEvent | AsJson) -> Event:
    """The same event, its id computed anew and its signature checked. Raises InvalidEvent."""
    found = Event.parse(event.as_json())
    if not found.verify():
        raise InvalidEvent("the signature of this event is not its author's")
    return found


def draft_from_nostr_sdk(event: SdkUnsignedEvent | AsJson) -> Draft:
    """What an unsigned event is to say, without its author and id. Raises InvalidEvent."""
    try:
        value = json.loads(event.as_json())
        tags = tuple(tuple(tag) for tag in value["tags"])
        return Draft(value["kind"], value["content"], tags, value["created_at"])
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidEvent(f"not a complete event: {type(error).__name__}") from None


def event_to_nostr_sdk(event: Event) -> SdkEvent:
    """The same event there; nothing is checked again on the way (`SdkEvent.verify` does)."""
    from nostr_sdk import Event as SdkEvent

    return SdkEvent.from_json(event.json.decode())


def filter_from_nostr_sdk(filter: SdkFilter | AsJson) -> Filter:
    """Raises InvalidFilter."""
    return Filter.parse(filter.as_json())


def filter_to_nostr_sdk(filter: Filter) -> SdkFilter:
    """The filter as nostr-sdk has it. Raises ImportError where that is not installed."""
    from nostr_sdk import Filter as SdkFilter

    return SdkFilter.from_json(json.dumps(filter.to_dict()))


def key_from_nostr_sdk(keys: SdkKeys) -> SecretKey:
    """The secret key of its `Keys`. Raises InvalidKey."""
    return SecretKey.from_hex(keys.secret_key().to_hex())


def key_to_nostr_sdk(key: SecretKey) -> SdkKeys:
    """Mind that nostr-sdk's objects show the secret to whoever asks them."""
    from nostr_sdk import Keys as SdkKeys

    return SdkKeys.parse(bytes(key).hex())


def public_key_from_nostr_sdk(key: SdkPublicKey) -> PublicKey:
    """Raises InvalidKey."""
    return PublicKey(key.to_hex())


def public_key_to_nostr_sdk(key: PublicKey) -> SdkPublicKey:
    """The key as nostr-sdk has it. Raises ImportError where that is not installed."""
    from nostr_sdk import PublicKey as SdkPublicKey

    return SdkPublicKey.parse(key.hex)

"""What is kept of somebody else, and what of it may be handed on.

Lists and profile first, then the newest, until a quota is full. It is looked up in the store each
time, whose rules (NIP-01, 09, 40) hold: what its author deleted, or what has expired, is not there.
Never handed on, to anybody: what is protected (NIP-70), encrypted to others, or said in a group
(NIP-29), and what was written before its author asked to vanish (NIP-62): from everywhere, or from
the relays that the request names.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

import msgspec

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import is_ephemeral
from nostr_client.routing.address_policy import relay_url
from nostr_client.store.contract import EventStore
from nostr_client.store.rules import ALL_RELAYS, is_expired

FIRST: Final = frozenset(
    (
        *(kinds.METADATA, kinds.FOLLOWS),
        *(10000, 10001, 10002, 10003, 10004, 10005, 10006, 10007, 10009, 10012, 10013, 10015),
        *(10017, 10019, 10020, 10030, 10044, 10050, 10051, 10063, 10101, 10102),
    )
)
"""The profile and the lists of NIP-51 and its like: what an account cannot do without."""
SLICE: Final = 250
PRIVATE: Final = frozenset(
    (
        *(kinds.DIRECT_MESSAGE, kinds.SEAL, kinds.CHAT_MESSAGE, kinds.FILE_MESSAGE),
        *(kinds.AUTH, kinds.VANISH, *kinds.GIFT_WRAPS),
    )
)
"""Kinds that are never kept for others."""


class KeptSize(msgspec.Struct):
    """How much there is: `since` is when the oldest was written, `full` that the quota ends it."""

    events: int = 0
    size: int = 0
    since: int = 0
    full: bool = False


def may_be_handed_on(event: Event, vanished: Mapping[str, int], now: float) -> bool:
    """May `event`, by somebody else, be kept for others, as far as it goes by itself? `vanished` is
    what `vanished_until` found of its author. Pure."""
    return not (
        event.kind in PRIVATE
        or is_ephemeral(event.kind)
        or event.is_protected
        or event.value("h") is not None
        or is_expired(event.expiration, now)
        or event.created_at <= vanished.get(ALL_RELAYS, -1)
    )


def may_be_at(event: Event, url: str, vanished: Mapping[str, int], minds_expiry: bool) -> bool:
    """May it be handed to the relay at `url`, too? `minds_expiry`: it lists NIP-40. Pure."""
    expires = any(tag[0] == "expiration" for tag in event.tags)
    return event.created_at > vanished.get(url, -1) and (minds_expiry or not expires)


async def vanished_until(store: EventStore, pubkey: str) -> dict[str, int]:
    """Up to which second `pubkey` asked to vanish, by relay and from `ALL_RELAYS`."""
    asked = Filter(authors=frozenset({pubkey}), kinds=frozenset({kinds.VANISH}))
    until: dict[str, int] = {}
    for event in await store.query([asked]):
        for text in event.values("relay"):
            place = ALL_RELAYS if text == ALL_RELAYS else relay_url(text)
            if place:
                until[place] = max(until.get(place, -1), event.created_at)
    return until


async def kept_of(
    store: EventStore,
    pubkey: str,
    *,
    most_bytes: int,
    most_events: int,
    now: float,
    size: KeptSize | None = None,
) -> AsyncGenerator[Event, None]:
    """What is kept of `pubkey` (hex), lists first, then the newest; `size` is counted meanwhile.

    Raises StoreError. Close it where it is left early (`contextlib.aclosing`).
    """
    size = KeptSize() if size is None else size
    vanished = await vanished_until(store, pubkey)
    async with aclosing(_in_order(store, pubkey)) as events:
        async for event in events:
            if not may_be_handed_on(event, vanished, now):
                continue
            if size.size + len(event.json) > most_bytes or size.events == most_events:
                size.full = True
                return
            size.events += 1
            size.size += len(event.json)
            if event.kind not in FIRST:
                size.since = event.created_at
            yield event


async def _in_order(store: EventStore, pubkey: str) -> AsyncGenerator[Event, None]:
    mine = frozenset({pubkey})
    for event in await store.query([Filter(authors=mine, kinds=FIRST)]):
        yield event
    async for events in store.stream([Filter(authors=mine)], size=SLICE):
        for event in events:
            if event.kind not in FIRST:
                yield event

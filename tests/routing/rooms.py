"""The rooms of routing put together over a real store, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from nostr_client.net.pool import RelayPool
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tags
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.address_policy import AddressPolicy
from nostr_client.routing.courier import Courier
from nostr_client.routing.relay_book import RelayBook
from nostr_client.store.contract import EventStore, StoreOptions
from nostr_client.store.opening import open_store
from tests.routing.moody import LIMIT, Relay

ANA = SecretKey.from_hex("1" * 64)
BEN = SecretKey.from_hex("2" * 64)
CY = SecretKey.from_hex("3" * 64)
DEAD = "ws://127.0.0.1:1"
"""Nobody listens there."""
START = 1_700_000_000


class Clock:
    """A clock that tests set."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def signed(
    key: SecretKey = ANA,
    kind: int = 1,
    content: str = "",
    tags: Tags = (),
    at: int = START,
) -> Event:
    return Draft(kind, content, tags, created_at=at).sign(key, at)


def relay_list(key: SecretKey, *urls: str, at: int = START) -> Event:
    return signed(key, kinds.RELAY_LIST, tags=tuple(("r", url) for url in urls), at=at)


@dataclass
class Rooms:
    store: EventStore
    pool: RelayPool
    book: RelayBook
    courier: Courier
    policy: AddressPolicy
    clock: Clock


@asynccontextmanager
async def rooms(
    folder: Path,
    *,
    owner: SecretKey | None = ANA,
    fallback: Sequence[str] = (),
    indexers: Sequence[str] = (),
    own_relay: str = "",
    private: Sequence[str] = ("127.0.0.1",),
    keyed: bool = False,
    minds_outages: bool = False,
    search: bool = False,
    clock: Clock | None = None,
) -> AsyncIterator[Rooms]:
    """A store, a pool, a book and a courier; loopback counts as a host that the person allows."""
    clock = clock or Clock()
    me = owner.public_key.hex if owner else ""
    policy = AddressPolicy(private)
    policy.own_relay = own_relay
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            open_store(
                folder / "events.db",
                StoreOptions(
                    clock=clock, keep_history_of=[me] if me else [], search=search, gentle=True
                ),
            )
        )
        pool = await stack.enter_async_context(
            RelayPool(verifier=PlainVerifier(), known=store.known, dial=policy)
        )
        book = RelayBook(
            store,
            policy,
            owner=me,
            keyed=keyed,
            fallback=fallback,
            indexers=indexers,
            down=pool.outages.down if minds_outages else frozenset,
            clock=clock,
        )
        courier = await stack.enter_async_context(
            Courier(store, pool, book, folder=folder, clock=clock)
        )
        yield Rooms(store, pool, book, courier, policy, clock)


class PlainVerifier:
    """Checks signatures where it stands."""

    async def verify_all(self, events: Sequence[Event]) -> list[bool]:
        await asyncio.sleep(0)
        return [event.verify() for event in events]


def forged(event: Event) -> Event:
    """The same id under a signature that is not its author's."""
    sig = ("0" if event.sig[0] != "0" else "1") + event.sig[1:]
    return Event.parse(event.json.replace(event.sig.encode(), sig.encode()))


__all__ = ["ANA", "BEN", "CY", "DEAD", "LIMIT", "START", "Clock", "Relay", "Rooms", "rooms"]

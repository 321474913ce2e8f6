"""The rooms of routing put together over a real store, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nostr_client.net.pool import RelayPool
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tags
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.courier import Courier
from nostr_client.routing.dialling import AddressPolicy
from nostr_client.routing.relay_book import RelayBook
from nostr_client.store.events import EventStore
from tests.net.scripted import Peer, PlainVerifier, Script, ScriptedRelay, honest

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
    clock: Clock | None = None,
) -> AsyncIterator[Rooms]:
    """A store, a pool, a book and a courier; loopback counts as a host that the person allows."""
    clock = clock or Clock()
    me = owner.public_key.hex if owner else ""
    policy = AddressPolicy(private)
    policy.own_relay = own_relay
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            EventStore.open(folder / "events.db", keep_history_of=[me] if me else [])
        )
        pool = await stack.enter_async_context(
            RelayPool(verifier=PlainVerifier(), known=store.known, dial=policy)
        )
        book = RelayBook(store, policy, owner=me, fallback=fallback, indexers=indexers)
        courier = await stack.enter_async_context(
            Courier(store, store.ledger, pool, book, clock=clock)
        )
        yield Rooms(store, pool, book, courier, policy, clock)


class Relay(ScriptedRelay):
    """A small honest relay that keeps the newest version of each list, as relays do, and which a
    test can make moody: `words` answers every REQ with CLOSED, `mute` with an EOSE and nothing
    else, `silent` with nothing; `refuses` answers every EVENT with that text."""

    def __init__(self, *events: Event, port: int = 0) -> None:
        self.held: list[Event] = list(events)
        self.words = ""
        self.silent = False
        self.mute = False
        self.challenge = ""
        self.refuses = ""
        self.asked = 0
        self._honest: Script = honest(self.held)
        super().__init__(self._run, port=port)

    async def _run(self, peer: Peer) -> None:
        if self.challenge:
            await peer.send("AUTH", self.challenge)
        await self._honest(_Moody(peer, self))

    def keep(self, event: Event) -> None:
        """Store as a relay does: of replaceable events the newest only."""
        if event.address:
            same = [e for e in self.held if e.address == event.address]
            if any(old.order <= event.order for old in same):
                return
            for old in same:
                self.held.remove(old)
        if event not in self.held:
            self.held.append(event)

    def has(self, event: Event) -> bool:
        return any(event.id == other.id for other in self.held)


class _Moody(Peer):
    """Stands between the honest script and the socket."""

    def __init__(self, peer: Peer, relay: Relay) -> None:
        super().__init__(peer.socket, peer.log)
        self.relay = relay

    async def next_unlimited(self) -> list[Any]:
        while True:
            frame = await super().next_unlimited()
            relay = self.relay
            if frame[0] == "REQ":
                relay.asked += 1
                if relay.words:
                    await self.send("CLOSED", frame[1], relay.words)
                elif relay.mute:
                    await self.send("EOSE", frame[1])
                elif not relay.silent:
                    return frame
                continue
            if frame[0] == "EVENT" and (relay.refuses or relay.silent):
                if relay.refuses:
                    await self.send("OK", frame[1]["id"], False, relay.refuses)
                continue
            if frame[0] == "EVENT":
                before = list(relay.held)
                relay.held[:] = before
                relay.keep(Event.from_dict(frame[1]))
                event = Event.from_dict(frame[1])
                if not relay.has(event):
                    await self.send("OK", event.id, False, "replaced: have newer event")
                    continue
                relay.held.remove(event)  # the honest script appends it, and tells listeners
            return frame


__all__ = ["ANA", "BEN", "CY", "DEAD", "START", "Clock", "Relay", "Rooms", "rooms", "signed"]

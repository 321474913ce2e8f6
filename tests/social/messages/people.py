"""People who write private messages to each other over relays on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from nostr_client.net.dial import DialOptions
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.resilience.pace import Pace
from nostr_client.resilience.replication import Replication
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.list_reading import ListReader
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import Signer
from nostr_client.social.follows import Follows
from nostr_client.social.messages.messages import Messages
from nostr_client.social.messages.views import PrivateMessage
from tests.routing.rooms import LIMIT, Clock, Relay, Rooms, rooms, signed
from tests.sending import without_reserve

T = TypeVar("T")
NOW = int(time.time())
"""The store goes by the real clock, and so do people here."""


def dm_list(key: SecretKey, *urls: str, at: int = NOW) -> Event:
    return signed(key, kinds.DM_RELAYS, tags=tuple(("relay", url) for url in urls), at=at)


@dataclass
class Person:
    key: SecretKey
    rooms: Rooms
    messages: Messages
    replication: Replication
    folder: Path
    signer: Signer | None

    @property
    def pubkey(self) -> str:
        return self.key.public_key.hex

    @property
    def sealed(self) -> Path:
        """The file of what was opened."""
        [found] = self.folder.glob("messages-*.sealed")
        return found

    async def texts(self, *room: str) -> list[str]:
        """What stands in a room, the oldest first."""
        return [m.text for m in reversed(await self.messages.messages(room))]

    async def hears(self, text: str, *room: str) -> PrivateMessage:
        """Wait until this stands in a room."""

        async def there() -> PrivateMessage | None:
            found = await self.messages.messages(room)
            return next((m for m in found if m.text == text), None)

        return await eventually(there)


def wraps_sent(relay: Relay) -> list[str]:
    """The gift wraps (ids) that were offered to it, each as often as it was."""
    events = (frame[1] for frame in relay.sent("EVENT"))
    return [event["id"] for event in events if event["kind"] == kinds.GIFT_WRAP]


async def eventually(look: Callable[[], Awaitable[T | None]]) -> T:
    """What `look` gives, as soon as it is true."""
    async with asyncio.timeout(LIMIT):
        while not (found := await look()):
            await asyncio.sleep(0.01)
        return found


@asynccontextmanager
async def person(
    folder: Path,
    key: SecretKey,
    *lists: Event,
    relays: Sequence[str] = (),
    signer: Signer | None = None,
    clock: Clock | None = None,
    start: bool = True,
    can_sign: bool = True,
    encryption: Signer | None = None,
) -> AsyncIterator[Person]:
    """Somebody with a folder of their own, who knows `lists` already and asks `relays`."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = clock or Clock(NOW)
    me = key.public_key.hex
    who = (signer or LocalSigner(key, clock)) if can_sign else None
    async with rooms(folder, owner=key, fallback=relays, keyed=True, clock=clock) as r:
        await r.store.save(list(lists))
        reader = ListReader(r.courier, pubkey=me, folder=folder, only_here=True)
        guard = ListGuard(reader, who, clock=clock)
        replication = Replication(
            r.store,
            r.pool,
            without_reserve(r.courier),
            pubkeys=[me],
            under_way=r.courier.under_way,
            folder=folder,
            clock=clock,
            pace=Pace(idle=0.05, grace=0.0, sweep=0.1, settle=0.05, lead=0.05, spread=0.0),
        )
        follows = Follows(r.courier, guard, me)
        async with Messages(
            *(r.courier, guard, follows, who),
            owner=me,
            folder=folder,
            media=DialOptions(),
            encryption=encryption,
            clock=clock,
        ) as messages:
            if start:
                messages.start()
            yield Person(key, r, messages, replication, folder, who)

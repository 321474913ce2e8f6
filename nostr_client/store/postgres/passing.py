"""What is not stored, on its way to other nodes: said in a notification where it is short enough,
else through a table that no log is kept of and that holds a minute's worth.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Final

from nostr_client.errors import InvalidData
from nostr_client.protocol.event import Event
from nostr_client.store.postgres.connections import Connections

if TYPE_CHECKING:
    from asyncpg import Connection

_SAID: Final = 7900
"""Bytes of one notification: PostgreSQL takes fewer than 8,000."""
_FETCHED: Final = 100
"""Long ones that are remembered until they are fetched; what comes beyond them is lost."""
_SAY: Final = "SELECT pg_notify($1, said) FROM unnest($2::text[]) said"
_PUT: Final = "INSERT INTO passing (json) SELECT unnest($1::bytea[]) RETURNING number"
_CLEAN: Final = "DELETE FROM passing WHERE at < now() - interval '1 minute'"
_GET: Final = "SELECT json FROM passing WHERE number = ANY($1::bigint[]) ORDER BY number"


class Passing:
    """What this node says, and hears, on `channel`."""

    def __init__(self, connections: Connections, channel: str, poke: Callable[[], None]) -> None:
        self._db = connections
        self.channel = channel
        self._poke = poke
        self._own = secrets.token_hex(8)
        self._hearers: list[Callable[[Sequence[Event]], None]] = []
        self._wanted: list[int] = []

    async def pass_on(self, events: Sequence[Event]) -> None:
        """See `PassesOn`."""
        short = [event for event in events if len(event.json) + len(self._own) < _SAID]
        long = [event.json for event in events if len(event.json) + len(self._own) >= _SAID]

        async def say(db: Connection) -> None:
            said = [f"{self._own}{event.json.decode()}" for event in short]
            if long:
                await db.execute(_CLEAN)
                said += [f"{self._own}#{row[0]}" for row in await db.fetch(_PUT, long)]
            await db.execute(_SAY, self.channel, said)

        await self._db.say(say)

    @contextlib.asynccontextmanager
    async def hearing(self, hear: Callable[[Sequence[Event]], None]) -> AsyncIterator[None]:
        """See `PassesOn.hear_passing`."""
        self._hearers.append(hear)
        try:
            yield
        finally:
            self._hearers.remove(hear)

    def heard(self, said: str) -> None:
        """Another node, or this one, has said this."""
        own, text = said[: len(self._own)], said[len(self._own) :]
        if own == self._own or not self._hearers:
            return
        if not text.startswith("#"):
            self._hear([text.encode()])
        elif text[1:].isdecimal() and len(self._wanted) < _FETCHED:
            self._wanted.append(int(text[1:]))
            self._poke()

    async def fetch(self) -> None:
        """Hear what was too long to be said. Raises StoreError."""
        if self._wanted:
            numbers, self._wanted = self._wanted, []
            rows = await self._db.read(lambda db: db.fetch(_GET, numbers))
            self._hear([row[0] for row in rows])

    def _hear(self, said: Sequence[bytes]) -> None:
        events = []
        for data in said:
            with contextlib.suppress(InvalidData):  # whoever may write here may say what he will
                events.append(Event.parse(data))
        for hear in list(self._hearers):
            hear(events)

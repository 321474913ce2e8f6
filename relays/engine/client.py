"""One connected client, as the relay sees it, and what it needs of a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from nostr_client.protocol.event import Event
from relays.engine.queries import ClientQueries
from relays.engine.session import RelaySession
from relays.policies.verdict import Verdict

HIGH_WATER: Final = 256 * 1024
"""Unread bytes past which a client gets no further answers to queries."""


class ClientSocket(Protocol):
    """A client's socket."""

    def write(self, frames: bytes) -> None:
        """Send frames, later if the client is slow."""

    def unread(self) -> int:
        """Bytes that were written and have not left yet."""

    def stop_reading(self) -> None: ...

    def go_on_reading(self) -> None: ...

    def drop(self, code: int, reason: str) -> None:
        """Close the connection; frames that have not left yet may be lost."""


class ConnectedClient:
    """One connected client: its session, its socket, and what it has under way."""

    __slots__ = (
        "_outbox",
        "_said",
        "_settled",
        "bytes",
        "events",
        "page",
        "peer",
        "questions",
        "session",
        "stopped",
    )

    def __init__(
        self,
        session: RelaySession,
        peer: ClientSocket,
        settled: Callable[[ConnectedClient, Event, Verdict], None],
    ) -> None:
        """`settled` is told what became of an event that this client offered."""
        self._settled = settled
        self.session = session
        self.peer = peer
        self.questions = ClientQueries(session)
        self._outbox: list[bytes] = []
        self._said = 0
        self.events = 0
        """Events offered and not answered."""
        self.bytes = 0
        self.page = 0
        """Bytes of stored events that were sent last: they may wait, however many they are."""
        self.stopped = False
        """Its socket is not read until some of its events have their answer."""

    def say(self, frames: bytes) -> None:
        """Send `frames` with the next flush."""
        self._outbox.append(frames)
        self._said += len(frames)

    def take(self) -> bytes:
        """What was said since the last flush."""
        frames = b"".join(self._outbox)
        self._outbox.clear()
        self._said = 0
        return frames

    @property
    def unread(self) -> int:
        """Bytes that were said and have not left yet."""
        return self._said + self.peer.unread()

    def settle(self, event: Event, accepted: bool, reason: str) -> None:
        """An event that this client offered has its answer."""
        self._settled(self, event, Verdict(accepted, reason))


class OwnVerdict:
    """Who waits for what becomes of an event of the relay's own."""

    def __init__(self) -> None:
        self.verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

    def settle(self, event: Event, accepted: bool, reason: str) -> None:
        if not self.verdict.done():
            self.verdict.set_result(Verdict(accepted, reason))

"""One connected client, as the relay sees it, and what it needs of a socket."""

from __future__ import annotations

from typing import Final, Protocol

from relays.engine.queries import ClientQueries
from relays.engine.session import RelaySession

HIGH_WATER: Final = 256 * 1024
"""Unsent bytes past which a client gets no further answers to queries."""


class ClientSocket(Protocol):
    """A client's socket."""

    def write(self, frames: bytes) -> None:
        """Send frames, later if the client is slow."""

    def unsent(self) -> int:
        """Bytes that were written and have not left yet."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self, code: int, reason: str) -> None:
        """Say why in a close frame, and end; frames that have not left yet may be lost."""


class ConnectedClient:
    """One connected client: its session, its socket, and what it has under way."""

    __slots__ = (
        "_outbox",
        "_outbox_bytes",
        "events",
        "events_bytes",
        "page_bytes",
        "queries",
        "session",
        "socket",
        "stopped",
    )

    def __init__(self, session: RelaySession, socket: ClientSocket) -> None:
        self.session = session
        self.socket = socket
        self.queries = ClientQueries(session)
        self._outbox: list[bytes] = []
        self._outbox_bytes = 0
        self.events = 0
        """Events offered and not answered."""
        self.events_bytes = 0
        self.page_bytes = 0
        """Bytes of stored events that were sent last: they may wait, however many they are."""
        self.stopped = False
        """Its socket is not read until some of its events have their answer."""

    def send(self, frames: bytes) -> None:
        """Send `frames` with the next flush."""
        self._outbox.append(frames)
        self._outbox_bytes += len(frames)

    def take_outbox(self) -> bytes:
        """What is to be sent since the last flush."""
        frames = b"".join(self._outbox)
        self._outbox.clear()
        self._outbox_bytes = 0
        return frames

    @property
    def unsent(self) -> int:
        """Bytes that are to be sent and have not left yet."""
        return self._outbox_bytes + self.socket.unsent()

"""What keeps the relay within its memory: who is not read for a while, and who is closed.

A client is not read while too much of what it sent waits for an answer, and closed when it does not
take what it is sent. Both hold for each client and for all together.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from relays.config.sections import Limits
from relays.engine.client import ConnectedClient
from relays.policies.ruleset import Rules

TRY_AGAIN_LATER: Final = 1013
"""The close code of one who is closed for what all clients together use up."""
POLICY: Final = 1008
"""The close code of a client that does not keep up."""


class PendingEvents:
    """How much clients have offered that is not answered yet. Sizes in bytes."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.bytes = 0
        self.stopped: dict[ConnectedClient, None] = {}
        """Who is not read for now."""

    def offered(self, client: ConnectedClient, size: int) -> None:
        """An event came; what its client sends next may have to wait in its socket."""
        client.events += 1
        client.events_bytes += size
        self.bytes += size
        limits = self._rules.limits
        if not client.stopped and (
            client.events >= limits.pending_events
            or client.events_bytes >= limits.pending_bytes
            or self.bytes >= limits.all_pending_bytes
        ):
            client.stopped = True
            self.stopped[client] = None
            client.socket.pause_reading()

    def answered(self, client: ConnectedClient, size: int) -> None:
        """An event has its answer."""
        client.events -= 1
        client.events_bytes -= size
        self.bytes -= size

    def resume_reading(self) -> None:
        """Read again from those who have little under way."""
        limits = self._rules.limits
        if self.bytes > limits.all_pending_bytes // 2:
            return
        ready = [
            client
            for client in self.stopped
            if client.events <= limits.pending_events // 2
            and client.events_bytes <= limits.pending_bytes // 2
        ]
        for client in ready:
            del self.stopped[client]
            client.stopped = False
            client.socket.resume_reading()


def close_if_slow(client: ConnectedClient, limits: Limits) -> None:
    """Close a client that has not taken more than it may leave."""
    waiting = client.unsent + client.session.held_bytes - client.page_bytes
    if waiting > limits.outbox_bytes:
        client.socket.close(POLICY, "too slow: what is sent is not read")


def close_slowest(clients: Collection[ConnectedClient], limits: Limits) -> None:
    """Close the slowest of all clients while together they have more unsent than is allowed."""
    by_size = {client: client.unsent for client in clients}
    excess = sum(by_size.values()) - limits.all_outbox_bytes
    if excess <= 0:
        return
    for client in sorted(by_size, key=by_size.__getitem__, reverse=True):
        client.socket.close(TRY_AGAIN_LATER, "the relay is short of memory")
        excess -= by_size[client]
        if excess <= 0:
            break

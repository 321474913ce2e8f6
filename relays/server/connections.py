"""All sockets together: who is let in, how many, and a clean end.

One tick a second looks at all connections, instead of a timer for each: handshakes and messages
that never end, clients that do not read, silent ones that may be gone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, Protocol

from nostr_client.protocol.messages import Notice
from relays.engine.backpressure import POLICY, close_slowest
from relays.engine.client import ClientSocket
from relays.engine.frames import text_frame
from relays.engine.relay import Relay
from relays.networks import Networks
from relays.web.http_types import HttpRequest, HttpResponse, Site
from relays.web.proxies import Origin, Proxies
from relays.web.token import refusal

LINGER: Final = 2.0
"""Seconds that a client has for its side of a closing connection."""
GOING_AWAY: Final = 1001
MOST_STRANGERS: Final = 1024
"""Where a token is asked for, sockets that have not shown it; past that the oldest is closed. As
many as are accepted in one go, so that the owner's is not pushed out before it has spoken."""
_FAREWELL: Final = text_frame(
    Notice("closing: this relay goes away, perhaps for a moment").encode()
)
"""Not every client shows the reason in a close frame."""


class OpenConnection(ClientSocket, Protocol):
    """A client's socket, as those see it who look after all of them."""

    address: str
    """The client's, as far as it is known."""
    group: str
    """Whose connections are counted together; empty: nobody's."""

    def abort(self) -> None:
        """End without a word."""

    def tick(self, now: float) -> None:
        """Look after this connection; called every second."""


class Gate:
    """Whose connection it is, and who may not have one."""

    def __init__(
        self,
        proxies: Proxies | None = None,
        banned: Callable[[str], str] = lambda address: "",
        token: str = "",
    ) -> None:
        """`banned` gives the words for an address that is refused, empty for any other. With a
        `token`, only those who show it are answered."""
        self._proxies = proxies or Proxies(Networks(()))
        self.banned = banned
        self._token = token

    def counts(self, peer: str) -> bool:
        """Is it known at once that the client is the other end of a socket at `peer`?"""
        return not self._token and not self._proxies.trusts(peer)

    @property
    def most_strangers(self) -> int | None:
        """How many sockets may be open that are not admitted yet; None: as many as any others."""
        return MOST_STRANGERS if self._token else None

    def refusal(self, request: HttpRequest) -> HttpResponse | None:
        """The answer to somebody who is not let in, if he is not."""
        return refusal(self._token, request) if self._token else None

    def origin(self, request: HttpRequest) -> Origin:
        """Where a request came from."""
        return self._proxies.origin(request.address, request.headers, secure=request.secure)


class ConnectionsElsewhere:
    """How many connections other processes of the same relay have, as they told: by their numbers,
    which groups have how many, and all together."""

    def __init__(self) -> None:
        self._groups: dict[int, Counter[str]] = {}
        self._totals: dict[int, int] = {}
        self.total = 0

    def of(self, group: str) -> int:
        """How many this group has."""
        return sum(groups[group] for groups in self._groups.values())

    def tell(self, worker: int, groups: Mapping[str, int], total: int, *, whole: bool) -> None:
        """It has so many; `whole`: and no others."""
        held = self._groups.setdefault(worker, Counter())
        if whole:
            held.clear()
        for group, count in groups.items():
            if count:
                held[group] = count
            else:
                del held[group]
        self._totals[worker] = total
        self.total = sum(self._totals.values())

    def forget(self, worker: int) -> None:
        """It has ended, and its connections with it."""
        self._groups.pop(worker, None)
        self._totals.pop(worker, None)
        self.total = sum(self._totals.values())


class RelayServer:
    """The listening socket and its connections."""

    def __init__(
        self, relays: Mapping[str, Relay], site: Site, gate: Gate, group: asyncio.TaskGroup
    ) -> None:
        """`relays` by the paths of their URLs. The first one's limits hold for all sockets."""
        self.relays = relays
        self.relay = next(iter(relays.values()))
        self.site = site
        self.gate = gate
        self._tasks = group
        self.connections: set[OpenConnection] = set()
        self._strangers: dict[OpenConnection, None] = {}
        """Those whose request is not known yet, oldest first."""
        self._admitted: set[OpenConnection] = set()
        self._groups: Counter[str] = Counter()
        self.elsewhere = ConnectionsElsewhere()
        self.on_count: Callable[[str], None] | None = None
        """Called with a group that has more or fewer connections than before, where somebody else
        wants to know."""
        self._empty = asyncio.Event()
        self._empty.set()
        self.partial_bytes = 0
        self.now = asyncio.get_running_loop().time()
        self._used = self.now

    def add(self, connection: OpenConnection) -> None:
        self.connections.add(connection)
        self._count(connection.group, 1)
        self._empty.clear()
        self._strangers[connection] = None
        most = self.gate.most_strangers
        if most is not None and len(self._strangers) > most:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.abort()

    def admit(self, connection: OpenConnection) -> None:
        """Its request was let in."""
        self._strangers.pop(connection, None)
        self._admitted.add(connection)

    @property
    def idle(self) -> float:
        """Seconds since somebody who was let in was here; 0 while somebody is."""
        return 0.0 if self._admitted else self.now - self._used

    def remove(self, connection: OpenConnection) -> None:
        self._strangers.pop(connection, None)
        if connection in self._admitted:
            self._admitted.discard(connection)
            self._used = self.now
        self.connections.discard(connection)
        self._count(connection.group, -1)
        if not self.connections:
            self._empty.set()

    def regroup(self, connection: OpenConnection, group: str) -> None:
        """It is known now whose connection this is."""
        self._count(connection.group, -1)
        connection.group = group
        self._count(group, 1)

    def _count(self, group: str, change: int) -> None:
        self._groups[group] += change
        if not self._groups[group]:
            del self._groups[group]
        if self.on_count is not None:
            self.on_count(group)

    @property
    def groups(self) -> Mapping[str, int]:
        """How many connections each group has here."""
        return self._groups

    @property
    def is_full(self) -> bool:
        """Are there more connections than may be, here and elsewhere?"""
        return len(self.connections) + self.elsewhere.total > self.relay.limits.connections

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something for a connection, beside all else."""
        self._tasks.create_task(work)

    def judge_again(self) -> None:
        """Close the connections of addresses that are banned now."""
        for connection in list(self.connections):
            if connection.address and (reason := self.gate.banned(connection.address)):
                connection.close(POLICY, reason)

    def over_share(self, group: str) -> int:
        """How many connections more than its share `group` has; 0 or less: none."""
        limits = self.relay.limits
        share = min(limits.connections_of_address, max(1, limits.connections // 2))
        return self._groups[group] + self.elsewhere.of(group) - share if group else 0

    async def tick(self) -> None:
        """Look after all connections until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1.0)
            self.now = loop.time()
            for connection in list(self.connections):
                connection.tick(self.now)
            for relay in set(self.relays.values()):
                close_slowest(relay.clients, relay.limits)

    async def close(self) -> None:
        """Tell every client that the relay goes away, and let each have `LINGER` to hear it."""
        for connection in list(self.connections):
            connection.write(_FAREWELL)
            connection.close(GOING_AWAY, "the relay is closing")
        try:
            async with asyncio.timeout(LINGER):
                await self._empty.wait()
        except TimeoutError:
            for connection in list(self.connections):
                connection.abort()

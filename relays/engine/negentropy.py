"""NIP-77 at the relay: clients compare their sets with ours. No socket, no store, no clock.

A comparison is in one of three states, and moves through them in this order only:

- OPENING: `begin` let it in. Its set is counted, which `expected` may find too large; then it is
  read from the store.
- OPEN: `opened` was given the set, and answered; every `message` has its answer.
- ENDED: by NEG-CLOSE, by another NEG-OPEN of the same id, by a NEG-ERR, because nothing came for a
  while, or with the connection. A set that is read late is thrown away.

Ids are a namespace of their own: a REQ of the same id is another thing. What is bounded: the
comparisons of a connection, the events of each, the memory of all, an answer (as any message: there
are clients whom many small ones lead astray), and what one message may cost (`nips.nip77`). The set
is that of the moment when it was read.
"""

from __future__ import annotations

from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.nips.nip77 import LEAST_FRAME, Items, NegentropyServer, memory_of
from nostr_client.protocol.messages import NegErr, NegMsg
from relays.config.sections import Negentropy
from relays.engine.frames import text_frame

_ENVELOPE: Final = 512
"""Bytes around it: the subscription id, escaped, and the frame's brackets."""
_TOO_MANY: Final = "rate-limited: too many comparisons are going on, ask again later"


class NegentropySession:
    """One NEG-OPEN. `first` is the client's message, until it is answered; `cost` is in bytes."""

    __slots__ = ("active_at", "cost", "first", "id", "server", "sessions")

    def __init__(self, sessions: NegentropySessions, id: str, first: bytes, now: float) -> None:
        self.sessions: NegentropySessions | None = sessions
        self.id = id
        self.first = first
        self.active_at = now
        self.cost = 0
        self.server: NegentropyServer | None = None

    @property
    def has_ended(self) -> bool:
        return self.sessions is None


class Reconciler:
    """All comparisons of a relay. `memory` is what their sets take, in bytes."""

    def __init__(self, bounds: Negentropy, message_bytes: int) -> None:
        """`message_bytes`: the most that a message of this relay may have."""
        self.reconfigure(bounds, message_bytes)
        self.memory = 0
        self._open: dict[NegentropySession, None] = {}

    def reconfigure(self, bounds: Negentropy, message_bytes: int) -> None:
        """From now on these hold; comparisons that are open keep the size of their answers."""
        self.bounds = bounds
        self.frame = max(LEAST_FRAME, (message_bytes - _ENVELOPE) // 2)

    @property
    def is_on(self) -> bool:
        return self.bounds.sessions > 0

    def connect(self) -> NegentropySessions:
        """The comparisons of a new connection; they cost nothing until there is one."""
        return NegentropySessions(self)

    def expire(self, now: float) -> list[tuple[NegentropySessions, bytes]]:
        """End what was silent for too long; the frames that say so. To be called now and then."""
        told: list[tuple[NegentropySessions, bytes]] = []
        limit = self.bounds.idle_seconds
        while self._open:
            oldest = next(iter(self._open))
            sessions = oldest.sessions
            if sessions is None or now - oldest.active_at < limit:
                break
            told.append(
                (sessions, sessions.refuse(oldest, f"closed: nothing came for {limit} seconds"))
            )
        return told

    def charge(self, session: NegentropySession, cost: int) -> bool:
        """Let it take `cost` bytes from now on, if there is room for them."""
        memory = self.memory - session.cost + cost
        if memory > self.bounds.memory:
            return False
        self.memory = memory
        session.cost = cost
        return True

    def touch(self, session: NegentropySession) -> None:
        """It is now the one that was silent for the shortest time."""
        self._open.pop(session, None)
        self._open[session] = None

    def forget(self, session: NegentropySession) -> None:
        """It has ended."""
        self.memory -= session.cost
        session.cost = 0
        self._open.pop(session, None)


class NegentropySessions:
    """The comparisons of one connection. What is returned are frames to be sent, or nothing."""

    __slots__ = ("_by_id", "_reconciler")

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler
        self._by_id: dict[str, NegentropySession] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def is_on(self) -> bool:
        """Are sets compared here at all?"""
        return self._reconciler.is_on

    def begin(self, id: str, message: bytes, now: float) -> NegentropySession | bytes:
        """NEG-OPEN: read its set, then call `opened` or `refuse`. Or the frame that refuses it."""
        self.close(id)
        most = self._reconciler.bounds.sessions
        if len(self._by_id) >= most:
            return _error(id, f"rate-limited: {most} comparisons may be open")
        session = NegentropySession(self, id, message, now)
        if not self._reconciler.charge(session, len(message)):
            return _error(id, _TOO_MANY)
        self._by_id[id] = session
        return session

    def expected(self, session: NegentropySession, count: int) -> bytes:
        """Its set has so many events: the frame that refuses it, or nothing if it may be read."""
        if session.has_ended:
            return b""
        if count > self._reconciler.bounds.events:
            return self.too_big(session)
        if not self._reconciler.charge(session, memory_of(count)):
            return self.refuse(session, _TOO_MANY)
        return b""

    def opened(self, session: NegentropySession, items: Items, now: float) -> bytes:
        """Its set was read: the answer to NEG-OPEN."""
        if session.has_ended:
            return b""
        if len(items) > self._reconciler.bounds.events:
            return self.too_big(session)
        if not self._reconciler.charge(session, items.memory):
            return self.refuse(session, _TOO_MANY)
        session.server = NegentropyServer(items, self._reconciler.frame)
        first, session.first = session.first, b""
        return self._answer(session, session.server, first, now)

    def message(self, id: str, message: bytes, now: float) -> bytes:
        """NEG-MSG: the answer."""
        session = self._by_id.get(id)
        if session is None:
            return _error(id, "closed: no comparison of this id is open")
        if session.server is None:
            return self.refuse(session, "invalid: the last message is not answered yet")
        return self._answer(session, session.server, message, now)

    def close(self, id: str) -> None:
        """NEG-CLOSE, or another NEG-OPEN, or a refusal of one before it got here."""
        session = self._by_id.get(id)
        if session is not None:
            self._end(session)

    def refuse(self, session: NegentropySession, reason: str, most: int | None = None) -> bytes:
        """End it; nothing is said if it has ended. `most`: how many events there may be."""
        if session.has_ended:
            return b""
        self._end(session)
        return _error(session.id, reason, most)

    def too_big(self, session: NegentropySession) -> bytes:
        """End it: more events match than may be compared."""
        most = self._reconciler.bounds.events
        return self.refuse(session, f"blocked: more than {most} events match", most)

    def end(self) -> None:
        """The connection is over."""
        for session in list(self._by_id.values()):
            self._end(session)

    def _answer(
        self, session: NegentropySession, server: NegentropyServer, message: bytes, now: float
    ) -> bytes:
        session.active_at = now
        self._reconciler.touch(session)
        try:
            answer = server.answer(message)
        except InvalidData as error:
            return self.refuse(session, f"invalid: {error}")
        return text_frame(NegMsg(session.id, answer).encode())

    def _end(self, session: NegentropySession) -> None:
        session.sessions = session.server = None
        session.first = b""
        del self._by_id[session.id]
        self._reconciler.forget(session)


def _error(id: str, reason: str, most: int | None = None) -> bytes:
    return text_frame(NegErr(id, reason, most).encode())

"""A small relay on loopback that keeps what it is sent, and that tests can put into a mood."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from nostr_client.nips import nip45
from nostr_client.nips.nip77 import Items, NegentropyServer
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter, matches_any
from nostr_client.protocol.refusals import split_reason, wants_auth

LIMIT = 30.0
"""Seconds that a test waits for anything."""
CAP = 500
"""Events in one answer."""


class Relay:
    """NIP-01 over a list of events, of lists the newest version only.

    Moods: `words` answers every REQ with CLOSED and these words, `mute` with EOSE alone, `silent`
    with nothing at all, to EVENTs too; `refuses` answers every EVENT with OK false and these words;
    `challenge` is sent as AUTH to whoever connects, and an AUTH event is then let in (`guests`);
    `compares` answers NIP-77, and `counts` NIP-45, which are else no messages that it knows;
    `sketches` adds HyperLogLog values. `cap` is the most events in one answer; of a REQ with more
    than `most_filters` it complains as nostream does, in a NOTICE.
    """

    def __init__(self, *events: Event, port: int = 0) -> None:
        self.held: list[Event] = []
        for event in events:
            self.keep(event)
        self.words = ""
        self.mute = False
        self.silent = False
        self.refuses = ""
        self.challenge = ""
        self.guests: list[Event] = []
        self.compares = False
        self.counts = self.sketches = False
        self.cap = CAP
        self.most_filters = 100
        self._comparing: dict[str, NegentropyServer] = {}
        self.log: list[list[Any]] = []
        self.connections = 0
        self.url = ""
        self.port = port
        self._listeners: dict[tuple[ServerConnection, str], list[Filter]] = {}
        self._sockets: set[ServerConnection] = set()
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._handle,
            "127.0.0.1",
            self.port,
            compression=None,
            ping_interval=None,
            close_timeout=0.5,
            max_size=None,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.end()

    async def end(self) -> None:
        """Close every connection, and take no more."""
        assert self._server is not None
        self._server.close()
        await asyncio.wait_for(self._server.wait_closed(), LIMIT)

    def keep(self, event: Event) -> bool:
        """Store as a relay does; False for an older version of what is held."""
        if event.address:
            same = [old for old in self.held if old.address == event.address]
            if any(old.order < event.order for old in same):
                return False
            self.held = [old for old in self.held if old not in same]
        if not self.has(event):
            self.held.append(event)
        return True

    def has(self, event: Event) -> bool:
        return any(event.id == other.id for other in self.held)

    @property
    def listened(self) -> list[Filter]:
        """What whoever is connected wants to hear of, when it comes."""
        return [filter for filters in self._listeners.values() for filter in filters]

    def sent(self, label: str) -> list[list[Any]]:
        """What clients sent of one type."""
        return [frame for frame in self.log if frame[0] == label]

    async def tell(self, event: Event) -> None:
        """Store it and send it to whoever listens, as if somebody had published it here."""
        self.keep(event)
        for (socket, wire), filters in list(self._listeners.items()):
            if matches_any(filters, event):
                await _send_event(socket, wire, event)

    async def say(self, *parts: Any) -> None:
        """Send a frame, of its own accord, to whoever is connected."""
        for socket in tuple(self._sockets):
            await _send(socket, *parts)

    async def _handle(self, socket: ServerConnection) -> None:
        self.connections += 1
        self._sockets.add(socket)
        try:
            if self.challenge:
                await _send(socket, "AUTH", self.challenge)
            while True:
                frame: list[Any] = json.loads(await socket.recv())
                self.log.append(frame)
                await self._answer(socket, frame)
        except ConnectionClosed:
            pass
        finally:
            self._sockets.discard(socket)
            for key in [key for key in self._listeners if key[0] is socket]:
                del self._listeners[key]

    async def _answer(self, socket: ServerConnection, frame: list[Any]) -> None:
        match frame:
            case ["REQ", wire, *raw]:
                await self._on_req(socket, wire, [Filter.from_dict(f) for f in raw])
            case ["CLOSE", wire]:
                self._listeners.pop((socket, wire), None)
            case ["AUTH", raw]:
                self.guests.append(Event.from_dict(raw))
                self.words = ""
                if wants_auth(split_reason(self.refuses)[0]):
                    self.refuses = ""
                await _send(socket, "OK", raw["id"], True, "")
            case ["EVENT", raw] if not self.silent:
                event = Event.from_dict(raw)
                if self.refuses:
                    await _send(socket, "OK", event.id, False, self.refuses)
                elif not self.keep(event):
                    await _send(socket, "OK", event.id, False, "replaced: have newer event")
                else:
                    await _send(socket, "OK", event.id, True, "")
                    await self.tell(event)
            case ["COUNT", wire, raw] if self.counts:
                await self._on_count(socket, wire, Filter.from_dict(raw))
            case [label, wire, *rest] if label.startswith("NEG-") and not self.silent:
                await self._on_neg(socket, label, wire, *rest)

    async def _on_count(self, socket: ServerConnection, wire: str, asked: Filter) -> None:
        found = [event for event in self.held if asked.matches(event)]
        said: dict[str, Any] = {"count": len(found)}
        offset = nip45.offset_of(asked)
        if self.sketches and offset is not None:
            said["hll"] = nip45.registers_of([event.pubkey for event in found], offset).hex()
        await _send(socket, "COUNT", wire, said)

    async def _on_neg(self, socket: ServerConnection, label: str, wire: str, *rest: Any) -> None:
        if not self.compares:
            await _send(socket, "NOTICE", f"unknown message {label}")
        elif label == "NEG-CLOSE":
            self._comparing.pop(wire, None)
        else:
            if label == "NEG-OPEN":
                asked = Filter.from_dict(rest[0])
                found = [(e.created_at, bytes.fromhex(e.id)) for e in self.held if asked.matches(e)]
                self._comparing[wire] = NegentropyServer(Items(found))
            answer = self._comparing[wire].answer(bytes.fromhex(rest[-1]))
            await _send(socket, "NEG-MSG", wire, answer.hex())

    async def _on_req(self, socket: ServerConnection, wire: str, filters: Sequence[Filter]) -> None:
        if self.words:
            await _send(socket, "CLOSED", wire, self.words)
            return
        if self.silent:
            return
        if len(filters) > self.most_filters:
            number = f"Number of filters per subscription must be <= {self.most_filters}"
            await _send(socket, "NOTICE", f"Subscription rejected: Too many filters: {number}")
            return
        found: dict[str, Event] = {}
        for wanted in () if self.mute else filters:
            matching = sorted((e for e in self.held if wanted.matches(e)), key=lambda e: e.order)
            limit = self.cap if wanted.limit is None else min(self.cap, wanted.limit)
            found |= {event.id: event for event in matching[:limit]}
        for event in sorted(found.values(), key=lambda e: e.order):
            await _send_event(socket, wire, event)
        await _send(socket, "EOSE", wire)
        self._listeners[socket, wire] = list(filters)


async def _send(socket: ServerConnection, *parts: Any) -> None:
    await socket.send(json.dumps(parts))


async def _send_event(socket: ServerConnection, wire: str, event: Event) -> None:
    await socket.send(b'["EVENT","%b",%b]' % (wire.encode(), event.json), text=True)

"""Relays that do exactly what a test says, on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from nostr_client.nips.nip77 import Items, NegentropyServer
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter, matches_any
from nostr_client.protocol.keys import SecretKey

LIMIT = 30.0
"""Seconds that a test waits for anything."""

ALICE = SecretKey.from_hex("1" * 64)
BOB = SecretKey.from_hex("2" * 64)


def note(text: str, at: int = 1_700_000_000, key: SecretKey = ALICE, kind: int = 1) -> Event:
    return Draft(kind=kind, content=text, created_at=at).sign(key, at)


def forged(event: Event) -> Event:
    """The same id under a signature that is not its author's."""
    sig = ("0" if event.sig[0] != "0" else "1") + event.sig[1:]
    return Event.parse(event.json.replace(event.sig.encode(), sig.encode()))


class Peer:
    """The relay's end of one connection."""

    def __init__(self, socket: ServerConnection, relay: ScriptedRelay) -> None:
        self.socket = socket
        self._relay = relay

    async def next(self, label: str | None = None) -> list[Any]:
        """The next frame from the client; with `label`, the next of that type."""
        async with asyncio.timeout(LIMIT):
            while True:
                frame = await self.listen()
                if label is None or frame[0] == label:
                    return frame

    async def listen(self) -> list[Any]:
        """The next frame, whenever it comes."""
        frame: list[Any] = json.loads(await self.socket.recv())
        self._relay.log.append(frame)
        async with self._relay.changed:
            self._relay.changed.notify_all()
        return frame

    async def send(self, *parts: Any) -> None:
        await self.socket.send(json.dumps(parts))

    async def event(self, wire: str, event: Event) -> None:
        await self.socket.send(b'["EVENT","%b",%b]' % (wire.encode(), event.json), text=True)

    async def raw(self, data: bytes) -> None:
        await self.socket.send(data, text=True)

    async def hang(self) -> None:
        """Listen until the client goes."""
        while True:
            await self.listen()


Script = Callable[[Peer], Awaitable[None]]


class ScriptedRelay:
    """Runs `script` for each connection; `log` holds every frame that came from clients."""

    def __init__(self, script: Script, *, port: int = 0, **options: Any) -> None:
        self._script = script
        self._port = port
        self._options = options
        self._server: Server | None = None
        self.log: list[list[Any]] = []
        self.connections = 0
        self.open = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self._sockets: set[ServerConnection] = set()
        self.changed = asyncio.Condition()
        self.url = ""
        self.port = 0
        self.problems: list[BaseException] = []

    async def __aenter__(self) -> Self:
        options = {"compression": None, "ping_interval": None, "close_timeout": 0.5}
        self._server = await serve(
            self._handle, "127.0.0.1", self._port, **(options | self._options)
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
        assert self._server is not None
        for task in self.tasks:
            task.cancel()
        self._server.close()
        await asyncio.sleep(0)
        for socket in self._sockets:
            if not socket.transport.is_reading():  # it would never hear that the client left
                socket.transport.abort()
        await asyncio.wait_for(self._server.wait_closed(), LIMIT)
        if self.problems and kind is None:
            raise self.problems[0]

    async def _handle(self, socket: ServerConnection) -> None:
        self.connections += 1
        self.open += 1
        async with self.changed:
            self.changed.notify_all()
        task = asyncio.ensure_future(self._script(Peer(socket, self)))
        self.tasks.add(task)
        self._sockets.add(socket)
        try:
            await task
        except (ConnectionClosed, ConnectionError, asyncio.CancelledError):
            pass
        except BaseException as problem:
            self.problems.append(problem)
            raise
        finally:
            self.tasks.discard(task)
            self._sockets.discard(socket)
            self.open -= 1
            async with self.changed:
                self.changed.notify_all()

    async def until(self, met: Callable[[], object]) -> None:
        """Wait until `met` holds; it is asked when a connection comes or goes, or a frame comes."""
        async with asyncio.timeout(LIMIT), self.changed:
            await self.changed.wait_for(met)

    def sent(self, label: str) -> list[list[Any]]:
        """What clients sent of one type."""
        return [frame for frame in self.log if frame[0] == label]


def honest(
    events: Sequence[Event] = (), *, cap: int = 500, hints: bool = False, most: int | None = None
) -> Script:
    """A small relay that does what NIP-01 says, over a list that it appends to.

    `most`: it does what NIP-77 says too, for so many events.
    """
    held = events if isinstance(events, list) else list(events)
    listeners: dict[tuple[Peer, str], list[Filter]] = {}
    comparing: dict[tuple[Peer, str], NegentropyServer] = {}

    async def on_neg(peer: Peer, label: str, wire: str, *rest: Any) -> None:
        if most is None:
            await peer.send("NOTICE", f"unknown message {label}")
            return
        if label == "NEG-OPEN":
            asked = Filter.from_dict(rest[0])
            matching = (e for e in held if asked.matches(e))
            found = list({(e.created_at, bytes.fromhex(e.id)) for e in matching})
            if len(found) > most:
                await peer.send("NEG-ERR", wire, "blocked: too many", most)
                return
            comparing[peer, wire] = NegentropyServer(Items(found))
        if label == "NEG-CLOSE":
            del comparing[peer, wire]
        else:
            answer = comparing[peer, wire].answer(bytes.fromhex(rest[-1]))
            await peer.send("NEG-MSG", wire, answer.hex())

    async def on_req(peer: Peer, wire: str, filters: list[Filter]) -> None:
        found: dict[str, Event] = {}
        cut = False
        for filter in filters:
            matching = sorted((e for e in held if filter.matches(e)), key=lambda e: e.order)
            most = min(cap, cap if filter.limit is None else filter.limit)
            cut = cut or len(matching) > most
            found.update((e.id, e) for e in matching[:most])
        for event in sorted(found.values(), key=lambda e: e.order):
            await peer.event(wire, event)
        await peer.send("EOSE", wire, *([["more" if cut else "finish"]] if hints else []))
        listeners[peer, wire] = filters

    async def script(peer: Peer) -> None:
        try:
            while True:
                frame = await peer.listen()
                if frame[0] == "REQ":
                    await on_req(peer, frame[1], [Filter.from_dict(f) for f in frame[2:]])
                elif frame[0] == "CLOSE":
                    listeners.pop((peer, frame[1]), None)
                elif frame[0] == "COUNT":
                    filters = [Filter.from_dict(f) for f in frame[2:]]
                    number = sum(matches_any(filters, event) for event in held)
                    await peer.send("COUNT", frame[1], {"count": number})
                elif frame[0].startswith("NEG-"):
                    await on_neg(peer, *frame)
                elif frame[0] == "EVENT":
                    event = Event.from_dict(frame[1])
                    held.append(event)
                    await peer.send("OK", event.id, True, "")
                    for (other, wire), filters in list(listeners.items()):
                        if matches_any(filters, event):
                            await other.event(wire, event)
        finally:
            for key in [key for key in listeners if key[0] is peer]:
                del listeners[key]

    return script


class PlainVerifier:
    """Checks signatures where it stands, and counts them."""

    def __init__(self) -> None:
        self.checked = 0

    async def verify_all(self, events: Sequence[Event]) -> list[bool]:
        self.checked += len(events)
        await asyncio.sleep(0)
        return [event.verify() for event in events]

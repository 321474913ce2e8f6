"""A real relay for a test: in a folder of its own, by a clock that the test turns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from nostr_client.errors import NostrError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.rehearsal.plain_socket import PlainSocket, plain_socket
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.rehearsal.scratch_folder import scratch_folder
from nostr_client.testing.faults import FaultyFront
from nostr_client.turned_clock import TurnedClock

ANSWER_LIMIT: Final = 30.0
"""Seconds that the relay has for an answer to the test itself."""
WORDS: Final = 2_000
"""Of what the relay said before it ended, so many characters are shown."""
_WIRE: Final = "test"


class LocalRelay:
    """One of ours, a process of its own, behind a front that does what `faults` orders.

    `url`: where clients find it, also after it was stopped and started again. `clock` is what it
    judges by, and may be given to a client too. Made by `relay`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._front = FaultyFront()
        self._process: RelayProcess | None = None
        self._port = 0
        self.faults = self._front.faults
        self.clock = TurnedClock(folder / "clock")

    @property
    def url(self) -> str:
        return self._front.url

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._front.connections)

    @property
    def data(self) -> Path:
        """The relay's own folder."""
        return self._folder / "data"

    async def start(self, settings: Mapping[str, Any] | None = None) -> None:
        """Run, on the data and at the address of before; `settings` are those of a relay's TOML
        file, by name, and without any those of before. Raises NostrError."""
        if self._process is not None:
            raise NostrError("this relay runs already")
        await self._front.open("", port=self._port)
        self._port = int(self.url.rpartition(":")[2])
        file = self._folder / "relay.toml"
        if settings is not None or not file.exists():
            file.write_bytes(_toml({"urls": [self.url], **(settings or {})}))
        log = self._folder / "log"
        arguments = (str(self.data), str(file), str(self.clock.file))
        try:
            with log.open("ab") as said:
                self._process = await RelayProcess.running(
                    self.data, "relays.rehearsed", *arguments, log=said
                )
        except BaseException as error:
            await self._front.close()
            if isinstance(error, NostrError) and (why := log.read_text("utf-8").strip()):
                raise NostrError(f"the relay did not start: {why[-WORDS:]}") from None
            raise
        self._front.behind = self._process.url

    async def stop(self) -> None:
        """End it as its keeper does; who connects finds nobody, until it is started again."""
        process, self._process = self._process, None
        await self._front.close()
        if process is not None:
            await process.stop()

    async def kill(self) -> None:
        """End it at once, as a crash does: connections end without a word."""
        process, self._process = self._process, None
        self.drop_connections()
        await self._front.close()
        if process is not None:
            await process.kill()

    async def restart(self) -> None:
        """`stop` and `start`."""
        await self.stop()
        await self.start()

    def drop_connections(self) -> None:
        """End every connection without a word."""
        self._front.drop_connections()

    async def add(self, *events: Event) -> None:
        """Have it take these, past all faults. Raises NostrError where it refuses one."""
        async with plain_socket(self._front.behind) as socket:
            for event in events:
                await socket.send(b'["EVENT",%b]' % event.json, text=True)
                _, _, taken, reason = await _answer(socket, "OK")
                if not taken:
                    raise NostrError(f"the relay did not take {event.id}: {reason}")

    async def events(self, *filters: Filter) -> list[Event]:
        """What it holds of these, or of everything, newest first, past all faults. Raises
        NostrError where it does not say."""
        asked = [wanted.to_dict() for wanted in filters] or [{}]
        found: dict[str, Event] = {}
        async with plain_socket(self._front.behind) as socket:
            await socket.send(json.dumps(["REQ", _WIRE, *asked]))
            while True:
                label, _, *rest = await _answer(socket, "EVENT", "EOSE", "CLOSED")
                if label == "CLOSED":
                    raise NostrError(f"the relay does not say what it holds: {rest[0]}")
                if label == "EOSE":
                    return sorted(found.values(), key=lambda event: event.order)
                event = Event.from_dict(rest[0])
                found[event.id] = event


async def _answer(socket: PlainSocket, *labels: str) -> list[Any]:
    """The next message with one of these labels. Raises NostrError."""
    try:
        async with asyncio.timeout(ANSWER_LIMIT):
            while True:
                message: list[Any] = json.loads(await socket.recv(decode=True))
                if message[0] in labels:
                    return message
    except TimeoutError:
        raise NostrError(f"the relay did not answer within {ANSWER_LIMIT:g} s") from None


def _toml(settings: Mapping[str, Any], name: str = "") -> bytes:
    """Tables in TOML: keys and values as JSON writes them, which TOML reads as the same."""
    plain = {key: value for key, value in settings.items() if not isinstance(value, Mapping)}
    lines = [f"[{name}]\n".encode()] if name else []
    lines += [b"%b = %b\n" % (_key(key), msgspec.json.encode(plain[key])) for key in plain]
    for key, value in settings.items():
        if isinstance(value, Mapping):
            inner = _key(key).decode()
            lines.append(_toml(value, f"{name}.{inner}" if name else inner))
    return b"".join(lines)


def _key(key: str) -> bytes:
    return msgspec.json.encode(key)


@asynccontextmanager
async def relay(**settings: Any) -> AsyncIterator[LocalRelay]:
    """`async with relay() as r:` a real relay on loopback, at `r.url`, until the block ends.

    `settings` are those of a relay's TOML file, as `relay(limits={"event_tags": 5})`. Its folder
    is gone afterwards, however the test ends. Raises NostrError when it does not start.
    """
    with ExitStack() as stack:
        local = LocalRelay(stack.enter_context(scratch_folder("nostr-client-test-")))
        stack.callback(local.clock.close)
        try:
            await local.start(settings)
            yield local
        finally:
            await local.kill()

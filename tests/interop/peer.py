"""A client as a scene sees it: ours, or another's in a process of its own."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

from nostr_client.processes import end_now
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.foreign_reader import PlainFilter

LINE_LIMIT = 8 << 20
"""Bytes of one answer."""


class Lacks(Exception):
    """The peer does not offer this; the text says how that is known."""


class Wrong(Exception):
    """What was seen is not what the NIPs say."""


class Told(NamedTuple):
    """What a relay said to an event, as the client tells it."""

    accepted: bool
    message: str


class Letter(NamedTuple):
    """A private message that was read."""

    sender: str
    text: str


class Peer(Protocol):
    """One client with one key on one relay. Each raises Lacks for what it does not offer."""

    async def write(self, draft: Draft) -> tuple[Event, Told]:
        """Sign and publish."""

    async def send(self, event: Event) -> Told:
        """Publish what is signed."""

    async def query(self, filter: PlainFilter) -> list[Event]:
        """What is stored."""

    async def listen(self, filter: PlainFilter) -> None:
        """Subscribe; returns when what is stored has come."""

    async def heard(self) -> Event:
        """The next event that came live."""

    async def count(self, filter: PlainFilter) -> int:
        """NIP-45."""

    async def reconcile(self, filter: PlainFilter, held: Sequence[Event]) -> set[str]:
        """NIP-77, both ways, with `held` as the own set: the ids that it holds afterwards."""

    async def write_message(self, to: str, text: str) -> None:
        """NIP-17, to a pubkey."""

    async def read_messages(self) -> list[Letter]:
        """Those to oneself that the relay has."""

    async def sign_by(self, uri: str, draft: Draft) -> Event:
        """Have a bunker sign (NIP-46)."""


class ProcessPeer:
    """A program that takes one JSON object a line on standard input and answers each with one:
    `{"ok": ...}`, `{"lacks": why}` or `{"error": what}`. It ends when its input does."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def running(
        cls, command: Sequence[str], url: str, key: SecretKey
    ) -> AsyncIterator[ProcessPeer]:
        """The program, on the relay at `url`. Raises Wrong where it ends with an error."""
        with tempfile.TemporaryFile() as said:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=said,
                start_new_session=True,
                limit=LINE_LIMIT,
            )
            peer = cls(process)
            try:
                await peer._ask("connect", url=url, key=bytes(key).hex())
                yield peer
            except EOFError:
                said.seek(0)
                lines = [line for line in said.read().decode(errors="replace").splitlines() if line]
                raise Wrong(f"its program ended: {' '.join(lines[-3:])}") from None
            finally:
                await end_now(process)

    async def _ask(self, verb: str, **given: Any) -> Any:
        """Raises EOFError where the program is gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": verb, **given}).encode() + b"\n")
            await self._process.stdin.drain()
            line = await self._process.stdout.readline()
        except (BrokenPipeError, ConnectionResetError):
            line = b""
        if not line:
            raise EOFError
        match json.loads(line):
            case {"ok": value}:
                return value
            case {"lacks": str(why)}:
                raise Lacks(why)
            case {"error": what}:
                raise Wrong(f"it says: {what}")
            case other:
                raise Wrong(f"its program answers {other!r}")

    async def write(self, draft: Draft) -> tuple[Event, Told]:
        answer = await self._ask("write", draft=plain(draft))
        return Event.from_dict(answer["event"]), _told(answer)

    async def send(self, event: Event) -> Told:
        return _told(await self._ask("send", event=json.loads(event.json)))

    async def query(self, filter: PlainFilter) -> list[Event]:
        return [Event.from_dict(found) for found in await self._ask("query", filter=filter)]

    async def listen(self, filter: PlainFilter) -> None:
        await self._ask("listen", filter=filter)

    async def heard(self) -> Event:
        return Event.from_dict(await self._ask("heard"))

    async def count(self, filter: PlainFilter) -> int:
        return int(await self._ask("count", filter=filter))

    async def reconcile(self, filter: PlainFilter, held: Sequence[Event]) -> set[str]:
        given = [json.loads(event.json) for event in held]
        return set(await self._ask("reconcile", filter=filter, held=given))

    async def write_message(self, to: str, text: str) -> None:
        await self._ask("write_message", to=to, text=text)

    async def read_messages(self) -> list[Letter]:
        return [Letter(*each) for each in await self._ask("read_messages")]

    async def sign_by(self, uri: str, draft: Draft) -> Event:
        return Event.from_dict(await self._ask("sign_by", uri=uri, draft=plain(draft)))


def plain(draft: Draft) -> dict[str, Any]:
    """A draft as any language takes it."""
    return {
        "kind": draft.kind,
        "content": draft.content,
        "tags": [list(tag) for tag in draft.tags],
        "created_at": draft.created_at,
    }


def _told(answer: Mapping[str, Any]) -> Told:
    return Told(bool(answer["accepted"]), str(answer.get("message") or ""))

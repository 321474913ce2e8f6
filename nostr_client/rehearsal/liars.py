"""Relays that lie: a front before a real relay, which passes on what it is told, but for its lie.

- `drops-author`: takes everything, and keeps nothing of one author.
- `discards`: says OK, and keeps nothing at all.
- `stale`: shows of each list the first version that it ever saw.
- `forges`: what it shows is not what was signed.
- `drips`: shows one event every `DRIP` seconds.
- `two-faced`: shows what is asked for by id, as auditors ask, and nothing to those who look for
  an author.

A front that closes (`closing`) refuses all that is new, and says why. Of what it refused for good
it counts what comes again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, Literal, get_args

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import WebSocketException
from websockets.http11 import Request, Response

from nostr_client.errors import NostrError
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.nips import nip11
from nostr_client.protocol import kinds
from nostr_client.rehearsal.plain_socket import MOST_FRAME, PlainSocket, plain_socket
from nostr_client.rehearsal.sites import HERE
from nostr_client.tasks import together

Lie = Literal["drops-author", "discards", "stale", "forges", "drips", "two-faced"]
LIES: Final[tuple[Lie, ...]] = get_args(Lie)
DRIP: Final = 1.0
CLOSING: Final = "blocked: this relay closes for good soon"
_MOST_QUESTIONS: Final = 1_000


class Front:
    """Open from `open` on. `victim` is the author (hex) whom `drops-author` drops."""

    def __init__(self, lie: Lie | None = None, victim: str = "") -> None:
        self.url = self.behind = ""
        self.lie = lie
        self.victim = victim
        self.closing = False
        self.refused: dict[tuple[str, str], int] = {}
        """How often an event (author, id) came that was refused for good."""
        self.taken: set[str] = set()
        """The events (ids) that it said it had taken, and did not keep."""
        self._first_lists: dict[tuple[str, int], Any] = {}
        self._server: Server | None = None

    async def open(self, behind: str, host: str = HERE) -> None:
        """Stand before the relay at the URL `behind`, at the address `host`. Raises OSError."""
        self.behind = behind
        self._server = await serve(
            self._connected,
            host,
            0,
            max_size=MOST_FRAME,
            close_timeout=1,
            process_request=self._document,
        )
        self.url = f"ws://{host}:{next(iter(self._server.sockets)).getsockname()[1]}"

    @property
    def pushed_again(self) -> int:
        """Times that an event came again which was refused for good."""
        return sum(times - 1 for times in self.refused.values())

    async def close(self) -> None:
        """Nobody is answered any more."""
        if self._server is not None:
            server, self._server = self._server, None
            server.close()
            await server.wait_closed()

    async def _document(self, client: ServerConnection, request: Request) -> Response | None:
        """The relay's information document (NIP-11), where that is asked for: it does not lie."""
        if nip11.MEDIA_TYPE not in request.headers.get("Accept", ""):
            return None
        dial = DialOptions(private=True, proxy=None)
        try:
            answer = await http.get(self.behind, dial, accept=nip11.MEDIA_TYPE)
        except NostrError as error:
            return client.respond(HTTPStatus.BAD_GATEWAY, f"{error}\n")
        said = Headers({"Content-Type": nip11.MEDIA_TYPE, "Content-Length": str(len(answer.body))})
        return Response(answer.status, "", said, answer.body)

    async def _connected(self, client: ServerConnection) -> None:
        talk = _Talk(self, client)
        with suppress(OSError, TimeoutError, WebSocketException):
            async with plain_socket(self.behind) as relay:
                await talk.go_on(relay)

    # The lies

    def answer_to(self, event: Mapping[str, Any]) -> list[Any] | None:
        """What is said to an event in the relay's place; None: the relay gets it."""
        key = (str(event.get("pubkey")), str(event.get("id")))
        if self.closing:
            self.refused[key] = self.refused.get(key, 0) + 1
            return ["OK", key[1], False, CLOSING]
        dropped = self.lie == "drops-author" and key[0] == self.victim
        if self.lie == "discards" or dropped:
            self.taken.add(key[1])
            return ["OK", key[1], True, ""]
        return None

    def shown(self, event: dict[str, Any], asked: list[Mapping[str, Any]]) -> Any | None:
        """What is shown in place of an event that the relay shows; None: nothing."""
        if self.lie == "two-faced" and not any("ids" in plain for plain in asked):
            return None
        if self.lie == "forges":
            return {**event, "content": f"{event['content']} (not what was written)"}
        if self.lie == "stale" and kinds.kind_class(event["kind"]) is kinds.KindClass.REPLACEABLE:
            return self._first_lists.setdefault((event["pubkey"], event["kind"]), event)
        return event

    def saw(self, event: Mapping[str, Any]) -> None:
        """An event goes to the relay."""
        if self.lie == "stale":
            self._first_lists.setdefault(
                (str(event.get("pubkey")), int(event.get("kind", 1))), event
            )


class _Talk:
    """One client's connection, and the one to the relay for it."""

    def __init__(self, front: Front, client: ServerConnection) -> None:
        self._front = front
        self._client = client
        self._asked: dict[str, list[Mapping[str, Any]]] = {}

    async def go_on(self, relay: PlainSocket) -> None:
        """Until either goes. Raises what a socket ends with."""
        async with together() as group:
            group.create_task(self._to_relay(relay))
            group.create_task(self._to_client(relay))

    async def _to_relay(self, relay: PlainSocket) -> None:
        while True:
            text = await self._client.recv(decode=True)
            match json.loads(text):
                case ["EVENT", dict(event)]:
                    answer = self._front.answer_to(event)
                    if answer is not None:
                        await self._client.send(json.dumps(answer))
                        continue
                    self._front.saw(event)
                case ["REQ", str(name), *filters] if len(self._asked) < _MOST_QUESTIONS:
                    self._asked[name] = [plain for plain in filters if isinstance(plain, dict)]
                case ["CLOSE", str(name)]:
                    self._asked.pop(name, None)
            await relay.send(text)

    async def _to_client(self, relay: PlainSocket) -> None:
        while True:
            text = await relay.recv(decode=True)
            match json.loads(text):
                case ["EVENT", str(name), dict(event)]:
                    found = self._front.shown(event, self._asked.get(name, []))
                    if found is None:
                        continue
                    if self._front.lie == "drips":
                        await asyncio.sleep(DRIP)
                    if found is not event:
                        text = msgspec.json.encode(["EVENT", name, found]).decode()
            await self._client.send(text)

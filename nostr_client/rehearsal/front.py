"""A front before a real relay: it passes on what either side says, and what it does else others
say: lies (`liars`), and faults that tests order (`nostr_client.testing`)."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import WebSocketException
from websockets.http11 import Request, Response

from nostr_client.errors import NostrError
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.nips import nip11
from nostr_client.rehearsal.plain_socket import MOST_FRAME, PlainSocket, plain_socket
from nostr_client.rehearsal.sites import HERE
from nostr_client.tasks import together


class FrontTalk:
    """One client's connection, and the one to the relay for it. `questions`: what a front wants to
    remember of each that is under way."""

    def __init__(self, client: ServerConnection, relay: PlainSocket) -> None:
        self.client = client
        self.relay = relay
        self.questions: dict[str, Any] = {}


class RelayFront:
    """Answers from `open` to `close`, and may be opened again."""

    def __init__(self) -> None:
        self.url = self.behind = ""
        self._server: Server | None = None

    async def open(self, behind: str, host: str = HERE, port: int = 0) -> None:
        """Stand before the relay at the URL `behind`, at the address `host`. Raises OSError."""
        self.behind = behind
        self._server = await serve(
            self._connected,
            host,
            port,
            max_size=MOST_FRAME,
            compression=None,  # both ends are this machine
            close_timeout=1,
            process_request=self._document,
        )
        self.url = f"ws://{host}:{next(iter(self._server.sockets)).getsockname()[1]}"

    async def close(self) -> None:
        """Nobody is answered any more."""
        if self._server is not None:
            server, self._server = self._server, None
            server.close()
            await server.wait_closed()

    @property
    def connections(self) -> set[ServerConnection]:
        """Of all clients, now."""
        return set() if self._server is None else self._server.connections

    def drop_connections(self) -> None:
        """End every connection without a word."""
        for client in self.connections:
            client.transport.abort()

    async def from_client(self, talk: FrontTalk, text: str) -> None:
        """A client said `text`."""
        await talk.relay.send(text)

    async def from_relay(self, talk: FrontTalk, text: str) -> None:
        """The relay said `text`."""
        await talk.client.send(text)

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
        """Until either goes."""
        with suppress(OSError, TimeoutError, WebSocketException):
            async with plain_socket(self.behind) as relay:
                talk = FrontTalk(client, relay)
                async with together() as group:
                    group.create_task(self._to_relay(talk))
                    group.create_task(self._to_client(talk))

    async def _to_relay(self, talk: FrontTalk) -> None:
        while True:
            await self.from_client(talk, await talk.client.recv(decode=True))

    async def _to_client(self, talk: FrontTalk) -> None:
        while True:
            await self.from_relay(talk, await talk.relay.recv(decode=True))

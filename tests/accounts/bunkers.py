"""Bunkers that do exactly what a test says, and relays between them and their clients."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from nostr_client.errors import DecryptionFailed, NostrError
from nostr_client.nips import nip44, nip46
from nostr_client.nips.nip46 import (
    BunkerFault,
    BunkerMethod,
    BunkerRequest,
    BunkerResponse,
    BunkerUri,
    NostrConnectUri,
)
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter, matches_any
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from tests.net.scripted import Peer, ScriptedRelay

ACCOUNT: Final = SecretKey(b"\x41" * 32)
BUNKER: Final = SecretKey(b"\x42" * 32)
OTHER: Final = SecretKey(b"\x43" * 32)


class Switchboard(ScriptedRelay):
    """A relay that passes events on and keeps none. What clients send goes to `bunkers`, too.

    `wants_auth`: nothing goes on before a client has said who it is; `known` are those that did.
    `refusal`: what it says to every event, in place of taking it. `lag`: seconds that each takes.
    """

    def __init__(self, *, wants_auth: bool = False, refusal: str = "", lag: float = 0.0) -> None:
        super().__init__(self._serve)
        self.lag = lag
        self.wants_auth = wants_auth
        self.refusal = refusal
        self.known: list[str] = []
        self.bunkers: list[FakeBunker] = []
        self._listeners: dict[tuple[Peer, str], list[Filter]] = {}

    async def drop(self) -> None:
        """Every connection is lost, as when the relay is started again."""
        for peer in {peer for peer, _ in self._listeners}:
            peer.socket.transport.abort()

    async def bring(self, event: Event) -> None:
        """To whoever listens for it."""
        for (peer, wire), filters in list(self._listeners.items()):
            if matches_any(filters, event):
                await peer.event(wire, event)

    def hears(self, pubkey: str) -> bool:
        """Does somebody listen for what is sent to this key?"""
        probe = Draft(kinds.NOSTR_CONNECT, "", (("p", pubkey),)).sign(BUNKER, 1)
        return any(
            f.changed(authors=None).matches(probe) for fs in self._listeners.values() for f in fs
        )

    async def _serve(self, peer: Peer) -> None:
        is_in = not self.wants_auth
        await peer.send("AUTH", "who is there?")
        try:
            while True:
                label, *rest = await peer.listen()
                if label == "AUTH":
                    event = Event.from_dict(rest[0])
                    is_in = event.verify()
                    self.known.append(event.pubkey)
                    await peer.send("OK", event.id, is_in, "")
                elif label == "REQ" and not is_in:
                    await peer.send("CLOSED", rest[0], "auth-required: who are you?")
                elif label == "REQ":
                    self._listeners[peer, rest[0]] = [Filter.from_dict(f) for f in rest[1:]]
                    await peer.send("EOSE", rest[0])
                elif label == "CLOSE":
                    self._listeners.pop((peer, rest[0]), None)
                elif label == "EVENT":
                    await asyncio.sleep(self.lag)
                    await self._take(peer, Event.from_dict(rest[0]), is_in)
        finally:
            for key in [key for key in self._listeners if key[0] is peer]:
                del self._listeners[key]

    async def _take(self, peer: Peer, event: Event, is_in: bool) -> None:
        if not is_in:
            await peer.send("OK", event.id, False, "auth-required: who are you?")
        elif self.refusal:
            await peer.send("OK", event.id, False, self.refusal)
        else:
            await peer.send("OK", event.id, True, "")
            for bunker in self.bunkers:
                await bunker.hear(event)
            await self.bring(event)


Answering = Callable[[BunkerRequest], Awaitable[BunkerResponse | None]]


class FakeBunker:
    """Signs for `account`, answers through its `relays`, and remembers what it did.

    `instead` is asked first for each request, and answers in its own way, or by None not at all;
    for what it raises NotImplementedError the bunker does as usual.
    """

    def __init__(self, *relays: Switchboard, account: SecretKey = ACCOUNT) -> None:
        self.relays = list(relays)
        for relay in relays:
            relay.bunkers.append(self)
        self.key = BUNKER
        self.account = account
        self.secret = "open sesame"
        self.requests: list[BunkerRequest] = []
        """Each once, whatever number of times it came."""
        self.came: Counter[str] = Counter()
        """How many times each request came, by its id."""
        self.signed: list[Event] = []
        self.clients: set[str] = set()
        self.moves_to: list[str] | None = None
        self.limit = nip44.MAX_PLAINTEXT
        self.instead: Answering | None = None
        self.seen_events: set[str] = set()
        self._answers: dict[str, BunkerResponse | None] = {}

    @property
    def uri(self) -> BunkerUri:
        return BunkerUri(
            self.key.public_key.hex, tuple(relay.url for relay in self.relays), self.secret
        )

    def of(self, method: str) -> list[BunkerRequest]:
        return [request for request in self.requests if request.method == method]

    async def hear(self, event: Event) -> None:
        if event.value("p") != self.key.public_key.hex or event.id in self.seen_events:
            return
        self.seen_events.add(event.id)
        assert event.verify()
        key = nip44.conversation_key(self.key, event.pubkey)
        try:
            text = nip46.opened(event, key)
        except DecryptionFailed:
            return
        if len(text.encode()) > self.limit or '"method"' not in text:
            return
        request = BunkerRequest.parse(text)
        self.came[request.id] += 1
        if request.id not in self._answers:
            self.requests.append(request)
            self._answers[request.id] = None
            self._answers[request.id] = await self._answer(request, event.pubkey)
        response = self._answers[request.id]
        if response is not None:
            await self.say(response, event.pubkey)

    async def say(self, message: BunkerResponse | BunkerRequest, client: str) -> None:
        """Send something to a client, through every relay."""
        key = nip44.conversation_key(self.key, client)
        event = nip46.sealed(
            message, self.key, client, key, int(time.time()), limit=nip44.MAX_PLAINTEXT
        )
        await self.send(event)

    async def send(self, event: Event) -> None:
        """Through every relay."""
        for relay in self.relays:
            await relay.bring(event)

    async def scan(self, text: str) -> None:
        """Be shown a client's code."""
        uri = NostrConnectUri.parse(text)
        self.clients.add(uri.pubkey)
        await self.say(BunkerResponse("1", uri.secret), uri.pubkey)

    async def _answer(self, request: BunkerRequest, client: str) -> BunkerResponse | None:
        if self.instead is not None:
            try:
                return await self.instead(request)
            except NotImplementedError:
                pass
        try:
            return BunkerResponse(request.id, await self._done(request, client))
        except DecryptionFailed as error:
            said = BunkerFault.CANNOT_DECRYPT.said(str(error))
            return BunkerResponse(request.id, None, said)
        except NostrError as error:
            return BunkerResponse(request.id, None, str(error))

    async def _done(self, request: BunkerRequest, client: str) -> str | None:
        signer, params = LocalSigner(self.account), request.params
        match request.method:
            case BunkerMethod.CONNECT:
                if request.param(1) != self.secret:
                    raise NostrError(BunkerFault.NOT_CONNECTED.said("wrong secret"))
                self.clients.add(client)
                return nip46.ACK
            case BunkerMethod.PING:
                return nip46.PONG
            case BunkerMethod.GET_PUBLIC_KEY:
                return self.account.public_key.hex
            case BunkerMethod.SWITCH_RELAYS:
                return msgspec.json.encode(self.moves_to).decode()
            case BunkerMethod.LOGOUT:
                self.clients.discard(client)
                return nip46.ACK
            case BunkerMethod.SIGN_EVENT:
                fields: dict[str, Any] = msgspec.json.decode(params[0])
                self.signed.append(await signer.sign(Draft(**fields)))
                return self.signed[-1].json.decode()
            case "nip44_encrypt" | "nip44_decrypt" | "nip04_encrypt" | "nip04_decrypt" as method:
                answer: str = await getattr(signer, method)(*params)
                return answer
        raise NostrError(BunkerFault.UNKNOWN_METHOD.value)


async def never(request: BunkerRequest) -> BunkerResponse | None:
    """Answers nothing."""
    return None


def only(method: str, answer: Callable[[BunkerRequest], BunkerResponse | None]) -> Answering:
    """Answers one method in its own way."""

    async def instead(request: BunkerRequest) -> BunkerResponse | None:
        if request.method != method:
            raise NotImplementedError
        await asyncio.sleep(0)
        return answer(request)

    return instead

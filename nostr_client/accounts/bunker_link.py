"""The line to a bunker (NIP-46): requests, their answers, and the relays that carry both.

Rules
- It has a pool of its own: its relays need stand in nobody's list, and where one asks who is there
  (NIP-42) the client's key answers, never the account's.
- A request goes to every relay of the bunker at once, and the first answer counts. Only what the
  bunker's key signed is read.
- A relay that comes back gets again, with the same id, what it had before it went: first the very
  same event, in case it was lost on its way, and later one more, in case the answer was.
- Each request has a limit, and says which one ran out. `MOST_IN_FLIGHT` are under way at a time.
- Where the bunker moves to other relays, new requests go there; those under way end on the old
  ones, which are listened to until a ping was answered on the new.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

from nostr_client.accounts.bunker_pairing import BunkerOptions
from nostr_client.accounts.pending_request import (
    VISIT_LIMIT,
    PendingRequest,
    error_of,
    is_mute,
    is_refused,
    refusals,
    silence,
)
from nostr_client.errors import (
    DecryptionFailed,
    InvalidMessage,
    SignerError,
    SignerUnavailable,
    SigningRefused,
)
from nostr_client.net.auth_demand import authenticator
from nostr_client.net.dial import DialPolicy
from nostr_client.net.outcome import How
from nostr_client.net.pool import RelayPool
from nostr_client.net.report import Answer
from nostr_client.net.subscription import Arrival, Ended, EndOfStored, Subscription
from nostr_client.nips import nip04, nip44, nip46
from nostr_client.nips.nip46 import BunkerFault, BunkerMethod, BunkerRequest, BunkerResponse
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey, wipe
from nostr_client.protocol.refusals import PAUSES, Meaning
from nostr_client.protocol.urls import is_loopback
from nostr_client.safe_text import safe_line
from nostr_client.signing.verifier import Verifier
from nostr_client.tasks import OwnedTasks

_log = logging.getLogger(__name__)

ANSWER_LIMIT: Final = 30.0
"""Seconds for a bunker's answer."""
PROBE_LIMIT: Final = 10.0
"""Seconds for the answer to a ping that asks whether new relays, or long messages, can be read."""
MOST_IN_FLIGHT: Final = 16
FRESH: Final = 10.0
"""Seconds that a sealed request may wait for its turn; bunkers pass over old ones."""
MOST_STORED: Final = 64
"""Answers that a relay kept: of them those to what is still under way are read."""
LISTEN_LIMIT: Final = 5.0
"""Seconds for a relay to say that it listens for us: then a request is sent all the same."""
OK_LIMIT: Final = 10.0
"""Seconds for a relay's OK."""
DIAL_AGAIN: Final = 1.0
"""Seconds before a relay that is not there is tried again, while a request waits."""
REFRESH: Final = (5.0, 5.0, 10.0)
"""Seconds after each of which what was repeated goes out as a new event, since the answer may be
lost, or the bunker be slower to come back to the relay than we are."""
JUST_BACK: Final = 30.0
"""Seconds after a relay came back, in which the bunker may not have come back to it."""
SWITCH_LIMIT: Final = 5.0
"""Seconds for the answer to `switch_relays`: some bunkers do not know it, and say nothing."""
SWITCH_EVERY: Final = 3600.0
"""Seconds from one `switch_relays` to the next."""
MOST_REFUSED: Final = 64
"""Requests of the bunker's to us that are answered, with a no; those beyond are passed over."""
LONG: Final = 16 * 1024
"""Characters from which the loop is left to encrypt or to decrypt."""


class BunkerLink:
    """`async with BunkerLink(key, bunker, relays) as link: await link.ask("ping")`.

    `key` is the client's, `bunker` the bunker's public key in hex.
    """

    def __init__(
        self,
        key: SecretKey,
        bunker: str,
        relays: Sequence[str],
        options: BunkerOptions | None = None,
    ) -> None:
        """Raises InvalidKey, InvalidData and ConfigError."""
        self.bunker = bunker
        self.relays = tuple(relays)
        """Where new requests go."""
        self._key = key
        self._conversation = nip44.conversation_key(key, bunker)
        self._options = options or BunkerOptions()
        self._dial = DialPolicy(given=relays, loopback=any(map(is_loopback, relays)))
        self._old: tuple[str, ...] = ()
        self._new_is_silent = False
        self._asked: dict[str, PendingRequest] = {}
        self._in_flight = asyncio.Semaphore(MOST_IN_FLIGHT)
        self._listening: dict[str, asyncio.Event] = {}
        self._connections: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self._shown: set[str] = set()
        self._refused = 0
        self._reads_long: bool | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            verifier = await stack.enter_async_context(Verifier())
            self._pool = await stack.enter_async_context(
                RelayPool(
                    verifier=verifier,
                    proxy=self._options.proxy,
                    authenticate=authenticator(self._key, self._options.clock),
                    dial=self._dial,
                    clock=self._options.clock,
                )
            )
            ours = Filter.of(
                kinds=[kinds.NOSTR_CONNECT],
                authors=[self.bunker],
                limit=MOST_STORED,
                p=[self._key.public_key.hex],
            )
            self._sub = await stack.enter_async_context(self._pool.subscribe([ours], self.relays))
            self._tasks = await stack.enter_async_context(OwnedTasks())
            self._tasks.start(self._read(self._sub))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for asked in list(self._asked.values()):
            asked.fail(SignerUnavailable("the line to the bunker was closed"))
        try:
            await self._stack.__aexit__(kind, error, trace)
        finally:
            wipe(self._conversation)

    # Asking

    async def ask(self, method: str, *params: str, limit: float = ANSWER_LIMIT) -> str | None:
        """The result of a request.

        Raises SigningRefused, DecryptionFailed or SignerUnavailable, as the bunker said it, or as
        nothing came within `limit` seconds.
        """
        request = BunkerRequest(secrets.token_hex(8), method, params)
        size = len(request.encode().encode())
        if size >= nip44.EXTENDED_LENGTH and not await self._can_read_long():
            what = "event" if method == BunkerMethod.SIGN_EVENT else "text"
            raise SigningRefused(
                f"the bunker's encryption is old: it takes no more than 64 kB, and this {what} is"
                f" {-(-size // 1024)}"
            )
        response = await self._answer_to(request, limit)
        if response.error is not None:
            raise error_of(method, response.error)
        return response.result

    async def switch(self) -> None:
        """Ask the bunker where it wants to be asked, and go there. Raises SignerError."""
        if self._old:
            await self._settle()
            return
        try:
            said = await self.ask(BunkerMethod.SWITCH_RELAYS, limit=SWITCH_LIMIT)
            relays = nip46.relays_of(said)
        except InvalidMessage as error:
            raise SignerUnavailable(f"the bunker's relays cannot be read: {error}") from None
        relays = tuple(url for url in relays or () if self._dial(url))
        if not relays or set(relays) == set(self.relays):
            return
        self._old = tuple(url for url in self.relays if url not in relays)
        self.relays = relays
        self._sub.add_relays(relays)
        await self._options.on_relays(self.all_relays)
        await self._settle()

    async def try_to_switch(self) -> None:
        """The same, where it is no harm that the bunker does not say: it is asked again later."""
        try:
            await self.switch()
        except SignerError as error:
            _log.info("the bunker did not say where it listens: %s", error)

    async def switch_now_and_then(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            await asyncio.sleep(SWITCH_EVERY)
            await self.try_to_switch()

    @property
    def all_relays(self) -> tuple[str, ...]:
        """Those for the next time: the old ones too, as long as nothing answered on the new."""
        return (*self.relays, *self._old)[: nip46.MAX_RELAYS]

    async def _settle(self) -> None:
        """Leave the old relays, once the new ones have answered a ping."""
        new = self.relays
        try:
            ping = BunkerRequest(secrets.token_hex(8), BunkerMethod.PING)
            await self._answer_to(ping, PROBE_LIMIT, new)
        except SignerUnavailable as error:
            _log.info("the bunker does not answer on its new relays: %s", error)
            self._new_is_silent = True
            for asked in self._asked.values():
                self._start_spare(asked)
            return
        old, self._old, self._new_is_silent = self._old, (), False
        await self._options.on_relays(new)
        under_way = [asked.answer for asked in self._asked.values() if set(asked.relays) & set(old)]
        if under_way:  # each has a limit of its own
            await asyncio.wait(under_way)
        self._sub.remove_relays([url for url in old if url not in self.relays])

    async def _can_read_long(self) -> bool:
        """Does the bunker read messages of 64 kB and more? A ping of that length shows it."""
        if self._reads_long is None:
            long = BunkerRequest(
                secrets.token_hex(8), BunkerMethod.PING, ("x" * nip44.EXTENDED_LENGTH,)
            )
            try:
                await self._answer_to(long, PROBE_LIMIT)
                self._reads_long = True
            except SignerUnavailable:
                short = BunkerRequest(secrets.token_hex(8), BunkerMethod.PING)
                await self._answer_to(short, ANSWER_LIMIT)  # it is there: so it is the length
                self._reads_long = False
        return self._reads_long

    async def _answer_to(
        self, request: BunkerRequest, limit: float, relays: tuple[str, ...] = ()
    ) -> BunkerResponse:
        """Raises SignerUnavailable."""
        event = await self._sealed(request)  # while others are under way
        async with self._in_flight:
            if event.created_at < self._options.clock() - FRESH:
                event = await self._sealed(request)
            if relays:
                asked = PendingRequest(request, event, relays)
            else:
                asked = PendingRequest(request, event, self.relays, self._old)
            if self._new_is_silent:
                asked.use_spare()
            self._asked[request.id] = asked
            try:
                async with asyncio.timeout(limit) as asked.limit:
                    for url in asked.relays:
                        self._start(asked, url)
                    return await asked.answer
            except TimeoutError:
                raise SignerUnavailable(silence(asked, limit)) from None
            finally:
                del self._asked[request.id]
                asked.end()

    async def _sealed(self, message: BunkerRequest | BunkerResponse) -> Event:
        now = int(self._options.clock())

        def seal() -> Event:
            return nip46.sealed(
                message, self._key, self.bunker, self._conversation, now, limit=nip44.MAX_PLAINTEXT
            )

        texts = message.params if isinstance(message, BunkerRequest) else ()
        return await asyncio.to_thread(seal) if sum(map(len, texts)) > LONG else seal()

    # Sending

    def _start(self, asked: PendingRequest, url: str, *, again: bool = False) -> None:
        asked.sending[url] = self._tasks.start(self._send(asked, url, again=again))

    async def _send(self, asked: PendingRequest, url: str, *, again: bool) -> None:
        """Give a request to a relay, however often that takes, while its answer is awaited."""
        pauses = iter(PAUSES[:2])
        while True:
            await self._until_listening(url)
            asked.sent[url] = self._connections.get(url, 0)
            report = await self._pool.publish(asked.event, [url], timeout=OK_LIMIT)
            said = asked.said[url] = report.answers[0]
            pause = self._pause_after(said, pauses)
            if pause is None:
                break
            await asyncio.sleep(pause)
        # The pool gives what it still holds to a relay that is back, by itself.
        again = again or asked.sent[url] < self._connections.get(url, 0)
        # A code may be read before the bunker that showed it listens.
        early = self._is_just_back(url) or asked.request.method == BunkerMethod.CONNECT
        if (again or early) and said.accepted:
            for pause in REFRESH:
                await asyncio.sleep(pause)
                asked.event = await self._sealed(asked.request)
                await self._pool.publish(asked.event, [url], timeout=OK_LIMIT)
        elif not said.accepted:
            self._give_up_where_all_refuse(asked, url)

    def _is_just_back(self, url: str) -> bool:
        """Was the relay away a moment ago? Then the bunker may not have found back to it yet."""
        since = asyncio.get_running_loop().time() - self._since.get(url, -JUST_BACK)
        return self._connections.get(url, 0) > 1 and since < JUST_BACK

    def _pause_after(self, said: Answer, pauses: Iterator[float]) -> float | None:
        """Seconds until it is tried again; None where it was taken, or will not be."""
        if said.accepted is None:
            if said.how is How.NOT_ASKED or (said.how is How.SILENT and self._hears(said.url)):
                return None
            self._pool.retry_now([said.url])
            return DIAL_AGAIN
        may_pass = said.meaning is Meaning.LATER or is_mute(said)
        return next(pauses, None) if may_pass else None

    def _give_up_where_all_refuse(self, asked: PendingRequest, url: str) -> None:
        """Nothing will come of a request that no relay takes."""
        for each in asked.relays:
            said, task = asked.said.get(each), asked.sending.get(each)
            if said is None or said.accepted or (said.accepted is None and not is_refused(said)):
                return
            if each != url and task is not None and not task.done():
                return
        if asked.spare:
            self._start_spare(asked)
        else:
            asked.fail(SignerUnavailable(refusals(asked)))

    def _start_spare(self, asked: PendingRequest) -> None:
        """The bunker moved to relays where nothing comes of it: back to those before."""
        for url in asked.use_spare():
            self._start(asked, url)

    # Listening

    async def _read(self, sub: Subscription) -> None:
        async for item in sub:
            match item:
                case Arrival() if not item.again:
                    await self._heard(item.event)
                case EndOfStored(url=url):
                    self._connections[url] = self._connections.get(url, 0) + 1
                    self._since[url] = asyncio.get_running_loop().time()
                    self._flag(url).set()
                    self._send_again(url)
                case Ended(url=url):
                    self._flag(url).clear()

    def _send_again(self, url: str) -> None:
        """A relay is back: what it had before it went may be lost."""
        for asked in self._asked.values():
            before = asked.sent.get(url)
            task = asked.sending.get(url)
            is_older = before is not None and before < self._connections[url]
            if is_older and task is not None and task.done():
                self._start(asked, url, again=True)

    async def _heard(self, event: Event) -> None:
        """Something from the bunker's key, its signature checked."""
        if event.pubkey != self.bunker or event.kind != kinds.NOSTR_CONNECT:
            return
        try:
            text = await self._opened(event)
            response = BunkerResponse.parse(text)
        except (DecryptionFailed, InvalidMessage) as error:
            _log.info("the bunker sent what cannot be read: %s", error)
            return
        asked = self._asked.get(response.id)
        if asked is None:
            await self._refuse(text)
        elif nip46.is_old(event):
            asked.fail(
                SignerUnavailable("the bunker's encryption is old: it answers as NIP-04 has it")
            )
        elif response.asks_for_visit:
            self._visit(asked, response)
        elif not asked.answer.done():
            asked.answer.set_result(response)

    async def _opened(self, event: Event) -> str:
        if nip46.is_old(event):
            return nip04.decrypt(event.content, nip04.shared_key(self._key, self.bunker))
        if len(event.content) > LONG:
            return await asyncio.to_thread(nip46.opened, event, self._conversation)
        return nip46.opened(event, self._conversation)

    def _visit(self, asked: PendingRequest, response: BunkerResponse) -> None:
        """The bunker wants its person to go somewhere: he is told, and the request goes on."""
        try:
            address = safe_line(response.auth_url)
        except InvalidMessage as error:
            asked.fail(SignerUnavailable(str(error)))
            return
        if self._options.on_auth_url is None:
            asked.fail(SignerUnavailable(f"the bunker wants you to go to {address} first"))
            return
        if not asked.visit and asked.limit is not None and not asked.limit.expired():
            asked.visit = True
            asked.limit.reschedule(asyncio.get_running_loop().time() + VISIT_LIMIT)
        if address not in self._shown and len(self._shown) < MOST_REFUSED:
            self._shown.add(address)
            self._options.on_auth_url(address)

    async def _refuse(self, text: str) -> None:
        """What the bunker asks of us, who are no bunker, is answered with an error."""
        try:
            request = BunkerRequest.parse(text)
        except InvalidMessage:  # a late answer
            return
        self._refused += 1
        if self._refused <= MOST_REFUSED:
            error = BunkerFault.UNKNOWN_METHOD.said("this is a client")
            event = await self._sealed(BunkerResponse(request.id, None, error))
            self._tasks.start(self._say(event))

    async def _say(self, event: Event) -> None:
        await self._pool.publish(event, self.relays, timeout=OK_LIMIT)

    async def _until_listening(self, url: str) -> None:
        try:
            async with asyncio.timeout(LISTEN_LIMIT):
                await self._flag(url).wait()
        except TimeoutError:  # a relay that does not say so may do so
            return

    def _hears(self, url: str) -> bool:
        return self._flag(url).is_set()

    def _flag(self, url: str) -> asyncio.Event:
        return self._listening.setdefault(url, asyncio.Event())

"""RelayPool: publish to, subscribe to and fetch from many relays, one socket each.

Everything that runs for it runs in a TaskGroup that ends with its `async with`.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import (
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

from nostr_client.errors import ConnectFailed, ConnectStep, InvalidData
from nostr_client.net.addresses import KnownAddresses
from nostr_client.net.auth_demand import Authenticate
from nostr_client.net.backoff import Backoff
from nostr_client.net.bulk_sender import BulkSender, Heard
from nostr_client.net.connection import ConnectionContext, RelayConnection
from nostr_client.net.dial import Dial, DialOptions, DialPolicy, proxy_at
from nostr_client.net.fetch import Fetched, fetch
from nostr_client.net.health import MAX_RELAYS, HealthBook, RelayHealth
from nostr_client.net.outages import Outages
from nostr_client.net.outcome import Cause, How
from nostr_client.net.reconcile import Differences, ReconcileLimits, reconcile
from nostr_client.net.report import Answer, CountAnswer, PublishReport
from nostr_client.net.session.paging import Paging
from nostr_client.net.subscription import Asked, Ended, Joins, Subscription
from nostr_client.net.verification import EventVerifier, Known, Verification
from nostr_client.net.waiters import Unanswered
from nostr_client.net.websocket import MAX_FRAME, WebSocket, open_websocket
from nostr_client.nips.nip11 import Limitation
from nostr_client.nips.nip77 import Items
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.urls import host_of, is_private_host, normalize_relay_url
from nostr_client.tasks import all_of

ANSWER_LIMIT: Final = 10.0
"""Seconds for a relay's OK, for a COUNT, and for all stored events of a fetch."""
FAREWELL_LIMIT: Final = 3.0
"""Seconds in which connections close politely when the pool ends."""
_RECONCILE_LIMITS: Final = ReconcileLimits()
MAX_DIALLING: Final = 64
"""Sockets that are being opened at the same time."""


class RelayPool:
    """Every relay that this program talks to as a client.

    Runs inside `async with`. `known` tells what is already held of some ids; `authenticate` is
    asked for a signed kind 22242 when, and only when, a relay refused something as auth-required:
    with one key a pool, since a connection that has said who we are is never used for another;
    `dial` says which URLs may be dialled: by default public ones and this machine's own, so an
    engine that takes URLs from strangers gives a `DialPolicy` of its own. `proxy` is a URL
    as `ProxyAddress` takes it; system proxies are never used. `tls` replaces the usual trust in
    certificates. `max_frame` is in bytes: of the events of `own` pubkeys, and those asked for by
    id; of others `LARGE_FRAME` are kept. `outages` remembers dead relays beyond this pool,
    `addresses` where hosts answered, for when names are not resolved; `clock` gives seconds since
    1970.
    """

    def __init__(
        self,
        *,
        verifier: EventVerifier,
        proxy: str | None = None,
        compression: bool = False,
        known: Known | None = None,
        authenticate: Authenticate | None = None,
        dial: Dial | None = None,
        tls: ssl.SSLContext | None = None,
        max_frame: int = MAX_FRAME,
        outages: Outages | None = None,
        own: Collection[str] = (),
        addresses: KnownAddresses | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Raises ConfigError for a proxy that cannot be used."""
        self.book = HealthBook(clock)
        self.outages = outages or Outages(clock=clock)
        self.on_late: Callable[[str, Answer], None] = lambda event_id, answer: None
        """Called with a relay's answer to an event after `publish` gave up waiting for it."""
        self.document_of: Callable[[str], Limitation] = lambda url: Limitation()
        """What a relay says in its document that it takes (NIP-11), as far as somebody read it."""
        self.on_limits: Callable[[str, Limitation], None] = lambda url, limits: None
        """Told what a relay's refusals taught about that; `document_of` may give it back."""
        self._proxy = proxy_at(proxy)
        self._compression = compression
        self._dial: Dial = dial or DialPolicy(loopback=True)
        self._tls = tls
        self._max_frame = max_frame
        self._clock = clock
        self._addresses = addresses
        self._group = asyncio.TaskGroup()
        self._connections: dict[str, RelayConnection] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._subscriptions: set[Subscription] = set()
        self._dialling = asyncio.Semaphore(MAX_DIALLING)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        verification = Verification(verifier, known, self._spawn)
        self._context = ConnectionContext(
            self._open_websocket,
            verification,
            authenticate,
            clock,
            self.outages,
            self._heard_late,
            own,
            self._document_of,
            self._limits_learned,
        )
        self._joins = Joins(self._join, self._leave, self._subscriptions.discard, _spelled)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing = True
        for sub in list(self._subscriptions):
            sub.close()
        for connection in self._connections.values():
            connection.stop()
        cancelled = isinstance(error, asyncio.CancelledError)
        try:
            if self._tasks and not cancelled:
                await asyncio.wait(self._tasks, timeout=FAREWELL_LIMIT)
        finally:
            for task in self._tasks:
                task.cancel()
            # The group must see its own cancellation; it would wrap any other error of the body.
            if cancelled:
                await self._group.__aexit__(kind, error, trace)
            else:
                await self._group.__aexit__(None, None, None)

    async def publish(
        self,
        event: Event,
        urls: Iterable[str],
        *,
        timeout: float = ANSWER_LIMIT,  # noqa: ASYNC109
        on_answer: Callable[[Answer], None] | None = None,
    ) -> PublishReport:
        """Send `event` to every relay and gather what they say, within `timeout` seconds.

        `on_answer` is called with each answer as it comes. A relay that cannot be reached or says
        nothing is an answer too: nothing is raised for it.
        """

        async def one(url: str) -> Answer:
            answer = await self._publish_to(url, event, timeout)
            if on_answer is not None:
                on_answer(answer)
            return answer

        answers = await all_of(one(url) for url in dict.fromkeys(map(_spelled, urls)))
        return PublishReport(event.id, tuple(answers))

    def sending(self, heard: Heard, *, limit: float = ANSWER_LIMIT) -> BulkSender:
        """For many events: `heard` is told of each relay's answer to each, `limit` seconds after
        it was handed over at the latest."""
        return BulkSender(self._use, self._not_dialled, heard, limit)

    def subscribe(
        self,
        filters: Sequence[Filter],
        urls: Iterable[str],
        *,
        live: bool = True,
        paging: Paging | None = None,
    ) -> Subscription:
        """Verified events of these relays, stored and then live, inside an `async with`.

        With `paging`, stored history is read page by page as far as it goes; without, each relay
        sends what it sends in one answer.
        """
        begun = self._clock()
        return Subscription(filters, urls, self._joins, live=live, paging=paging, begun=begun)

    async def fetch(
        self,
        filters: Sequence[Filter],
        urls: Iterable[str],
        *,
        timeout: float = ANSWER_LIMIT,  # noqa: ASYNC109
        exhaustive: bool = False,
        most: int = 100_000,
    ) -> Fetched:
        """Stored events of these relays, until each has ended or `timeout` seconds are over.

        Pages on where a relay has, or may have, more: see `net.paging` for `exhaustive` and
        `most`, and `net.fetch` for what each relay's `End` says.
        """
        sub = self.subscribe(filters, urls, live=False, paging=Paging(exhaustive, most))
        return await fetch(sub, timeout)

    async def count(
        self,
        filters: Sequence[Filter],
        urls: Iterable[str],
        *,
        timeout: float = ANSWER_LIMIT,  # noqa: ASYNC109
    ) -> tuple[CountAnswer, ...]:
        """How many events each relay says it holds (NIP-45)."""
        asked = dict.fromkeys(map(_spelled, urls))
        return tuple(await all_of(self._count_at(url, tuple(filters), timeout) for url in asked))

    async def reconcile(
        self,
        filter: Filter,
        url: str,
        items: Items,
        limits: ReconcileLimits = _RECONCILE_LIMITS,
        *,
        alike: bool = False,
    ) -> Differences:
        """How our set of `filter`, which is `items`, differs from a relay's (NIP-77); `alike`: it
        is thought to be the same.

        A `limit` in the filter is left out. Raises as `net.reconcile.reconcile` does.
        """
        connection = self._use(_spelled(url))
        asked = filter.changed(limit=None)
        return await reconcile(connection, asked, items, limits, alike=alike)

    @contextmanager
    def kept(self, url: str) -> Iterator[None]:
        """Keep the connection to `url` for as long as the block runs, also while nothing is asked:
        it is dialled again when it is lost, as for a subscription. Raises ConnectFailed."""
        connection = self._use(_spelled(url))
        connection.keep(True)
        try:
            yield
        finally:
            connection.keep(False)

    def health(self, url: str) -> RelayHealth:
        """What is known of a relay. Raises InvalidData for what is no relay URL."""
        return self.book.of(normalize_relay_url(url))

    def asked(self, url: str) -> list[Asked]:
        """What each subscription that this relay is part of now asks of it, the oldest first."""
        spelled = _spelled(url)
        asked = (sub.asked_at(spelled) for sub in self._subscriptions if spelled in sub.urls)
        return sorted(asked, key=lambda one: one.since)

    def retry_now(self, urls: Iterable[str] | None = None) -> None:
        """Somebody asks by hand, or the network is back: do not wait out long back-offs."""
        for url in self._backoffs if urls is None else set(map(_spelled, urls)):
            if backoff := self._backoffs.get(url):
                backoff.hurry(monotonic())
            if connection := self._connections.get(url):
                connection.look_again()

    def ask_auth_again(self, urls: Iterable[str] | None = None) -> None:
        """`authenticate` may answer otherwise now, for these relays or for all: it is asked for
        what still waits there, and a key that was refused counts as never shown."""
        spelled = None if urls is None else set(map(_spelled, urls))
        for health in self.book:
            if spelled is None or health.url in spelled:
                health.auth_refused = ""
                if connection := self._connections.get(health.url):
                    connection.ask_auth_again()

    def begin_anew(self, url: str) -> None:
        """Leave the connection to `url` for another: one that was told who we are stays told."""
        if connection := self._connections.get(_spelled(url)):
            connection.begin_anew()

    # One relay

    def _use(self, url: str) -> RelayConnection:
        """The connection to `url`, about to be given a request. Raises ConnectFailed."""
        if self._closing:
            raise ConnectFailed(url, "the pool is closed")
        connection = self._connections.get(url)
        if connection is None and not self._is_spelled(url):
            raise ConnectFailed(url, "not in its one spelling", ConnectStep.ADDRESS)
        if refusal := self._refusal(url):
            raise ConnectFailed(url, refusal, ConnectStep.ADDRESS)
        if connection is None:
            backoff = self._backoffs.setdefault(url, Backoff(random.random))
            if len(self._backoffs) > MAX_RELAYS:
                del self._backoffs[next(iter(self._backoffs))]
            connection = RelayConnection(url, self.book.of(url), backoff, self._context)
            self._connections[url] = connection
            self._spawn(self._run(connection))
        return connection

    @staticmethod
    def _is_spelled(url: str) -> bool:
        try:
            return normalize_relay_url(url) == url
        except InvalidData as error:
            raise ConnectFailed(url, f"not a relay URL: {error}") from None

    def _refusal(self, url: str) -> str:
        if isinstance(self._dial, DialPolicy):
            return self._dial.refusal(url)
        return "" if self._dial(url) else "a private address"

    async def _run(self, connection: RelayConnection) -> None:
        while True:
            await asyncio.sleep(0)  # the request is made by whoever asked for the connection
            await connection.run()
            if not connection.wanted:
                del self._connections[connection.url]
                return

    def _document_of(self, url: str) -> Limitation:
        return self.document_of(url)

    def _limits_learned(self, url: str, limits: Limitation) -> None:
        self.on_limits(url, limits)

    def _heard_late(self, event_id: str, answer: Answer) -> None:
        self.on_late(event_id, answer)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._group.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open_websocket(self, url: str) -> tuple[WebSocket, float]:
        if refusal := self._refusal(url):  # what is allowed may change while it is connected
            raise ConnectFailed(url, refusal, ConnectStep.ADDRESS)
        private = is_private_host(host_of(url))
        headers: Mapping[str, str] = {}
        if isinstance(self._dial, DialPolicy):
            private = private or self._dial.allows_private(url)
            headers = self._dial.headers(url)
        async with self._dialling:
            if self._tls is None and url.startswith("wss:"):
                self._tls = await asyncio.to_thread(ssl.create_default_context)
            # What only the own relay is to see stays on this machine.
            proxy = None if headers else self._proxy
            return await open_websocket(
                url,
                DialOptions(proxy=proxy, private=private, tls=self._tls, addresses=self._addresses),
                compression=self._compression,
                max_frame=self._max_frame,
                headers=headers,
            )

    def _join(self, url: str, sub: Subscription) -> Ended | None:
        self._subscriptions.add(sub)
        try:
            return self._use(url).join(sub)
        except ConnectFailed as error:
            return Ended(url, self._not_dialled(error), final=True)

    def _not_dialled(self, error: ConnectFailed) -> Cause:
        """Why there is no connection that could be asked."""
        how = How.UNREACHABLE if self._closing else How.NOT_ASKED
        return Cause(how, error.message)

    def _leave(self, url: str, sub: Subscription) -> None:
        connection = self._connections.get(url)
        if connection is not None:
            connection.leave(sub)

    async def _publish_to(self, url: str, event: Event, limit: float) -> Answer:
        try:
            connection = self._use(url)
        except ConnectFailed as error:
            return Answer.missing(url, self._not_dialled(error))
        waiter = None
        try:
            async with asyncio.timeout(limit):
                await connection.room()
                waiter = connection.publish(event)
                answer = await waiter
        except TimeoutError:
            sent = connection.was_sent(event.id)
            return Answer.missing(url, connection.silence("OK", limit), handed=sent)
        finally:
            if waiter is not None:
                connection.withdraw(event.id, waiter)
        if isinstance(answer, Unanswered):
            return Answer.missing(url, answer.cause, handed=answer.handed)
        return Answer.of_ok(url, answer.accepted, answer.text, answer.note)

    async def _count_at(self, url: str, filters: tuple[Filter, ...], limit: float) -> CountAnswer:
        try:
            connection = self._use(url)
        except ConnectFailed as error:
            return CountAnswer(url=url, cause=self._not_dialled(error))
        key, waiter = connection.count(filters)
        try:
            async with asyncio.timeout(limit):
                answer = await waiter
        except TimeoutError:
            return CountAnswer(url=url, cause=connection.silence("COUNT", limit))
        finally:
            connection.uncount(key)
        return CountAnswer(
            url=url,
            cause=answer.cause,
            count=answer.count,
            approximate=answer.approximate,
            hll=answer.hll,
        )


def _spelled(url: str) -> str:
    """The normal spelling of `url`, or `url` itself where there is none."""
    try:
        return normalize_relay_url(url)
    except InvalidData:
        return url

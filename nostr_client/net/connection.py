"""One relay: a session, its socket, and the tasks between them.

Rules
- There is a socket only while something is asked for; it is closed after `LINGER` idle seconds.
- It is dialled again for ever while something is asked for, with the waits of `Backoff`.
- What is asked while the next try is further away than `SOON` is answered with the outage at once;
  a subscription stays, and resumes when the relay is back.
- What the socket brings is decoded at once, so that OKs never wait behind signature checks; events
  go on through `IncomingEvents`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from time import monotonic
from typing import Any, Final

import msgspec

from nostr_client.errors import ConnectFailed, ConnectStep, NostrError
from nostr_client.net.auth_demand import AuthDemand, Authenticate
from nostr_client.net.backoff import Backoff
from nostr_client.net.health import CONNECTING, DOWN, MAX_WORDS, REFUSING, UP, RelayHealth
from nostr_client.net.incoming import IncomingEvents, Owner
from nostr_client.net.outages import Outages
from nostr_client.net.outcome import Cause, How
from nostr_client.net.report import Answer
from nostr_client.net.session.effects import (
    AskAuth,
    CountReceived,
    Effect,
    Effects,
    EventsReceived,
    HangUp,
    LimitsLearned,
    NegentropyReceived,
    OkReceived,
    Send,
    StoredEnded,
    SubscriptionStopped,
    WakeLater,
)
from nostr_client.net.session.session import ClientSession
from nostr_client.net.socket_tasks import keep_alive, until_closed
from nostr_client.net.subscription import Ended, Subscription
from nostr_client.net.verification import Verification
from nostr_client.net.waiters import (
    CountWaiter,
    NegentropyWaiter,
    OkWaiter,
    Unanswered,
    Waiters,
    told,
)
from nostr_client.net.websocket import SocketClosed, WebSocket
from nostr_client.net.write_queue import WriteQueue
from nostr_client.nips.nip11 import Limitation
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter

LINGER: Final = 30.0
"""Seconds that a socket stays open when nothing is asked for."""
SOON: Final = 3.0
"""Seconds: what is asked of a relay that will be tried again later than that fails at once."""
AUTH_LIMIT: Final = 120.0
"""Seconds for the owner of the key to answer whether to authenticate."""
BATCH: Final = 128
"""Frames decoded at a stretch, before other tasks get their turn."""


class ConnectionContext(msgspec.Struct, frozen=True):
    """What a connection needs of its pool. `clock` gives seconds since 1970."""

    open_websocket: Callable[[str], Awaitable[tuple[WebSocket, float]]]
    verification: Verification
    authenticate: Authenticate | None
    clock: Callable[[], float]
    outages: Outages
    on_late: Callable[[str, Answer], None]
    """Told of the OK to an event (its id) for which nobody waits any more."""
    own: Collection[str] = ()
    """Pubkeys whose events are kept however large."""
    document_of: Callable[[str], Limitation] = lambda url: Limitation()
    """What a relay says in its document that it takes (NIP-11), as far as that was read."""
    on_limits: Callable[[str, Limitation], None] = lambda url, limits: None
    """Told what a relay's refusals taught."""


class RelayConnection:
    """The one connection to `url`. `run` is its task; the rest is called on the same loop."""

    def __init__(
        self, url: str, health: RelayHealth, backoff: Backoff, context: ConnectionContext
    ) -> None:
        self.url = url
        self.health = health
        self._backoff = backoff
        self._context = context
        self._session = ClientSession(
            health, can_authenticate=context.authenticate is not None, own=context.own
        )
        owner = Owner(self._carry_out, self._aside, self._now)
        self._incoming = IncomingEvents(health, self._session, context.verification, owner)
        self._write_queue = WriteQueue()
        self._last_key = 0
        self._waiters = Waiters()
        self._socket: WebSocket | None = None
        self._kicked = asyncio.Event()
        self._verdict: SocketClosed | None = None
        self._stopping = False
        self._kept = 0
        self._runner: asyncio.Task[Any] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._side_tasks: set[asyncio.Task[None]] = set()
        self._auth_asked = 0

    # Requests

    def join(self, sub: Subscription) -> Ended | None:
        """Subscribe; says at once if there is a known outage."""
        key = self._new_key()
        self._incoming.add(key, sub)
        effects = self._session.subscribe(
            key, sub.filters, live=sub.live, paging=sub.paging, now=self._now()
        )
        self._request(effects)
        outage = self._outage()
        return Ended(self.url, outage, final=False) if outage else None

    def leave(self, sub: Subscription) -> None:
        """Unsubscribe, with CLOSE if the relay still sends."""
        key = self._incoming.remove(sub)
        if key is not None:
            self._request(self._session.unsubscribe(key))

    def publish(self, event: Event) -> OkWaiter:
        """Send an event; the future must be given back to `withdraw`."""
        if outage := self._outage():
            return told(Unanswered(outage))
        waiter = self._waiters.for_ok(event.id)
        self._request(self._session.publish(event))
        return waiter

    def was_sent(self, event_id: str) -> bool:
        """Was an event that somebody publishes handed to the relay?"""
        return self._session.was_sent(event_id)

    def withdraw(self, event_id: str, waiter: OkWaiter) -> None:
        """Whoever published does not wait any longer."""
        if self._waiters.forget_ok(event_id, waiter):
            self._session.withdraw(event_id)
            self._kicked.set()

    def count(self, filters: tuple[Filter, ...]) -> tuple[int, CountWaiter]:
        """Ask for a COUNT; the key must be given back to `uncount`."""
        key = self._new_key()
        if outage := self._outage():
            return key, told(CountReceived(key, None, cause=outage))
        waiter = self._waiters.for_count(key)
        self._request(self._session.count(key, filters))
        return key, waiter

    def uncount(self, key: int) -> None:
        """Whoever asked does not wait any longer."""
        self._waiters.forget(key)
        self._request(self._session.uncount(key))

    def reconcile(self, filter: Filter, first: bytes) -> tuple[int, NegentropyWaiter]:
        """Begin a reconciliation (NIP-77); the key must be given back to `end_reconcile`."""
        key = self._new_key()
        if outage := self._outage():
            return key, told(NegentropyReceived(key, None, outage))
        waiter = self._waiters.for_negentropy(key)
        self._request(self._session.reconciliations.begin(key, filter, first))
        return key, waiter

    def negentropy(self, key: int, message: bytes) -> NegentropyWaiter:
        """The next message of a reconciliation whose last one was answered."""
        effects = self._session.reconciliations.say(key, message)
        if not effects:
            ended = Cause(How.LOST, "the reconciliation has ended")
            return told(NegentropyReceived(key, None, ended))
        waiter = self._waiters.for_negentropy(key)
        self._request(effects)
        return waiter

    def end_reconcile(self, key: int) -> None:
        """Whoever began it is done, or does not wait any longer."""
        self._waiters.forget(key)
        self._request(self._session.reconciliations.end(key))

    def keep(self, kept: bool) -> None:
        """One more, or one less, wants the connection though nothing is asked."""
        self._kept += 1 if kept else -1
        self._kicked.set()

    @property
    def has_room(self) -> bool:
        """Has the relay read most of what was sent?"""
        return self._write_queue.has_room

    async def room(self) -> None:
        """Wait until the relay has read most of what was sent; the caller sets the limit."""
        await self._write_queue.room()

    def look_again(self) -> None:
        """The back-off was changed."""
        self._kicked.set()

    def begin_anew(self) -> None:
        """Leave this connection for another, on which the relay does not know who we are."""
        if self._socket is not None:
            self._verdict = SocketClosed("begun anew", ours=True)
            self._kicked.set()

    def ask_auth_again(self) -> None:
        """Whoever owns the key may answer otherwise now."""
        self._request(self._session.ask_again(self._now()))

    @property
    def wanted(self) -> bool:
        """Is there any reason to run?"""
        return self._is_used and not self._stopping

    @property
    def _is_used(self) -> bool:
        return bool(self._session.wanted or self._kept)

    def stop(self) -> None:
        """End `run` soon, politely; where there is no socket yet, nobody is waited for."""
        self._stopping = True
        self._kicked.set()
        if self._socket is None and self._runner is not None:
            self._runner.cancel()

    def silence(self, what: str, limit: float) -> Cause:
        """Why `what` did not come within `limit` seconds."""
        words = f"no {what} within {limit:g} s"
        if self._socket is None:
            words = f"still connecting after {limit:g} s"
        elif self._auth_asked:
            words += ": it wants to know who asks, and the signer has not answered yet"
        elif self._socket.holding:
            words += ": a slow reader here holds the socket up"
        elif self.health.last_word:
            words += f" (its last word: {self.health.last_word})"
        return Cause(How.SILENT, words)

    # Life

    async def run(self) -> None:
        """Connect, serve, wait, for as long as something is asked for; returns when idle."""
        self._runner = asyncio.current_task()
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._incoming.run())
            while self.wanted:
                if await self._wait_for_turn():
                    await self._connect_and_serve()
            for task in self._side_tasks:
                task.cancel()
            self._incoming.end()

    async def _wait_for_turn(self) -> bool:
        """Wait out the back-off; False when something changed meanwhile."""
        wait = self._backoff.wait(monotonic())
        if wait == 0:
            return True
        self._kicked.clear()
        try:
            async with asyncio.timeout(wait):
                await self._kicked.wait()
        except TimeoutError:
            return True
        return False

    async def _connect_and_serve(self) -> None:
        self._backoff.tried(monotonic())
        if self.health.state not in (DOWN, REFUSING):
            self.health.enter(CONNECTING, self._context.clock())
        try:
            socket, latency = await self._context.open_websocket(self.url)
        except ConnectFailed as error:
            self._backoff.failed(monotonic())
            if error.step is not ConnectStep.PROXY:  # that is no fault of the relay's
                self._context.outages.failed(self.url)
            self.health.counters.failed += 1
            state = REFUSING if error.turned_away else DOWN
            self.health.enter(state, self._context.clock(), error.message)
            cause = self.health.not_reached = Cause.not_reached(error)
            self._carry_out(self._session.lost(cause))
            self._fail_requests(cause)
            return
        self.health.not_reached = None
        began = monotonic()
        self._context.outages.reached(self.url)
        self.health.counters.connected += 1
        self.health.enter(UP, self._context.clock())
        self._measured(latency)
        end = SocketClosed("cancelled", ours=True)
        try:
            end = await self._serve(socket)
        finally:
            self._socket = None
            self._context.outages.left(self.url)
            await socket.end()
            self._ended(end, monotonic() - began)
        self._carry_out(self._session.lost(Cause(How.LOST, end.reason)))

    def _ended(self, end: SocketClosed, lasted: float) -> None:
        if end.ours:
            self._backoff.closed_by_us(lasted)
        else:
            self._backoff.ended(monotonic(), lasted)
            self.health.counters.failed += 1
            self.health.enter(DOWN, self._context.clock(), end.reason)

    async def _serve(self, socket: WebSocket) -> SocketClosed:
        """Use an open socket until it is gone."""
        self._socket = socket
        socket.keep_large(self._session.keeps)
        self._verdict = None
        self._write_queue.clear()
        end = await until_closed(
            self._read(socket),
            self._write_queue.write_to(socket),
            keep_alive(socket, self._measured),
            self._supervise(),
        )
        if end.ours:
            await self._write_queue.flush_to(socket)
        return end

    async def _read(self, socket: WebSocket) -> None:
        self._session.limits.document = self._context.document_of(self.url)
        self._carry_out(self._session.opened(self._now()))
        while True:
            frames = await socket.take()
            self.health.counters.heard_bytes += sum(map(len, frames))
            for start in range(0, len(frames), BATCH):
                await self._incoming.room()
                effects = self._session.receive(frames[start : start + BATCH], self._now())
                self._carry_out(effects)
                await asyncio.sleep(0)

    def _measured(self, latency: float) -> None:
        self.health.measured(latency, self._context.clock())

    async def _supervise(self) -> None:
        """End the connection when it is idle, when `stop` was called, or when we hang up."""
        while True:
            self._kicked.clear()
            if self._verdict is not None:
                raise self._verdict
            if self._stopping:
                raise SocketClosed("closed by us", ours=True)
            if self._is_used:
                await self._kicked.wait()
                continue
            try:
                async with asyncio.timeout(LINGER):
                    await self._kicked.wait()
            except TimeoutError:
                raise SocketClosed("idle", ours=True) from None

    # Effects

    def _request(self, effects: Effects) -> None:
        self._carry_out(effects)
        self._kicked.set()

    def _carry_out(self, effects: Effects) -> None:
        ordered: list[Effect] = []
        for effect in effects:
            match effect:
                case Send(frame):
                    self._write_queue.add(frame)
                    self.health.counters.said_bytes += len(frame)
                case EventsReceived() | StoredEnded() | SubscriptionStopped():
                    ordered.append(effect)
                case OkReceived():
                    self._answered(effect)
                case CountReceived():
                    self._waiters.count(effect)
                case NegentropyReceived():
                    self._waiters.negentropy(effect)
                case AskAuth():
                    self._aside(self._ask_auth(effect))
                case WakeLater(delay, token):
                    self._aside(self._later(delay, token))
                case LimitsLearned(limits):
                    self._context.on_limits(self.url, limits)
                case HangUp(reason):
                    self._hang_up(reason)
        if ordered:
            self._incoming.put(ordered)
        if self._write_queue.overflows:
            self._hang_up("the relay does not read what is sent to it")

    def _answered(self, answer: OkReceived) -> None:
        if answer.accepted:
            self.health.enter(UP, self._context.clock())
        elif Cause.refused(answer.text).how is How.NOT_ALLOWED:
            self.health.enter(REFUSING, self._context.clock(), answer.text)
        if not self._waiters.ok(answer):
            late = Answer.of_ok(self.url, answer.accepted, answer.text, answer.note)
            self._context.on_late(answer.event_id, late)

    def _fail_requests(self, cause: Cause) -> None:
        """Tell everybody who waits for an answer that none will come soon."""
        event_ids, keys = self._waiters.fail(cause, self._session.was_sent)
        for event_id in event_ids:
            self._session.withdraw(event_id)
        for key in keys:
            self._session.uncount(key)

    def _hang_up(self, reason: str) -> None:
        self._verdict = SocketClosed(reason)
        self._kicked.set()

    def _aside(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something beside, at most until `run` ends."""
        if self._group is None:
            coroutine.close()
            return
        task = self._group.create_task(coroutine)
        self._side_tasks.add(task)
        task.add_done_callback(self._side_tasks.discard)

    async def _later(self, delay: float, token: int) -> None:
        await asyncio.sleep(delay)
        self._carry_out(self._session.wake(token, self._now()))

    async def _ask_auth(self, ask: AskAuth) -> None:
        if self._context.authenticate is None:
            return
        demand = AuthDemand(self.url, ask.challenge, ask.purpose)
        answer: Event | str
        self._auth_asked += 1
        try:
            async with asyncio.timeout(AUTH_LIMIT):
                answer = await self._context.authenticate(demand)
        except TimeoutError:
            answer = f"not logged in: no answer of the signer within {AUTH_LIMIT:g} s"
        except NostrError as error:
            answer = f"not logged in: {error}"
        finally:
            self._auth_asked -= 1
        self.health.untold = answer[:MAX_WORDS] if isinstance(answer, str) else ""
        self._carry_out(self._session.authenticate(ask.number, answer, self._now()))

    def _outage(self) -> Cause | None:
        """Why there is no connection, if none will be tried for a while."""
        wait = self._backoff.wait(monotonic())
        if self._socket is not None or wait < SOON:
            return None
        last = self.health.not_reached or Cause(How.UNREACHABLE)
        words = f"{self.health.problem}; next try in {wait:.0f} s"
        return msgspec.structs.replace(last, words=words)

    def _new_key(self) -> int:
        self._last_key += 1
        return self._last_key

    def _now(self) -> int:
        return int(self._context.clock())

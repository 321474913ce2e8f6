"""One relay: a session, its socket, and the tasks between them.

Rules
- There is a socket only while something is wished; it is closed after `LINGER` idle seconds.
- It is dialled again for ever while something is wished, with the waits of `Backoff`.
- What the socket brings is decoded at once, so that OKs never wait behind signature checks. Events
  go through a pipeline of a few batches, in order: judged, then handed to their subscriptions. The
  pipeline outlives the socket, so what was received is never lost with it.
- A subscription whose reader is slow stops the pipeline, and the pipeline stops the socket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from time import monotonic
from typing import Any, Final

import msgspec
from websockets.exceptions import ConnectionClosed

from nostr_client.errors import ConnectFailed, SignerError
from nostr_client.net import effects as fx
from nostr_client.net.backoff import Backoff
from nostr_client.net.health import CONNECTING, DOWN, REFUSING, UNKNOWN, UP, RelayHealth
from nostr_client.net.intake import Check, Intake
from nostr_client.net.session import ClientSession
from nostr_client.net.subscription import Ended, EndOfStored, Subscription
from nostr_client.net.wire import Wire, closing_words
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.messages import Meaning, meaning_of, split_reason

LINGER: Final = 30.0
"""Seconds that a socket stays open when nothing is wished."""
QUIET: Final = 25.0
"""Seconds of silence after which a ping is sent."""
PONG_LIMIT: Final = 20.0
"""Seconds for its pong."""
WRITE_LIMIT: Final = 20.0
"""Seconds for one frame to be written."""
AUTH_LIMIT: Final = 120.0
"""Seconds for the owner of the key to answer whether to authenticate."""
PIPELINE: Final = 4
"""Batches between socket and subscriptions."""
BATCH: Final = 256
"""Frames decoded at a stretch, before other tasks get their turn."""
ROOM_IN_OUTBOX: Final = 1024 * 1024
MAX_OUTBOX: Final = 16 * 1024 * 1024
"""Bytes waiting to be written: from the first on, publishers wait; at the second, we hang up."""

Authenticate = Callable[[str, str], Awaitable[Event | None]]
"""Given relay URL and challenge: the signed kind 22242, or None for no."""
Waiter = asyncio.Future[fx.Answered | str]
"""An OK, or in words why there is none."""
CountWaiter = asyncio.Future[fx.Counted | str]
_Batch = tuple[list[fx.Effect], Check | None]


class Surroundings(msgspec.Struct, frozen=True):
    """What a connection needs of its pool. `clock` gives seconds since 1970."""

    open_wire: Callable[[str], Awaitable[tuple[Wire, float]]]
    intake: Intake
    authenticate: Authenticate | None
    clock: Callable[[], float]


class _Gone(Exception):
    """The socket is, or has to be, closed. `ours`: we wanted that, the relay is not to blame."""

    def __init__(self, reason: str, *, ours: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ours = ours


class RelayConnection:
    """The one connection to `url`. `run` is its task; the rest is called on the same loop."""

    def __init__(
        self, url: str, health: RelayHealth, backoff: Backoff, around: Surroundings
    ) -> None:
        self.url = url
        self.health = health
        self._backoff = backoff
        self._around = around
        self._session = ClientSession(health, can_authenticate=around.authenticate is not None)
        self._subs: dict[int, Subscription] = {}
        self._keys: dict[Subscription, int] = {}
        self._last_key = 0
        self._waiters: dict[str, list[Waiter]] = {}
        self._counters: dict[int, CountWaiter] = {}
        self._outbox: deque[bytes] = deque()
        self._outbox_size = 0
        self._pipeline: asyncio.Queue[_Batch | None] = asyncio.Queue(PIPELINE)
        self._to_write = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._verdict: _Gone | None = None
        self._kicked = asyncio.Event()
        self._stopping = False
        self._group: asyncio.TaskGroup | None = None
        self._side_tasks: set[asyncio.Task[None]] = set()

    # Wishes

    def join(self, sub: Subscription) -> Ended | None:
        """Subscribe; says at once if there is a known outage."""
        self._last_key += 1
        key = self._last_key
        self._subs[key], self._keys[sub] = sub, key
        self._send(self._session.subscribe(key, sub.filters, live=sub.live, now=self._now()))
        self._kicked.set()
        outage = self._outage()
        return Ended(self.url, "", outage, final=False) if outage else None

    def leave(self, sub: Subscription) -> None:
        """Unsubscribe, with CLOSE if the relay still sends."""
        key = self._keys.pop(sub, None)
        if key is not None:
            del self._subs[key]
            self._send(self._session.unsubscribe(key))
            self._kicked.set()

    def publish(self, event: Event) -> Waiter:
        """Send an event; the future must be given back to `withdraw`."""
        waiter: Waiter = asyncio.get_running_loop().create_future()
        outage = self._outage()
        if outage:
            waiter.set_result(outage)
            return waiter
        self._waiters.setdefault(event.id, []).append(waiter)
        self._send(self._session.publish(event))
        self._kicked.set()
        return waiter

    def withdraw(self, event_id: str, waiter: Waiter) -> None:
        """Whoever published does not wait any longer."""
        waiters = self._waiters.get(event_id, [])
        if waiter in waiters:
            waiters.remove(waiter)
        if not waiters:
            self._waiters.pop(event_id, None)
            self._session.withdraw(event_id)
            self._kicked.set()

    def count(self, filters: tuple[Filter, ...]) -> tuple[int, CountWaiter]:
        """Ask for a COUNT; key and future must be given back to `uncount`."""
        self._last_key += 1
        key = self._last_key
        waiter: CountWaiter = asyncio.get_running_loop().create_future()
        outage = self._outage()
        if outage:
            waiter.set_result(outage)
            return key, waiter
        self._counters[key] = waiter
        self._send(self._session.count(key, filters))
        self._kicked.set()
        return key, waiter

    def uncount(self, key: int) -> None:
        """Whoever asked does not wait any longer."""
        self._counters.pop(key, None)
        self._send(self._session.uncount(key))
        self._kicked.set()

    def hurry(self) -> None:
        """Do not wait out a long back-off: somebody asks by hand."""
        self._backoff.hurry(monotonic())
        self._kicked.set()

    async def room(self) -> None:
        """Wait until the relay has read most of what was sent; the caller sets the limit."""
        await self._drained.wait()

    @property
    def wanted(self) -> bool:
        """Is there any reason to run?"""
        return self._session.wanted and not self._stopping

    def stop(self) -> None:
        """End `run` soon, politely."""
        self._stopping = True
        self._kicked.set()

    # Life

    async def run(self) -> None:
        """Connect, serve, wait, for as long as something is wished; returns when idle."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._deliver())
            while self.wanted:
                if await self._wait_for_turn():
                    await self._connect_and_serve()
            for task in self._side_tasks:
                task.cancel()
            await self._pipeline.put(None)

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
            self.health.enter(CONNECTING, self._around.clock())
        try:
            wire, latency = await self._around.open_wire(self.url)
        except ConnectFailed as error:
            self._backoff.failed(monotonic())
            self.health.counters.failed += 1
            state = REFUSING if error.message.startswith(("http: status 40",)) else DOWN
            self.health.enter(state, self._around.clock(), error.message)
            await self._lost(f"connect: {error.message}", fail_wishes=True)
            return
        began = monotonic()
        self.health.counters.connected += 1
        self.health.enter(UP, self._around.clock())
        self.health.measured(latency, self._around.clock())
        end = _Gone("cancelled", ours=True)
        try:
            end = await self._serve(wire)
        finally:
            await _close(wire)
            lasted = monotonic() - began
            if end.ours:
                self._backoff.closed_by_us(lasted)
                self.health.enter(UNKNOWN, self._around.clock())
            else:
                self._backoff.ended(monotonic(), lasted)
                self.health.counters.failed += 1
                self.health.enter(DOWN, self._around.clock(), end.reason)
        await self._lost(f"lost: {end.reason}", fail_wishes=False)

    async def _serve(self, wire: Wire) -> _Gone:
        """Use an open socket until it is gone."""
        self._outbox.clear()
        self._outbox_size = 0
        self._drained.set()
        self._verdict = None
        reasons: list[_Gone] = []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write(wire))
                group.create_task(self._watch(wire))
                group.create_task(self._supervise())
                await self._carry_out(self._session.opened(self._now()))
                await self._read(wire)
        except* _Gone as gone:
            reasons += [error for error in gone.exceptions if isinstance(error, _Gone)]
        return next((reason for reason in reasons if not reason.ours), reasons[0])

    async def _read(self, wire: Wire) -> None:
        while True:
            try:
                frames = await wire.take()
            except ConnectionClosed:
                raise _Gone(closing_words(wire)) from None
            for start in range(0, len(frames), BATCH):
                effects = self._session.receive(frames[start : start + BATCH], self._now())
                await self._carry_out(effects)
                await asyncio.sleep(0)

    async def _write(self, wire: Wire) -> None:
        while True:
            while self._outbox:
                frame = self._outbox.popleft()
                self._outbox_size -= len(frame)
                try:
                    async with asyncio.timeout(WRITE_LIMIT):
                        await wire.send(frame, text=True)
                except TimeoutError:
                    raise _Gone(f"timeout: nothing written within {WRITE_LIMIT:.0f} s") from None
                except ConnectionClosed:
                    raise _Gone(closing_words(wire)) from None
            self._drained.set()
            self._to_write.clear()
            if not self._outbox:
                await self._to_write.wait()

    async def _watch(self, wire: Wire) -> None:
        """Send a ping when the relay is silent; it is dead when no pong comes."""
        while True:
            quiet = monotonic() - wire.heard_at
            if quiet < QUIET or wire.holding:
                await asyncio.sleep(max(1.0, QUIET - quiet))
                continue
            try:
                async with asyncio.timeout(PONG_LIMIT):
                    latency = await (await wire.ping())
            except TimeoutError:
                if not wire.holding:
                    raise _Gone(f"timeout: no pong within {PONG_LIMIT:.0f} s") from None
            except ConnectionClosed:
                raise _Gone(closing_words(wire)) from None
            else:
                self.health.measured(latency, self._around.clock())

    async def _supervise(self) -> None:
        while True:
            self._kicked.clear()
            if self._verdict is not None:
                raise self._verdict
            if self._stopping:
                raise _Gone("closed by us", ours=True)
            if self._session.wanted:
                await self._kicked.wait()
                continue
            try:
                async with asyncio.timeout(LINGER):
                    await self._kicked.wait()
            except TimeoutError:
                raise _Gone("idle", ours=True) from None

    async def _lost(self, reason: str, *, fail_wishes: bool) -> None:
        await self._carry_out(self._session.lost(reason))
        if fail_wishes:
            for event_id, waiters in list(self._waiters.items()):
                self._session.withdraw(event_id)
                _tell(waiters, reason)
            for key, waiter in list(self._counters.items()):
                self._session.uncount(key)
                _tell([waiter], reason)
            self._waiters.clear()
            self._counters.clear()

    # Effects

    def _send(self, effects: fx.Effects) -> None:
        """Carry out effects that are nothing but frames."""
        for effect in effects:
            if isinstance(effect, fx.Send):
                self._outbox.append(effect.frame)
                self._outbox_size += len(effect.frame)
        self._to_write.set()
        if self._outbox_size > ROOM_IN_OUTBOX:
            self._drained.clear()
        if self._outbox_size > MAX_OUTBOX:
            self._hang_up("the relay does not read what is sent to it")

    def _hang_up(self, reason: str) -> None:
        self._verdict = _Gone(reason)
        self._kicked.set()

    async def _carry_out(self, effects: fx.Effects) -> None:
        events: list[Event] = []
        ordered: list[fx.Effect] = []
        for effect in effects:
            match effect:
                case fx.Events():
                    events += effect.events
                    ordered.append(effect)
                case fx.StoredEnd() | fx.Stopped():
                    ordered.append(effect)
                case fx.Answered():
                    self._answered(effect)
                case fx.Counted(key=key):
                    waiter = self._counters.pop(key, None)
                    _tell([waiter] if waiter else [], effect)
                case fx.AskAuth(challenge):
                    self._aside(self._ask_auth(challenge))
                case fx.Later(delay, token):
                    self._aside(self._later(delay, token))
                case fx.HangUp(reason):
                    self._hang_up(reason)
        self._send(effects)
        if ordered:
            check = self._around.intake.submit(events) if events else None
            await self._pipeline.put((ordered, check))

    def _answered(self, answer: fx.Answered) -> None:
        prefix, _ = split_reason(answer.text)
        if answer.accepted:
            self.health.enter(UP, self._around.clock())
        elif prefix == "auth-required" or meaning_of(prefix) is Meaning.KEY_REFUSED:
            self.health.enter(REFUSING, self._around.clock(), answer.text)
        _tell(self._waiters.pop(answer.event_id, []), answer)

    def _aside(self, coroutine: Coroutine[Any, Any, None]) -> None:
        if self._group is not None:
            task = self._group.create_task(coroutine)
            self._side_tasks.add(task)
            task.add_done_callback(self._side_tasks.discard)

    async def _later(self, delay: float, token: int) -> None:
        await asyncio.sleep(delay)
        await self._carry_out(self._session.wake(token, self._now()))

    async def _ask_auth(self, challenge: str) -> None:
        if self._around.authenticate is None:
            return
        event: Event | None = None
        try:
            async with asyncio.timeout(AUTH_LIMIT):
                event = await self._around.authenticate(self.url, challenge)
        except TimeoutError:
            self.health.problem = f"timeout: no answer within {AUTH_LIMIT:.0f} s whether to log in"
        except SignerError as error:
            self.health.problem = f"not logged in: {error}"
        await self._carry_out(self._session.authenticate(challenge, event, self._now()))

    async def _deliver(self) -> None:
        """The pipeline's other end: judged events, in order, to their subscriptions."""
        while (batch := await self._pipeline.get()) is not None:
            ordered, check = batch
            if check is not None:
                await check.done.wait()
            place = 0
            for effect in ordered:
                if isinstance(effect, fx.Events) and check is not None:
                    verdicts = check.verdicts[place : place + len(effect.events)]
                    place += len(effect.events)
                    await self._hand_over(effect, verdicts)
                elif isinstance(effect, fx.StoredEnd):
                    if sub := self._subs.get(effect.key):
                        sub.happened(EndOfStored(self.url, effect.complete))
                elif isinstance(effect, fx.Stopped) and (sub := self._subs.get(effect.key)):
                    sub.happened(Ended(self.url, effect.prefix, effect.reason, effect.final))

    async def _hand_over(self, effect: fx.Events, verdicts: list[bool]) -> None:
        events = effect.events
        if not all(verdicts):
            events = [event for event, good in zip(events, verdicts, strict=True) if good]
            for offence in self._session.forged(len(verdicts) - len(events)):
                if isinstance(offence, fx.HangUp):
                    self._hang_up(offence.reason)
        sub = self._subs.get(effect.key)
        if sub is not None:
            repeated = sub.arrived(self.url, events, effect.live)
            self.health.counters.repeated += repeated
            self.health.counters.delivered += len(events) - repeated
            await sub.room()

    def silence(self, what: str, limit: float) -> str:
        """Why `what` did not come within `limit` seconds."""
        if self.health.state == CONNECTING:
            return f"timeout: still connecting after {limit:g} s"
        said = f" (its last word: {self.health.last_word})" if self.health.last_word else ""
        return f"timeout: no {what} within {limit:g} s{said}"

    def _outage(self) -> str:
        """Why there is no connection, and none will be tried for a while; or nothing."""
        wait = self._backoff.wait(monotonic())
        if self.health.state not in (DOWN, REFUSING) or wait < 1.0:
            return ""
        return f"connect: {self.health.problem}; next try in {wait:.0f} s"

    def _now(self) -> int:
        return int(self._around.clock())


def _tell(waiters: Iterable[asyncio.Future[Any]], answer: object) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(answer)


async def _close(wire: Wire) -> None:
    """Close politely; in a hurry when this task is being cancelled."""
    try:
        await wire.close()
    except asyncio.CancelledError:
        wire.transport.abort()
        raise

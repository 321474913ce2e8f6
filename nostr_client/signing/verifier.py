"""Signature checks, in batches and off the loop.

One check costs some 30 µs without the GIL, but a thread that must win the GIL back after each one
starves beside a busy loop. So a trickle is checked on one thread, and a flood by a process; what
takes less than to hand it over is checked on the loop. Rules:

1. What is asked for during one turn of the loop goes out together, in order; what comes while as
   much is on its way as may be (`_IN_FLIGHT`) waits for the next verdicts, and then goes together.
2. At most `_HELD` records are here at a time; who asks for more waits, first come first served.
3. The process starts with the first flood, and from then on checks everything.
4. If it ends or stalls, what was in flight goes to the next one: a verdict is read, never assumed.
   After `_LOSSES` losses within a minute one thread does the work for `_PAUSE` seconds, slowly.
5. A caller who gives up leaves his records where they are; nobody waits for that verdict.
6. Up to `FEW` records are checked where they are asked for while nothing else is here, and then not
   again for `_REST` times as long as that took: it is never more than a part of the loop's time.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import verify_batch
from nostr_client.signing.child import Child

_log = logging.getLogger(__name__)

FEW: Final = 4
"""Records that cost the loop less by being checked than by being sent off: to wake a thread, and to
be woken by it, takes as long as two checks, and longer where others want the GIL."""
_REST: Final = 4
_FLOOD: Final = 64
"""Records waiting that make it worth a process (which takes some 50 ms to start)."""
_IN_FLIGHT: Final = 4096
"""Records on their way to the process: 130 ms of work for it, should the loop be busy."""
_HELD: Final = 16384
_SLICE: Final = 512
"""Records of one job: verdicts come back in pieces of this size, and a thread checks so many."""
_STALL: Final = 15.0
"""Seconds without a verdict, with records in flight, after which the process is given up."""
_LOSSES: Final = 3
_LOSS_MEMORY: Final = 60.0
_PAUSE: Final = 300.0
_END: Final = 5.0
"""Seconds that the process gets to end by itself, and again after it was killed."""


class _VerifyJob:
    """Some records and, one day, their verdicts."""

    __slots__ = ("count", "done", "records", "verdicts")

    def __init__(self, records: bytes, count: int, done: asyncio.Future[bytes]) -> None:
        self.records = records
        self.count = count
        self.done = done
        self.verdicts = b""


class Verifier:
    """`async with Verifier() as verifier: await verifier.verify(event)`.

    To be used on the loop that entered it.
    """

    def __init__(self) -> None:
        self._waiting: deque[_VerifyJob] = deque()
        self._in_flight: deque[_VerifyJob] = deque()
        self._waiting_records = self._in_flight_records = self._held = 0
        self._turns: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._flush_is_due = False
        self._direct_after = 0.0
        self._child: Child | None = None
        self._child_is_mad = False
        self._child_has_ended = asyncio.Event()
        self._losses: deque[float] = deque(maxlen=_LOSSES)
        self._no_child_before = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._thread_is_busy = False
        self._open = False

    async def __aenter__(self) -> Verifier:
        self._loop = asyncio.get_running_loop()
        self._open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        futures: tuple[asyncio.Future[Any], ...] = (
            *(job.done for job in (*self._waiting, *self._in_flight)),
            *(turn for _, turn in self._turns),
        )
        for future in futures:
            if not future.done():
                future.set_exception(RuntimeError("the verifier was closed"))
                future.exception()  # nobody need be waiting for it
        self._waiting.clear()
        self._turns.clear()
        if self._watch is not None:
            self._watch.cancel()
        if self._thread is not None:
            self._thread.shutdown()
        if self._child is not None:
            await self._end_child(self._child)

    @property
    def pid(self) -> int | None:
        """The worker process, if one runs."""
        return None if self._child is None else self._child.pid

    async def verify(self, event: Event) -> bool:
        """Is the event's signature its author's, over its id? Says nothing about the id."""
        job = await self._accept(_record(event), 1)
        return await job.done == b"\1"

    async def verify_all(self, events: Sequence[Event]) -> list[bool]:
        """`verify` of each, in order."""
        found = self.verify_few(events)
        if found is not None:
            return found
        jobs: list[_VerifyJob] = []
        try:
            for start in range(0, len(events), _SLICE):
                part = events[start : start + _SLICE]
                jobs.append(await self._accept(b"".join(map(_record, part)), len(part)))
            return [verdict == 1 for job in jobs for verdict in await job.done]
        finally:
            for job in jobs:
                job.done.cancel()

    def verify_few(self, events: Sequence[Event]) -> list[bool] | None:
        """`verify` of each, at once, where that keeps the loop for less time than to hand them over
        and to take the verdicts back would; None where it is for `verify_all`."""
        if not self._open or len(events) > FEW or self._held:
            return None
        if self._loop.time() < self._direct_after:
            return None
        began = self._loop.time()
        verdicts = verify_batch(b"".join(map(_record, events)))
        ended = self._loop.time()
        self._direct_after = ended + _REST * (ended - began)
        return [verdict == 1 for verdict in verdicts]

    async def _accept(self, records: bytes, count: int) -> _VerifyJob:
        if not self._open:
            raise RuntimeError("the verifier is not open: use `async with Verifier()`")
        if self._turns or self._held + count > _HELD:
            await self._turn(count)
        else:
            self._held += count
        job = _VerifyJob(records, count, self._loop.create_future())
        self._waiting.append(job)
        self._waiting_records += count
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)
        return job

    async def _turn(self, count: int) -> None:
        turn: asyncio.Future[None] = self._loop.create_future()
        self._turns.append((count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._release(count)
            raise

    def _release(self, count: int) -> None:
        self._held -= count
        while self._turns:
            wanted, turn = self._turns[0]
            if not turn.done():
                if self._held + wanted > _HELD:
                    return
                self._held += wanted
                turn.set_result(None)
            self._turns.popleft()

    def _flush(self) -> None:
        self._flush_is_due = False
        if not self._open:
            return
        if self._child is None and self._waiting_records >= _FLOOD:
            self._start_child()
        if self._child is not None:
            self._feed_child(self._child)
        elif self._waiting and not self._thread_is_busy:
            self._feed_thread()

    def _take(self, most: int) -> Iterator[_VerifyJob]:
        """The next jobs, up to `most` records (the last may exceed it), without the given-up."""
        while self._waiting and most > 0:
            job = self._waiting.popleft()
            self._waiting_records -= job.count
            if job.done.done():
                self._release(job.count)
            else:
                most -= job.count
                yield job

    def _settle(self, job: _VerifyJob) -> None:
        if not job.done.done():
            job.done.set_result(job.verdicts)
        self._release(job.count)

    # The thread

    def _feed_thread(self) -> None:
        jobs = list(self._take(_SLICE))
        if not jobs:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="verify")
        self._thread_is_busy = True
        records = b"".join(job.records for job in jobs)
        running = self._loop.run_in_executor(self._thread, verify_batch, records)
        running.add_done_callback(lambda verdicts: self._thread_is_done(jobs, verdicts))

    def _thread_is_done(self, jobs: list[_VerifyJob], running: asyncio.Future[bytes]) -> None:
        self._thread_is_busy = False
        if running.cancelled():
            return
        verdicts = running.result()
        for job in jobs:
            job.verdicts, verdicts = verdicts[: job.count], verdicts[job.count :]
            self._settle(job)
        self._flush()

    # The process

    def _start_child(self) -> None:
        if self._loop.time() >= self._no_child_before:
            self._child_has_ended.clear()
            self._child_is_mad = False
            self._heard_at = self._loop.time()  # it has its own time, whatever the last one took
            self._child = Child(self._loop, self._on_verdicts, self._on_end)

    def _feed_child(self, child: Child) -> None:
        jobs = list(self._take(_IN_FLIGHT - self._in_flight_records))
        if not jobs:
            return
        self._in_flight.extend(jobs)
        self._in_flight_records += sum(job.count for job in jobs)
        child.send(b"".join(job.records for job in jobs))
        if self._watch is None:
            self._watch_for_stall()

    def _on_verdicts(self, verdicts: bytes) -> None:
        if not self._open or self._child is None or self._child_is_mad:
            return
        if len(verdicts) > self._in_flight_records or verdicts.strip(b"\0\1"):
            # Not ours to guess: all that is in flight is checked again.
            self._child.kill()
            self._child_is_mad = True
            return
        self._heard_at = self._loop.time()
        self._in_flight_records -= len(verdicts)
        while verdicts:
            job = self._in_flight[0]
            missing = job.count - len(job.verdicts)
            job.verdicts += verdicts[:missing]
            verdicts = verdicts[missing:]
            if len(job.verdicts) == job.count:
                self._in_flight.popleft()
                self._settle(job)
        self._flush()

    def _on_end(self, reason: str) -> None:
        self._child = None
        self._child_has_ended.set()
        if not self._open:
            return
        for job in self._in_flight:
            job.verdicts = b""
        self._waiting.extendleft(reversed(self._in_flight))
        self._waiting_records += sum(job.count for job in self._in_flight)
        self._in_flight.clear()
        self._in_flight_records = 0
        self._count_loss(reason)
        self._flush()

    def _count_loss(self, reason: str) -> None:
        now = self._loop.time()
        self._losses.append(now)
        if len(self._losses) == _LOSSES and now - self._losses[0] < _LOSS_MEMORY:
            self._losses.clear()
            self._no_child_before = now + _PAUSE
            _log.error(
                "the process that checks signatures was lost %d times (%s); for %.0f seconds"
                " a thread checks them, which is slow",
                *(_LOSSES, reason, _PAUSE),
            )
        else:
            _log.warning("the process that checks signatures was lost (%s); starting anew", reason)

    def _watch_for_stall(self) -> None:
        self._heard_at = self._loop.time()
        self._watch = self._loop.call_later(_STALL, self._look_for_stall)

    def _look_for_stall(self) -> None:
        self._watch = None
        if not self._in_flight:
            return
        silent = self._loop.time() - self._heard_at
        if silent >= _STALL and self._child is not None:
            _log.warning("no verdict for %.0f seconds", silent)
            self._child.kill()
        self._watch = self._loop.call_later(max(_STALL - silent, 0.1), self._look_for_stall)

    async def _end_child(self, child: Child) -> None:
        child.close()
        try:
            async with asyncio.timeout(_END):
                await self._child_has_ended.wait()
        except TimeoutError:
            child.kill()
            async with asyncio.timeout(_END):
                await self._child_has_ended.wait()
        except asyncio.CancelledError:
            child.kill()
            raise


def _record(event: Event) -> bytes:
    return bytes.fromhex(event.id + event.pubkey + event.sig)

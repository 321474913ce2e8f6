"""From an offered event to its OK: verify, store, answer, pass on.

Each step has a task of its own, so that the verifier and the disk work at the same time; batches go
through them in order. Between the two, an event that somebody wants to see first waits for its own
verdict, and none waits for another's. An event that is offered again while it is under way waits
for the same verdict: only when one of them is durable may another be called a duplicate. What
claims an id under way with another signature is a different event here, for it may be the forgery
or the truth.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from nostr_client.errors import NostrError, StoreError, StoreFull
from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import VANISH, is_ephemeral
from nostr_client.store.contract import EventStore, SaveResult, SaveStatus
from relays.policies.ruleset import Rules
from relays.policies.vanishing import OBEYED, VanishRequests
from relays.policies.verdict import ACCEPTED, AsyncPolicy, IncomingEvent, Verdict, refused

BATCH: Final = 512
"""Events that are verified and saved at once, at most."""
UNDER_WAY: Final = 4
"""Batches between two steps, at most."""
REMEMBERED: Final = 10_000
"""Ephemeral events that are not passed on a second time."""
PATIENCE: Final = 60.0
"""Seconds that one batch may take in the verifier or in the store, and one event's verdict."""
CONSULTED: Final = 4096
"""Events whose verdicts are waited for, at most; one client has fewer under way."""

_log = logging.getLogger(__name__)

_DUPLICATE: Final = "duplicate: already have this event"
_REASONS: Final = {
    SaveStatus.STORED: (True, ""),
    SaveStatus.REPLACED: (True, ""),
    SaveStatus.DUPLICATE: (True, _DUPLICATE),
    SaveStatus.OUTDATED: (False, "invalid: a newer version of this event is held"),
    SaveStatus.DELETED: (False, "invalid: its author deleted this event"),
    SaveStatus.EXPIRED: (False, "invalid: this event has expired"),
    SaveStatus.VANISHED: (False, "invalid: its author asked this relay to forget it"),
}
"""What is said of a save. Ephemeral events do not come so far."""


OnVerdict = Callable[[Event, bool, str], None]
"""Told what became of an event: whether it was accepted, and why not."""


class _IngestJob:
    __slots__ = ("event", "incoming", "on_verdicts")

    def __init__(self, incoming: IncomingEvent, on_verdict: OnVerdict) -> None:
        self.event = incoming.event
        self.incoming = incoming
        self.on_verdicts = [on_verdict]


Verify = Callable[[Sequence[Event]], Awaitable[list[bool]]]
"""Checks signatures, many at once."""
_FORGED: Final = "invalid: the signature is wrong"
_OBEYED: Final = Verdict(True, OBEYED)
_NOT_OBEYED: Final = refused("error: the request could not be obeyed, try again later")
_UNJUDGED: Final = "error: the event could not be judged"
_TWIN: Final = "error: it was offered by two clients at once, offer it again"


async def _accept(incoming: IncomingEvent) -> Verdict:
    return ACCEPTED


class IngestPipeline:
    """Takes events in, for `run` to carry through.

    The store tells what it stored; `pass_on` gets what is not stored, and `answered` is called when
    those who offered have been told something. It is bounded by those who offer: each keeps account
    of what it has under way.
    """

    def __init__(
        self,
        store: EventStore,
        verify: Verify,
        rules: Rules,
        pass_on: Callable[[Event], None],
        answered: Callable[[], None],
    ) -> None:
        self._store = store
        self._verify_all = verify
        self._rules = rules
        self._send_on = pass_on
        self._answered = answered
        self._jobs: dict[bytes, _IngestJob] = {}
        self._waiting: deque[_IngestJob] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._verified: asyncio.Queue[tuple[list[_IngestJob], asyncio.Task[list[bool] | None]]]
        self._verified = asyncio.Queue(UNDER_WAY)
        self._room = asyncio.Semaphore(CONSULTED)
        self._requests: dict[str, asyncio.Task[None]] = {}
        """The last request of each author, or what waits behind it, while it is being done."""
        self._taken: deque[_IngestJob] = deque()
        """What is to be stored, set off by `_ready`."""
        self._ready = asyncio.Event()
        self._telling = False
        self._saved: asyncio.Queue[tuple[list[_IngestJob], asyncio.Task[list[SaveResult | None]]]]
        self._saved = asyncio.Queue(UNDER_WAY)
        self._passed_on: dict[str, None] = {}
        self._failing = False
        """The last batch could not be stored."""

    def offer(self, incoming: IncomingEvent, on_verdict: OnVerdict) -> None:
        """Take in an event whose form and id are checked; `on_verdict` is called later."""
        event = incoming.event
        job = self._jobs.get(event.json)
        if job is not None:
            job.on_verdicts.append(on_verdict)
            return
        job = self._jobs[event.json] = _IngestJob(incoming, on_verdict)
        self._waiting.append(job)
        self._wake.set()
        self._idle.clear()

    @property
    def under_way(self) -> int:
        """Different events that were offered and not answered yet."""
        return len(self._jobs)

    async def drained(self) -> None:
        """Returns when every event that was offered has its answer."""
        await self._idle.wait()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._verify(group))
            group.create_task(self._sort(group))
            group.create_task(self._save(group))
            group.create_task(self._answer())

    async def _verify(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._wake.wait()
            batch = _first(self._waiting, self._wake)
            await self._verified.put((batch, group.create_task(self._check(batch))))

    async def _check(self, batch: list[_IngestJob]) -> list[bool] | None:
        try:
            async with asyncio.timeout(PATIENCE):
                begun = time.perf_counter()
                valid = await self._verify_all([job.event for job in batch])
                self._rules.metrics.verified(len(batch), time.perf_counter() - begun)
                return valid
        except (NostrError, TimeoutError):
            _log.exception("events could not be verified")
            return None

    async def _sort(self, group: asyncio.TaskGroup) -> None:
        """Whose signature is right is to be stored, or judged first by whoever wants to see it."""
        while True:
            batch, check = await self._verified.get()
            valid = await check
            if valid is None:
                self._settle_all(batch, False, _UNJUDGED)
                continue
            rules = self._rules
            for job, is_valid in zip(batch, valid, strict=True):
                if not is_valid:
                    self._settle(job, False, _FORGED)
                    continue
                ask = self._asked(rules, job.event)
                if ask is None and job.event.pubkey not in self._requests:
                    self._take(job)
                    continue
                if self._room.locked():
                    self._answered()
                await self._room.acquire()
                self._consult(group, job, ask or _accept)
            self._answered()

    def _asked(self, rules: Rules, event: Event) -> AsyncPolicy | None:
        """Who wants to see it first."""
        if (
            event.kind == VANISH
            and rules.vanish_requests is not None
            and rules.vanish_requests.applies_to(event)
        ):
            return partial(self._obey, rules.vanish_requests)
        return rules.handlers.get(event.kind, rules.check_async)

    async def _obey(self, requests: VanishRequests, incoming: IncomingEvent) -> Verdict:
        """Obey a request to vanish that is not kept; the store obeys what is."""
        verdict = await requests.check_keeping(incoming)
        if verdict.accepted:
            return verdict
        try:
            try:
                await self._store.obey([incoming.event])
            except StoreFull:
                if not await self._store.frees_room(incoming.event):
                    raise
                await self._store.obey([incoming.event], frees=True)
        except StoreError as error:
            self._failed(error)
            return _NOT_OBEYED
        return _OBEYED

    def _consult(self, group: asyncio.TaskGroup, job: _IngestJob, ask: AsyncPolicy) -> None:
        """Ask for the verdict on one event: no other waits for it.

        Requests to the relay are the exception: what one author asks for is done in his order, and
        what he sends behind it comes behind it, too.
        """
        author = job.event.pubkey
        before = self._requests.get(author)
        task = group.create_task(self._judge(job, ask, before))
        if before is not None or job.event.kind == VANISH or job.event.kind in self._rules.handlers:
            self._requests[author] = task
        task.add_done_callback(lambda _: self._consulted(author, task))

    def _consulted(self, author: str, task: asyncio.Task[None]) -> None:
        self._room.release()
        if self._requests.get(author) is task:
            del self._requests[author]

    async def _judge(
        self, job: _IngestJob, ask: AsyncPolicy, before: asyncio.Task[None] | None
    ) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                if before is not None:
                    await asyncio.wait([before])
                verdict = await ask(job.incoming)
        except (NostrError, TimeoutError):
            _log.exception("an event could not be judged")
            self._settle(job, False, _UNJUDGED)
        else:
            done = verdict is _OBEYED or job.event.kind in self._rules.handlers
            if done or not verdict.accepted:
                self._settle(job, verdict.accepted, verdict.reason, personal=True)
            else:
                self._take(job)
        if not self._telling:  # verdicts come in bursts
            self._telling = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._telling = False
        self._answered()

    def _take(self, job: _IngestJob) -> None:
        """All is right with it: keep it, or pass it on."""
        if is_ephemeral(job.event.kind):
            self._pass_on(job)
        else:
            self._taken.append(job)
            self._ready.set()

    async def _save(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._ready.wait()
            batch = _first(self._taken, self._ready)
            await self._saved.put((batch, group.create_task(self._store_all(batch))))

    async def _store_all(self, batch: list[_IngestJob]) -> list[SaveResult | None]:
        """What became of each; None: it could not be stored."""
        begun = time.perf_counter()
        events = [job.event for job in batch]
        try:
            async with asyncio.timeout(PATIENCE):
                results = await self._store.save(events)
        except (NostrError, TimeoutError) as error:
            self._failed(error)
            return await self._store_what_frees(events, error)
        if self._failing:
            _log.warning("events can be stored again")
        self._failing = False
        self._rules.metrics.committed(len(batch), time.perf_counter() - begun)
        return [*results]

    async def _store_what_frees(
        self, events: list[Event], why: Exception
    ) -> list[SaveResult | None]:
        """Where the disk is full, deletions of what is here have the room that is kept back."""
        results: list[SaveResult | None] = [None] * len(events)
        if not isinstance(why, StoreFull):
            return results
        try:
            async with asyncio.timeout(PATIENCE):
                for index, event in enumerate(events):
                    if await self._store.frees_room(event):
                        [results[index]] = await self._store.save([event], frees=True)
        except (NostrError, TimeoutError) as error:
            self._failed(error)
        return results

    def _failed(self, error: Exception) -> None:
        # Said once, and not for every batch: on a full disk, logs only make it worse.
        if not self._failing:
            _log.error("events cannot be stored, and are refused: %s", str(error) or "no answer")
        self._failing = True
        self._rules.metrics.store_failures += 1

    async def _answer(self) -> None:
        while True:
            batch, save = await self._saved.get()
            for job, result in zip(batch, await save, strict=True):
                if result is None:
                    self._settle(job, False, "error: the event could not be stored")
                else:
                    self._settle(job, *_REASONS[result.status])
            self._answered()

    def _pass_on(self, job: _IngestJob) -> None:
        if not self.is_new(job.event):
            self._settle(job, True, _DUPLICATE)
            return
        self._settle(job, True, "")
        self._send_on(job.event)

    def is_new(self, event: Event) -> bool:
        """Was this event, which is not stored, not passed on yet? It counts as such from now on."""
        if event.id in self._passed_on:
            return False
        self._passed_on[event.id] = None
        if len(self._passed_on) > REMEMBERED:
            del self._passed_on[next(iter(self._passed_on))]
        return True

    def _settle_all(self, batch: list[_IngestJob], accepted: bool, reason: str) -> None:
        for job in batch:
            self._settle(job, accepted, reason)
        self._answered()

    def _settle(
        self, job: _IngestJob, accepted: bool, reason: str, *, personal: bool = False
    ) -> None:
        """Answer all who offered it; `personal`: a refusal is about the first of them alone."""
        del self._jobs[job.event.json]
        for number, on_verdict in enumerate(job.on_verdicts):
            if number > 0:
                reason = _DUPLICATE if accepted else _TWIN if personal else reason
            on_verdict(job.event, accepted, reason)
        if not self._jobs:
            self._idle.set()


def _first(jobs: deque[_IngestJob], some: asyncio.Event) -> list[_IngestJob]:
    """The next batch; `some` is set for as long as there are more."""
    batch = [jobs.popleft() for _ in range(min(BATCH, len(jobs)))]
    if not jobs:
        some.clear()
    return batch

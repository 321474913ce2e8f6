"""The loop on which plain programs have asynchronous work done: on a thread of its own, so that it
works in a notebook too, where a loop runs already.

There is one a process. It starts when it is first needed, and ends with the program.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib
import math
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent import futures
from concurrent.futures import Future
from typing import Any, Final, TypeVar

T = TypeVar("T")

END_LIMIT: Final = 5.0
"""Seconds that what was interrupted has to end, and the loop at the end of the program."""
_PULSE: Final = 0.2 if sys.platform == "win32" else 1.0
"""Seconds after which a waiting thread looks for Ctrl-C. Elsewhere it is woken, but not by one that
came in the moment before it began to wait."""


class NotInTime(TimeoutError):
    """A thread waited as long as it was to."""


class LoopThread:
    """Work is given to it by other threads, which wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.leaving: set[Future[Any]] = set()
        """What ends by itself, for which nobody waits before the end of the program."""
        self.is_ending = False
        """Nobody can give anything to do any more."""
        self.before_end: list[Callable[[], None]] = []
        """Called at the end of the program, while the loop still runs."""

    def run(self, work: Coroutine[Any, Any, T], limit: float | None = None) -> T:
        """What `work` comes to, done in a task of its own. Ctrl-C, and `limit` seconds, end it.

        Raises what it raises, TimeoutError, and RuntimeError on the loop's own thread.
        """
        done: Future[T] = Future()
        tasks: list[asyncio.Task[T]] = []

        def begin() -> None:
            task = loop.create_task(work)
            tasks.append(task)
            task.add_done_callback(lambda ended: hand_over(ended, done))

        try:
            loop = self.loop
        except RuntimeError:
            work.close()
            raise
        with self.interruptible(done, lambda: [task.cancel() for task in tasks]):
            loop.call_soon_threadsafe(begin)
            return self.wait(done, limit)

    @contextlib.contextmanager
    def interruptible(self, done: Future[Any], cancel: Callable[[], object]) -> Iterator[None]:
        """Where the block ends before `done` does, by Ctrl-C or a limit, `cancel` is called on the
        loop, and what then ends has some seconds for it."""
        try:
            yield
        except BaseException:
            if not done.done():
                self.loop.call_soon_threadsafe(cancel)
                futures.wait([done], END_LIMIT)
            raise

    def wait(self, done: Future[T], limit: float | None = None) -> T:
        """What `done` comes to. Raises NotInTime after `limit` seconds."""
        until = math.inf if limit is None else time.monotonic() + limit
        while not done.done():
            left = min(until - time.monotonic(), _PULSE)
            if left <= 0:
                raise NotInTime(f"it did not end in {limit:g} s")
            futures.wait([done], left)
        return done.result()

    @property
    def is_here(self) -> bool:
        """Is this the loop's own thread?"""
        return self._thread is threading.current_thread()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """It runs. Raises RuntimeError on its own thread: whoever waits there waits for himself."""
        if self._process != os.getpid():  # a fork has no threads, and may have a lock that was held
            self._lock, self.leaving, self.tasks = threading.Lock(), set(), set()
        with self._lock:
            loop = self._loop
            if loop is None or self._process != os.getpid():
                loop = self._loop = self._start()
            if self.is_here:
                raise RuntimeError(
                    "a plain function was called from a callback, on the loop's own thread, where "
                    "nobody can wait: put what came into a queue, and go on in your own thread"
                )
            return loop

    def _start(self) -> asyncio.AbstractEventLoop:
        first = self._process == 0
        self._process = os.getpid()
        self.is_ending = False
        loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=_run_loop, args=(loop,), name="nostr-client", daemon=True
        )
        self._thread.start()
        if first:
            # Before the executors end, which closing needs: what is registered last is called
            # first, and they register themselves when they are loaded. There is no public name.
            importlib.import_module("concurrent.futures.thread")
            getattr(threading, "_register_atexit", atexit.register)(self.end)
        return loop

    def end(self) -> None:
        """End what is still under way, and the loop, within `END_LIMIT`."""
        if self._loop is None or self._thread is None or self._process != os.getpid():
            return
        for call in tuple(self.before_end):
            call()
        futures.wait(self.leaving, END_LIMIT)
        self.is_ending = True
        loop, self._loop = self._loop, None
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join(END_LIMIT)


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=END_LIMIT / 2))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


def hand_over(task: asyncio.Task[T], done: Future[T]) -> None:
    """What a task came to, to the thread that waits."""
    if task.cancelled():
        say_cancelled(done)
    elif (error := task.exception()) is not None:
        done.set_exception(error)
    else:
        done.set_result(task.result())


def say_cancelled(done: Future[Any]) -> None:
    """To whoever waits, too: `cancel` alone tells nobody."""
    done.cancel()
    done.set_running_or_notify_cancel()


Job = tuple[Callable[[], Awaitable[Any]], "Future[Any]"]


class OneTask:
    """A task that does one thing after another: what was entered in one must be left in it."""

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread
        self._jobs: asyncio.Queue[Job | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._begun: asyncio.AbstractEventLoop | None = None

    def do(self, work: Callable[[], Awaitable[T]], limit: float | None = None) -> T:
        """What `work` comes to; as `LoopThread.run`."""
        if self._begun is None:
            self._begun = self._thread.loop
            self._begun.call_soon_threadsafe(self._begin)
        done: Future[T] = Future()
        with self._thread.interruptible(done, self._interrupt):
            self._give(work, done)
            return self._thread.wait(done, limit)

    def _give(self, work: Callable[[], Awaitable[T]], done: Future[T]) -> None:
        """Have `work` done in its turn, and do not wait."""
        if self._begun is not None and not self._begun.is_closed():
            self._begun.call_soon_threadsafe(self._jobs.put_nowait, (work, done))

    def end_with(self, work: Callable[[], Awaitable[T]], limit: float | None = None) -> T | None:
        """Do `work`, if anything was done at all, and nothing more. Without a `limit`, and on the
        loop's own thread, where the collector may call this, nobody waits for it."""
        if self._begun is None or self._begun.is_closed():
            return None
        done: Future[T] = Future()
        with self._thread.interruptible(done, self._interrupt):
            self._give(work, done)
            self._begun.call_soon_threadsafe(self._jobs.put_nowait, None)
            if limit is None or self._thread.is_here:
                self._thread.leaving.add(done)
                done.add_done_callback(self._thread.leaving.discard)
                return None
            return self._thread.wait(done, limit)

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work())
        # Held here, or it would be collected together with what it waits for to end it.
        self._thread.tasks.add(self._task)
        self._task.add_done_callback(self._thread.tasks.discard)

    def _interrupt(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        while True:
            try:
                job = await self._jobs.get()
            except asyncio.CancelledError:
                # Work that was entered here has failed, and says so when it is left.
                if self._thread.is_ending:
                    raise
                continue
            if job is None:
                return
            work, done = job
            try:
                done.set_result(await work())
            except asyncio.CancelledError:
                say_cancelled(done)
                if self._thread.is_ending:
                    raise
                if self._task is not None:
                    self._task.uncancel()
            except BaseException as error:  # noqa: BLE001 - it is the waiting thread's
                done.set_exception(error)

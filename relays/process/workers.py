"""The parent of worker processes: one relay on one port, answered by several, over one folder.

It holds the folder's lock and the port, and answers nobody itself. Each worker is what a lone
relay is, but for these two; what they tell each other goes over the `bus`. A worker that ends is
started again, after a while that grows; one that keeps ending at once ends all. Workers end when
the parent does, however that ends: their socket closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import ConfigError, NostrError, StoreError
from nostr_client.paths import environment_for_children
from relays.config.relay_config import RelayConfig
from relays.process.bus import Beat, Hub, Message, Present, Ready, Reload, Start, StartFailed, Stop
from relays.process.folder import (
    RunningRelay,
    announced,
    is_wanted,
    note_node,
    only_relay,
    open_folder,
)
from relays.process.port import SharedPort
from relays.process.run import said_nearby
from relays.process.stopping import StopConditions, say, until_told_to_stop
from relays.process.worker_settings import WorkerSettings

STOP_LIMIT: Final = 30.0
"""Seconds that workers may take to end cleanly."""
STUCK: Final = 60.0
"""Seconds without a beat after which a worker is killed: also one that starts, which may take long
where a store is brought up to date, but beats."""
LAST_WORDS: Final = 5.0
"""Seconds in which what a worker said before its end is heard."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds before a worker is started again: twice as long each time it ends soon."""
SOON: Final = 30.0
"""Seconds within which an end is a quick one ..."""
MOST_QUICK: Final = 6
"""... and so many of them in a row, of one worker, are the end of all."""
_FROM_SYSTEMD: Final = frozenset({"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS"})

_log = logging.getLogger(__name__)


class _Worker:
    """One place among the workers, whichever process has it now."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: Process | None = None
        self.ready = asyncio.Event()
        self.gone = asyncio.Event()
        self.failed: StartFailed | None = None
        self.beat = 0.0
        self.idle = 0.0

    def begin(self) -> None:
        """A new process is about to have it."""
        self.ready.clear()
        self.gone.clear()
        self.failed = None
        self.beat = time.monotonic()
        self.idle = 0.0


class WorkerProcesses:
    """Made by `run_workers`; `asked` is set to have all read the configuration again."""

    def __init__(self, settings: WorkerSettings, port: SharedPort, count: int) -> None:
        self._settings = msgspec.json.encode(settings)
        self._port = port
        self._workers = [_Worker(number) for number in range(count)]
        self._hub = Hub(self._heard)
        self._failure: NostrError | None = None
        self.told = asyncio.Event()
        """All is to end."""
        self.asked = asyncio.Event()

    async def run(self) -> None:
        """Pass on that the configuration is to be read again, until cancelled."""
        while True:
            await self.asked.wait()
            self.asked.clear()
            self._hub.tell_all(Reload())

    @property
    def idle(self) -> float:
        """Seconds since anybody was at any worker; 0 while somebody is."""
        return min(worker.idle for worker in self._workers)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All of them run and answer while the block does; where one does not stay, `told` is set.

        Raises StoreError, ConfigError where one cannot start, or does not stay.
        """
        watching = asyncio.create_task(self._watch())
        keeping: list[asyncio.Task[None]] = []
        try:
            # The first one makes what is missing, and brings up to date what is old.
            for some in (self._workers[:1], self._workers[1:]):
                keeping += [asyncio.create_task(self._keep(worker)) for worker in some]
                for worker in some:
                    await _first_of(worker.ready, self.told)
            if not self.told.is_set():
                yield
        finally:
            self.told.set()
            await self._end_all(keeping)
            watching.cancel()
        if self._failure is not None:
            raise self._failure

    def _heard(self, number: int, message: Message) -> None:
        worker = self._workers[number]
        match message:
            case Beat(idle):
                worker.beat, worker.idle = time.monotonic(), idle
            case Ready():
                worker.ready.set()
                self._tell_present()
            case StartFailed():
                worker.failed = message

    def _tell_present(self) -> None:
        self._hub.tell_all(Present(sum(worker.ready.is_set() for worker in self._workers)))

    # One worker

    async def _keep(self, worker: _Worker) -> None:
        """Have a process in this place, again and again, until `told`."""
        quick, pause, stays = 0, FIRST_PAUSE, False
        while not self.told.is_set():
            began = time.monotonic()
            worker.begin()
            try:
                how = await self._run_one(worker)
            except OSError as error:
                how = f"cannot be started: {error.strerror or error}"
            stays = stays or worker.ready.is_set()
            worker.ready.clear()
            self._tell_present()
            if self.told.is_set():
                return
            failed = worker.failed
            if failed is not None and not stays:
                self._fail(
                    ConfigError(failed.words) if failed.setting else StoreError(failed.words)
                )
                return
            soon = time.monotonic() - began < SOON
            quick, pause = (quick + 1, min(2 * pause, LONGEST_PAUSE)) if soon else (1, FIRST_PAUSE)
            words = how if failed is None else failed.words
            if quick >= MOST_QUICK:
                self._fail(StoreError(f"worker {worker.number + 1} does not stay: {words}"))
                return
            _log.error("worker %d %s: it is started again", worker.number + 1, words)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.told.wait()

    def _fail(self, error: NostrError) -> None:
        self._failure = self._failure or error
        self.told.set()

    async def _run_one(self, worker: _Worker) -> str:
        """Start a process, and wait for its end; how it ended, in words. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs, self._port.listener() as listener:
            fds = (theirs.fileno(), listener.fileno())
            process = worker.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "relays.worker", *map(str, fds)),
                stdin=DEVNULL,
                stdout=DEVNULL,
                pass_fds=fds,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for us; we tell our workers ourselves
            )
        await self._hub.add(worker.number, ours, worker.gone.set)
        self._hub.tell(worker.number, Start(worker.number, len(self._workers), self._settings))
        if self.told.is_set():
            self._hub.tell(worker.number, Stop())
        code = await process.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await worker.gone.wait()
        self._hub.close(worker.number)
        return f"ended with {code}" if code >= 0 else f"was ended by {_signal_name(-code)}"

    async def _watch(self) -> None:
        """Kill those whose loops stand still; until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for worker in self._workers:
                silent = now - worker.beat
                if worker.process is not None and silent > STUCK and not worker.gone.is_set():
                    _log.error("worker %d does not answer, and is killed", worker.number + 1)
                    worker.beat = now
                    _kill(worker.process)

    async def _end_all(self, keeping: Collection[asyncio.Task[None]]) -> None:
        """Have all end cleanly; and those that do not, not so."""
        self._hub.tell_all(Stop())
        while keeping:
            _, keeping = await asyncio.wait(keeping, timeout=STOP_LIMIT)
            for worker in self._workers if keeping else ():
                if worker.process is not None and worker.process.returncode is None:
                    _log.error("worker %d does not end, and is killed", worker.number + 1)
                    _kill(worker.process)


async def _first_of(*events: asyncio.Event) -> None:
    """Returns when one of them is set."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _environment() -> dict[str, str]:
    """What tells systemd's words apart is for us: a worker's would be taken for ours."""
    return {
        name: value
        for name, value in environment_for_children().items()
        if name not in _FROM_SYSTEMD
    }


async def run_workers(
    settings: WorkerSettings,
    config: RelayConfig,
    count: int,
    ends: StopConditions,
) -> None:
    """Run a relay of `count` workers as `process.run.run` runs one in this process.

    `config` is what `settings` read. Raises StoreError, ConfigError as that does, and StoreError
    where workers do not stay.
    """
    data = Path(settings.data)
    secure = config.web.tls_certificate is not None
    with (
        open_folder(data, config.store or "", new=True) as stores,
        only_relay(data),
        SharedPort(config.host, config.port) as port,
    ):
        note_node(data, stores)
        address = port.address(secure=secure)
        settings = msgspec.structs.replace(settings, address=address)
        workers = WorkerProcesses(settings, port, count)
        known = RunningRelay(os.getpid(), address, int(time.time()))
        async with workers.running(), said_nearby(config, port.number):
            with announced(data, known):
                await until_told_to_stop(
                    ends,
                    workers,
                    idle=lambda: workers.idle if not is_wanted(data) else 0.0,
                    told=workers.told,
                    ready=lambda: say(address, stores.place),
                )

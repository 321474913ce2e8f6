"""The relay of one's own: a process that keeps every note at home.

One runs for a person, whichever program starts it, and it outlives the terminal. The rules:

- It is `python -m relays run` on the folder `<data>/own-relay`, in a session of its own, with no
  standard input, and with its output in a log file of bounded size.
- Its folder says what there is to know without asking it (`own_relay_folder`); it counts as running
  when the process in the file holds the lock and answers.
- Whoever starts one holds the start lock meanwhile, and looks again before starting; so of two
  programs that start one at once, the second finds that of the first.
- It comes back at the port it had, if that is free, so that copies stay where the ledger says;
  else at another.
- It answers the person's own processes alone: they show a token from a file that nobody else can
  read, and only while the relay holds its lock, never to whoever took its port since.
- It ends when the last program that used it (`OwnRelayFolder.in_use`) has ended, unless `keep` was
  asked for.
- Only a process that holds `relay.lock` is ever signalled, never one that merely has its number.
  A relay that starts waits a moment for that lock: somebody may be looking whether it is held.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from nostr_client.errors import (
    ConnectFailed,
    NostrError,
    OwnRelayError,
)
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.nips import nip11
from nostr_client.paths import (
    Paths,
    environment_for_children,
    paths,
    private_folder,
    translated,
    write_private,
)
from nostr_client.resilience.own_relay_folder import OwnRelayFolder, RelayRecord

ASK_LIMIT: Final = 3.0
"""Seconds in which a living relay answers."""
START_LIMIT: Final = 30.0
"""Seconds in which a relay that starts listens; also how long to wait for another starter."""
STOP_LIMIT: Final = 10.0
"""Seconds for a clean end; after that it is killed (what it confirmed is on disk)."""
IDLE_LIMIT: Final = 15.0
"""Seconds that it stays when nobody uses it: the next command of a script finds it there."""
MOST_LOG: Final = 1 << 20
_MOST_DOCUMENT: Final = 64 * 1024

_GONE: Final = OSError if sys.platform == "win32" else ProcessLookupError
"""What is raised where a process to be ended is over: Windows has no error of its own for that."""


class OwnRelayStatus(msgspec.Struct, frozen=True):
    """What asking found. `url` and `pid` are known when `running`; `problem` says why not.

    `started` is in seconds since 1970; `data` the folder and `log` the file of its output.
    """

    running: bool
    url: str
    pid: int
    started: int
    version: str
    problem: str
    data: Path
    log: Path


class OwnRelay:
    """Finds, starts, asks and stops the relay of one's own.

    `command` starts it (`--data` and the like are added); the limits are in seconds.
    """

    def __init__(
        self,
        where: Paths | None = None,
        *,
        command: Sequence[str] = (sys.executable, "-P", "-m", "relays", "run"),
        start_limit: float = START_LIMIT,
        ask_limit: float = ASK_LIMIT,
        idle_limit: float = IDLE_LIMIT,
    ) -> None:
        where = where or paths()
        self.folder = OwnRelayFolder(where.data / "own-relay")
        self.log = where.state / "own-relay.log"
        self._command = tuple(command)
        self._start_limit = start_limit
        self._ask_limit = ask_limit
        self._idle_limit = idle_limit

    async def ensure(self) -> str:
        """The url of the running relay, which is started if there is none.

        Raises OwnRelayError when it cannot be started, or is there and does not answer.
        """
        status = await self.status()
        if status.running and self.folder.token.exists():
            self._bound_log()
            return status.url
        if status.running:  # of a version that answered everybody
            await self._end()
        private_folder(self.folder.path)
        private_folder(self.log.parent)
        async with self.folder.start_lock(self._start_limit):
            status = await self.status()
            if not status.running:
                status = await self._start()
            self.folder.remember(status.url)
            return status.url

    async def keep(self) -> str:
        """`ensure`, and it stays until `stop`, whoever uses it."""
        write_private(private_folder(self.folder.path) / "keep", b"")
        return await self.ensure()

    async def status(self) -> OwnRelayStatus:
        """Is it running? Found out by asking it, never from the file alone."""
        record = self.folder.running()
        if record is None:
            return self._status(problem="not started")
        try:
            headers = self.folder.headers(record.url)
        except ConnectFailed as error:
            return self._status(problem=error.message)
        version = await _ask(record.url, headers, self._ask_limit)
        if version is None:
            return self._status(problem="it does not answer")
        return self._status(record, version)

    async def stop(self) -> bool:
        """End it cleanly, kept or not. False when none was running. Raises OwnRelayError if it will
        not end."""
        with translated(f"cannot change {self.folder.path}"):
            (self.folder.path / "keep").unlink(missing_ok=True)
        return await self._end()

    async def _end(self) -> bool:
        if not self.folder.path.exists():
            return False
        async with self.folder.start_lock(self._start_limit):
            pid = self.folder.holder()
            if pid is None:
                return False
            for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
                with contextlib.suppress(_GONE):
                    os.kill(pid, number)
                if await self._ended(STOP_LIMIT):
                    return True
        raise OwnRelayError(f"the own relay (process {pid}) does not end")

    # Inside

    def _status(
        self, record: RelayRecord | None = None, version: str = "", problem: str = ""
    ) -> OwnRelayStatus:
        return OwnRelayStatus(
            running=record is not None,
            url=record.url if record else "",
            pid=record.pid if record else 0,
            started=int(record.started) if record else 0,
            version=version,
            problem=problem,
            data=self.folder.path,
            log=self.log,
        )

    async def _ended(self, limit: float) -> bool:
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if self.folder.holder() is None:
                return True
            await asyncio.sleep(0.05)
        return False

    async def _start(self) -> OwnRelayStatus:
        if self.folder.holder() is not None:  # it starts just now by other hands, or ends, or hangs
            status = await self._listening(lambda: self.folder.holder() is None)
            if status is not None:
                return status
            if self.folder.holder() is not None:
                raise OwnRelayError(
                    "the own relay runs and does not answer: `nostr-client own-relay stop` ends it"
                )
        self._bound_log()
        # What an ended one left behind: nobody is to be asked, nor the lock tried, because of it.
        with translated(f"cannot change {self.folder.path}"):
            (self.folder.path / "relay.json").unlink(missing_ok=True)
        if not self.folder.token.exists():
            write_private(self.folder.token, secrets.token_urlsafe(32).encode())
        urls = self.folder.urls()
        ports = [urlsplit(urls[0]).port or 0, 0] if urls else [0]
        words = ""
        for port in ports:
            process = self._spawn(port)
            status = await self._listening(lambda: process.returncode is not None)  # noqa: B023
            if status is not None:
                return status
            if process.returncode is None:
                process.kill()
                raise OwnRelayError(f"the own relay does not listen after {self._start_limit:g} s")
            words = self._last_words()
        raise OwnRelayError(f"the own relay did not start: {words} (log: {self.log})")

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        with translated(f"cannot write {self.log}"):
            descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter
                (
                    *self._command,
                    *("--data", str(self.folder.path), "--port", str(port)),
                    *("--token-file", str(self.folder.token)),
                    *("--stop-when-idle", str(self._idle_limit)),
                    *("--workers", "1"),
                ),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=environment_for_children(),
                cwd=self.folder.path,
                start_new_session=True,
                creationflags=flags,
            )
        except OSError as error:
            raise OwnRelayError(f"the own relay cannot be started: {error.strerror}") from None
        finally:
            os.close(descriptor)
        # It outlives us; while we live, somebody must hear of its end, or it stays as a zombie.
        threading.Thread(target=process.wait, name="own-relay", daemon=True).start()
        return process

    async def _listening(self, ended: Callable[[], bool]) -> OwnRelayStatus | None:
        """Wait until the relay answers; None if it `ended` before, or takes too long."""
        deadline = time.monotonic() + self._start_limit
        while time.monotonic() < deadline:
            status = await self.status()
            if status.running:
                return status
            if ended():
                return None
            await asyncio.sleep(0.03)
        return None

    def _bound_log(self) -> None:
        """Start the log anew when it grew long; it is open for appending, so this is safe."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > MOST_LOG:
                os.truncate(self.log, 0)

    def _last_words(self) -> str:
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 2000))
                lines = log.read().decode(errors="replace").split("\n")
        except OSError:
            lines = []
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")


async def _ask(url: str, headers: Mapping[str, str], limit: float) -> str | None:
    """The version of the relay at `url`; empty if it does not say; None if none answers."""
    try:
        response = await http.get(
            "http" + url.removeprefix("ws"),
            DialOptions(proxy=None, private=True),
            timeout=limit,
            max_bytes=_MOST_DOCUMENT,
            accept="application/nostr+json",
            headers=headers,
        )
        return nip11.parse(response.body).version or "" if response.status == 200 else None
    except NostrError:
        return None

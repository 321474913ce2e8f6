"""The relay of one's own: a process that keeps every note at home.

One runs for a person, whichever program starts it, and it outlives the terminal. The rules:

- It is `python -m relays run` on the folder `<data>/own-relay`, in a session of its own, with no
  standard input, and with its output in a log file of bounded size.
- It holds `relay.lock` for as long as it lives and writes `relay.json` (pid, url, started) once it
  listens. The file alone proves nothing, nor does an answer from its port, which anybody may have
  taken since: a relay counts as running when the process in the file holds the lock and answers.
- Whoever starts one holds `start.lock` meanwhile, and looks again before starting; so of two
  programs that start one at once, the second finds that of the first.
- It comes back at the port it had, if that is free, so that copies stay where the ledger says;
  else at another, and `urls` still names the old ones.
- It answers the person's own processes alone: they show a token from a file that nobody else can
  read (`token`), and only while the relay holds its lock, never to whoever took its port since.
- It ends when the last program that used it (`in_use`) has ended, unless `keep` was asked for.
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
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from nostr_client.errors import (
    ConnectFailed,
    ConnectStep,
    FolderInUse,
    InvalidData,
    NostrError,
    OwnRelayError,
    StoreError,
)
from nostr_client.net import http
from nostr_client.nips import nip11
from nostr_client.paths import (
    FolderLock,
    Paths,
    environment_for_children,
    paths,
    private_folder,
    translated,
    write_private,
)
from nostr_client.protocol.urls import is_loopback, normalize_relay_url

ASK_LIMIT: Final = 3.0
"""Seconds in which a living relay answers."""
START_LIMIT: Final = 30.0
"""Seconds in which a relay that starts listens; also how long to wait for another starter."""
STOP_LIMIT: Final = 10.0
"""Seconds for a clean end; after that it is killed (what it confirmed is on disk)."""
IDLE_LIMIT: Final = 15.0
"""Seconds that it stays when nobody uses it: the next command of a script finds it there."""
MOST_LOG: Final = 1 << 20
MOST_URLS: Final = 20
_MOST_DOCUMENT: Final = 64 * 1024


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


LOCK_LOOKS: Final = 10
"""Looks at a lock that is held and does not say by whom yet."""


class _RelayRecord(msgspec.Struct):
    """`relay.json`, as the relay writes it."""

    pid: int
    url: str
    started: float = 0


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
        self.data = where.data / "own-relay"
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
        if status.running and self._token.exists():
            self._bound_log()
            return status.url
        if status.running:  # of a version that answered everybody
            await self._end()
        private_folder(self.data)
        private_folder(self.log.parent)
        async with _patient_lock(self.data / "start.lock", self._start_limit):
            status = await self.status()
            if not status.running:
                status = await self._start()
            self._remember(status.url)
            return status.url

    async def keep(self) -> str:
        """`ensure`, and it stays until `stop`, whoever uses it."""
        write_private(private_folder(self.data) / "keep", b"")
        return await self.ensure()

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """While the block runs, the relay does not end by itself. Raises StoreError."""
        path = private_folder(self.data / "users") / f"{os.getpid()}-{secrets.token_hex(8)}.lock"
        with FolderLock(path):
            try:
                yield
            finally:
                with translated(f"cannot remove {path}"):
                    path.unlink(missing_ok=True)

    def headers(self, url: str) -> Mapping[str, str]:
        """What tells the relay at `url` that we are its owner's program (RFC 6750).

        Raises ConnectFailed where it does not run: whoever listens there now is a stranger.
        """
        note = self._note()
        try:
            runs = note is not None and note.url == url and note.pid == self._holder()
        except OwnRelayError as error:
            raise ConnectFailed(url, str(error), ConnectStep.ADDRESS) from None
        if not runs:
            raise ConnectFailed(url, "it has ended", ConnectStep.ADDRESS)
        try:
            return {"Authorization": f"Bearer {self._token.read_text('ascii')}"}
        except (OSError, UnicodeDecodeError):
            return {}

    async def status(self) -> OwnRelayStatus:
        """Is it running? Found out by asking it, never from the file alone."""
        note = self._note()
        if note is None:
            return self._status(problem="not started")
        try:
            headers = self.headers(note.url)
        except ConnectFailed as error:
            return self._status(problem=error.message)
        version = await _ask(note.url, headers, self._ask_limit)
        if version is None:
            return self._status(problem="it does not answer")
        return self._status(note, version)

    async def stop(self) -> bool:
        """End it cleanly, kept or not. False when none was running. Raises OwnRelayError if it will
        not end."""
        with translated(f"cannot change {self.data}"):
            (self.data / "keep").unlink(missing_ok=True)
        return await self._end()

    async def _end(self) -> bool:
        if not self.data.exists():
            return False
        async with _patient_lock(self.data / "start.lock", self._start_limit):
            pid = self._holder()
            if pid is None:
                return False
            for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
                if await self._ended(STOP_LIMIT):
                    return True
        raise OwnRelayError(f"the own relay (process {pid}) does not end")

    def urls(self) -> tuple[str, ...]:
        """Where it listens, or did last, and then where it did before: one relay, one database."""
        try:
            return msgspec.json.decode(self._urls.read_bytes(), type=tuple[str, ...])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return ()

    # Inside

    @property
    def _token(self) -> Path:
        return self.data / "token"

    @property
    def _urls(self) -> Path:
        return self.data / "urls.json"

    def _status(
        self, note: _RelayRecord | None = None, version: str = "", problem: str = ""
    ) -> OwnRelayStatus:
        return OwnRelayStatus(
            running=note is not None,
            url=note.url if note else "",
            pid=note.pid if note else 0,
            started=int(note.started) if note else 0,
            version=version,
            problem=problem,
            data=self.data,
            log=self.log,
        )

    def _note(self) -> _RelayRecord | None:
        try:
            note = msgspec.json.decode((self.data / "relay.json").read_bytes(), type=_RelayRecord)
            note.url = normalize_relay_url(note.url)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, InvalidData):
            return None
        return note if note.pid > 1 and is_loopback(note.url) else None

    def _holder(self) -> int | None:
        """The process that holds the relay's lock: a living one, for the system frees the lock
        with its holder. A relay that starts meanwhile waits for us."""
        path = self.data / "relay.lock"
        if not path.exists():
            return None
        for _ in range(LOCK_LOOKS):
            try:
                with FolderLock(path):
                    return None
            except FolderInUse:
                with translated(f"cannot read {path}"):
                    number = path.read_text(errors="replace").rpartition(" ")[2]
            if number.isdecimal() and int(number) > 1:
                return int(number)
            time.sleep(0.005)  # whoever took it a moment ago is just writing who they are
        raise OwnRelayError(f"{path} is held, and does not say by whom")

    async def _ended(self, limit: float) -> bool:
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if self._holder() is None:
                return True
            await asyncio.sleep(0.05)
        return False

    async def _start(self) -> OwnRelayStatus:
        if self._holder() is not None:  # it starts just now by other hands, or ends, or hangs
            status = await self._listening(lambda: self._holder() is None)
            if status is not None:
                return status
            if self._holder() is not None:
                raise OwnRelayError(
                    "the own relay runs and does not answer: `nostr-client own-relay stop` ends it"
                )
        self._bound_log()
        # What an ended one left behind: nobody is to be asked, nor the lock tried, because of it.
        with translated(f"cannot change {self.data}"):
            (self.data / "relay.json").unlink(missing_ok=True)
        if not self._token.exists():
            write_private(self._token, secrets.token_urlsafe(32).encode())
        urls = self.urls()
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
                    *("--data", str(self.data), "--port", str(port)),
                    *("--token-file", str(self._token)),
                    *("--stop-when-idle", str(self._idle_limit)),
                ),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=environment_for_children(),
                cwd=self.data,
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

    def _remember(self, url: str) -> None:
        urls = self.urls()
        if urls[:1] != (url,):
            urls = (url, *(other for other in urls if other != url))
            write_private(self._urls, msgspec.json.encode(urls[:MOST_URLS]))

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
            proxy=None,
            timeout=limit,
            max_bytes=_MOST_DOCUMENT,
            accept="application/nostr+json",
            allow_private=True,
            headers=headers,
        )
        return nip11.parse(response.body).version or "" if response.status == 200 else None
    except NostrError:
        return None


@contextlib.asynccontextmanager
async def _patient_lock(path: Path, limit: float) -> AsyncIterator[None]:
    """FolderLock, waited for without blocking the loop; raises OwnRelayError after `limit` s."""
    deadline = time.monotonic() + limit
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(FolderLock(path, timeout=0))
                break
            except FolderInUse:
                if time.monotonic() > deadline:
                    raise OwnRelayError("another program is starting the own relay") from None
            except StoreError as error:
                raise OwnRelayError(str(error)) from error
            await asyncio.sleep(0.05)
        yield

"""Programs of ours in processes that need not load them first.

One process, `python -m tests.warm`, has loaded the packages and forks itself for each run: what
runs is a process of its own as `python -m PROGRAM` is, with its own arguments, environment, files,
session and end. What it does not have is a command line of its own in the system's list, and
whatever depends on that, on signals or on how a program loads is to be started in earnest.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

ROOT: Final = Path(__file__).resolve().parents[1]
PROGRAMS: Final = ("nostr_client", "relays")
LEFT_OUT: Final = (
    "nostr_client.tui",
    "nostr_client.rehearsal",
    "nostr_client.cli.mcp",  # a second of processor time, for one command
    "nostr_client.__main__",
    "relays.__main__",
    "relays.rehearsed",
)
"""What no command loads, or what runs when it is loaded."""
_LONGEST: Final = 100_000
"""Bytes of a request: arguments and environment."""


class Warm:
    """The loaded program, as the tests see it."""

    def __init__(self) -> None:
        if sys.platform != "linux":  # where forks or such sockets may be missing
            return
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONWARNINGS": "error", "PYTHONUTF8": "1"},
                cwd=ROOT,
            )

    def close(self) -> None:
        if sys.platform != "linux":
            return
        self._control.close()
        self._process.wait(60)

    def run(
        self,
        program: str,
        arguments: Sequence[str],
        given: bytes = b"",
        environment: Mapping[str, str] = os.environ,
        limit: float = 90.0,
    ) -> subprocess.CompletedProcess[bytes]:
        """What `python -m program` does. Raises TimeoutError, and then it is killed."""
        if sys.platform != "linux":
            return subprocess.run(
                [sys.executable, "-m", program, *arguments],
                input=given,
                capture_output=True,
                env=dict(environment),
                timeout=limit,
                check=False,
            )
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            files[0].write(given)
            files[0].seek(0)
            mine = self._begin(program, arguments, environment, [file.fileno() for file in files])
            mine.settimeout(limit)
            told = stack.enter_context(mine).makefile("rb")
            pid = int(stack.enter_context(told).readline())
            try:
                code = int(told.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise
            for file in files[1:]:
                file.seek(0)
            return subprocess.CompletedProcess(arguments, code, files[1].read(), files[2].read())

    async def start(
        self, program: str, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> Running:
        """The same, while we do other things: it reads what we write, and its errors are lost."""
        loop = asyncio.get_running_loop()
        given, stdin = os.pipe()
        stdout, said = os.pipe()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        told = self._begin(program, arguments, environment, [given, said, nowhere])
        for descriptor in (given, said, nowhere):
            os.close(descriptor)
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(stdout, "rb")
        )
        running = Running(os.fdopen(stdin, "wb"), reader)
        told.setblocking(False)
        await loop.create_connection(lambda: running, sock=told)
        await running.started.wait()
        return running

    def _begin(
        self,
        program: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        files: Sequence[int],
    ) -> socket.socket:
        """Have a run begin on these files; says its number, and its exit code when it has ended."""
        request = json.dumps([program, list(arguments), dict(environment)]).encode()
        assert len(request) < _LONGEST
        mine, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [request], [theirs.fileno(), *files])
        return mine


class Running(asyncio.Protocol):
    """A run under way, with what `asyncio.subprocess.Process` has of it."""

    def __init__(self, stdin: BinaryIO, stdout: asyncio.StreamReader) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.pid = 0
        self.returncode: int | None = None
        self.started = asyncio.Event()
        self._ended = asyncio.Event()
        self._told = b""

    async def wait(self) -> int | None:
        await self._ended.wait()
        return self.returncode

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Raises ProcessLookupError."""
        if self.returncode is not None or not self.pid:  # 0 is everybody: our own group
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, number)

    def data_received(self, data: bytes) -> None:
        self._told += data
        numbers = [int(line) for line in self._told.splitlines(keepends=True) if b"\n" in line]
        if numbers:
            self.pid = numbers[0]
            self.started.set()
        if len(numbers) > 1:
            self.returncode = numbers[1]

    def connection_lost(self, _: Exception | None) -> None:
        self.stdin.close()
        self.started.set()
        self._ended.set()


def _load() -> None:
    for program in PROGRAMS:
        package = importlib.import_module(program)
        for module in pkgutil.walk_packages(package.__path__, f"{program}."):
            if not module.name.startswith(LEFT_OUT):
                with contextlib.suppress(ModuleNotFoundError):  # an extra that is not there
                    importlib.import_module(module.name)
    gc.freeze()


def _serve(control: socket.socket) -> str | None:
    """Run what is asked for, until nobody can ask any more. In each run: its program."""
    minders: set[int] = set()
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, _LONGEST, 4)
        for pid in list(minders):
            if os.waitpid(pid, os.WNOHANG)[0]:
                minders.discard(pid)
        if not request:
            break
        pid = os.fork()
        if pid == 0:
            control.close()
            return _mind(request, descriptors)
        minders.add(pid)
        for descriptor in descriptors:
            os.close(descriptor)
    for pid in minders:
        os.waitpid(pid, 0)
    return None


def _mind(request: bytes, descriptors: list[int]) -> str:
    """Start the run, and tell its number and its exit code. In the run: its program."""
    teller, *files = descriptors
    pid = os.fork()
    if pid:
        os.write(teller, b"%d\n" % pid)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(OSError):  # nobody waits for it any more
            os.write(teller, b"%d\n" % code)
        os._exit(0)
    os.close(teller)
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    program, arguments, environment = json.loads(request)
    sys.argv[1:] = arguments
    os.environ.clear()
    os.environ.update(environment)
    return str(program)


def _run(program: str) -> NoReturn:
    """Run it to its end, without taking apart what was loaded: nine tenths of a short command.

    An end that is more than a number, or that cannot be written, is left to the interpreter.
    """
    try:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            raise
        code = end.code or 0
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()  # what is open still warns
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        sys.exit(code)
    os._exit(code)


def _main() -> NoReturn:
    _load()
    with socket.socket(fileno=int(sys.argv[1])) as control:
        program = _serve(control)
    if program is not None:
        _run(program)
    sys.exit(0)


if __name__ == "__main__":
    _main()

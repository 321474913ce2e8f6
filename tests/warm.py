"""Programs of ours in processes that need not load them first.

One process, `python -m tests.warm`, has loaded the packages and forks itself for each run: what
runs is a process of its own as `python -m PROGRAM` is, with its own arguments, environment, files,
session and end. What it does not have is a command line of its own in the system's list, and
whatever depends on that, on signals or on how a program loads is to be started in earnest.
"""

from __future__ import annotations

import asyncio
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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

ROOT: Final = Path(__file__).resolve().parents[1]
PROGRAM: Final = "nostr_client"
LEFT_OUT: Final = ("nostr_client.tui", "nostr_client.rehearsal", "nostr_client.__main__")
"""What no command loads, or what runs when it is loaded."""
_LONGEST: Final = 100_000
"""Bytes of a request: arguments and environment."""


class Warm:
    """The loaded program, as the tests see it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """It loads under `environment`, which is then each run's own to replace."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=dict(environment),
                cwd=ROOT,
            )

    def close(self) -> None:
        self._control.close()
        self._process.wait(60)

    async def run(
        self, arguments: Sequence[str], given: bytes, environment: Mapping[str, str], limit: float
    ) -> tuple[int, bytes, bytes]:
        """Its exit code, and what it wrote. Raises TimeoutError, and then it is killed."""
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            files[0].write(given)
            files[0].seek(0)
            mine, theirs = socket.socketpair()
            request = json.dumps([list(arguments), dict(environment)]).encode()
            assert len(request) < _LONGEST
            with theirs:
                descriptors = [theirs.fileno(), *(file.fileno() for file in files)]
                socket.send_fds(self._control, [request], descriptors)
            reader, writer = await asyncio.open_unix_connection(sock=mine)
            try:
                pid = int(await asyncio.wait_for(reader.readline(), limit))
                try:
                    code = int(await asyncio.wait_for(reader.readline(), limit))
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise
            finally:
                writer.close()
            for file in files[1:]:
                file.seek(0)
            return code, files[1].read(), files[2].read()


def _load() -> None:
    package = importlib.import_module(PROGRAM)
    for module in pkgutil.walk_packages(package.__path__, f"{PROGRAM}."):
        if not module.name.startswith(LEFT_OUT):
            importlib.import_module(module.name)
    gc.freeze()


def _serve(control: socket.socket) -> None:
    """Run what is asked for, until nobody can ask any more. Returns in each run, too."""
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
            _mind(request, descriptors)
            return
        minders.add(pid)
        for descriptor in descriptors:
            os.close(descriptor)
    for pid in minders:
        os.waitpid(pid, 0)


def _mind(request: bytes, descriptors: list[int]) -> None:
    """Start the run, and tell its number and its exit code. Returns in the run."""
    teller, *files = descriptors
    pid = os.fork()
    if pid:
        os.write(teller, b"%d\n" % pid)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(BrokenPipeError):
            os.write(teller, b"%d\n" % code)
        os._exit(0)
    os.close(teller)
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    arguments, environment = json.loads(request)
    sys.argv[1:] = arguments
    os.environ.clear()
    os.environ.update(environment)


def _main() -> NoReturn:
    _load()
    asked_by = os.getpid()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    if os.getpid() != asked_by:
        runpy.run_module(PROGRAM, run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    _main()

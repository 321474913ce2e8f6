"""The relays that are measured: ours, out of any source tree, strfry, and what a command starts."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from nostr_client.paths import environment_for_children

ROOT: Final = Path(__file__).resolve().parents[1]
START_LIMIT: Final = 60.0
STOP_LIMIT: Final = 60.0
_STRFRY: Final = """\
db = "{db}/"
relay {{
    bind = "127.0.0.1"
    port = {port}
    nofiles = 0
    {more}
}}
"""
"""What it says of itself otherwise stands: sizes, threads, and commits that are on the disk."""


class Running(NamedTuple):
    """One relay. `pid` 0: not known; `folder` None: nor its folder."""

    url: str
    pid: int
    folder: Path | None


Subject = Callable[[], contextlib.AbstractContextManager[Running]]


@contextlib.contextmanager
def ours(
    folder: Path | None = None, tree: Path = ROOT, *, options: Sequence[str] = ()
) -> Iterator[Running]:
    """The relay of a source tree as it comes, on `folder`, or on an empty database; `options` are
    further ones of `relay run`."""
    with contextlib.ExitStack() as stack:
        data = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        process = subprocess.Popen(
            (
                *(sys.executable, "-m", "relays", "run", "--port", "0", "--stop-on-eof"),
                *("--data", data, *options),
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment_for_children(), "PYTHONPATH": str(tree)},
            cwd=tree,
        )
        try:
            assert process.stdout is not None
            yield Running(process.stdout.readline().decode().strip(), process.pid, data)
        finally:
            process.terminate()
            process.wait(STOP_LIMIT)


class Strfry:
    """The binary, and databases of its own in folders."""

    def __init__(self, binary: str, more: str = "") -> None:
        """`more`: settings of its section `relay`."""
        self._binary = binary
        self._more = more

    def command(self, folder: Path, *arguments: str, port: int = 7777) -> list[str]:
        folder.mkdir(exist_ok=True)
        (folder / "db").mkdir(exist_ok=True)
        config = folder / "strfry.conf"
        config.write_text(_STRFRY.format(db=folder / "db", port=port, more=self._more))
        return [self._binary, f"--config={config}", *arguments]

    @contextlib.contextmanager
    def relay(self, folder: Path | None = None) -> Iterator[Running]:
        """Its relay on what is in `folder`, or on an empty database."""
        with contextlib.ExitStack() as stack:
            data = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            with contextlib.closing(socket.socket()) as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            process = subprocess.Popen(
                self.command(data, "relay", port=port),
                cwd=data,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                _wait_for(port)
                yield Running(f"ws://127.0.0.1:{port}", process.pid, data / "db")
            finally:
                process.terminate()
                process.wait(STOP_LIMIT)


def _wait_for(port: int) -> None:
    """Until somebody listens there. Raises TimeoutError."""
    until = time.monotonic() + START_LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), START_LIMIT).close()
        except OSError:
            if time.monotonic() > until:
                raise TimeoutError(f"nobody listens on port {port}") from None
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def started(command: str) -> Iterator[Running]:
    """Another, by the command that starts it and prints `PID URL [FOLDER]`."""
    printed = subprocess.run(shlex.split(command), check=True, capture_output=True, text=True)
    pid, url, *folder = printed.stdout.split()
    try:
        yield Running(url, int(pid), Path(folder[0]) if folder else None)
    finally:
        os.kill(int(pid), signal.SIGTERM)
        until = time.monotonic() + STOP_LIMIT
        while _runs(int(pid)) and time.monotonic() < until:
            time.sleep(0.1)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def running(url: str, pid: int) -> Iterator[Running]:
    """Another, which somebody else started and will end."""
    yield Running(url, pid, None)


def disk_use(folder: Path) -> int:
    """Bytes of the blocks that its files take."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())

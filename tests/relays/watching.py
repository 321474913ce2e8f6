"""A relay as a process of which we see memory and log."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from nostr_client.paths import environment_for_children

START_LIMIT = 60.0
STOP_LIMIT = 60.0


class Watched:
    """Made by `watched`. `pid` is the relay's, `url` its address."""

    def __init__(self, pid: int, url: str, log: Path) -> None:
        self.pid = pid
        self.url = url
        self._log = log

    def log(self) -> str:
        """What it has written on its standard error."""
        return self._log.read_text("utf-8", "replace")

    def resident(self) -> int:
        """Bytes in memory, of the relay and of its own processes; 0 where no /proc tells."""
        return sum(_resident(pid) for pid in (self.pid, *_children(self.pid)))


def _resident(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
    except OSError:  # it has ended, or there is no /proc
        return 0
    sizes = (int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return next(sizes, 0) * 1024


def _children(pid: int) -> list[int]:
    found = []
    for file in Path("/proc").glob(f"{pid}/task/*/children"):
        try:
            found += [int(number) for number in file.read_text().split()]
        except OSError:  # a thread that has just ended
            continue
    return found


@asynccontextmanager
async def watched(data: Path, *options: str, through: Sequence[str] = ()) -> AsyncIterator[Watched]:
    """A relay over the folder `data` that must still live at the end of the block, and then ends.

    `through`: a program with arguments that becomes the relay. Raises AssertionError when the relay
    died, or wrote a traceback.
    """
    log = data.with_name(f"{data.name}.log")
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *through,
            *(sys.executable, "-W", "error::ResourceWarning", "-m", "relays", "run"),
            *(() if "--workers" in options else ("--workers", "1")),
            *("--data", str(data), "--port", "0", "--stop-on-eof", *options),
            stdin=PIPE,
            stdout=PIPE,
            stderr=errors,
            env=environment_for_children(),
            start_new_session=True,
        )
    relay = Watched(process.pid, "", log)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_LIMIT):
            relay.url = (await process.stdout.readline()).decode().strip()
        assert relay.url, relay.log()
        yield relay
        assert process.returncode is None, f"it died: {relay.log()}"
        process.stdin.close()
        async with asyncio.timeout(STOP_LIMIT):
            assert await process.wait() == 0, relay.log()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "Traceback" not in relay.log(), relay.log()

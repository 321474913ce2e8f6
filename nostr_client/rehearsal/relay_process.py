"""A real relay as a true child: it ends with us, also when we are killed.

It is told to stop when its standard input closes, which the system does for a parent that dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import IO, TypeVar

from nostr_client.errors import NostrError
from nostr_client.paths import environment_for_children

START_LIMIT = 60.0
"""Seconds that a relay may take to say where it listens."""
STOP_LIMIT = 10.0
"""Seconds that a relay may take to end."""


class RelayProcess:
    """One `python -m relays run` on loopback; made by `RelayProcess.start`."""

    def __init__(self, process: Process, url: str, data: Path) -> None:
        self._process = process
        self.url = url
        self.data = data

    @classmethod
    async def start(cls, data: Path, *options: str, port: int = 0) -> RelayProcess:
        """Start a relay on the folder `data` and wait until it listens; port 0 takes a free one.

        Raises NostrError when it does not say its address in time.
        """
        arguments = cls.arguments(data, *options, port=port)
        return await cls.running(data, "relays", *arguments)

    @classmethod
    async def running(
        cls, data: Path, module: str, *arguments: str, log: IO[bytes] | None = None
    ) -> RelayProcess:
        """`python -m module`, a relay on the folder `data` that ends with its standard input, once
        it listens; what it has to say else goes to `log`. Raises NostrError."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL if log is None else log,
            env=environment_for_children(),
            start_new_session=True,  # Ctrl-C is for us; we tell our children ourselves
        )
        return await cls.listening(process, data)

    @staticmethod
    def arguments(data: Path, *options: str, port: int = 0) -> list[str]:
        """What `python -m relays` is told to be one."""
        one = () if "--workers" in options else ("--workers", "1")
        where = ("--data", str(data), "--port", str(port))
        return ["run", *where, *one, "--stop-on-eof", *options]

    @classmethod
    async def listening(cls, process: Process, data: Path) -> RelayProcess:
        """The relay that `process` is, once it listens. Raises NostrError."""
        relay = cls(process, "", data)
        try:
            async with asyncio.timeout(START_LIMIT):
                line = (await _pipe(process.stdout).readline()).decode().strip()
            if not line.startswith("ws://"):
                raise NostrError(f"the relay in {data} did not start: {line or 'it said nothing'}")
        except TimeoutError:
            await relay.kill()
            raise NostrError(f"the relay in {data} did not start in {START_LIMIT:.0f} s") from None
        except BaseException:
            await relay.kill()
            raise
        relay.url = line
        return relay

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def stop(self) -> None:
        """End it cleanly."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        await self._ended()

    async def kill(self) -> None:
        """End it at once, as a crash or a seized machine does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._ended()

    async def _ended(self) -> None:
        """Wait for the end, with a limit, and close the pipes."""
        _pipe(self._process.stdin).close()
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await _pipe(self._process.stdout).read()
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


_Pipe = TypeVar("_Pipe")


def _pipe(end: _Pipe | None) -> _Pipe:
    """A pipe that was asked for is there."""
    if end is None:
        raise NostrError("the relay was started without its pipes")
    return end

"""Relays that are not ours, and ours: where each comes from, and how it is started."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from nostr_client.processes import end_now
from nostr_client.protocol import kinds
from nostr_client.rehearsal.relay_process import RelayProcess
from tests.interop.builds import PROGRAMS, Build, Venv
from tests.interop.cells import Feature
from tests.interop.peer import Wrong

START_LIMIT: Final = 60.0
"""Seconds until a relay answers."""
OUR_PRIVATE_KIND: Final = kinds.DIRECT_MESSAGE
"""What our relay shows to its parties alone (NIP-04); of what is public, only lists of readers
could keep anybody out."""


@asynccontextmanager
async def our_relay(folder: Path, asks: bool) -> AsyncIterator[str]:
    """Ours; `asks`: it wants to know who writes (NIP-42)."""
    folder.mkdir(parents=True)
    config = folder / "relay.toml"
    config.write_text("[access]\nauthenticated = true\n" if asks else "")
    relay = await RelayProcess.start(folder / "data", "--config", str(config))
    try:
        yield relay.url
    finally:
        await relay.kill()


@dataclass(frozen=True)
class TheirRelay:
    """`command` says how what `build` makes is started on a free port in a folder, with what it
    reads there written before; a program of ours prints its URL instead (port 0). `lacks` is what
    is known not to be offered, and how. `private_kind`: see `Stage`."""

    name: str
    version: str
    build: Build
    start: Callable[[Path, Path, bool], AbstractAsyncContextManager[str]]
    lacks: Mapping[Feature, str] = field(default_factory=dict)
    private_kind: int = kinds.NOTE

    def running(self, built: Path, folder: Path, asks: bool) -> AbstractAsyncContextManager[str]:
        """The relay on an empty database; its URL. Raises Wrong where it does not start."""
        folder.mkdir(parents=True)
        return self.start(built, folder, asks)


@asynccontextmanager
async def process(command: Sequence[str], folder: Path, url: str = "") -> AsyncIterator[str]:
    """A relay's program until the block ends: at `url`, or where its first line says."""
    with (folder / "log").open("wb") as log:
        running = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=log if url else asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        async with asyncio.timeout(START_LIMIT):
            if not url:
                assert running.stdout is not None
                url = (await running.stdout.readline()).decode().strip()
            while url and not await _answers(url) and running.returncode is None:
                await asyncio.sleep(0.05)
        if not url or running.returncode is not None:
            lines = (folder / "log").read_text("utf-8", "replace").splitlines()
            raise Wrong(f"the relay did not start: {' '.join(lines[-3:])}")
        yield url
    except TimeoutError:
        raise Wrong(f"the relay did not start in {START_LIMIT:g} s") from None
    finally:
        await end_now(running)


async def _answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except OSError:
        return False
    writer.close()
    return True


def free_port() -> int:
    """A port of this machine that was free just now."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def nostr_sdk(python: Path, folder: Path, asks: bool) -> AbstractAsyncContextManager[str]:
    """The relay that nostr-sdk carries."""
    script = str(PROGRAMS / "nostr_sdk_relay.py")
    return process((str(python), script, *(["auth"] if asks else [])), folder)


RELAYS: Final = (TheirRelay("nostr-sdk", "0.45.1", Venv(("nostr-sdk==0.45.1",)), nostr_sdk),)

"""Relays that are not ours, and ours: where each comes from, and how it is started."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.pull_million import Strfry
from nostr_client.processes import end_now
from nostr_client.protocol import kinds
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.version import __version__
from tests.interop.builds import PROGRAMS, Build, Crate, GoProgram, Here, Named, Venv, run
from tests.interop.cells import Feature
from tests.interop.peer import Wrong

START_LIMIT: Final = 60.0
"""Seconds until a relay answers."""

Start = Callable[[Path, Path, str], AbstractAsyncContextManager[str]]
"""What was built, a folder, and the pubkey of the only guest, who has to say who he is (NIP-42);
"": anybody may come in. The relay at work, by its URL."""


@dataclass(frozen=True)
class TheirRelay:
    """`lacks` is what is known not to be offered, and how. `private_kind`: see `Stage`."""

    name: str
    version: str
    build: Build
    start: Start
    lacks: Mapping[Feature, str] = field(default_factory=dict)
    private_kind: int = kinds.NOTE

    def running(self, built: Path, folder: Path, guest: str) -> AbstractAsyncContextManager[str]:
        """The relay on an empty database; its URL. Raises Wrong where it does not start."""
        folder.mkdir(parents=True)
        return self.start(built, folder, guest)


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


@asynccontextmanager
async def our_relay(python: Path, folder: Path, guest: str) -> AsyncIterator[str]:
    """Ours; where there is a guest, whoever writes has to say who he is (NIP-42)."""
    del python
    config = folder / "relay.toml"
    config.write_text("[access]\nauthenticated = true\n" if guest else "")
    relay = await RelayProcess.start(folder / "data", "--config", str(config))
    try:
        yield relay.url
    finally:
        await relay.kill()


def nostr_sdk(python: Path, folder: Path, guest: str) -> AbstractAsyncContextManager[str]:
    """The relay that nostr-sdk carries."""
    script = str(PROGRAMS / "nostr_sdk_relay.py")
    return process((str(python), script, *(["auth"] if guest else [])), folder)


def khatru(program: Path, folder: Path, guest: str) -> AbstractAsyncContextManager[str]:
    """khatru with a main of ours and its events in memory."""
    return process((str(program), *(["auth"] if guest else [])), folder)


def strfry(program: Path, folder: Path, guest: str) -> AbstractAsyncContextManager[str]:
    """strfry as it comes, told its address: without it, it shows no private message to anybody."""
    del guest
    return Strfry(str(program), 10_000).relay(folder)


def nostr_rs_relay(program: Path, folder: Path, guest: str) -> AbstractAsyncContextManager[str]:
    """nostr-rs-relay on SQLite; a guest is on its list, and signs in."""
    port = free_port()
    url = f"ws://127.0.0.1:{port}"
    wary = f'[authorization]\nnip42_auth = true\nnip42_dms = true\npubkey_whitelist = ["{guest}"]\n'
    (folder / "config.toml").write_text(
        f'[info]\nrelay_url = "{url}/"\n[network]\naddress = "127.0.0.1"\nport = {port}\n'
        + (wary if guest else "")
    )
    command = (str(program), "--config", str(folder / "config.toml"), "--db", str(folder))
    return process(command, folder, url)


@asynccontextmanager
async def nostr_relay(python: Path, folder: Path, guest: str) -> AsyncIterator[str]:
    """nostr_relay on SQLite; a guest has the roles of a reader and a writer."""
    port = free_port()
    url = f"ws://127.0.0.1:{port}"
    wary = {"enabled": True, "relay_urls": [url, f"{url}/"], "actions": {"save": "w", "query": "r"}}
    settings = {
        "storage": {"sqlalchemy.url": f"sqlite+aiosqlite:///{folder}/nostr.sqlite3"},
        "gunicorn": {"bind": f"127.0.0.1:{port}", "workers": 1},
        "authentication": wary if guest else {"enabled": False},
    }
    config = folder / "config.yaml"
    config.write_text(json.dumps(settings))  # which is YAML, too
    command = (str(python.parent / "nostr-relay"), "--config", str(config))
    async with process((*command, "serve"), folder, url):
        if guest:
            await run((*command, "role", "set", "-p", guest, "-r", "rw"), folder)
        yield url


OURS: Final = TheirRelay(
    "nostr-client", __version__, Here(), our_relay, private_kind=kinds.DIRECT_MESSAGE
)
"""Of what is public, only lists of readers could keep anybody out: what is for its parties alone
(NIP-04) is read by who says that he is one."""
RELAYS: Final = (
    OURS,
    TheirRelay(*("strfry", "as named", Named("STRFRY"), strfry), private_kind=kinds.DIRECT_MESSAGE),
    TheirRelay(
        *("khatru", "0.18.1", GoProgram("khatru", ("github.com/fiatjaf/khatru@v0.18.1",)), khatru)
    ),
    TheirRelay(
        *("nostr-rs-relay", "0.8.12", Crate("nostr-rs-relay", "0.8.12"), nostr_rs_relay),
        private_kind=kinds.DIRECT_MESSAGE,
    ),
    TheirRelay("nostr_relay", "1.14", Venv(("nostr-relay==1.14",)), nostr_relay),
    TheirRelay("nostr-sdk", "0.45.1", Venv(("nostr-sdk==0.45.1",)), nostr_sdk),
)

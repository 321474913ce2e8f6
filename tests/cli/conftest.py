"""The command line as a script meets it: real processes, an empty home, no terminal."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nostr_client.accounts.account import Accounts
from nostr_client.paths import Paths
from nostr_client.protocol.keys import SecretKey
from tests.cli import shapes
from tests.warm import Warm

PASSWORD = "correct horse battery staple"
LIMIT = 90.0
DEAD = "ws://127.0.0.1:9"
"""Nothing listens there. Without any relay the public ones would be asked."""


@dataclass
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def record(self) -> Any:
        """The one JSON object that it printed."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def records(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Home:
    """A person's folders, and everything that was ever printed for this person."""

    folder: Path
    password: str | None = PASSWORD
    warm: Warm | None = None
    said: list[str] = field(default_factory=list)

    def configure(
        self,
        relays: Sequence[str] = (DEAD,),
        own_relay: bool = False,
        private: Sequence[str] = ("127.0.0.1",),
    ) -> None:
        config = self.folder / "config"
        config.mkdir(parents=True, exist_ok=True)
        lines = [
            f"relays = {json.dumps(list(relays))}",
            f"own_relay = {json.dumps(own_relay)}",
            f"allow_private_relays = {json.dumps(list(private))}",
        ]
        (config / "config.toml").write_text("\n".join(lines))

    @property
    def paths(self) -> Paths:
        return Paths(self.folder / "config", self.folder / "data", self.folder / "state")

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        kept |= {
            "HOME": str(self.folder),
            "NOSTR_CLIENT_HOME": str(self.folder),
            "PYTHONWARNINGS": "error",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "PYTHONUTF8": "1",
        }
        if self.password is not None:
            kept["NOSTR_CLIENT_PASSWORD"] = self.password
        return kept

    async def start(
        self, *arguments: str, descriptors: Sequence[int] = (), **more: str
    ) -> asyncio.subprocess.Process:
        """A command without a terminal, neither its own nor that of the tests."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "nostr_client", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment | more,
            start_new_session=True,
            pass_fds=descriptors,
        )

    async def run(
        self, *arguments: str, given: str = "", descriptors: Sequence[int] = (), **more: str
    ) -> Result:
        """A command until its end; without `warm`, and with `descriptors`, it is a `start`."""
        if self.warm is None or descriptors:
            process = await self.start(*arguments, descriptors=descriptors, **more)
            try:
                out, err = await asyncio.wait_for(process.communicate(given.encode()), LIMIT)
            except TimeoutError:
                process.kill()
                raise
            code = process.returncode or 0
        else:
            done = await asyncio.to_thread(
                self.warm.run,
                *("nostr_client", arguments, given.encode(), self.environment | more, LIMIT),
            )
            code, out, err = done.returncode, done.stdout, done.stderr
        result = Result(code, out.decode(), err.decode())
        assert "--debug" in arguments or "Traceback" not in result.err
        shapes.check(arguments, result.out)
        self.said += [result.out, result.err]
        return result

    async def import_key(self, key: SecretKey, name: str = "ana") -> None:
        """An account, kept under `PASSWORD`, with little work for scrypt."""
        paths = Paths(self.folder / "config", self.folder / "data", self.folder / "state")
        await Accounts(paths, work=4).import_key(key, name, password=PASSWORD)


@pytest.fixture
def home(tmp_path: Path, warm: Warm) -> Home:
    home = Home(tmp_path / "home", warm=warm)
    home.configure()
    return home


@pytest.fixture
def key() -> SecretKey:
    return SecretKey.generate()

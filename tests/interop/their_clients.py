"""Clients that are not ours: where each comes from, and how its program is started."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nostr_client.protocol.keys import SecretKey
from tests.interop.builds import PROGRAMS, Build, GoProgram, Npm, Venv
from tests.interop.peer import ProcessPeer

WS: Final = "ws@8.18.3"
"""Sockets for libraries that expect a browser's."""


@dataclass(frozen=True)
class TheirClient:
    """`program` is a file below `programs/` that speaks for the library; without one, what `build`
    makes speaks for itself."""

    name: str
    version: str
    build: Build
    program: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def running(
        self, built: Path, url: str, key: SecretKey
    ) -> AbstractAsyncContextManager[ProcessPeer]:
        """The client on the relay at `url`. Raises Wrong."""
        script = str(PROGRAMS / self.program)
        if self.program.endswith(".mjs"):  # beside the packages that it imports
            for name in (self.program, "lines.mjs"):
                shutil.copy(PROGRAMS / name, built)
        match self.program.rpartition(".")[2]:
            case "mjs":
                command = ("node", str(built / self.program))
            case "py":
                command = (str(built), script)
            case _:
                command = (str(built),)
        return ProcessPeer.running(command, self.environment, url, key)


def _npm(name: str, version: str, program: str, *packages: str) -> TheirClient:
    return TheirClient(name, version, Npm((*packages, WS)), program)


def _pypi(name: str, version: str, program: str) -> TheirClient:
    return TheirClient(name, version, Venv((f"{name}=={version}",)), program)


CLIENTS: Final = (
    _pypi("nostr-sdk", "0.45.1", "nostr_sdk_client.py"),
    TheirClient(
        *("go-nostr", "0.38.2"),
        GoProgram("go_nostr", ("github.com/nbd-wtf/go-nostr@v0.38.2",)),
    ),
    _npm("nostr-tools", "2.25.2", "nostr_tools.mjs", "nostr-tools@2.25.2"),
    _npm("NDK", "3.0.3", "ndk.mjs", "@nostr-dev-kit/ndk@3.0.3"),
    _npm(
        *("applesauce", "6.2.1", "applesauce.mjs"),
        *("applesauce-core@6.2.0", "applesauce-relay@6.2.1", "applesauce-signers@6.2.2"),
        *("applesauce-common@6.2.0", "rxjs@7.8.2"),
    ),
    _npm(
        *("welshman", "0.8.15", "welshman.mjs"),
        *(f"@welshman/{part}@0.8.15" for part in ("lib", "net", "signer", "util")),
    ),
)

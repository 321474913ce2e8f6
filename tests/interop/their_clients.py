"""Clients that are not ours: where each comes from, and how its program is started."""

from __future__ import annotations

import shutil
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nostr_client.protocol.keys import SecretKey
from tests.interop.builds import PROGRAMS, Build, GoProgram, GoTool, Named, Npm, Venv
from tests.interop.peer import ProcessPeer

WS: Final = "ws@8.18.3"
"""Sockets for libraries that expect a browser's."""
NOSTR_TOOLS: Final = Npm(("nostr-tools@2.25.2", WS))
NDK: Final = Npm(("@nostr-dev-kit/ndk@3.0.3", WS))


@dataclass(frozen=True)
class TheirClient:
    """`program`, a file below `programs/`, speaks for what `build` makes, which is told where that
    is; one that is no script is what `build` makes. Without any, nothing here speaks for it yet."""

    name: str
    version: str
    build: Build
    program: str = ""

    def running(
        self, built: Path, url: str, key: SecretKey
    ) -> AbstractAsyncContextManager[ProcessPeer]:
        """The client on the relay at `url`. Raises Wrong."""
        script = PROGRAMS / self.program
        if script.suffix == ".mjs":  # beside the packages that it imports
            for path in (script, PROGRAMS / "lines.mjs"):
                shutil.copy(path, built)
            command = ("node", str(built / script.name))
        elif script.suffix == ".py" and isinstance(self.build, Venv):
            command = (str(built), str(script))
        elif script.suffix == ".py":
            command = (sys.executable, str(script), str(built))
        else:
            command = (str(built),)
        return ProcessPeer.running(command, url, key)


def _npm(name: str, version: str, program: str, *packages: str) -> TheirClient:
    return TheirClient(name, version, Npm((*packages, WS)), program)


def _pypi(name: str, version: str, program: str) -> TheirClient:
    return TheirClient(name, version, Venv((f"{name}=={version}",)), program)


CLIENTS: Final = (
    _pypi("nostr-sdk", "0.45.1", "nostr_sdk_client.py"),
    TheirClient(
        *("go-nostr", "0.38.2"),
        GoProgram("go_nostr", ("github.com/nbd-wtf/go-nostr@v0.38.2",)),
        "go_nostr",
    ),
    TheirClient("nostr-tools", "2.25.2", NOSTR_TOOLS, "nostr_tools.mjs"),
    TheirClient("NDK", "3.0.3", NDK, "ndk.mjs"),
    _npm(
        *("applesauce", "6.2.1", "applesauce.mjs"),
        *("applesauce-core@6.2.0", "applesauce-relay@6.2.1", "applesauce-signers@6.2.2"),
        *("applesauce-common@6.2.0", "rxjs@7.8.2"),
    ),
    _npm(
        *("welshman", "0.8.15", "welshman.mjs"),
        *(f"@welshman/{part}@0.8.15" for part in ("lib", "net", "signer", "util")),
    ),
    TheirClient(
        "nak", "0.20.6", Named("NAK", GoTool("github.com/fiatjaf/nak@v0.20.6")), "nak_client.py"
    ),
    TheirClient("algia", "0.0.135", GoTool("github.com/mattn/algia@v0.0.135")),
    _pypi("pynostr", "0.7.0", "pynostr_client.py"),
    _pypi("monstr", "0.1.9", "monstr_client.py"),
)

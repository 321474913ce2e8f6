"""Local relays that need not load their program first, but where that is what is tested."""

from __future__ import annotations

import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import cast

import pytest

from nostr_client.paths import environment_for_children
from nostr_client.rehearsal.relay_process import RelayProcess
from tests.warm import Warm


@pytest.fixture
def quick_relays(
    request: pytest.FixtureRequest, warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relays are started from a program that is loaded already; those of slow tests in earnest."""

    async def running(data: Path, module: str, *arguments: str, log: object) -> RelayProcess:
        process = await warm.start(module, arguments, environment_for_children())
        return await RelayProcess.listening(cast("Process", process), data)

    if sys.platform == "linux" and not request.node.get_closest_marker("slow"):
        monkeypatch.setattr(RelayProcess, "running", running)

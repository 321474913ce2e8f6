"""What the terminal client is started with."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.rehearsal.community import Community
from nostr_client.tui import posix_signals
from nostr_client.tui.client_holder import ClientHolder, Identity
from nostr_client.tui.run import demo


class Full:
    """A community on a full disk."""

    async def join(self, name: str, about: str) -> None:
        raise StoreError("the disk is full")


async def test_a_demo_that_does_not_begin_is_an_error_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @asynccontextmanager
    async def start(folder: Path) -> AsyncIterator[Full]:
        yield Full()

    def nobody(identity: Identity) -> None:
        raise AssertionError

    monkeypatch.setattr(Community, "start", start)
    async with ClientHolder(nobody) as holder:  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="the disk is full"):
            await holder.enter(demo())
        assert holder.client is None


@pytest.mark.slow
def test_the_client_starts_without_what_is_rarely_used() -> None:
    rare = "h11 numpy PIL zxingcpp keyring segno mnemonic typer zeroconf shamir_mnemonic uvloop"
    code = f"import nostr_client.tui.run, sys; print(*{{*{rare.split()!r}}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
@pytest.mark.parametrize("made", ["openpty", "pipe"])
async def test_a_terminal_that_hangs_up_is_left(monkeypatch: pytest.MonkeyPatch, made: str) -> None:
    """Unlike one at which nobody types."""
    monkeypatch.setattr(posix_signals, "LOOK_EVERY", 0.001)
    monkeypatch.setattr(posix_signals, "END_LIMIT", 600)
    first, second = getattr(os, made)()
    reading, theirs = (first, second) if made == "pipe" else (second, first)
    looked, left = asyncio.Event(), asyncio.Queue[int]()
    real = posix_signals.hung_up

    def hung_up(descriptor: int) -> bool:
        looked.set()
        return real(descriptor)

    monkeypatch.setattr(posix_signals, "hung_up", hung_up)
    with posix_signals.exit_signals(left.put_nowait, reading):
        os.write(theirs, b"a key")
        for _ in range(2):
            looked.clear()
            await asyncio.wait_for(looked.wait(), 10)
        assert left.empty()
        os.close(theirs)
        assert await asyncio.wait_for(left.get(), 10) == posix_signals.HUNG_UP
    os.close(reading)

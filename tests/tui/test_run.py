"""What the terminal client is started with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.rehearsal.community import Community
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

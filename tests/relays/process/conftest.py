"""The process itself is what is tested here: its start, its command line, signals, its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import StartRelay, starting


@pytest.fixture
async def start_relay(tmp_path: Path) -> AsyncIterator[StartRelay]:
    """Starts relays as anybody else does."""
    async with starting(tmp_path, None) as start:
        yield start

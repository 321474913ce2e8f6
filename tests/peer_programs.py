"""Programs that are not ours, for tests that meet them: the same as the interop matrix has."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.interop.builds import Build, NotToBeHad
from tests.interop.their_clients import NOSTR_TOOLS


def made(build: Build) -> Path:
    """What it makes; the test is skipped where that cannot be had."""
    with ThreadPoolExecutor(1) as other:  # a loop of its own, beside that of the tests
        try:
            return other.submit(asyncio.run, build.make()).result()
        except NotToBeHad as why:
            pytest.skip(str(why))


@pytest.fixture(scope="session")
def nostr_tools() -> Path:
    """A folder where nostr-tools and ws are installed: the one that NOSTR_TOOLS names, or that of
    the matrix."""
    if named := os.environ.get("NOSTR_TOOLS"):
        return Path(named)
    return made(NOSTR_TOOLS)

"""Processes that will not end are ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from nostr_client.processes import end_now

PIPE = asyncio.subprocess.PIPE
WRITES = "import os\nwhile True: os.write(1, b'x' * 65_536)"
"""Fills its pipe, which nobody reads."""
LEAVES = """
import os, time
if child := os.fork():
    print(child, flush=True)
    time.sleep(1000)
os.setsid()
time.sleep(1000)
"""
"""Has a child that leaves its group and holds its pipes."""


async def started(program: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        limit=1024,
        start_new_session=True,
    )


async def test_one_whose_pipe_is_full() -> None:
    process = await started(WRITES)
    assert process.stdout is not None
    assert await process.stdout.read(1)  # the rest stays, and no more is read
    await end_now(process)
    assert process.returncode is not None
    assert process.returncode < 0 or sys.platform == "win32"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
async def test_one_whose_pipes_somebody_else_holds() -> None:
    process = await started(LEAVES)
    assert process.stdout is not None
    child = int(await process.stdout.readline())
    try:
        await end_now(process)
        assert process.returncode is not None
    finally:
        os.kill(child, signal.SIGKILL)


async def test_one_that_has_ended() -> None:
    process = await started("pass")
    assert await process.wait() == 0
    await end_now(process)
    assert process.returncode == 0

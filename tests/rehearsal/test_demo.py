"""The demo as a person starts it: a process of its own, which leaves nothing behind."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nostr_client.output import Output
from nostr_client.rehearsal import demo
from nostr_client.rehearsal.relay_process import RelayProcess
from tests.conftest import StartRelay
from tests.waiting import until

LINE_LIMIT = 90.0
END_LIMIT = 60.0
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


@asynccontextmanager
async def running_demo(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`nostr-client demo --headless --json`, with its temporary files in `folder`."""
    environ = {**os.environ, "NOSTR_CLIENT_HOME": str(folder / "home"), "TMPDIR": str(folder)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nostr_client", "demo", "--headless", "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environ,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.wait_for(process.communicate(), END_LIMIT)


async def next_step(process: asyncio.subprocess.Process) -> dict[str, object]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), LINE_LIMIT)
    step: dict[str, object] = json.loads(line)
    return step


def relays_in(folder: Path) -> set[int]:
    """The processes of relays whose data lies below `folder`."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it ended while we looked
            continue
        if b"relays" in command and any(part.startswith(bytes(folder)) for part in command):
            found.add(int(entry.name))
    return found


def ends_well(steps: list[Any]) -> None:
    assert steps[-1]["step"] == "end"
    assert all(step["ok"] for step in steps)
    by_name = {step["step"]: step for step in steps}
    assert (by_name["post"]["holding"], by_name["post"]["relays"]) == (5, 5)
    assert (by_name["kill"]["holding"], by_name["kill"]["relays"]) == (2, 2)
    assert (by_name["repair"]["holding"], by_name["repair"]["relays"]) == (5, 5)
    assert (by_name["count"]["holding"], by_name["count"]["relays"]) == (5, 5)


@pytest.mark.slow
async def test_the_story_ends_well(
    tmp_path: Path, start_relay: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, with relays that are loaded already."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(RelayProcess, "start", lambda data: start_relay(data=data))
    said = io.StringIO()
    assert await demo.run_headless(Output(json=True, out=said)) == 0
    ends_well([json.loads(line) for line in said.getvalue().splitlines()])
    assert not list(tmp_path.glob("nostr-demo-*"))


@pytest.mark.slow
async def test_the_program_tells_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    steps = []
    async with running_demo(tmp_path) as process:
        while not steps or steps[-1]["step"] != "end":
            steps.append(await next_step(process))
        await asyncio.wait_for(process.wait(), END_LIMIT)
        assert process.returncode == 0
    ends_well(steps)
    assert not relays_in(tmp_path)
    assert not list(tmp_path.glob("nostr-demo-*"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads /proc")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
async def test_no_process_outlives_it(tmp_path: Path, end: signal.Signals) -> None:
    async with running_demo(tmp_path) as process:
        assert (await next_step(process))["step"] == "open"
        await until(lambda: len(relays_in(tmp_path)) == 5)  # no more while one starts a child
        process.send_signal(end)
        await asyncio.wait_for(process.wait(), END_LIMIT)
        await until(lambda: not relays_in(tmp_path))
        await until(lambda: not list(tmp_path.glob("nostr-demo-*")))
        assert process.returncode != 0

"""Scheduled notes with several processes on one folder, some of them killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.paths import Paths
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.social import scheduled
from nostr_client.social.writing import Writing
from tests.waiting import until

KEY = SecretKey(b"\x07" * 32)
CHILD = """
import asyncio, sys
from pathlib import Path
from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.paths import Paths
from nostr_client.protocol.keys import SecretKey
from nostr_client.social import scheduled
scheduled.LOOK_EVERY = 0.05

async def main(folder):
    where = Paths(folder / "config", folder / "data", folder / "state")
    async with NostrClient.open(
        SecretKey(bytes([7]) * 32), paths=where, config=ClientConfig(own_relay=False), relays=[]
    ):
        print("open", flush=True)
        await asyncio.sleep(120)

asyncio.run(main(Path(sys.argv[1])))
"""


def child(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


@pytest.mark.slow
async def test_each_goes_out_once_whoever_is_killed(tmp_path: Path) -> None:
    """Ten notes within half a second, two processes, one of which is killed in the middle."""
    where = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state")
    config = ClientConfig(own_relay=False)
    one, other = child(tmp_path), child(tmp_path)
    try:
        async with NostrClient.open(
            pubkey=KEY.public_key.hex, paths=where, config=config, relays=[]
        ) as client:
            at = int(time.time()) + 2
            texts = [f"note {number}" for number in range(10)]
            for text in texts:
                await client.schedule.add(Writing(text=text), at)
            mine = Filter.of(authors=[KEY.public_key.hex], kinds=[1])

            async def sent() -> list[str]:
                return sorted(event.content for event in await client.store.query([mine]))

            folder = where.data / "scheduled" / KEY.public_key.hex
            await until(lambda: len(list(folder.glob("*.json"))) < len(texts), 30)
            one.send_signal(signal.SIGKILL)
            one.wait(10)
            await until(lambda: not list(folder.glob("*.json")), 30)
            assert await sent() == texts
            assert scheduled.LATE > 60, "or they would have waited for a word"
    finally:
        for process in (one, other):
            process.kill()
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()

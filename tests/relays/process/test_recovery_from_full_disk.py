"""No space left: writes are refused with `error:`, reads go on, and it recovers by itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nostr_client.protocol.event import Event
from tests.relays.talk import NOW, Wire, note, wire
from tests.relays.watching import Watched, watched

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits of Linux")
MIB = 1 << 20


def big(number: int) -> Event:
    return note(f"{number} " + "x" * 50_000, at=NOW + number)


async def fill(client: Wire, first: int, most: int) -> tuple[list[str], str]:
    """Publish until one is refused: what was taken, and the reason of the refusal."""
    taken: list[str] = []
    for number in range(first, first + most):
        _, id, accepted, reason = await client.publish(big(number))
        if not accepted:
            return taken, reason
        taken.append(id)
    raise AssertionError("it never became full")


async def full_and_not(relay: Watched, limit: Callable[[], None], lift: Callable[[], None]) -> None:
    """`limit` leaves some MiB at most, `lift` gives space again."""
    async with wire(relay.url) as client, wire(relay.url) as other:
        before = [(await client.publish(big(number)))[1] for number in range(20)]
        await other.send("REQ", "live", {"ids": [big(2_000).id]})
        assert (await other.recv())[0] == "EOSE"
        limit()
        during, reason = await fill(client, 100, 1_000)
        assert reason.startswith("error:"), reason
        for number in range(5):  # what is taken is there, and reads go on
            _, id, accepted, reason = await client.publish(big(1_500 + number))
            assert accepted or reason.startswith("error:"), reason
            during += [id] * accepted
            assert set(await client.stored({})) == {*before, *during}
            assert await other.silent()
        ephemeral = note("passed on and not stored", kind=20_001)
        assert (await client.publish(ephemeral))[2] is True
        lift()
        while not (await client.publish(big(2_000)))[2]:
            continue
        assert (await other.recv())[:2] == ["EVENT", "live"]
        stored = {*before, *during, big(2_000).id}
        assert set(await client.stored({})) == stored
    told = relay.log().count("events cannot be stored")
    assert 1 <= told == relay.log().count("events can be stored again")


async def test_files_that_may_not_grow(tmp_path: Path) -> None:
    from resource import RLIMIT_FSIZE, prlimit

    data = tmp_path / "data"
    async with watched(data) as relay:
        soft, hard = prlimit(relay.pid, RLIMIT_FSIZE)

        def limit() -> None:
            largest = max(file.stat().st_size for file in data.glob("events.db*"))
            prlimit(relay.pid, RLIMIT_FSIZE, (largest + MIB, hard))

        await full_and_not(relay, limit, lambda: prlimit(relay.pid, RLIMIT_FSIZE, (soft, hard)))
    await kept_after_a_restart(data)


async def kept_after_a_restart(data: Path) -> None:
    async with watched(data) as relay, wire(relay.url) as client:
        await client.send("COUNT", "c", {"ids": [big(0).id, big(100).id, big(2_000).id]})
        assert await client.recv() == ["COUNT", "c", {"count": 3}]


MOUNT = 'mount -t tmpfs -o size=24m none "$0" && exec "$@"'
"""A file system of its own, in a name space of its own; no other process sees it."""


@asynccontextmanager
async def on_a_small_disk(mounted: Path) -> AsyncIterator[tuple[Watched, Path]]:
    """A relay whose disk is small, and that disk as we see it."""
    through = ("unshare", "-rm", "sh", "-c", MOUNT, str(mounted))
    async with watched(mounted / "data", through=through) as relay:
        yield relay, Path(f"/proc/{relay.pid}/root{mounted}")


def can_mount() -> bool:
    try:
        tried = ["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=1m", "none", "/mnt"]
        return subprocess.run(tried, capture_output=True, check=False, timeout=90).returncode == 0
    except OSError:
        return False


async def test_a_full_disk(tmp_path: Path) -> None:
    if not can_mount():
        pytest.skip("nobody may mount here")
    mounted = tmp_path / "disk"
    mounted.mkdir()
    async with on_a_small_disk(mounted) as (relay, disk):
        await full_and_not(relay, lambda: ballast(disk, 12), (disk / "ballast").unlink)


def ballast(disk: Path, size: int) -> None:
    (disk / "ballast").write_bytes(b"x" * size * MIB)

"""How a relay does, for those who look."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import cast

import pytest

from nostr_client.errors import StoreError
from nostr_client.store.contract import EventStore, Size
from relays.metrics import Metrics
from relays.web.monitor import Monitor, memory


def gauges() -> dict[str, float]:
    return {"connections": 3, "subscriptions": 4}


class Measured:
    """A store of which we say how large it is; None: it cannot say so itself."""

    allocated: int | None = 1024

    async def size(self) -> Size:
        if self.allocated is None:
            raise StoreError("busy")
        return Size(1000, self.allocated)


async def test_figures_and_gauges() -> None:
    store = Measured()
    metrics, now = Metrics(), [100.0]
    monitor = Monitor(metrics, gauges, cast(EventStore, store), lambda: now[0])
    metrics.events_received = 7
    metrics.events_sent = 9
    monitor.traffic.sample(metrics)
    metrics.events_sent += 2
    now[0] += 60
    figures = await monitor.figures()
    assert (figures.connections, figures.subscriptions) == (3, 4)
    assert (figures.received, figures.sent) == (7, 11)
    assert figures.database_bytes == 1024
    assert figures.uptime == 60
    assert figures.minutes == ((7, 9), (0, 2))
    assert await monitor.gauges() == gauges() | {"database_bytes": 1024}
    store.allocated = None
    assert (await monitor.figures()).database_bytes == 1024, "what it said last"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says so")
def test_memory_is_what_this_process_has_for_itself(tmp_path: Path) -> None:
    size = 64 * 2**20
    file = tmp_path / "large"
    with file.open("wb") as out:
        out.truncate(size)
    before = memory()
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        assert sum(pages[at] for at in range(0, size, 4096)) == 0
        assert memory() - before < size / 2, "a file's pages are not its own"
    own = bytearray(b"x") * size
    assert memory() - before > size / 2
    del own

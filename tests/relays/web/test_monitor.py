"""How a relay does, for those who look."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import pytest

from relays.metrics import Metrics
from relays.web.monitor import Monitor, memory


def gauges() -> dict[str, float]:
    return {"connections": 3, "subscriptions": 4}


def test_figures_and_gauges(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_bytes(b"\0" * 1000)
    (tmp_path / "events.db-wal").write_bytes(b"\0" * 24)
    metrics, now = Metrics(), [100.0]
    monitor = Monitor(metrics, gauges, tmp_path / "events.db", lambda: now[0])
    metrics.events_received = 7
    metrics.events_sent = 9
    monitor.traffic.sample(metrics)
    metrics.events_sent += 2
    now[0] += 60
    figures = monitor.figures()
    assert (figures.connections, figures.subscriptions) == (3, 4)
    assert (figures.received, figures.sent) == (7, 11)
    assert figures.database_bytes == 1024
    assert figures.uptime == 60
    assert figures.minutes == ((7, 9), (0, 2))
    assert monitor.gauges() == gauges() | {"database_bytes": 1024}


def test_a_database_that_is_gone(tmp_path: Path) -> None:
    assert Monitor(Metrics(), gauges, tmp_path / "events.db").figures().database_bytes == 0


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

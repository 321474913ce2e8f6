"""How a relay does, for those who look."""

from __future__ import annotations

from pathlib import Path

from relays.metrics import Metrics
from relays.vitals import Vitals, memory


def gauges() -> dict[str, float]:
    return {"connections": 3, "subscriptions": 4}


def test_figures_and_gauges(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_bytes(b"\0" * 1000)
    (tmp_path / "events.db-wal").write_bytes(b"\0" * 24)
    metrics, now = Metrics(), [100.0]
    vitals = Vitals(metrics, gauges, tmp_path / "events.db", lambda: now[0])
    metrics.events_received = 7
    metrics.events_sent = 9
    vitals.traffic.sample(metrics)
    metrics.events_sent += 2
    now[0] += 60
    figures = vitals.figures()
    assert (figures.connections, figures.subscriptions) == (3, 4)
    assert (figures.received, figures.sent) == (7, 11)
    assert figures.database_bytes == 1024
    assert figures.uptime == 60
    assert figures.minutes == ((7, 9), (0, 2))
    assert vitals.gauges() == gauges() | {"database_bytes": 1024}


def test_a_database_that_is_gone(tmp_path: Path) -> None:
    assert Vitals(Metrics(), gauges, tmp_path / "events.db").figures().database_bytes == 0
    assert memory() >= 0

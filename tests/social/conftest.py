from __future__ import annotations

import pytest

from nostr_client.net import connection
from nostr_client.routing import list_reading
from tests.loopback import loopback_only

__all__ = ["loopback_only"]


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a relay that is down."""
    monkeypatch.setattr(connection, "SOON", 0.05)
    monkeypatch.setattr(list_reading, "READ_LIMIT", 2.0)
    monkeypatch.setattr(list_reading, "HINT_LIMIT", 1.0)

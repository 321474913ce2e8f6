from __future__ import annotations

import pytest

from nostr_client.routing import reader
from tests.loopback import loopback_only

__all__ = ["loopback_only"]


@pytest.fixture
def asks_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a publication, a silent relay is not waited for with the lists it may have."""
    monkeypatch.setattr(reader, "LEARN_LIMIT", 0.1)

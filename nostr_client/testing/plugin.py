"""For pytest: `pytest_plugins = ["nostr_client.testing.plugin"]` in a conftest.py, and each test
that asks for `nostr_relay` has a relay of its own, without async: `nostr_relay.url`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nostr_client.testing.plain import running_relay


@pytest.fixture
def nostr_relay() -> Iterator[Any]:
    """A real relay for one test (`nostr_client.testing.running_relay`)."""
    with running_relay() as local:
        yield local

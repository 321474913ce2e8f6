"""The same relay for tests without async."""

from __future__ import annotations

from typing import Any

from nostr_client.blocking.faces import OpenedBy
from nostr_client.testing.local_relay import relay


def running_relay(**settings: Any) -> OpenedBy[Any]:
    """`with running_relay() as r:` as `relay`: a `LocalRelay` without async, `r.add(event)`."""
    return OpenedBy(relay(**settings), "running_relay")

"""What mirrors need of their relay, and how one of them is."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from nostr_client.net.auth_demand import Authenticate
    from nostr_client.net.rejected_ids import RejectedIds
    from nostr_client.net.verification import EventVerifier
    from nostr_client.store.contract import EventStore
    from relays.policies.retention import RetentionPolicy
    from relays.policies.ruleset import Rules


class MirrorState(StrEnum):
    """Of a mirrored peer."""

    COMPARING = "comparing"
    LIVE = "live"
    WAITING = "waiting"


class MirrorContext(msgspec.Struct, frozen=True):
    """What mirrors need of their relay: its `rules`, and `urls`, its own; `clock` gives seconds
    since 1970; what `keeping` would take out again is not compared; `authenticate` answers peers
    that want to know who we are. `rejected`: what is not to be fetched again."""

    store: EventStore
    verifier: EventVerifier
    rules: Rules
    urls: Collection[str] = ()
    clock: Callable[[], float] = time.time
    keeping: RetentionPolicy | None = None
    authenticate: Authenticate | None = None
    rejected: RejectedIds | None = None


def unwanted_file(data: Path, sub_relay: str) -> Path:
    """Where a sub-relay of the relay in `data` remembers what it does not fetch again."""
    return data / f"{sub_relay}.unwanted"

"""What a worker process is told when it starts: where everything is, and how it is configured."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from nostr_client.errors import ConfigError
from relays.config.relay_config import RelayConfig, load_config
from relays.config.sections import Limits, Negentropy

MOST_BY_ITSELF: Final = 8
"""Workers that `auto` comes to, at most."""
_SHARED: Final = (
    *("all_live_values", "all_pending_bytes", "all_outbox_bytes", "all_partial_bytes"),
)


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Of one relay: its folder, its file, what the command line `given` counts more, and further
    `urls`; `address` is where it listens, once it does."""

    data: str
    file: str | None = None
    given: dict[str, Any] = {}
    urls: tuple[str, ...] = ()
    log_format: Literal["plain", "json"] | None = None
    address: str = ""

    def read(self) -> RelayConfig:
        """The configuration, as it is now. Raises ConfigError."""
        return load_config(Path(self.file) if self.file else None, self.given, self.urls)


def cores() -> int:
    """Of those of this machine, the ones that we may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def workers_of(config: RelayConfig) -> int:
    """How many processes answer: of more than two cores, one is left to the store and the system.

    Raises ConfigError where the system cannot have several.
    """
    several = hasattr(os, "fork")
    if config.workers == "auto":
        return max(1, min(cores() - 1, MOST_BY_ITSELF)) if several and cores() > 2 else 1
    if config.workers > 1 and not several:
        raise ConfigError("workers: this system cannot hand sockets over: 1 is what it can")
    return config.workers


def share_of(config: RelayConfig, workers: int) -> RelayConfig:
    """What one of so many workers may hold of what all clients together may have open. Connections
    are counted together."""
    if workers == 1:
        return config
    own: Limits = msgspec.structs.replace(
        config.limits,
        **{name: max(1, getattr(config.limits, name) // workers) for name in _SHARED},
    )
    compared: Negentropy = msgspec.structs.replace(
        config.negentropy, memory=max(1, config.negentropy.memory // workers)
    )
    rooms = {name: share_of(room, workers) for name, room in config.rooms.items()}
    return msgspec.structs.replace(config, limits=own, negentropy=compared, rooms=rooms)

"""What a command of the relay's is given: its options, its output, the relay's folder, a loop."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from nostr_client.command_line.context import Context

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from relays.config.relay_config import RelayConfig

T = TypeVar("T")

_SWITCH_INTERVAL: Final = 0.0005
"""Seconds. The threads of the store give Python's lock away at each step; at the usual 5 ms each
would wait as long beside a busy loop."""
_TRIM_THRESHOLD: Final = (-1, 64 * 2**20)
_MMAP_THRESHOLD: Final = (-3, 16 * 2**20)
"""Parameters of glibc's mallopt(3), and bytes."""


@dataclass
class RelayContext(Context):
    """The options that commands share; a command that does not take one has its default."""

    data: Path | None = None
    store: str | None = None
    config: Path | None = None
    profile: str | None = None
    url: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """The relay's."""
        if self.data is not None:
            return self.data
        from nostr_client.paths import paths

        return paths().data / "relay"

    @property
    def database(self) -> str:
        """The URL of the database that has the relay: that of the line, of the environment, or of
        the settings; empty: it is in the folder. Raises ConfigError."""
        given = self.config is not None or self.given_store() is not None
        return (self.load_config().store or "") if given else ""

    def given_store(self) -> str | None:
        """What the line says of it, or else the environment."""
        from relays.config.store_url import VARIABLE

        return self.store or os.environ.get(VARIABLE) or None

    def load_config(self, **given: Any) -> RelayConfig:
        """The settings: those of the file, and over them those that the command was `given`.

        Raises ConfigError.
        """
        from relays.config.relay_config import load_config

        over = {"profile": self.profile, "store": self.given_store(), **given}
        return load_config(
            self.config, {name: one for name, one in over.items() if one is not None}, self.url
        )


def prepare_process() -> None:
    """Make room for many sockets, and let the collector disturb the loop less."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def on_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end on the fastest loop there is; signals as in `wait_for`."""
    from nostr_client.command_line.waiting import wait_for

    sys.setswitchinterval(_SWITCH_INTERVAL)
    _keep_freed_memory()
    new_loop: Callable[[], AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        from uvloop import new_event_loop as new_loop
    return wait_for(work, new_loop)


def _keep_freed_memory() -> None:
    """What large answers leave behind is kept for the next ones.

    glibc would give it back to the system each time, and to take it anew costs a page fault for
    every 4 KiB: a tenth of the time and more that an answer of 500 events takes.
    """
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):  # another C library
            mallopt = ctypes.CDLL(None).mallopt
            for parameter, value in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
                mallopt(parameter, value)

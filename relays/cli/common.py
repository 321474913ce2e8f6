"""What several commands share: where the relay is, what is set, a loop to work on."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from relays.config.relay_config import RelayConfig

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

T = TypeVar("T")

PROFILES: Final = ("open", "personal", "community", "public", "archive")
_SWITCH_INTERVAL: Final = 0.0005
"""Seconds. The threads of the store give Python's lock away at each step; at the usual 5 ms each
would wait as long beside a busy loop."""
_TRIM_THRESHOLD: Final = (-1, 64 * 2**20)
_MMAP_THRESHOLD: Final = (-3, 16 * 2**20)
"""Parameters of glibc's mallopt(3), and bytes."""


def add_data(command: argparse.ArgumentParser) -> None:
    """`--data`: the relay's folder."""
    command.add_argument("--data", type=Path, metavar="DIR", help="the relay's folder")


def add_config(command: argparse.ArgumentParser) -> None:
    """`--config`, `--profile` and `--url`."""
    command.add_argument("--config", type=Path, metavar="FILE", help="settings, in TOML")
    command.add_argument(
        "--profile",
        choices=PROFILES,
        help="what the relay is for; without it, anyone on this machine may write (open)",
    )
    command.add_argument(
        "--url",
        action="append",
        default=[],
        metavar="URL",
        help="a public URL of this relay; may be given more than once",
    )


def add_json(command: argparse.ArgumentParser) -> None:
    """`--json`."""
    command.add_argument("--json", action="store_true", help="print JSON lines")


def data_of(options: argparse.Namespace) -> Path:
    """The relay's folder."""
    if options.data is not None:
        return Path(options.data)
    from nostr_client.paths import paths

    return paths().data / "relay"


def config_of(options: argparse.Namespace) -> RelayConfig:
    """The settings: those of the file, and over them those of the command. Raises ConfigError."""
    from relays.config.relay_config import load_config

    given = {
        name: value
        for name in ("profile", "host", "port", "web_pages")
        if (value := getattr(options, name, None)) is not None
    }
    if getattr(options, "token_file", None) is not None:
        given["web"] = {"token_file": options.token_file}
    return load_config(options.config, given, options.url)


def on_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end; an error of a group of tasks comes as the one it is."""
    import asyncio

    sys.setswitchinterval(_SWITCH_INTERVAL)
    _keep_freed_memory()
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with contextlib.suppress(ImportError):
        from uvloop import new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        try:
            return runner.run(work)
        except ExceptionGroup as group:
            error: Exception = group
            while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
                error = error.exceptions[0]
            raise error from None


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

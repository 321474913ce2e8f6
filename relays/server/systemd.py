"""Words to the supervisor (systemd's sd_notify protocol): ready, well, on the way out.

Nothing is said, and nothing costs anything, where no supervisor asked (`NOTIFY_SOCKET`).
"""

from __future__ import annotations

import logging
import os
import socket
from typing import Final

_log = logging.getLogger(__name__)

READY: Final = "READY=1"
RELOADING: Final = "RELOADING=1"
STOPPING: Final = "STOPPING=1"
ALIVE: Final = "WATCHDOG=1"


class Supervisor:
    """Whoever started us and wants to know how we are; none: `tell` does nothing."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):  # an abstract name
            self._address = f"\0{self._address[1:]}"
        for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        limit = os.environ.get("WATCHDOG_USEC", "")
        self.pulse = int(limit) / 2e6 if limit.isdecimal() and for_us and self._address else 0.0
        """Seconds after which it wants to hear `ALIVE` again; 0: never."""

    def tell(self, *words: str) -> None:
        """Say it; a supervisor who does not listen is no reason to fail."""
        if not (self._address and hasattr(socket, "AF_UNIX")):  # not on every system
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
                wire.setblocking(False)
                wire.sendto("\n".join(words).encode(), self._address)
        except OSError as error:
            _log.warning("the supervisor could not be told: %s", error)

"""Where a relay listens: one socket, or one port that several processes answer on."""

from __future__ import annotations

import errno
import socket
import sys
from types import TracebackType
from typing import Final, Self

from nostr_client.errors import ConfigError

_BALANCES: Final = sys.platform == "linux" and hasattr(socket, "SO_REUSEPORT")
"""Does the system share connections out among all who listen on a port? Others have SO_REUSEPORT,
too, and give all of them to one."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. It listens at once, so that a taken port shows now.

    Raises ConfigError.
    """
    return _bound(host, port)


def address_of(listener: socket.socket, host: str, *, secure: bool) -> str:
    """The URL of what listens there."""
    port = listener.getsockname()[1]
    scheme = "wss" if secure else "ws"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class SharedPort:
    """A port of which each of several processes gets a socket; ours until the block ends.

    Where the system shares connections out, each has one of its own: what has come for a process
    that dies is for the others at the next attempt. Elsewhere all have the same.
    """

    def __init__(self, host: str, port: int) -> None:
        """Raises ConfigError, also where another program has it."""
        self._host = host
        self._kept = bind(host, port)
        if _BALANCES:
            # Whoever shares a port is not told that somebody else does: so we had it alone first.
            port = self._kept.getsockname()[1]
            self._kept.close()
            self._kept = _bound(host, port, shared=True, listening=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._kept.close()

    @property
    def number(self) -> int:
        """The port's."""
        found: int = self._kept.getsockname()[1]
        return found

    def address(self, *, secure: bool) -> str:
        """The URL of what listens there."""
        return address_of(self._kept, self._host, secure=secure)

    def listener(self) -> socket.socket:
        """A listening socket for one more process. Raises ConfigError."""
        if _BALANCES:
            return _bound(self._host, self.number, shared=True)
        return self._kept.dup()


def _bound(host: str, port: int, *, shared: bool = False, listening: bool = True) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, number, _, place = found[0]
        listener = socket.socket(family, kind, number)
    except (OSError, UnicodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise ConfigError(f"cannot listen on {host}: {reason}") from None
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(place)
        if listening:
            listener.listen(1024)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            reason = "the port is in use"
        raise ConfigError(f"cannot listen on {host} port {port}: {reason}") from None
    return listener

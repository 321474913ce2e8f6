"""Through a proxy: SOCKS5, Tor's among them, or HTTP CONNECT.

Rules
- Names are resolved at the proxy's end, with `socks5://` as with `socks5h://`: no resolver here is
  told of any name but the proxy's own.
- What goes wrong ends as ConnectFailed: nothing is tried without the proxy instead.
- Tor gives streams of different user names and passwords different circuits (IsolateSOCKSAuth). So
  each host has a password of its own, under a user name that is random for each `ProxyAddress`: no
  two relays, and no two accounts or runs, are seen by one exit.
"""

from __future__ import annotations

import os
import secrets
import socket
from typing import Final
from urllib.parse import unquote, urlsplit

from python_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError, ProxyType
from python_socks.async_.asyncio import Proxy

from nostr_client.errors import ConfigError, ConnectFailed, ConnectStep

PROXY_LIMIT: Final = 30.0
"""Seconds for the proxy to reach a host: Tor may have to find an onion service first."""
_TYPES: Final = {
    "tor": ProxyType.SOCKS5,
    "socks5h": ProxyType.SOCKS5,
    "socks5": ProxyType.SOCKS5,
    "http": ProxyType.HTTP,
}
_TOR_PORTS: Final = frozenset({9050, 9150})
"""Where Tor listens, as its packages and Tor Browser set it up."""
_BEYOND: Final = {
    ProxyType.SOCKS5: frozenset({1, 3, 4, 5, 6}),
    ProxyType.HTTP: frozenset({500, 502, 503, 504}),
}
"""Answers that speak of the host and not of the proxy: RFC 1928's, and statuses of HTTP."""
_MOST_WORDS: Final = 120


class ProxyAddress:
    """A proxy: `tor://host:port`, `socks5h://[user:password@]host:port`, or `http://...`.

    A SOCKS5 proxy at a port of Tor's, without a user, is taken for Tor.
    """

    def __init__(self, url: str) -> None:
        """Raises ConfigError; it never quotes the URL, which may hold a password."""
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
        except ValueError:
            raise ConfigError("the proxy is not a URL") from None
        if scheme not in _TYPES or not host:
            raise ConfigError("a proxy is tor://host:port, socks5h://host:port or http://host:port")
        self._type = _TYPES[scheme]
        self.host = host
        self.port = port or {"http": 8080, "tor": 9050}.get(scheme, 1080)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        given = (self._user or "", self._password or "")
        if self._type is ProxyType.SOCKS5 and any(given):
            if not all(text.isascii() and 0 < len(text) < 256 for text in given):
                raise ConfigError("SOCKS5 takes a user and a password, 1 to 255 ASCII letters each")
            if scheme == "tor":
                raise ConfigError("Tor is given user names of ours: its URL has none")
        at_tor = self._type is ProxyType.SOCKS5 and self.port in _TOR_PORTS and not any(given)
        self.is_tor = scheme == "tor" or at_tor
        self._session = secrets.token_hex(16)

    def __repr__(self) -> str:
        kind = "tor" if self.is_tor else self._type.name.lower()
        return f"<ProxyAddress {kind} {self}>"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def connect(self, url: str, host: str, port: int) -> socket.socket:
        """A socket that the proxy has connected to `host`; `url` is what errors name.

        Raises ConnectFailed: of the step `PROXY` where the proxy is to blame, and else `TCP`.
        """
        user, password = self._user, self._password
        if self.is_tor:
            user, password = self._session, host
        proxy = Proxy(self._type, self.host, self.port, user, password, rdns=True)
        try:
            connected: socket.socket = await proxy.connect(host, port, timeout=PROXY_LIMIT)
        except ProxyTimeoutError:
            words = f"no connection through {self} within {PROXY_LIMIT:g} s"
            raise ConnectFailed(url, words, ConnectStep.TCP) from None
        except ProxyConnectionError as error:
            hint = " (does Tor run?)" if self.is_tor else ""
            words = f"{self} is not there{hint}: {_system_words(error)}"
            raise ConnectFailed(url, words, ConnectStep.PROXY) from error
        except ProxyError as error:
            raise self._refused(url, error) from error
        except (OSError, ValueError) as error:  # ValueError: an answer that is no text
            words = f"{self} broke off: {_system_words(error)}"
            raise ConnectFailed(url, words, ConnectStep.PROXY) from error
        return connected

    def _refused(self, url: str, error: ProxyError) -> ConnectFailed:
        """What the proxy answered, in its own words: of itself, or of the host."""
        code, said = error.error_code, str(error)[:_MOST_WORDS].lower() or "it broke off"
        if code in _BEYOND[self._type]:
            return ConnectFailed(url, f"{self} cannot reach it: {said}", ConnectStep.TCP)
        return ConnectFailed(url, f"{self} refuses: {said}", ConnectStep.PROXY)


def _system_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error)[:_MOST_WORDS] or type(error).__name__

"""The last addresses at which hosts answered: what is left where names are not resolved any more.

A resolver that is cut off, or a domain that was taken away, ends no connection to a relay that is
still there: TLS goes on to check its name. Kept in a file, for `FORGOTTEN` seconds. Behind a proxy
nothing is known of addresses, and nothing is kept.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import write_private
from nostr_client.protocol.urls import is_private_host

log = logging.getLogger(__name__)

FORGOTTEN: Final = 90 * 86_400
MOST: Final = 500
MOST_EACH: Final = 4
_RENEWED: Final = 86_400
"""Seconds after which the same address is written down anew."""


class KnownAddresses:
    """Addresses by host name, the last good one first. Without a `path`, of this process only."""

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._known: dict[str, dict[str, int]] | None = None

    def of(self, host: str, *, private: bool) -> list[str]:
        """The IP addresses at which `host` answered. Blocks once, to read the file."""
        oldest = self._clock() - FORGOTTEN
        known = self._load().get(host, {})
        fresh = sorted(((at, ip) for ip, at in known.items() if at > oldest), reverse=True)
        return [ip for _, ip in fresh if private or not is_private_host(ip)]

    def note(self, host: str, address: str) -> None:
        """`host`, which is a name, answered at `address`. Blocks where that is new."""
        if _is_address(host) or not _is_address(address):
            return
        now, known = int(self._clock()), self._load()
        mine = known.setdefault(host, {})
        if abs(now - mine.get(address, 0)) < _RENEWED:
            return
        mine[address] = now
        for oldest in sorted(mine, key=mine.__getitem__)[:-MOST_EACH]:
            del mine[oldest]
        for oldest in sorted(known, key=lambda name: max(known[name].values()))[:-MOST]:
            del known[oldest]
        if self._path is not None:
            try:
                write_private(self._path, msgspec.json.encode(known))
            except StoreError as error:
                log.warning("where relays answered was not saved: %s", error)

    def _load(self) -> dict[str, dict[str, int]]:
        if self._known is None:
            self._known = _read(self._path) if self._path else {}
        return self._known


def _read(path: Path) -> dict[str, dict[str, int]]:
    """What is damaged says nothing: names are resolved in any case."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, int]])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("where relays answered was not read: %s", error)
        return {}
    for ips in found.values():
        for text in [text for text in ips if not _is_address(text)]:
            del ips[text]
    return {host: ips for host, ips in found.items() if ips}


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

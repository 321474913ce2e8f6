"""A plain WebSocket to this very machine, and to nowhere else: what readers who are not ours use.

The way out to others is `net.dial` alone; in a rehearsal nobody goes out.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from websockets.asyncio.client import ClientConnection, connect

from nostr_client.protocol.urls import host_of

PlainSocket = ClientConnection
MOST_FRAME: Final = 2**20
"""Bytes of a message."""


def plain_socket(url: str, limit: float = 5.0) -> connect:
    """`async with plain_socket(url) as socket`: to a relay at a loopback address, open within
    `limit` seconds. Raises OSError for any other address, and what `websockets` raises."""
    try:
        here = ipaddress.ip_address(host_of(url).strip("[]")).is_loopback
    except ValueError:
        here = False
    if not here:
        raise OSError(f"{url} is not on this machine")
    return connect(url, open_timeout=limit, close_timeout=1, max_size=MOST_FRAME, proxy=None)

"""Tests never leave this machine: whatever dials elsewhere fails the test that did it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest


class LeftLoopback(AssertionError):
    """Something tried to reach another machine."""


def _is_loopback(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes) else str(host)
    if text == "localhost":
        return True
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Refuses name look-ups and connections to other machines, and fails the test at its end.

    Yields the list of what was tried; a test that means to try empties it.
    """
    tried: list[str] = []
    look_up = socket.getaddrinfo
    connect = asyncio.selector_events.BaseSelectorEventLoop.sock_connect

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None and not _is_loopback(host):
            tried.append(f"look up {host}")
            raise socket.gaierror(socket.EAI_NONAME, "tests stay on loopback")
        return look_up(host, *args, **kwargs)

    async def sock_connect(self: Any, sock: socket.socket, address: Any) -> Any:
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            tried.append(f"connect {address}")
            raise ConnectionRefusedError("tests stay on loopback")
        return await connect(self, sock, address)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", sock_connect)
    yield tried
    if tried:
        raise LeftLoopback(f"left loopback: {tried}")

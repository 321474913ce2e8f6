"""Proxies on loopback, of our own making: they lead everywhere to one port, and note what was
asked of them."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from types import TracebackType
from typing import Any, Self

from tests.net.scripted import LIMIT


class _Proxy:
    """Leads every request to `target` on this machine; None: to nothing."""

    def __init__(self, target: int | None) -> None:
        self._target = target
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self.asked: list[tuple[str, int]] = []
        """Host and port that it was to lead to."""
        self.at = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.at = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LIMIT)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            self.asked.append(await self.accept(reader, writer))
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[str, int]:
        """Where the client wants to be led, once it was told that all is well."""
        raise NotImplementedError


class SocksServer(_Proxy):
    """SOCKS5 (RFC 1928, 1929). Without `login` every user name and password is taken, as Tor does,
    and none too. `logins` are those that came."""

    def __init__(self, target: int | None, *, login: tuple[str, str] | None = None) -> None:
        super().__init__(target)
        self._login = login
        self.logins: list[tuple[str, str]] = []

    async def accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[str, int]:
        _, number = await reader.readexactly(2)
        methods = await reader.readexactly(number)
        if 2 in methods:
            writer.write(b"\x05\x02")
            _, size = await reader.readexactly(2)
            user = (await reader.readexactly(size)).decode()
            password = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
            self.logins.append((user, password))
            right = self._login is None or self._login == (user, password)
            writer.write(b"\x01\x00" if right else b"\x01\x01")
        else:
            writer.write(b"\x05\x00")
        _, _, _, kind = await reader.readexactly(4)
        assert kind == 3, "the name was not left to the proxy"
        size = (await reader.readexactly(1))[0]
        host = (await reader.readexactly(size)).decode()
        (port,) = struct.unpack("!H", await reader.readexactly(2))
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        return host, port


class LastWords(_Proxy):
    """Says `words` to whatever it is asked, and no more."""

    def __init__(self, words: bytes) -> None:
        super().__init__(None)
        self._words = words

    async def accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[str, int]:
        await reader.read(3)
        writer.write(self._words)
        writer.write_eof()
        await reader.read()
        raise ConnectionAbortedError


class HttpProxy(_Proxy):
    """HTTP CONNECT."""

    async def accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[str, int]:
        head = await reader.readuntil(b"\r\n\r\n")
        method, where, _ = head.split(b"\r\n")[0].decode().split()
        assert method == "CONNECT"
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        host, _, port = where.rpartition(":")
        return host, int(port)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

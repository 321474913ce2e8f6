"""A media server on this machine (BUD-01, 02, 04, 06), which lies where it is told to."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256

from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event

LOCAL = DialOptions(proxy=None, private=True)
LIMIT = 10.0
OnRequest = Callable[[str, str, bytes], bytes | None]


class BlossomHost:
    """`blobs` by their hashes. `instead` may give an answer of its own (whole, head and all)."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.instead: OnRequest = lambda method, path, body: None
        self.mirrors = self.lists = True
        self.largest = 1 << 30
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, _ = head.split(" ", 2)
            headers = {
                name.lower(): text
                for name, _, text in (line.partition(": ") for line in head.split("\r\n")[1:])
            }
            self.requests.append(f"{method} {path}")
            if int(headers.get("content-length", 0)) > self.largest:
                writer.write(said(413, reason="too large for us"))
                await writer.drain()
                return
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            answer = self.instead(method, path, body)
            writer.write(answer or await self._answer(method, path, body, headers))
            if answer is not None and answer.endswith(b"..."):
                while True:
                    writer.write(b"x" * 50_000)
                    await writer.drain()
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _answer(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        if method == "PUT" and path in ("/upload", "/mirror"):
            if path == "/mirror":
                if not self.mirrors:
                    return said(404)
                url = json.loads(body)["url"]
                body = await http.fetch_file(url, LOCAL, max_bytes=1 << 30)
            digest = sha256(body).hexdigest()
            if problem := self._not_allowed(headers, digest):
                return said(401, reason=problem)
            self.blobs[digest] = body
            return said(201, json.dumps({"sha256": digest, "size": len(body)}).encode())
        if path == "/upload":
            return said(200)
        if method == "DELETE":
            if problem := self._not_allowed(headers, path[1:], "delete"):
                return said(401, reason=problem)
            return said(204 if self.blobs.pop(path[1:], None) else 404)
        if path.startswith("/list/"):
            if not self.lists:
                return said(404)
            found = [{"sha256": digest, "size": len(b)} for digest, b in self.blobs.items()]
            return said(200, json.dumps(found).encode())
        blob = self.blobs.get(path[1:65])
        if blob is None:
            return said(404)
        return said(200, b"" if method == "HEAD" else blob, length=len(blob))

    def _not_allowed(self, headers: dict[str, str], digest: str, verb: str = "upload") -> str:
        scheme, _, code = headers.get("authorization", "").partition(" ")
        if scheme != "Nostr":
            return "no authorization"
        assert base64.b64decode(code, validate=True) == base64.urlsafe_b64decode(code)
        event = Event.parse(base64.b64decode(code))
        if not event.verify() or event.kind != kinds.BLOSSOM_AUTHORIZATION:
            return "not an authorization"
        wanted = {"t": verb, "x": digest, "server": headers["host"].partition(":")[0]}
        if any(list(event.values(name)) != [value] for name, value in wanted.items()):
            return "for something else"
        return "" if event.value("expiration") else "for ever"


def said(status: int, body: bytes = b"", *, reason: str = "", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"X-Reason: {reason}"] if reason else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def blossom_host() -> AsyncIterator[BlossomHost]:
    host = BlossomHost()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    async with server:
        yield host
        if host._tasks:
            await asyncio.wait(host._tasks, timeout=LIMIT)

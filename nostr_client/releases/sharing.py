"""A release on the local network: one file, the events that prove it, and a page that says how.

It is read, and nothing else: GET and HEAD of four addresses. Each connection has a time limit and
serves one answer, and there are only so many at once, and fewer of one address. Like a Blossom
server (BUD-01) it gives the file at its hash, so that a share is a media server to whoever looks
for it by that.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import msgspec

from nostr_client.nips.nip19 import encode_npub
from nostr_client.nips.nip82 import BUNDLE
from nostr_client.releases.carrying import Carried
from nostr_client.releases.evidence import lines_of
from nostr_client.releases.offers import EVENTS, SIDECAR
from nostr_client.safe_text import safe_text
from nostr_client.social.media.blossom import SLOWEST

if TYPE_CHECKING:
    import h11

MOST_CONNECTIONS: Final = 32
MOST_OF_ONE: Final = 4
"""Connections of one address: who reads slowly keeps nobody else from it."""
REQUEST_LIMIT: Final = 10.0
"""Seconds in which a question has to be asked."""
MAX_HEAD: Final = 8 * 1024
_PIECE: Final = 64 * 1024
_NOTES: Final = 4_000
"""Characters of what is new that are shown."""
_HEADERS: Final = (
    ("Connection", "close"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"),
)
PAGE: Final = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title>
<meta name="viewport" content="width=device-width">
<style>body{{max-width:44em;margin:2em auto;padding:0 1em;font-family:sans-serif;line-height:1.5}}
code,pre{{background:#eee;color:#111;padding:.1em .3em;overflow-wrap:anywhere;white-space:pre-wrap}}
svg{{background:#fff;padding:8px}}</style></head><body>
<h1>nostr-client {version}</h1>
<p>For {platforms}. <a href="/{name}" download>{name}</a> ({size} bytes), and
<a href="/{name}{sidecar}" download>the signed events that prove it</a>.</p>
<h2>Check it first</h2>
<p>This page could say anything. Ask several people, by other ways than this network, what the
SHA-256 of the file is, and compare:</p>
<pre>sha256sum {name}
{sha256}</pre>
<p>Whoever has nostr-client already need not ask: it knows the key that releases are signed by. Keep
the events beside the file, and</p>
<pre>nostr-client app verify {name}
nostr-client app update --from {url}</pre>
<p>Signed on {day} by <code>{npub}</code>, as the events say.</p>
<h2>Install it</h2>
<pre>python3 {name}</pre>
<p>It needs Python and no network.</p>
<h2>What is new</h2>
<pre>{notes}</pre>
<h2>This page for others</h2>
<p>{url}</p>
{code}
</body></html>
"""


class _Served(msgspec.Struct, frozen=True):
    type: str
    body: bytes


def origin_of(host: str, port: int) -> str:
    """How a browser is led there."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def shared(carried: Carried, host: str, port: int) -> AsyncIterator[str]:
    """Serve a release at this address until the block ends; gives the URL. Raises OSError where
    nothing can listen there."""
    share = _Share()
    server = await asyncio.start_server(share.serve, host, port, limit=MAX_HEAD)
    try:
        url = origin_of(host, server.sockets[0].getsockname()[1])
        share.found = await asyncio.to_thread(_pages, carried, url)
        yield url
    finally:
        server.close()
        for task in share.tasks:
            task.cancel()
        if share.tasks:
            await asyncio.wait(share.tasks, timeout=REQUEST_LIMIT)
        await server.wait_closed()


def _pages(carried: Carried, url: str) -> Mapping[str, _Served]:
    """All that is served, by its path."""
    name, digest = carried.filename, carried.file.asset.sha256
    file = _Served(BUNDLE, carried.data)
    events = _Served("application/jsonl", lines_of(carried.evidence))
    return {
        "/": _Served("text/html; charset=utf-8", page(carried, url).encode()),
        f"/{name}": file,
        f"/{digest}": file,
        f"/{digest}.pyz": file,
        f"/{EVENTS}": events,
        f"/{name}{SIDECAR}": events,
    }


def page(carried: Carried, url: str) -> str:
    """The page in HTML, with all that others wrote escaped."""
    import segno

    file = carried.file
    said = {
        "name": carried.filename,
        "version": file.version,
        "platforms": ", ".join(file.asset.platforms),
        "size": str(file.asset.size),
        "sidecar": SIDECAR,
        "sha256": file.asset.sha256,
        "url": url,
        "npub": encode_npub(file.signer),
        "day": _day(file.signed_at),
        "notes": safe_text(file.release.notes)[:_NOTES] or "Nothing is said.",
    }
    escaped = {name: html.escape(text) for name, text in said.items()}
    return PAGE.format(**escaped, code=segno.make(url, micro=False).svg_inline(scale=5))


def _day(seconds: int) -> str:
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


class _Share:
    """Answers connections, so many at once; `tasks` are those, with the address of each."""

    def __init__(self) -> None:
        self.found: Mapping[str, _Served] = {}
        self.tasks: dict[asyncio.Task[None], str] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: a question, an answer, the end."""
        task = asyncio.current_task()
        # Nothing is said of a connection that is over already.
        address = (writer.get_extra_info("peername") or ("",))[0]
        of_one = sum(each == address for each in self.tasks.values())
        if task is None or len(self.tasks) >= MOST_CONNECTIONS or of_one >= MOST_OF_ONE:
            writer.transport.abort()
            return
        self.tasks[task] = address
        try:
            await self._answer(reader, writer)
        except (OSError, TimeoutError):
            pass  # whoever asked has gone, or dawdles
        finally:
            del self.tasks[task]
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import h11

        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        try:
            async with asyncio.timeout(REQUEST_LIMIT):
                request = await _request(reader, connection)
        except h11.RemoteProtocolError:
            return
        if request is None:
            return
        path = request.target.decode("ascii", "replace").partition("?")[0]
        found = self.found.get(path)
        head_only = request.method == b"HEAD"
        status = 200 if found else 404
        if request.method not in (b"GET", b"HEAD"):
            status, found = 405, None
        body = found.body if found else b"There is nothing here.\n"
        headers = [
            ("Content-Length", str(len(body))),
            ("Content-Type", found.type if found else "text/plain"),
            *_HEADERS,
        ]
        writer.write(connection.send(h11.Response(status_code=status, headers=headers)) or b"")
        async with asyncio.timeout(REQUEST_LIMIT + len(body) / SLOWEST):
            for start in range(0, 0 if head_only else len(body), _PIECE):
                writer.write(body[start : start + _PIECE])
                await writer.drain()
            await writer.drain()
            with suppress(OSError):
                writer.write_eof()
            await reader.read(1)  # until it has been read to its end


async def _request(reader: asyncio.StreamReader, connection: h11.Connection) -> h11.Request | None:
    import h11

    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(MAX_HEAD))
        elif isinstance(event, h11.Request):
            return event
        else:
            return None

"""Bounded HTTP: documents of NIP-05 and NIP-11, files that events name, and files sent to servers.

`h11` reads and writes HTTP/1.1; sockets come from `net.dial`, so the same rules hold as for relays:
private addresses are refused after the name was resolved, proxies are explicit, and every step has
its limit. Plain http goes to onion services, and to hosts that the person named himself. A redirect
is followed where whoever asks says so, and never into a private network or out of https; where
something is sent it is an answer like any other. Nothing is kept between requests: no cookies, no
cache, no connection; nothing is unpacked.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

import msgspec

from nostr_client.errors import (
    ConnectFailed,
    ConnectStep,
    InvalidData,
    RelayTimeout,
)
from nostr_client.net.dial import DialOptions, host_and_port, open_socket
from nostr_client.net.websocket import USER_AGENT
from nostr_client.protocol.urls import host_of, is_onion, normalize_relay_url
from nostr_client.tasks import OwnedTasks

if TYPE_CHECKING:
    import h11  # where it is used: a program that asks for no file starts without it

MAX_BODY: Final = 1024 * 1024
"""Bytes of an answer's body."""
MAX_HEAD: Final = 32 * 1024
"""Bytes of an answer's head."""
GET_LIMIT: Final = 10.0
"""Seconds for a whole request, redirects included."""
FILE_LIMIT: Final = 60.0
"""Seconds for a whole file."""
FILE_REDIRECTS: Final = 3
"""Hosts of files lead to their stores by one or two."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


_PIECE: Final = 64 * 1024
"""Bytes of a body that are handed to the socket at once."""
OnSent = Callable[[int], None]


class Response(msgspec.Struct, frozen=True):
    """An answer, whatever its status; names of headers are in lower case, the last of each wins."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def get(
    url: str,
    dial: DialOptions,
    *,
    timeout: float = GET_LIMIT,  # noqa: ASYNC109
    max_bytes: int = MAX_BODY,
    accept: str = "application/json",
    redirects: int = 0,
    headers: Mapping[str, str] | None = None,
    whole: bool = True,
) -> Response:
    """GET `url` (http, https, or a relay's ws and wss), within `timeout` seconds.

    At most `redirects` are followed (NIP-05 allows none: a redirect is then an answer like any
    other), never from https to http, and each is dialled under the same rules; that `url` may be
    private says nothing of another host. `headers` go to `url` alone, not where it redirects.
    Not `whole`: what is longer than `max_bytes` is cut there, and no error.

    Raises InvalidData for a URL or an answer that cannot be used or is longer than `max_bytes`,
    ConnectFailed, and RelayTimeout, which says which step ran out of time.
    """
    request = _Request(dial, accept, max_bytes, headers or {}, whole=whole)
    try:
        async with asyncio.timeout(timeout):
            for _ in range(redirects + 1):
                target = _target(url, request.dial)
                answer = await _get_one(url, target, request)
                location = answer.headers.get("location")
                if answer.status not in _REDIRECTS or location is None or redirects == 0:
                    return answer
                url = _follow(url, location)
                request.headers = {}
                if _host(url) != host_of(target):
                    request.dial = msgspec.structs.replace(request.dial, private=False)
            raise InvalidData(f"more than {redirects} redirects")
    except TimeoutError:
        raise RelayTimeout(url, f"{request.step}: not done within {timeout:g} s") from None


async def send(
    method: str,
    url: str,
    dial: DialOptions,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    timeout: float = FILE_LIMIT,  # noqa: ASYNC109
    max_bytes: int = MAX_BODY,
    on_sent: OnSent = lambda sent: None,
) -> Response:
    """PUT, HEAD or another `method` at `url`, with `body`; `on_sent` is told how many of its bytes
    went out so far. A server may answer before it has read all. No redirect is followed.

    Raises as `get` does.
    """
    request = _Request(dial, "*/*", max_bytes, headers or {}, method, body, on_sent)
    try:
        async with asyncio.timeout(timeout):
            return await _get_one(url, _target(url, dial), request)
    except TimeoutError:
        raise RelayTimeout(url, f"{request.step}: not done within {timeout:g} s") from None


async def fetch_file(
    url: str,
    dial: DialOptions,
    *,
    max_bytes: int,
    timeout: float = FILE_LIMIT,  # noqa: ASYNC109
) -> bytes:
    """The file at a URL that an event names: https, or an onion service's http.

    Raises as `get` does; InvalidData too where the answer is not the file.
    """
    answer = await get(
        url,
        dial,
        timeout=timeout,
        max_bytes=max_bytes,
        accept="*/*",
        redirects=FILE_REDIRECTS,
    )
    if answer.status != 200:
        raise InvalidData(f"{host_of(_target(url, dial))} answered with status {answer.status}")
    return answer.body


class _Request(msgspec.Struct):
    """What stays the same from hop to hop, and the step that is being waited for."""

    dial: DialOptions
    accept: str
    max_bytes: int
    headers: Mapping[str, str]
    method: str = "GET"
    body: bytes = b""
    on_sent: OnSent = lambda sent: None
    whole: bool = True
    step: str = "connect"


def _target(url: str, dial: DialOptions) -> str:
    """The URL in the normal spelling of relay URLs. Raises InvalidData."""
    scheme, separator, rest = url.strip().partition("://")
    spoken = _SCHEMES.get(scheme.lower())
    if not separator or spoken is None:
        raise InvalidData("not an http or https URL")
    target = normalize_relay_url(f"{spoken}://{rest}")
    if scheme.lower() == "http" and not dial.private and not is_onion(target):
        raise InvalidData("only https is fetched: anybody on the way could answer to http")
    return target


def _host(url: str) -> str:
    """The host of an http or https URL. Raises InvalidData."""
    return host_of(f"wss://{url.partition('://')[2]}")


def _follow(url: str, location: str) -> str:
    scheme, _, rest = url.partition("://")
    secure = _SCHEMES[scheme.lower()] == "wss"
    following = urljoin(f"{'https' if secure else 'http'}://{rest}", location)
    if secure and not following.lower().startswith("https://"):
        raise InvalidData("a redirect leads away from https")
    return following


async def _get_one(url: str, target: str, request: _Request) -> Response:
    named = f"{url.strip().partition('://')[0].lower()}://{target.partition('://')[2]}"
    host, port, secure = host_and_port(target)
    request.step = "connect"
    sock = await open_socket(named, host, port, request.dial)
    try:
        context = None
        if secure:
            request.step = "tls"
            context = request.dial.tls or await asyncio.to_thread(ssl.create_default_context)
        reader, writer = await asyncio.open_connection(
            sock=sock, ssl=context, server_hostname=host if secure else None
        )
    except BaseException as error:
        sock.close()
        if isinstance(error, ssl.SSLError):
            raise ConnectFailed(named, str(error.reason or error), ConnectStep.TLS) from error
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            raise ConnectFailed(named, str(error.strerror or error), ConnectStep.TLS) from error
        raise
    try:
        request.step = "answer"
        return await _exchange(reader, writer, target, request)
    except OSError as error:
        if isinstance(error, TimeoutError):
            raise
        raise ConnectFailed(named, str(error.strerror or error), ConnectStep.HTTP) from error
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    target: str,
    request: _Request,
) -> Response:
    """The request goes out while the answer is read already: a server that says no need not read
    a body of many megabytes first, and most end the connection then."""
    import h11

    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    head, body = _encoded(connection, target, request)

    async def go_out() -> None:
        with suppress(OSError):  # the reader sees the end, too, and what was said before it
            writer.write(head)
            for start in range(0, len(body), _PIECE):
                writer.write(body[start : start + _PIECE])
                await writer.drain()
                request.on_sent(min(start + _PIECE, len(body)))
            await writer.drain()

    async with OwnedTasks() as tasks:
        tasks.start(go_out())
        return await _answer(reader, connection, request)


def _encoded(connection: h11.Connection, target: str, request: _Request) -> tuple[bytes, bytes]:
    """What goes over the wire: the head, and the body."""
    import h11

    _, _, rest = target.partition("://")
    authority, slash, path = rest.partition("/")
    headers = [
        ("Host", authority),
        ("Accept", request.accept),
        ("Accept-Encoding", "identity"),
        ("User-Agent", USER_AGENT),
        ("Connection", "close"),
        *request.headers.items(),
    ]
    if request.body or request.method in ("PUT", "POST"):
        headers.append(("Content-Length", str(len(request.body))))
    method = request.method
    head = h11.Request(method=method, target=slash + path or "/", headers=headers)
    encoded = connection.send(head) or b""
    body = (connection.send(h11.Data(request.body)) or b"") if request.body else b""
    return encoded, body + (connection.send(h11.EndOfMessage()) or b"")


async def _answer(
    reader: asyncio.StreamReader, connection: h11.Connection, request: _Request
) -> Response:
    import h11

    head: h11.Response | None = None
    body = bytearray()
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Response):
                head = event
                if request.method != "HEAD":
                    _check_head(dict(event.headers), request)
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > request.max_bytes:
                    if request.whole:
                        raise _too_long(request.max_bytes)
                    del body[request.max_bytes :]
                    break
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                break
    except h11.RemoteProtocolError as error:
        raise InvalidData(f"the answer is not HTTP: {error}") from None
    if head is None:
        raise InvalidData("there was no answer")
    named = {name.decode("latin-1"): text.decode("latin-1") for name, text in head.headers}
    return Response(head.status_code, named, bytes(body))


def _check_head(headers: Mapping[bytes, bytes], request: _Request) -> None:
    """Raises InvalidData for what need not be read: too long, or packed, which was not asked for
    and may grow without end."""
    length = headers.get(b"content-length", b"")
    if request.whole and length.isdigit() and int(length) > request.max_bytes:
        raise _too_long(request.max_bytes)
    if headers.get(b"content-encoding", b"identity").strip().lower() not in (b"identity", b""):
        raise InvalidData("the answer is compressed, which was not asked for")


def _too_long(most: int) -> InvalidData:
    return InvalidData(f"the answer has more than {most} bytes")

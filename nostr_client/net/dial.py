"""From a relay URL to a connected socket, the one way out: who may be dialled, DNS, TCP, proxies.

Private addresses. A URL whose host is private by its looks (an address, `localhost`, `.local`, ...)
is dialled only if the policy says so. A public name is resolved here, every address that turns out
private is dropped, and the socket is connected to one of the others: what was checked is what is
dialled, so a name that changes its mind in between (DNS rebinding) gains nothing. Through a proxy
the name is resolved at the proxy's end (`net.proxy`), where nothing can be checked; there only the
looks count. Onion services are dialled through a proxy only. System proxies are never used.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from nostr_client.errors import ConnectFailed, ConnectStep, InvalidData
from nostr_client.net.addresses import KnownAddresses
from nostr_client.protocol.urls import host_of, is_loopback, is_private_host, normalize_relay_url

if TYPE_CHECKING:
    from nostr_client.net.proxy import ProxyAddress

RESOLVE_LIMIT: Final = 5.0
"""Seconds for DNS."""
CONNECT_LIMIT: Final = 10.0
"""Seconds for TCP, over all addresses."""
STAGGER: Final = 0.25
"""Seconds before the next address is tried beside one that has not answered."""
MAX_ADDRESSES: Final = 6

_SOMEWHERE: Final = ("10.255.255.255", 9)
"""In a private network. No packet goes there: the system only says by which way one would."""

Dial = Callable[[str], bool]
"""May this relay URL (normal spelling) be dialled?"""


Info = tuple[Any, Any, Any, Any, Any]
"""An address as `getaddrinfo` gives it."""


class DialPolicy:
    """Public relays may be dialled; private ones only if the person said so.

    `private_hosts` are hosts that may be private, by name or address; `given` are relay URLs that
    came from the person and not from a stranger's list. With `loopback`, so may this machine's own
    addresses: for scripts and tests, which name their relays themselves.
    """

    def __init__(
        self,
        private_hosts: Collection[str] = (),
        given: Collection[str] = (),
        *,
        loopback: bool = False,
    ) -> None:
        self._hosts = {host.strip("[]").lower() for host in private_hosts}
        self._given = {normalize_relay_url(url) for url in given}
        self._loopback = loopback

    def give(self, url: str) -> None:
        """The person named this relay. Raises InvalidData."""
        self._given.add(normalize_relay_url(url))

    def allows_private(self, url: str) -> bool:
        """May this URL lead into a private network, whatever its name resolves to?"""
        return url in self._given or host_of(url) in self._hosts

    def headers(self, url: str) -> Mapping[str, str]:
        """What a handshake with this relay shows beside the usual; then no proxy comes between.

        Raises ConnectFailed.
        """
        return {}

    def refusal(self, url: str) -> str:
        """Why this URL is not dialled; empty where it may be."""
        return "" if self(url) else "a private address"

    def __call__(self, url: str) -> bool:
        if not is_private_host(host_of(url)) or self.allows_private(url):
            return True
        return self._loopback and is_loopback(url)


class DialOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody is dialled: through `proxy` or straight, at `private` addresses too or not, and
    with `tls` in place of the usual trust in certificates. `addresses` stand in where a name is not
    resolved, and learn where hosts answer."""

    proxy: ProxyAddress | None = None
    private: bool = False
    tls: ssl.SSLContext | None = None
    addresses: KnownAddresses | None = None

    @classmethod
    def through(
        cls, proxy: str | None, *, private: bool = False, tls: ssl.SSLContext | None = None
    ) -> DialOptions:
        """`proxy` is a URL, as `ProxyAddress` takes it. Raises ConfigError."""
        return cls(proxy=proxy_at(proxy), private=private, tls=tls)


def proxy_at(url: str | None) -> ProxyAddress | None:
    """The proxy at `url`; None where there is none, and then nothing of proxies is loaded. Raises
    ConfigError."""
    if not url:
        return None
    from nostr_client.net.proxy import ProxyAddress

    return ProxyAddress(url)


async def open_socket(url: str, host: str, port: int, options: DialOptions) -> socket.socket:
    """A TCP connection to `host`, straight or through a proxy.

    `url` is what errors name. Raises ConnectFailed.
    """
    if not options.private and is_private_host(host):
        raise ConnectFailed(url, "a private address", ConnectStep.ADDRESS)
    if options.proxy is not None:
        return await options.proxy.connect(url, host, port)
    addresses = await _addresses(url, host, port, options)
    sock = await connect_first(url, addresses)
    if options.addresses is not None:
        try:
            await asyncio.to_thread(options.addresses.note, host, str(sock.getpeername()[0]))
        except BaseException:
            sock.close()
            raise
    return sock


async def _addresses(url: str, host: str, port: int, options: DialOptions) -> Sequence[Info]:
    """Those that the name leads to; where no resolver says, the last ones at which it answered."""
    try:
        return await resolve(url, host, port, private=options.private)
    except ConnectFailed as error:
        if error.step is not ConnectStep.DNS or options.addresses is None:
            raise
        known = await asyncio.to_thread(
            partial(options.addresses.of, host, private=options.private)
        )
        if not known:
            raise
        return [_info(ip, port) for ip in known]


def _info(ip: str, port: int) -> Info:
    if ":" in ip:
        return (socket.AF_INET6, socket.SOCK_STREAM, 0, "", (ip, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", (ip, port))


async def connect_first(url: str, addresses: Sequence[Info]) -> socket.socket:
    """A connection to whichever of `addresses` answers first. Raises ConnectFailed."""
    errors: list[OSError] = []
    try:
        async with asyncio.timeout(CONNECT_LIMIT):
            connected = await _first_of(addresses, errors)
    except TimeoutError:
        raise ConnectFailed(
            url, f"no connection within {CONNECT_LIMIT:g} s", ConnectStep.TCP
        ) from None
    if connected is None:
        raise ConnectFailed(url, _words(errors[-1]), ConnectStep.TCP) from errors[-1]
    return connected


async def resolve(url: str, host: str, port: int, *, private: bool) -> list[Info]:
    """The addresses of `host`, as `getaddrinfo` gives them, IPv6 and IPv4 in turn.

    Without `private`, none that is private. No resolver is told of an onion service (RFC 7686).
    Raises ConnectFailed.
    """
    if host.rstrip(".").endswith(".onion"):
        raise ConnectFailed(
            url, "an onion address needs Tor: set it as `proxy`", ConnectStep.ADDRESS
        )
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_LIMIT):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise ConnectFailed(url, f"no answer within {RESOLVE_LIMIT:g} s", ConnectStep.DNS) from None
    except (OSError, UnicodeError) as error:
        raise ConnectFailed(url, _words(error), ConnectStep.DNS) from error
    allowed = [info for info in found if private or not is_private_host(str(info[4][0]))]
    if not allowed:
        if found:
            raise ConnectFailed(url, "the name leads to a private address", ConnectStep.ADDRESS)
        raise ConnectFailed(url, "no address", ConnectStep.DNS)
    by_family: dict[Any, list[Info]] = {}
    for info in allowed:
        by_family.setdefault(info[0], []).append(info)
    mixed = chain.from_iterable(zip_longest(*by_family.values()))
    return [info for info in mixed if info is not None][:MAX_ADDRESSES]


async def _first_of(addresses: Sequence[Info], errors: list[OSError]) -> socket.socket | None:
    """The first connection that is made; each address gets a head start before the next."""
    winner: list[socket.socket] = []
    failed = [asyncio.Event() for _ in addresses]
    tasks: list[asyncio.Task[None]] = []

    async def attempt(turn: int, info: Info) -> None:
        if turn:
            try:
                async with asyncio.timeout(STAGGER * turn):
                    await failed[turn - 1].wait()
            except TimeoutError:
                pass  # the one before has had its head start
        try:
            winner.append(await _connect(info))
        except OSError as error:
            errors.append(error)
            failed[turn].set()
        else:
            for other in tasks[:turn] + tasks[turn + 1 :]:
                other.cancel()

    chosen = 0
    try:
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(attempt(*item)) for item in enumerate(addresses)]
        chosen = 1
    finally:  # what was connected too late, or for nobody
        for late in winner[chosen:]:
            late.close()
    return winner[0] if winner else None


async def _connect(info: Info) -> socket.socket:
    family, kind, protocol, _, address = info
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _words(error: Exception) -> str:
    if isinstance(error, socket.gaierror) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__


def host_and_port(url: str) -> tuple[str, int, bool]:
    """Host, port, and whether TLS is spoken, of a relay URL in normal spelling."""
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    if parts.hostname is None:
        raise InvalidData("a relay URL without a host")
    return parts.hostname, parts.port or (443 if secure else 80), secure


def local_address() -> str:
    """This machine's address in its local network (IPv4); empty where it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(_SOMEWHERE)
            found = str(sock.getsockname()[0])
        except OSError:
            return ""
    return found if is_private_host(found) and not is_loopback(f"ws://{found}") else ""

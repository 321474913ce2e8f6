"""Relays on the local network: found, and said to be there (DNS-SD over mDNS, RFC 6762 and 6763).

The service is `_nostr._tcp`, as other programs have it, with `path` and `tls=1` in its text.
Whoever is on the network can announce anything, so what comes is bounded and read with care: so
many names, an address of this network, a plain path. It is dialled only where the person wants to
look there. Nothing of it leaves this network. The only import of `zeroconf`, which is an extra.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final

from nostr_client.errors import ConfigError, ConnectFailed, InvalidData
from nostr_client.protocol.urls import normalize_relay_url

if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncZeroconf

SERVICE: Final = "_nostr._tcp.local."
BROWSED: Final = 3.0
"""Seconds that are listened for names."""
RESOLVED: Final = 2.0
"""Seconds that a name has to say where it is."""
MOST_FOUND: Final = 16
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]{1,64}){1,4}/?")
_NAME: Final = "the local network"
_NETWORKS: Final = tuple(
    ip_network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7")
)
"""Where one's neighbours are. What Python calls private is more, and not the same in each version:
with this machine's own addresses inside of IPv6 ones."""


def url_of(
    addresses: Sequence[str], port: int, text: Mapping[bytes, bytes | None], *, loopback: bool
) -> str:
    """The relay that an announcement names, in normal spelling, or "". Pure.

    Its address is one of this network: private, and not this machine unless `loopback` is right.
    """
    fit = [host for address in addresses if (host := _host(address, loopback))]
    if not fit or not 0 < port < 65_536:
        return ""
    path = (text.get(b"path") or b"").decode("ascii", "replace")
    scheme = "wss" if (text.get(b"tls") or b"").lower() in (b"1", b"true") else "ws"
    try:
        return normalize_relay_url(
            f"{scheme}://{fit[0]}:{port}{path if _PATH.fullmatch(path) else ''}"
        )
    except InvalidData:
        return ""


def _host(address: str, loopback: bool) -> str:
    try:
        found = ip_address(address)
    except ValueError:  # with a zone, which has no place in a URL, or none at all
        return ""
    near = any(found in network for network in _NETWORKS)
    if not (near or (loopback and found.is_loopback)):
        return ""
    return f"[{found}]" if isinstance(found, IPv6Address) else str(found)


async def relays_nearby(
    *, interfaces: Collection[str] = (), seconds: float = BROWSED
) -> tuple[str, ...]:
    """The relays that say within `seconds` that they are on this network, at most `MOST_FOUND`.

    `interfaces` are the own addresses to listen at; by default those in private networks. Raises
    ConfigError where the package is missing, ConnectFailed where there is no such network.
    """
    async with _multicast(interfaces) as zone:
        from zeroconf import ServiceStateChange
        from zeroconf.asyncio import AsyncServiceBrowser

        names: dict[str, None] = {}

        def heard(
            zeroconf: Any, service_type: str, name: str, state_change: ServiceStateChange
        ) -> None:
            if state_change is not ServiceStateChange.Removed and len(names) < MOST_FOUND:
                names[name] = None

        browser = AsyncServiceBrowser(zone.zeroconf, SERVICE, handlers=[heard])
        try:
            await asyncio.sleep(seconds)
        finally:
            await browser.async_cancel()
        loopback = "127.0.0.1" in interfaces
        found = await asyncio.gather(*(_resolved(zone, name, loopback) for name in names))
    return tuple(dict.fromkeys(filter(None, found)))


async def _resolved(zone: AsyncZeroconf, name: str, loopback: bool) -> str:
    """The relay of that name, or "". Anybody chose the name: it need not even be one."""
    from zeroconf import BadTypeInNameException
    from zeroconf.asyncio import AsyncServiceInfo

    try:
        info = AsyncServiceInfo(SERVICE, name)
    except BadTypeInNameException:
        return ""
    if not await info.async_request(zone.zeroconf, int(1000 * RESOLVED)):
        return ""
    addresses = info.parsed_scoped_addresses()
    return url_of(addresses, info.port or 0, info.properties, loopback=loopback)


@asynccontextmanager
async def announced_nearby(
    port: int, *, path: str = "", tls: bool = False, addresses: Collection[str] = ()
) -> AsyncIterator[None]:
    """Say on the local network that a relay listens at `port` here, until the block ends.

    `addresses` are those at which it listens; by default those in private networks. Its name there
    is random, and says nothing of whose relay it is. Raises as `relays_nearby`.
    """
    async with _multicast(addresses) as zone:
        from zeroconf.asyncio import AsyncServiceInfo

        name = f"nostr-{secrets.token_hex(4)}"
        info = AsyncServiceInfo(
            SERVICE,
            f"{name}.{SERVICE}",
            parsed_addresses=list(addresses) or _own_addresses(),
            port=port,
            properties={"path": path or "/", **({"tls": "1"} if tls else {})},
            server=f"{name}.local.",
        )
        await zone.async_register_service(info)
        yield


def _own_addresses() -> list[str]:
    import ifaddr

    each = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    return [ip for ip in each if isinstance(ip, str) and _host(ip, loopback=False)]


@asynccontextmanager
async def _multicast(interfaces: Collection[str]) -> AsyncIterator[AsyncZeroconf]:
    """On these addresses, by default those of this machine in private networks (IPv4)."""
    try:
        from zeroconf.asyncio import AsyncZeroconf
    except ImportError:
        raise ConfigError(
            f"{_NAME} needs the package zeroconf: pip install 'nostr-client[local-network]'"
        ) from None
    here = list(interfaces) or _own_addresses()
    if not here:
        raise ConnectFailed(_NAME, "this machine is in none")
    try:
        zone = AsyncZeroconf(interfaces=here)
    except OSError as error:
        raise ConnectFailed(_NAME, str(error.strerror or error)) from error
    async with zone:
        yield zone

"""Addresses: which are in a network, which are this machine's, which count as one client.

An IPv4 address in IPv6's clothes (`::ffff:192.0.2.1`) is an IPv4 address, everywhere.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from nostr_client.errors import ConfigError, InvalidData

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def address_of(text: str) -> Address | None:
    """The address that `text` is, its zone left out; None for what is none."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def network_from(text: str, *, strict: bool = False) -> Network:
    """The network that an address or `address/bits` stands for.

    `strict`: bits beyond those named must not be set. Raises InvalidData.
    """
    try:
        found = ip_network(text.strip(), strict=strict)
    except ValueError as error:
        why = f" ({error})" if strict else ""
        raise InvalidData(f"not an IP address, nor a network as 203.0.113.0/24{why}") from None
    if isinstance(found, IPv6Network) and found.prefixlen >= 96:
        inner = found.network_address.ipv4_mapped
        if inner is not None:
            return IPv4Network((inner, found.prefixlen - 96))
    return found


class Networks:
    """A set of addresses, from networks (`10.0.0.0/8`) and single addresses.

    Raises ConfigError for a text that is neither.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._networks: list[Network] = []
        for text in texts:
            try:
                self._networks.append(network_from(text, strict=True))
            except InvalidData as error:
                raise ConfigError(f"{text}: {error}") from None

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: str) -> bool:
        ip = address_of(address)
        return ip is not None and any(ip in network for network in self._networks)


LOOPBACK: Final = Networks(("127.0.0.0/8", "::1"))


@functools.lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Whose share it is: an IPv4 address, or an IPv6 network of 64 bits; empty for loopback.

    What is no address stands for itself.
    """
    ip = address_of(address)
    if ip is None:
        return address
    if ip.is_loopback:
        return ""
    return str(IPv6Network((ip, 64), strict=False)) if isinstance(ip, IPv6Address) else str(ip)


def bare(text: str) -> str:
    """An address without its port and brackets."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def is_loopback(host: str) -> bool:
    """Does only this machine reach `host`, a name or an address?"""
    ip = address_of(host)
    return host == "localhost" if ip is None else ip.is_loopback

"""Addresses: which are in a network, which are this machine's, which count as one client."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from nostr_client.errors import ConfigError


class Networks:
    """A set of addresses, from networks (`10.0.0.0/8`) and single addresses.

    Raises ConfigError for a text that is neither.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        try:
            self._networks = [ip_network(text) for text in texts]
        except ValueError as error:
            raise ConfigError(f"not a network: {error}") from None

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: str) -> bool:
        ip = parsed(address)
        return ip is not None and any(ip in network for network in self._networks)


LOOPBACK: Final = Networks(("127.0.0.0/8", "::1"))


@functools.lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Whose share it is: an IPv4 address, or an IPv6 network of 64 bits; empty for loopback."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is None:
            return "" if ip.is_loopback else str(IPv6Network((ip, 64), strict=False))
        ip = ip.ipv4_mapped
    return "" if ip.is_loopback else str(ip)


def parsed(address: str) -> IPv4Address | IPv6Address | None:
    """The address, as IPv4 where it is that in IPv6's clothes; None for what is none."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


def bare(text: str) -> str:
    """An address without its port and brackets."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def is_loopback(host: str) -> bool:
    """Does only this machine reach `host`?"""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

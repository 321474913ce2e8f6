"""Which addresses count as one client."""

from __future__ import annotations

import functools
from ipaddress import IPv6Address, IPv6Network, ip_address


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

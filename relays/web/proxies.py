"""Whose request it is, where a proxy stands in front.

Only what a trusted proxy adds is believed. Each proxy adds on the right, so the list is read from
there, and what stands left of the first address that is not trusted is the client's own invention.
A proxy sets one kind of header and passes the other on as the client wrote it; so one is read, and
the keeper says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from relays.networks import Networks, address_of, bare

Headers = Mapping[str, str]
"""Header names in lower case."""
_SIGNS: Final = frozenset(
    {
        *("forwarded", "via", "x-real-ip", "x-client-ip", "client-ip", "true-client-ip"),
        *("x-cluster-client-ip", "x-originating-ip", "x-remote-ip", "x-remote-addr", "x-scheme"),
        *("cf-connecting-ip", "cf-ray", "cf-visitor", "cdn-loop", "fastly-client-ip"),
        *("fly-client-ip", "x-envoy-external-address", "x-azure-clientip"),
    }
)
"""What a request that a proxy passed on carries, as a rule, beside `X-Forwarded-...`."""
_LONGEST: Final = 4096
_MOST_HOPS: Final = 32


class Origin(msgspec.Struct, frozen=True):
    """Where a request came from: the client's address, and whether its way was encrypted."""

    address: str
    secure: bool


class Proxies:
    """The proxies that are trusted, by their addresses, and the header that they set."""

    def __init__(self, trusted: Networks, header: str = "x-forwarded-for") -> None:
        self._trusted = trusted
        self._read = _forwarded if header == "forwarded" else _x_forwarded

    def trusts(self, peer: str) -> bool:
        """Is the other end of a socket one of them?"""
        return peer in self._trusted

    def origin(self, peer: str, headers: Headers, *, secure: bool = False) -> Origin:
        """`peer`: the address of the socket; `secure`: it speaks TLS with us."""
        if peer not in self._trusted:
            return Origin(peer, secure)
        address = peer
        for hop, protocol in reversed(self._read(headers)):
            ip = address_of(hop)
            if ip is None:  # unknown, or hidden on purpose: the proxy that said so stands for it
                break
            address = str(ip)
            secure = secure or protocol == "https"
            if address not in self._trusted:
                break
        return Origin(address, secure)


def was_passed_on(headers: Headers) -> bool:
    """Does this request say that a proxy sent it? One without a sign may come from one too."""
    return any(name in _SIGNS or name.startswith("x-forwarded") for name in headers)


def _x_forwarded(headers: Headers) -> list[tuple[str, str]]:
    hops = _parts(headers.get("x-forwarded-for", ""), ",")
    protocol = _parts(headers.get("x-forwarded-proto", ""), ",")
    # The protocol is that of the outermost hop; proxies replace it rather than add to it.
    return [(bare(hop), protocol[-1].lower() if protocol else "") for hop in hops]


def _forwarded(headers: Headers) -> list[tuple[str, str]]:
    """RFC 7239: `for=192.0.2.60;proto=https, for="[2001:db8::1]:4711"`."""
    hops: list[tuple[str, str]] = []
    for element in _parts(headers.get("forwarded", ""), ","):
        pairs = dict(_pair(part) for part in _parts(element, ";"))
        hops.append((bare(pairs.get("for", "")), pairs.get("proto", "").lower()))
    return hops


def _parts(text: str, separator: str) -> list[str]:
    # From the right: there stands what was added last.
    return [part.strip() for part in text[-_LONGEST:].split(separator)[-_MOST_HOPS:]]


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip().strip('"')

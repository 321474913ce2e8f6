"""Where a database is: what its URL says, of PostgreSQL's own and of ours.

`postgresql://one,two/nostr?replicas=three,four:5433`: whichever of the hosts `one` and `two` is the
primary takes what is written; `three` and `four` are its standbys, which answer questions. A host
may be a folder with a socket, percent-encoded.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from nostr_client.errors import StoreError

_OURS: Final = "replicas"
_HOST: Final = r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s/?#@:,\[\]]*)(?::\d{1,5})?"
_is_url: Final = re.compile(
    rf"postgres(?:ql)?://(?:[^\s/?#@]*@)?{_HOST}(?:,{_HOST})*(?:[/?][^\s@#]*)?"
).fullmatch
"""What can be read in one way only: else half of a password might be taken for a host's name."""


class Host(NamedTuple):
    """One server; what is None, the environment says or is PostgreSQL's default."""

    name: str | None = None
    port: int | None = None


class Address(NamedTuple):
    """A database: `url` is for the driver; `hosts`, among which one is the primary; `replicas`."""

    url: str
    hosts: tuple[Host, ...]
    replicas: tuple[Host, ...]


def is_address(text: str) -> bool:
    """Is it a URL of a database?"""
    return _is_url(text) is not None


def address_of(url: str) -> Address:
    """What `url` says. Raises StoreError where it is no address."""
    try:
        if not is_address(url):
            raise ValueError("not one")
        return _address_of(url)
    except ValueError:  # its text may hold a password
        raise StoreError(
            "this is no address of a PostgreSQL database: postgresql://user@host:port/database,"
            " with %2F, %3F, %23 and %40 for / ? # @ in a password"
        ) from None


def _address_of(url: str) -> Address:
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    said = dict(query)
    named = parts.netloc.rpartition("@")[2]
    if named:
        hosts = _hosts(named)
    else:
        ports = [int(port) for port in said.get("port", "").split(",") if port]
        names = said.get("host", "").split(",")
        if len(ports) < len(names):
            ports += ports[-1:] * (len(names) - len(ports))
        hosts = tuple(
            Host(name or None, ports[n] if ports else None) for n, name in enumerate(names)
        )
    replicas = _hosts(said.get(_OURS, ""))
    rest = urlencode([pair for pair in query if pair[0] != _OURS], safe="/,:")
    return Address(urlunsplit(parts._replace(query=rest)), hosts, replicas)


def _hosts(listed: str) -> tuple[Host, ...]:
    return tuple(_host(one) for one in listed.split(",") if one)


def _host(text: str) -> Host:
    if text.startswith("["):  # IPv6
        name, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    else:
        name, _, port = text.rpartition(":") if ":" in text else (text, "", "")
    return Host(unquote(name) or None, int(port) if port else None)

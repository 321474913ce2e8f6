"""Where a database is: what its URL says, of PostgreSQL's own and of ours.

`postgresql://one,two/nostr?replicas=three,four:5433`: whichever of the hosts `one` and `two` is the
primary takes what is written; `three` and `four` are its standbys, which answer questions. A host
may be a folder with a socket, percent-encoded.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from nostr_client.errors import StoreError

_OURS: Final = "replicas"


class Host(NamedTuple):
    """One server; what is None, the environment says or is PostgreSQL's default."""

    name: str | None = None
    port: int | None = None


class Address(NamedTuple):
    """A database: `url` is for the driver; `hosts`, among which one is the primary; `replicas`."""

    url: str
    hosts: tuple[Host, ...]
    replicas: tuple[Host, ...]


def address_of(url: str) -> Address:
    """What `url` says. Raises StoreError where it is no address."""
    try:
        return _address_of(url)
    except ValueError:  # its text may hold a password
        raise StoreError("this is no address of a PostgreSQL database") from None


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

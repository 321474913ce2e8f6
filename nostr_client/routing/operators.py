"""Which relays fall together: who keeps them, and where they stand. Pure.

Copies are worth counting only where one decision, one bill or one cable does not end them all. Two
relays count as one operator's when anything says so:

- the same key in their information documents (NIP-11 `pubkey`): the keeper says it himself, so it
  can only join relays, never part them;
- the same domain (`registered_domain`);
- the same network of their hosts (`network_of`: /24, /48), as far as their addresses are known. One
  on this machine or in a private network says nothing; only a rehearsal's do, which stand in
  networks of their own (127.1.0.0/24 and so on).

The country is told beside it, where the document names one, and joins nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from nostr_client.nips.nip11 import Retention
from nostr_client.protocol.urls import host_of

_SHARED_ENDINGS: Final = frozenset(
    {"ac", "co", "com", "edu", "gob", "gov", "net", "ne", "or", "org"}
)
"""Labels below which others register in many countries (`co.uk`, `com.br`)."""
_SHORT: Final = 2
_THIS_MACHINE: Final = ipaddress.ip_network("127.0.0.0/24")
"""Where everything listens that is only for this machine; in other loopback networks something
stands on purpose."""


class RelayFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of the relay at `url` (normal spelling): its keeper's key (hex), the networks
    of its hosts, the countries that it names, and what it says that it does and wants.

    `at` is when that was looked at, in seconds since 1970; `answered` is False where its document
    could not be read. `walls` are the reasons why not everybody may write there ("auth",
    "payment", "restricted", "pow"). `nips` are those that it claims; `max_message` is the longest
    message in bytes and `max_limit` the most events in an answer, 0 where it does not say. It takes
    no event that lies further back than `lower_limit` seconds, where that is not 0, and keeps as
    `retention` says.
    `learned` are those that its refusals taught, the last at `learned_at`, by the same names.
    `limits` are all numbers that it names (NIP-11); `name`, `contact` and `software` its own words,
    raw.
    """

    url: str
    at: int = 0
    answered: bool = False
    pubkey: str = ""
    networks: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    walls: tuple[str, ...] = ()
    nips: tuple[int, ...] = ()
    max_message: int = 0
    max_limit: int = 0
    lower_limit: int = 0
    retention: tuple[Retention, ...] = ()
    name: str = ""
    contact: str = ""
    software: str = ""
    limits: dict[str, int] = msgspec.field(default_factory=dict)
    learned: dict[str, int] = msgspec.field(default_factory=dict)
    learned_at: int = 0


def registered_domain(host: str) -> str:
    """The part of a host name that somebody registered: `example.com` of `relay.example.com`; an
    address is itself.

    A platform where many keep relays under one name counts as one, which it is when it falls.
    """
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        labels = host.lower().rstrip(".").split(".")
    shared = len(labels) > _SHORT and len(labels[-1]) == _SHORT and labels[-2] in _SHARED_ENDINGS
    return ".".join(labels[-3:] if shared else labels[-2:])


def network_of(address: str) -> str:
    """The network that an IP address stands in, as the wide net routes it: its /24, or /48 in
    IPv6. Empty for one that is neither public nor a rehearsal's, or is none."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if not ip.is_global and not (ip.is_loopback and ip.version == 4 and ip not in _THIS_MACHINE):
        return ""
    width = 24 if ip.version == 4 else 48
    return str(ipaddress.ip_network(f"{ip}/{width}", strict=False))


def operators(urls: Iterable[str], facts: Mapping[str, RelayFacts]) -> dict[str, str]:
    """For each relay the name of its operator: the first URL, in order, of those that fall with it.

    `facts` by URL; of a relay that is missing there only the domain counts.
    """
    parent: dict[str, str] = {}

    def root(mark: str) -> str:
        parent.setdefault(mark, mark)
        while parent[mark] != mark:
            parent[mark] = parent[parent[mark]]
            mark = parent[mark]
        return mark

    ordered = sorted(dict.fromkeys(urls))
    for url in ordered:
        for mark in _marks(url, facts.get(url)):
            parent[root(mark)] = root(url)
    names: dict[str, str] = {}
    return {url: names.setdefault(root(url), url) for url in ordered}


def count_operators(urls: Collection[str], facts: Mapping[str, RelayFacts]) -> int:
    """How many operators keep these relays."""
    return len(set(operators(urls, facts).values()))


def _marks(url: str, facts: RelayFacts | None) -> list[str]:
    """What a relay shares with others of its operator. On one machine, ports part relays."""
    host = host_of(url)
    try:
        local = not ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        local = host == "localhost"
    marks = [] if local else [f"domain {registered_domain(host)}"]
    if facts is not None:
        marks += [f"key {facts.pubkey}"] if facts.pubkey else []
        marks += [f"network {network}" for network in facts.networks]
    return marks

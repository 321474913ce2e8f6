"""The sub-relays of one process: each a relay of its own, at its own path of the same address."""

from __future__ import annotations

from typing import Final

import msgspec

from nostr_client.protocol.urls import normalize_relay_url
from relays.config.relay_config import RelayConfig

ROOT: Final = "events"
"""The name of the sub-relay `/`, after which its database is called."""


class SubRelay(msgspec.Struct, frozen=True):
    """A relay: `database` is its file in the relay's folder, `config` its own settings.

    `follows_of`: the sub-relay whose store holds the follow lists that the web of trust is made of.
    """

    path: str
    name: str
    config: RelayConfig
    database: str
    follows_of: str


def local_urls(address: str, path: str = "/") -> frozenset[str]:
    """The URLs by which a sub-relay is reached on this machine; `address` is where it listens."""
    scheme, _, place = address.partition("://")
    port = place.rpartition(":")[2]
    hosts = (place, f"127.0.0.1:{port}", f"localhost:{port}")
    return frozenset(normalize_relay_url(f"{scheme}://{host}{path}") for host in hosts)


def sub_relays(config: RelayConfig) -> tuple[SubRelay, ...]:
    """The sub-relays that `config` makes, the one at `/` first."""
    first = SubRelay(config.path, ROOT, config, f"{ROOT}.db", ROOT)
    others = [
        SubRelay(sub_relay.path, name, sub_relay, f"{name}.db", ROOT)
        for name, sub_relay in config.rooms.items()
    ]
    return (first, *others)

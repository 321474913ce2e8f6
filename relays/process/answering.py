"""A relay's stores and its socket put together: it answers until the block ends."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from nostr_client.errors import ConfigError, InvalidData
from nostr_client.protocol.urls import normalize_relay_url
from relays.config.relay_config import RelayConfig
from relays.config.sub_relays import SubRelay, local_urls
from relays.networks import Networks
from relays.process.assembly import RelayHost, serve
from relays.process.stores import RelayStores
from relays.server.connections import Gate, RelayServer
from relays.server.listen import listen
from relays.server.tls import Certificate, certificate
from relays.web.proxies import Proxies
from relays.web.token import read_token


def service_urls(address: str, public: tuple[str, ...], path: str = "/") -> set[str]:
    """Every URL that means the sub-relay at `path` when somebody signs for it (NIP-42, 62, 98).

    The public ones, or where there are none the local ones: whoever is to sign for a public relay
    must not be made to sign for a name that every machine has. Raises ConfigError for one that is
    none.
    """
    try:
        return {normalize_relay_url(url) for url in public or local_urls(address, path)}
    except InvalidData as error:
        raise ConfigError(f"--url: {error}") from None


class Entrance(NamedTuple):
    """What stands between a socket and the relay."""

    tls: Certificate | None
    proxies: Proxies
    token: str

    @classmethod
    def of(cls, config: RelayConfig) -> Entrance:
        """What the configuration names. Raises ConfigError for a file that cannot be used."""
        web = config.web
        return cls(
            certificate(web.tls_certificate, web.tls_key),
            Proxies(Networks(web.trusted_proxies), web.trusted_header),
            read_token(web.token_file),
        )


class Answering(NamedTuple):
    """A relay that answers."""

    host: RelayHost
    server: RelayServer


@asynccontextmanager
async def answering(
    config: RelayConfig,
    stores: RelayStores,
    listener: socket.socket,
    address: str,
    *,
    entrance: Entrance,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Answering]:
    """The relay that `config` makes over `stores`, on the bound socket `listener` at `address`.

    Raises StoreError, ConfigError.
    """

    def urls_of(sub_relay: SubRelay) -> frozenset[str]:
        return frozenset(service_urls(address, sub_relay.config.urls, sub_relay.path))

    async with serve(config, stores, urls_of, address=address, clock=clock) as host:
        gate = Gate(entrance.proxies, host.state.banned_address, entrance.token)
        tls = None if entrance.tls is None else entrance.tls.context
        async with listen(host.relays, host.site, listener, gate=gate, tls=tls) as server:
            host.state.on_change(server.judge_again)
            yield Answering(host, server)

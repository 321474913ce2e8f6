"""One running relay, all in this process: its folder, its address, and its end."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from nostr_client.errors import ConfigError, ConnectFailed
from nostr_client.net.local_network import announced_nearby
from relays.config.relay_config import RelayConfig
from relays.networks import is_loopback
from relays.process.answering import Entrance, answering
from relays.process.folder import (
    RunningRelay,
    announced,
    is_wanted,
    note_node,
    only_relay,
    open_folder,
)
from relays.process.port import address_of, bind
from relays.process.reload import ConfigReloader, ConfigSource
from relays.process.stopping import StopConditions, say, until_told_to_stop

_log = logging.getLogger(__name__)


async def run(
    config: RelayConfig,
    data: Path,
    *,
    source: ConfigSource | None = None,
    ends: StopConditions | None = None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Run a relay until SIGINT, SIGTERM, or what `ends` names.

    Prints its address on standard output once it listens. A changed configuration is taken over
    from `source` on SIGHUP and when its file changes. Raises StoreError when the folder is in use
    or cannot be used, ConfigError when the address cannot be listened on.
    """
    with open_folder(data, config.store or "", new=True) as stores, only_relay(data):
        note_node(data, stores)
        entrance = Entrance.of(config)
        with bind(config.host, config.port) as listener:
            address = address_of(listener, config.host, secure=entrance.tls is not None)
            made = answering(config, stores, listener, address, entrance=entrance, clock=clock)
            async with made as relay:
                known = RunningRelay(os.getpid(), address, int(time.time()))
                async with said_nearby(config, listener.getsockname()[1]):
                    with announced(data, known):
                        await until_told_to_stop(
                            ends or StopConditions(),
                            ConfigReloader(relay.host, source, entrance.tls),
                            idle=lambda: relay.server.idle if not is_wanted(data) else 0.0,
                            ready=lambda: say(address, stores.place),
                        )


@contextlib.asynccontextmanager
async def said_nearby(config: RelayConfig, port: int) -> AsyncIterator[None]:
    """Say on the local network that this relay is at `port`, where its keeper wants that.

    Raises ConfigError where nobody could reach it, or where the package for that is missing.
    """
    if not config.web.announce:
        yield
        return
    if is_loopback(config.host):
        raise ConfigError(f"web.announce: {config.host} is reached from this machine only")
    everywhere = config.host in ("0.0.0.0", "::", "")  # noqa: S104 - what the keeper wrote
    tls = config.web.tls_certificate is not None
    async with contextlib.AsyncExitStack() as stack:
        try:
            said = announced_nearby(port, tls=tls, addresses=() if everywhere else [config.host])
            await stack.enter_async_context(said)
        except ConnectFailed as error:  # it serves all the same
            _log.warning("this relay is not said to be there: %s", error)
        yield

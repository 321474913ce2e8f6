"""`relay mirror`: mirrors in a process of their own, beside the relay or without one."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from nostr_client.errors import ConfigError
from nostr_client.net.auth_demand import authenticator
from nostr_client.net.rejected_ids import RejectedIds
from relays.config.relay_config import Mirror, RelayConfig
from relays.logs import write_logs
from relays.process.offline import open_offline
from relays.sync import mirror as mirroring
from relays.sync.mirror import Mirrors
from relays.sync.mirror_context import MirrorContext, unwanted_file


async def mirror_until_stopped(
    data: Path, mirrors: Sequence[Mirror], config: RelayConfig, *, sub_relay: str | None = None
) -> None:
    """Mirror into and out of a sub-relay of the relay in `data`, until SIGINT or SIGTERM.

    Without `mirrors`: those of the configuration. The log says how it goes. Raises ConfigError,
    StoreError.
    """
    write_logs(config.log.format)
    logging.getLogger(mirroring.__package__).setLevel(logging.INFO)
    async with open_offline(config, data, sub_relay) as here:
        wanted = mirrors or here.sub_relay.config.mirror
        if not wanted:
            raise ConfigError("nothing to mirror: give a URL, or [[mirror]] in the configuration")
        around = MirrorContext(
            here.store,
            here.verifier,
            here.rules,
            here.urls,
            keeping=here.retention,
            authenticate=authenticator(here.key, time.time),
            rejected=RejectedIds(unwanted_file(data, here.sub_relay.name)),
        )
        work = asyncio.create_task(Mirrors(wanted, around).run())
        if sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
        try:
            await work
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise  # Ctrl-C
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

"""`python -m tests.nodes.node FOLDER URL PORT [CLOCK]`: one relay node on a database.

By a clock that its starter turns, where CLOCK names one, and with limits that a test can wait for.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from nostr_client.errors import NostrError
from nostr_client.store.postgres import connections
from nostr_client.turned_clock import TurnedClock
from relays.cli.context import on_loop
from relays.config.relay_config import RelayConfig
from relays.logs import write_logs
from relays.process.run import StopConditions, run

SERVICE: Final = "wss://relay.example.com"
"""All nodes are one relay."""
WRITE_LIMIT: Final = 4.0


def main(folder: str, url: str, port: str, clock: str = "") -> None:
    """Raises StoreError, ConfigError."""
    connections.WRITE_LIMIT = WRITE_LIMIT  # type: ignore[misc]
    write_logs("plain", addresses=False, level="warning")
    config = RelayConfig(host="127.0.0.1", port=int(port), urls=(SERVICE,), store=url)
    ends = StopConditions(stop_on_eof=True)
    by = {"clock": TurnedClock(Path(clock))} if clock else {}
    on_loop(run(config, Path(folder), ends=ends, **by))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except NostrError as problem:
        sys.exit(str(problem))

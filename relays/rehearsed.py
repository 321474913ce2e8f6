"""`python -m relays.rehearsed DATA CONFIG CLOCK`: a relay by a clock that its starter turns.

For tests (`nostr_client.testing`). It is a program of its own so that no option, no variable and no
file can have a relay that serves people go by another clock than the machine's. It listens on
loopback alone, on a free port, and ends when its standard input does.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from nostr_client.errors import NostrError
from nostr_client.turned_clock import TurnedClock
from relays.cli.context import on_loop
from relays.config.relay_config import load_config
from relays.process.run import run
from relays.process.stopping import StopConditions

HERE: Final = "127.0.0.1"


def main(data: str, config: str, clock: str) -> None:
    """Raises StoreError, ConfigError."""
    settings = load_config(Path(config), {"host": HERE, "port": 0})
    ends = StopConditions(stop_on_eof=True)
    on_loop(run(settings, Path(data), ends=ends, clock=TurnedClock(Path(clock))))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except NostrError as problem:
        sys.exit(str(problem))

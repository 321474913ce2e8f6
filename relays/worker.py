"""`python -m relays.worker PAIR LISTENER`: one worker process of a relay (see `process.workers`).

Both are numbers of open sockets, which the parent hands over; nobody else starts it.
"""

from __future__ import annotations

import socket
import sys

from relays.cli.context import on_loop, prepare_process
from relays.process.worker import run_worker


def main(pair: str, listener: str) -> int:
    """The exit code."""
    prepare_process()
    handed = [socket.socket(fileno=int(number)) for number in (pair, listener)]
    for one in handed:
        one.set_inheritable(False)  # children of ours must not keep it open
    return on_loop(run_worker(*handed))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""`relay run`."""

from __future__ import annotations

import argparse
import contextlib
import gc
import sys
from typing import TYPE_CHECKING

from relays.cli.common import add_config, add_data, config_of, data_of, on_loop

if TYPE_CHECKING:
    from relays.cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    run = commands.add_parser("run", help="run a relay until it is stopped")
    run.add_argument("--host", help="address to listen on (127.0.0.1)")
    run.add_argument("--port", type=_port, help="port to listen on; 0 takes a free one (7777)")
    run.add_argument(
        "--log-format", choices=("plain", "json"), help="how to write the log on standard error"
    )
    run.add_argument("--stop-on-eof", action="store_true", help="stop when standard input ends")
    run.add_argument(
        "--stop-when-idle",
        type=_seconds,
        metavar="SECONDS",
        help="stop when nobody has been connected for so long (unless DIR holds a file `keep`)",
    )
    run.add_argument(
        "--token-file",
        metavar="FILE",
        help="answer only programs that show the token in this file (Authorization: Bearer)",
    )
    run.add_argument(
        "--no-web-pages",
        action="store_false",
        dest="web_pages",
        default=None,
        help="refuse pages in a browser: for a relay that only programs are to use",
    )
    add_data(run)
    add_config(run)
    run.set_defaults(command=_run)


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 1 <= number <= 1e9:
        raise argparse.ArgumentTypeError("seconds, at least 1")
    return number


def _run(options: argparse.Namespace) -> int:
    from relays.logs import write_logs
    from relays.process.run import ConfigSource, StopConditions, run

    config = config_of(options)
    log = config.log
    write_logs(options.log_format or log.format, addresses=log.addresses, level=log.level)
    _tune()
    source = ConfigSource(lambda: config_of(options), options.config)
    ends = StopConditions(stop_on_eof=options.stop_on_eof, idle=options.stop_when_idle)
    on_loop(run(config, data_of(options), source=source, ends=ends))
    return 0


def _tune() -> None:
    """Make room for many sockets, and let the collector disturb the loop less."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

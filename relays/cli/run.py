"""`nostr-client relay run`."""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING, Annotated, Literal

from nostr_client.command_line.tree import Group, Option
from relays.cli.command import LASTING, add_command

if TYPE_CHECKING:
    from relays.cli.context import RelayContext
    from relays.config.relay_config import RelayConfig


def run(
    context: RelayContext,
    *,
    host: Annotated[str | None, Option("--host", "ADDRESS", "Where to listen (127.0.0.1).")] = None,
    port: Annotated[
        int | None,
        Option("--port", "N", "Where to listen; 0 takes a free one (7777).", 0, 65535),
    ] = None,
    log_format: Annotated[
        Literal["plain", "json"] | None,
        Option("--log-format", help="How to write the log on standard error."),
    ] = None,
    stop_on_eof: Annotated[
        bool, Option("--stop-on-eof", help="Stop when standard input ends.")
    ] = False,
    stop_when_idle: Annotated[
        float | None,
        Option(
            "--stop-when-idle",
            "SECONDS",
            "Stop when nobody has been connected for so long (unless DIR holds a file `keep`).",
            1,
            1e9,
        ),
    ] = None,
    token_file: Annotated[
        str | None,
        Option(
            "--token-file",
            "FILE",
            "Answer only programs that show the token in this file (Authorization: Bearer).",
        ),
    ] = None,
    no_web_pages: Annotated[
        bool,
        Option(
            "--no-web-pages",
            help="Refuse pages in a browser: for a relay that only programs are to use.",
        ),
    ] = False,
) -> None:
    """Run a relay until it is stopped."""
    from relays.cli.context import on_loop
    from relays.logs import write_logs
    from relays.process.reload import ConfigSource
    from relays.process.run import StopConditions, run

    def read() -> RelayConfig:
        return context.load_config(
            host=host,
            port=port,
            web_pages=False if no_web_pages else None,
            web={"token_file": token_file} if token_file is not None else None,
        )

    config = read()
    log = config.log
    write_logs(log_format or log.format, addresses=log.addresses, level=log.level)
    _tune()
    source = ConfigSource(read, context.config)
    stop = StopConditions(stop_on_eof=stop_on_eof, idle=stop_when_idle)
    on_loop(run(config, context.folder, source=source, ends=stop))


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


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "run", run, LASTING)

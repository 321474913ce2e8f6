"""`nostr-client relay run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from nostr_client.command_line.tree import Group, Option
from relays.cli.command import LASTING, add_command

if TYPE_CHECKING:
    from relays.cli.context import RelayContext


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
    workers: Annotated[
        str | None,
        Option("--workers", "N", "How many processes answer, or auto: by the machine's cores."),
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
    from relays.cli.context import on_loop, prepare_process
    from relays.logs import write_logs
    from relays.process.stopping import StopConditions
    from relays.process.worker_settings import WorkerSettings, workers_of

    given = {
        "profile": context.profile,
        "store": context.given_store(),
        "host": host,
        "port": port,
        "workers": int(workers) if workers is not None and workers.isdecimal() else workers,
        "web_pages": False if no_web_pages else None,
        "web": {"token_file": token_file} if token_file is not None else None,
    }
    settings = WorkerSettings(
        data=str(context.folder),
        file=None if context.config is None else str(context.config),
        given={name: value for name, value in given.items() if value is not None},
        urls=tuple(context.url),
        log_format=log_format,
    )
    config = settings.read()
    log = config.log
    write_logs(log_format or log.format, addresses=log.addresses, level=log.level)
    prepare_process()
    ends = StopConditions(stop_on_eof=stop_on_eof, idle=stop_when_idle)
    if (count := workers_of(config)) > 1:
        from relays.process.workers import run_workers

        on_loop(run_workers(settings, config, count, ends))
    else:
        from relays.process.reload import ConfigSource
        from relays.process.run import run

        source = ConfigSource(settings.read, context.config)
        on_loop(run(config, context.folder, source=source, ends=ends))


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "run", run, LASTING)

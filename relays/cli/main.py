"""The relay's command line: run, import, export.

What is heavy is imported once it is known to be needed, so that `--help` and `--version` are quick.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from nostr_client.version import __version__

if TYPE_CHECKING:
    from relays.config import RelayConfig

T = TypeVar("T")

DONE: Final = 0
FAILED: Final = 1
REFUSED: Final = 3
"""An import went through, but some lines were refused: malformed, forged, beyond a limit."""
_INTERRUPTED: Final = 130
_SWITCH_INTERVAL: Final = 0.0005
"""Seconds. The threads of the store give Python's lock away at each step; at the usual 5 ms each
would wait as long beside a busy loop."""


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    from nostr_client.errors import NostrError

    try:
        code: int = options.command(options)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough. Python would say so again on its way out.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return DONE
    except (NostrError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nostr-client relay", description="A Nostr relay.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a relay until it is stopped")
    run.add_argument("--host", help="address to listen on (127.0.0.1)")
    run.add_argument("--port", type=_port, help="port to listen on; 0 takes a free one (7777)")
    run.add_argument("--stop-on-eof", action="store_true", help="stop when standard input ends")
    run.add_argument(
        "--no-web-pages",
        action="store_false",
        dest="web_pages",
        default=None,
        help="refuse pages in a browser: for a relay that only programs are to use",
    )
    run.set_defaults(command=_run)

    take = commands.add_parser("import", help="take in events from JSON lines")
    take.add_argument("files", nargs="+", metavar="FILE", help="a file, or - for standard input")
    take.set_defaults(command=_import)

    give = commands.add_parser("export", help="write all events as JSON lines")
    give.set_defaults(command=_export)

    for command in (run, take, give):
        command.add_argument("--data", type=Path, metavar="DIR", help="the relay's folder")
    for command in (run, take):
        command.add_argument("--config", type=Path, metavar="FILE", help="settings, in TOML")
        command.add_argument(
            "--url",
            action="append",
            default=[],
            metavar="URL",
            help="a public URL of this relay; may be given more than once",
        )
    return parser


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return number


def _data(options: argparse.Namespace) -> Path:
    if options.data is not None:
        return Path(options.data)
    from nostr_client.paths import paths

    return paths().data / "relay"


def _config(options: argparse.Namespace) -> RelayConfig:
    import msgspec

    from relays.config import RelayConfig, load_config

    config = RelayConfig() if options.config is None else load_config(options.config)
    given = {
        name: value
        for name in ("host", "port", "web_pages")
        if (value := getattr(options, name, None)) is not None
    }
    return msgspec.structs.replace(config, urls=(*config.urls, *options.url), **given)


def _run(options: argparse.Namespace) -> int:
    import logging

    from relays.running import run

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    _tune()
    _on_loop(run(_config(options), _data(options), stop_on_eof=options.stop_on_eof))
    return DONE


def _import(options: argparse.Namespace) -> int:
    from relays.transfer import import_files

    sys.setswitchinterval(_SWITCH_INTERVAL)
    tally = _on_loop(import_files(_data(options), options.files, _config(options)))
    return REFUSED if tally.refused else DONE


def _export(options: argparse.Namespace) -> int:
    from relays.transfer import export_events

    _on_loop(export_events(_data(options), sys.stdout.buffer))
    return DONE


def _on_loop(work: Coroutine[Any, Any, T]) -> T:
    import asyncio

    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with contextlib.suppress(ImportError):
        from uvloop import new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        try:
            return runner.run(work)
        except ExceptionGroup as group:
            error: Exception = group
            while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
                error = error.exceptions[0]
            raise error from None


def _tune() -> None:
    """Make room for many sockets, and let threads and the collector disturb the loop less."""
    sys.setswitchinterval(_SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

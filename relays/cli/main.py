"""The relay's command line: the parser, and how a command ends.

Each room of `COMMANDS` adds its commands with `add`. What is heavy is imported once it is known to
be needed, so that `--help` and `--version` are quick.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from nostr_client.version import __version__
from relays.cli import config, import_export, members, mirror, moderation, operations, run, sync

COMMANDS: Final = (run, import_export, operations, sync, mirror, moderation, members, config)
"""Rooms with `add(commands)`. A command sets `command`, a function from its options to an exit
code."""

FAILED: Final = 1
INTERRUPTED: Final = 130


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    from nostr_client.errors import NostrError

    try:
        code: int = options.command(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough. Python would say so again on its way out.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except NostrError as error:
        if getattr(options, "json", False):
            from nostr_client.output import Output

            return Output(True).fail(str(error), FAILED)
        sys.stderr.write(f"{error}\n")
        return FAILED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"{where}{error.strerror or error}\n")
        return FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nostr-client relay", description="A Nostr relay.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for room in COMMANDS:
        room.add(commands)
    return parser

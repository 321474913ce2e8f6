"""The tree of commands, and how it is run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from nostr_client import redact
from nostr_client.cli import account, demo, notes, own_relay, people, reading, relays
from nostr_client.cli.command import CarefulGroup
from nostr_client.exits import MEANINGS, Exit
from nostr_client.version import __version__


def run_command(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code."""
    redact.given(arguments)
    try:
        build()(list(arguments), prog_name="nostr-client")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.ERROR
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.DONE


def build() -> typer.Typer:
    """All commands. No pretty tracebacks: they print the values of variables."""
    app = typer.Typer(
        cls=CarefulGroup,
        help="A Nostr account that no host can remove. Without a command it opens the terminal "
        "client.",
        epilog=_epilog(),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def main(
        version: Annotated[
            bool, typer.Option("--version", help="Say the version.", is_eager=True)
        ] = False,
    ) -> None:
        if version:
            sys.stdout.write(f"nostr-client {__version__}\n")
            raise typer.Exit(0)

    app.add_typer(account.app, name="account")
    notes.add_to(app)
    reading.add_to(app)
    people.add_to(app)
    app.add_typer(relays.app, name="relays")
    app.add_typer(own_relay.app, name="own-relay")

    @app.command("relay", add_help_option=False)
    def relay() -> None:
        """Run a relay for yourself, friends or the public: run, import, export."""

    demo.add_to(app)
    return app


def _epilog() -> str:
    codes = "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())
    return f"\b\nExit codes:\n{codes}"

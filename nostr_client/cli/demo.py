"""`nostr-client demo`: the promise, rehearsed on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nostr_client.cli.command import PLAIN, add_command
from nostr_client.cli.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.run import Run


def demo(
    run: Run,
    headless: Annotated[
        bool, typer.Option("--headless", help="Play the story and print it; no terminal needed.")
    ] = False,
) -> None:
    """Five relays and a small community on this machine, with no network at all."""
    if not headless:  # on a terminal, `nostr_client.main` opens it without coming here
        raise CommandError("without a terminal: nostr-client demo --headless", Exit.USAGE)
    from nostr_client.rehearsal.demo import run_headless

    run.exit_code = wait_for(run_headless(run.out))


def add_to(app: typer.Typer) -> None:
    """It stands at the top level."""
    add_command(app, "demo", demo, PLAIN)

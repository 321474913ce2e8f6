"""`nostr-client demo`: the promise, rehearsed on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from nostr_client.cli.command import PLAIN, add_command
from nostr_client.command_line.tree import Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext


def demo(
    context: ClientContext,
    headless: Annotated[
        bool, Option("--headless", help="Play the story and print it; no terminal needed.")
    ] = False,
) -> None:
    """Five relays and a small community on this machine, with no network at all."""
    if not headless:  # on a terminal, `nostr_client.main` opens it without coming here
        raise CommandError("without a terminal: nostr-client demo --headless", Exit.USAGE)
    from nostr_client.rehearsal.demo import run_headless

    context.exit_code = wait_for(run_headless(context.out))


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "demo", demo, PLAIN)

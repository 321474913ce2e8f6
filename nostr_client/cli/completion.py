"""`nostr-client completion`: what a shell offers at the tab key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from nostr_client.cli.command import PLAIN, add_command
from nostr_client.command_line.tree import Argument, Group

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext


def completion(
    context: ClientContext,
    what: Annotated[
        Literal["bash", "zsh", "fish", "accounts", "relays"],
        Argument("SHELL", "bash, zsh or fish; accounts and relays are what their scripts ask for."),
    ],
) -> None:
    """Print what has a shell complete commands, options, accounts and relays."""
    if what == "accounts":
        for account in context.accounts.all():
            name = account.name or account.npub
            context.out.emit({"name": name}, name)
    elif what == "relays":
        for url in context.config.relays or ():
            context.out.emit({"relay": url}, url)
    elif context.completion is not None:
        text = context.completion(what)
        context.out.emit({"shell": what, "script": text}, text)


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "completion", completion, PLAIN)

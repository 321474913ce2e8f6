"""`nostr-client mcp`: the command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.cli.mcp.permissions import Permissions, PrivatePartName, WritingVerb
from nostr_client.command_line.tree import Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext

WITHOUT_EXTRA = 'this needs the extra `mcp`: pip install "nostr-client[mcp]"'


def mcp(
    context: ClientContext,
    allow: Annotated[
        list[WritingVerb] | None,
        Option("--allow", help="Offer this verb; you are asked each time."),
    ] = None,
    unasked: Annotated[
        list[WritingVerb] | None,
        Option("--unasked", help="Offer this verb, and ask nobody."),
    ] = None,
    private: Annotated[
        list[PrivatePartName] | None,
        Option("--private", help="Let it read these; then it reads only what is here."),
    ] = None,
    most: Annotated[
        int, Option("--most", "N", "Write so often in an hour at most.", least=1, most=1000)
    ] = 20,
) -> None:
    """Serve programs that speak the Model Context Protocol, over standard input and output.

    They read what is public. What else they may do is said verb by verb.
    """
    permissions = Permissions.of(allow or (), unasked or (), private or ())
    try:
        from nostr_client.cli.mcp.server import serve
    except ImportError:
        raise CommandError(WITHOUT_EXTRA) from None
    signer = context.signer() if permissions.needs_key else None
    wait_for(serve(context, signer, permissions, most))


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "mcp", mcp, CLIENT)

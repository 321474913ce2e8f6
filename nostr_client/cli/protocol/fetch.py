"""`nostr-client fetch`: what a code or a name means, from wherever it may be."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final

from nostr_client.cli.command import ASKING, add_command
from nostr_client.cli.protocol.filter_options import kind_numbers
from nostr_client.cli.protocol.relay_arguments import relays_given
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext

MOST_EACH: Final = 500
"""Events of a person that are printed, unless `--limit` says otherwise."""


def fetch(
    context: ClientContext,
    what: Annotated[
        list[str] | None,
        Argument(
            metavar="[CODE]...",
            help="note1, nevent1, naddr1, npub1, nprofile1, hex of an event, or name@domain."
            " Without any: one a line, from standard input.",
        ),
    ] = None,
    *,
    kind: Annotated[
        list[str] | None,
        Option("--kind", "N", "Of a person, this kind and not the profile.", short="-k"),
    ] = None,
    limit: Annotated[
        int, Option("--limit", "N", "Of a person, at most so many.", 1, 100_000, short="-l")
    ] = MOST_EACH,
    relay: Annotated[
        list[str] | None, Option("--relay", "URL", "Look there, too.", short="-r")
    ] = None,
) -> None:
    """Print what a code or a name means, an event or a profile, from wherever it is.

    Its author is asked for where he writes, and so are the relays that the code and you name.
    """
    near = relays_given(relay)
    kinds = kind_numbers(kind or [])
    if not what and sys.stdin.isatty():
        raise CommandError("nothing to fetch: give a code, or codes on standard input", Exit.USAGE)

    async def work() -> None:
        from nostr_client.cli.protocol.code_lookup import CodeLookup

        async with context.asking() as client:
            client.book.policy.allow(near)
            lookup = CodeLookup(context, client, near=near, kinds=kinds or [0], limit=limit)
            await lookup.all_of(what or ())

    wait_for(work())


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "fetch", fetch, ASKING)

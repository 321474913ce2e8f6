"""`nostr-client account add --bunker` and `account connect`: an account whose key is elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from nostr_client.cli.command import PLAIN, add_command
from nostr_client.command_line.tree import Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.accounts.bunker_pairing import BunkerPairing
    from nostr_client.cli.context import ClientContext

Name = Annotated[str, Option("--name", help="What to call it on this machine.")]
Switch = Annotated[bool, Option("--switch", help="Use it from now on.")]
ROWS = 22
"""Lines of the terminal that a code may take at least: it fits 24."""
_ON_LIGHT = str.maketrans("█▀▄ ", " ▄▀█")
MOST_RELAYS = 3
"""Relays at which our own code is answered."""


def add(
    context: ClientContext,
    bunker: Annotated[
        bool, Option("--bunker", help="Its key stays in a bunker, which signs (NIP-46).")
    ] = False,
    name: Name = "",
    switch: Switch = False,
    secret_fd: Annotated[
        int | None,
        Option("--secret-fd", metavar="N", help="Read the code from this file descriptor."),
    ] = None,
) -> None:
    """Add an account whose key is in a bunker, by the code that the bunker shows.

    The code (bunker://…) is a secret: it is asked for (hidden), or read from standard input or
    --secret-fd; never an argument. The other way round: `account connect`.
    """
    from nostr_client.accounts.bunker_meeting import pair
    from nostr_client.cli import secret_input
    from nostr_client.nips.nip46 import BunkerUri

    if not bunker:
        raise CommandError(
            "what is added? --bunker adds an account whose key is in a bunker; `account import`"
            " brings a key",
            Exit.USAGE,
        )
    prompt = "Code of the bunker (bunker://…; hidden)"
    uri = BunkerUri.parse(secret_input.read_secret_text(secret_fd, prompt))
    context.out.note("Asking the bunker; it may have to be confirmed there.")
    _keep(context, wait_for(pair(uri, context.bunkers)), name, switch)


def connect(
    context: ClientContext,
    relay: Annotated[
        list[str] | None,
        Option("--relay", metavar="URL", help="Where the bunker answers."),
    ] = None,
    name: Name = "",
    switch: Switch = False,
    light: Annotated[
        bool, Option("--light", help="This terminal writes dark on light: turn the code round.")
    ] = False,
) -> None:
    """Add an account whose key is in a bunker, by a code that the bunker scans.

    The code (nostrconnect://…) is good for three minutes; Ctrl-C ends it.
    """
    import shutil

    from nostr_client.accounts.bunker_meeting import SCAN_LIMIT, offer_pairing
    from nostr_client.accounts.qr import qr_lines
    from nostr_client.routing.address_policy import relay_url
    from nostr_client.routing.starter_relays import starter_relays

    given = relay or list(context.config.relays or starter_relays().urls("general"))
    relays = [url for text in given if (url := relay_url(text))][:MOST_RELAYS]
    if not relays:
        raise CommandError("a bunker needs a relay to answer at: --relay URL", Exit.USAGE)

    async def work() -> BunkerPairing:
        async with offer_pairing(relays, context.bunkers) as offer:
            rows = max(ROWS, shutil.get_terminal_size().lines - 2)
            code = "\n".join(qr_lines(offer.uri, rows))
            context.out.emit({"uri": offer.uri.format()}, offer.uri.format())
            context.out.note(f"Let your bunker scan this, within {SCAN_LIMIT:g} s. Ctrl-C ends it.")
            # Last, so that no line pushes its first ones off a low terminal.
            context.out.note(code.translate(_ON_LIGHT) if light else code)
            return await offer.taken()

    _keep(context, wait_for(work()), name, switch)


def _keep(context: ClientContext, pairing: BunkerPairing, name: str, switch: bool) -> None:
    from nostr_client.cli import json_records

    account = wait_for(context.accounts.add_bunker(pairing, name, switch=switch))
    record = json_records.account_record(account) | {"relays": pairing.relays}
    context.out.emit(record, account.npub)
    if not context.json:
        used = (
            "It is the account in use."
            if account.current
            else (
                f"`nostr-client account switch {account.name or account.npub}` uses it from now on."
            )
        )
        context.out.note(f"{account.label} was added: its key stays in the bunker. {used}")


def add_to(group: Group) -> None:
    """They stand beside the other commands for accounts."""
    add_command(group, "add", add, PLAIN)
    add_command(group, "connect", connect, PLAIN)

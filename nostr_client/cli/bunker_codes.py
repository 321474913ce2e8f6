"""Codes by which programs connect to this machine's bunker: made, shown, taken up by what runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from nostr_client.exits import CommandError

if TYPE_CHECKING:
    from nostr_client.bunker.files import BunkerFiles
    from nostr_client.cli.context import ClientContext
    from nostr_client.nips.nip46 import BunkerUri, Permission

SECRET_BYTES: Final = 9
"""Of a code's secret: beyond guessing, in the minutes that it is good, at the pace at which
strangers are heard; and short, so that the picture of a code fits a terminal of 24 lines."""
LOWEST: Final = 22
"""Lines that a picture may take at least."""
TAKE_UP_LIMIT: Final = 8.0
LOOK: Final = 0.1


async def invited(
    files: BunkerFiles, relays: tuple[str, ...], granted: tuple[Permission, ...], minutes: int
) -> BunkerUri:
    """A new code, whose secret is nowhere but in it."""
    import secrets

    from nostr_client.bunker.state import Invitation
    from nostr_client.nips.nip46 import BunkerUri

    record = files.key_record()
    if record is None:
        raise CommandError("this bunker has no key yet")
    secret, now = secrets.token_urlsafe(SECRET_BYTES), int(time.time())
    invitation = Invitation.of(secret, now, relays, granted, minutes * 60)
    await files.change(lambda state: state.pruned(now).invited(invitation, now))
    return BunkerUri(record.pubkey, relays, secret)


async def taken_up(files: BunkerFiles) -> bool:
    """Does the bunker that runs listen for whoever has a code? Waits for it `TAKE_UP_LIMIT`."""
    import asyncio

    try:
        async with asyncio.timeout(TAKE_UP_LIMIT):
            while not all(one.heard for one in files.state().invitations):  # noqa: ASYNC110
                await asyncio.sleep(LOOK)  # another process says so
    except TimeoutError:
        return False
    return True


def show_code(context: ClientContext, uri: BunkerUri, qr: bool) -> None:
    """It goes to the result alone: no log has it."""
    context.out.emit({"uri": uri.format(), "bunker": uri.pubkey}, uri.format())
    context.out.note("This code is a secret, and good for one program, once.")
    if qr and not context.json:
        # Last, so that no line pushes its first ones off a low terminal.
        context.out.note(shown_code(uri.format()))


def shown_code(text: str) -> str:
    """`text` as a QR code for this terminal, or why there is none."""
    import shutil

    from nostr_client.accounts.qr import qr_of

    rows = qr_of(text, max(LOWEST, shutil.get_terminal_size().lines - 2))
    higher = "the picture of this code is higher than this terminal: fewer relays, or more lines"
    return "\n".join(rows) if rows else higher


def runs(files: BunkerFiles) -> bool:
    from nostr_client.errors import FolderInUse

    try:
        with files.running():
            return False
    except FolderInUse:
        return True

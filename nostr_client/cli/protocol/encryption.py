"""`nostr-client encrypt` and `decrypt`: texts between two keys (NIP-44)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final

from nostr_client.cli.command import UNLOCKING, add_command
from nostr_client.command_line.tree import Argument, Group
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.signing.signer import Signer

MOST_BYTES: Final = 2 * 1024 * 1024
"""Of what is read; what NIP-44 itself takes is said by it."""
Who = Annotated[str, Argument("WHO", "The other one: npub, nprofile or hex.")]


def encrypt(context: ClientContext, who: Who) -> None:
    """Encrypt standard input for somebody (NIP-44), and print the payload.

    The line break at its end is left out. What holds a secret key of yours is not encrypted.
    """
    from nostr_client.nips.nip19 import pubkey_of

    peer, text = pubkey_of(who), _given("a text")
    if not text:
        raise CommandError("there is nothing to encrypt", Exit.USAGE)
    signer = context.signer()

    async def work(signer: Signer) -> str:
        async with signer:
            return await signer.nip44_encrypt(peer, text)

    payload = wait_for(work(signer))
    context.out.emit({"payload": payload, "cipher": "nip44", "pubkey": peer}, payload)


def decrypt(context: ClientContext, who: Who) -> None:
    """Decrypt a payload from somebody (NIP-44; NIP-04 is read, too), and print the text.

    Which of the two it is shows in its form. With --json the text is exact.
    """
    from nostr_client.nips import nip04
    from nostr_client.nips.nip19 import pubkey_of

    peer, payload = pubkey_of(who), _given("a payload").strip()
    if not payload:
        raise CommandError("there is nothing to decrypt", Exit.USAGE)
    is_old = nip04.is_payload(payload)
    signer = context.signer()

    async def work(signer: Signer) -> str:
        async with signer:
            if is_old:
                return await signer.nip04_decrypt(peer, payload)
            return await signer.nip44_decrypt(peer, payload)

    text = wait_for(work(signer))
    cipher = "nip04" if is_old else "nip44"
    context.out.emit({"text": text, "cipher": cipher, "pubkey": peer}, text)


def _given(what: str) -> str:
    """Standard input, without the line break at its end. Raises CommandError."""
    if sys.stdin.isatty():
        sys.stderr.write(f"Give {what}, and end with ctrl+d on a line of its own.\n")
    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise CommandError(f"{what} has at most {MOST_BYTES} bytes", Exit.USAGE)
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise CommandError("standard input is not UTF-8 text", Exit.USAGE) from None


def add_to(root: Group) -> None:
    """They stand at the top level."""
    add_command(root, "encrypt", encrypt, UNLOCKING)
    add_command(root, "decrypt", decrypt, UNLOCKING)

"""What a script gives to sign with for one run: a key, or a bunker's address. It is not kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from nostr_client.accounts.account import Account, Accounts
from nostr_client.accounts.bunker_pairing import BunkerPairing
from nostr_client.accounts.keyfiles import Protection
from nostr_client.command_line.waiting import wait_for
from nostr_client.errors import InvalidKey
from nostr_client.exits import CommandError, Exit
from nostr_client.protocol.keys import SecretKey

if TYPE_CHECKING:
    from nostr_client.signing.signer import Signer

CODE_IN_ARGUMENT: Final = (
    "this bunker's address has its secret in it, and everybody on this machine can read an "
    "argument: give it as fd:N or file:PATH, or keep it once: `nostr-client account add --bunker`"
)


class GivenKey(NamedTuple):
    """`source` says where it came from, as the person named it."""

    key: SecretKey
    source: str

    @property
    def pubkey(self) -> str:
        return self.key.public_key.hex


GivenSigner = Account | GivenKey | BunkerPairing
"""An account that was named as one, a key, or a bunker that was met."""


def read_given_key(text: str, source: str, ask: Callable[[str], str]) -> GivenKey:
    """The key that `text` holds, in whatever form `account import` takes.

    `ask` gives the password of an ncryptsec, and is told what for. Raises CommandError,
    DecryptionFailed.
    """
    from nostr_client.accounts.key_import import is_encrypted, read_key

    if not text.strip():
        raise CommandError(f"{source}: it is empty: no key was given", Exit.LOCKED)
    try:
        password = ask(f"the key in {source}") if is_encrypted(text) else None
        return GivenKey(read_key(text, password).key, source)
    except InvalidKey as error:
        raise CommandError(f"{source}: {error}", Exit.LOCKED) from None


def read_given_signer(
    text: str, source: str, accounts: Accounts, ask: Callable[[str], str]
) -> GivenSigner:
    """What `--signer` names (see `signer_from`); a bunker is met here. `source` and `ask` are as
    for `read_given_key`.

    Raises CommandError for a secret in the argument itself, which every user of the machine can
    read, and for what is not here; InvalidCode, SignerError.
    """
    from nostr_client.accounts.signer_choice import BUNKER, KeyText, met, named_by
    from nostr_client.errors import AccountError
    from nostr_client.nips.nip46 import BunkerUri
    from nostr_client.signing.signer import WatchOnly

    try:
        found = wait_for(named_by(text, accounts))
    except AccountError as error:
        raise CommandError(f"--signer: {error}", Exit.LOCKED) from error
    match found:
        case WatchOnly():
            return accounts.given(found.pubkey, Protection.WATCH_ONLY)
        case SecretKey():
            return GivenKey(found, source)
        case KeyText():
            return read_given_key(found.text, source, ask)
        case BunkerUri():
            if found.secret and BUNKER in text:
                raise CommandError(CODE_IN_ARGUMENT, Exit.USAGE)
            return wait_for(met(found, accounts))
    return found


def account_of(given: GivenSigner, accounts: Accounts) -> Account:
    """Its account, by the name that it has here."""
    if isinstance(given, Account):
        return given
    return accounts.given(given.pubkey if isinstance(given, GivenKey) else given.account)


async def signer_of(given: GivenSigner | None, accounts: Accounts) -> Signer | None:
    """What signs with a key or a bunker that was given; None for an account, which is unlocked as
    any other."""
    if isinstance(given, GivenKey):
        return await accounts.signer_given(given.key)
    if isinstance(given, BunkerPairing):
        from nostr_client.accounts.signer_choice import bunker_signer

        return bunker_signer(given, accounts)
    return None

"""A signer of any sort, by one string."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, NamedTuple

from nostr_client.accounts.account import Account, Accounts
from nostr_client.accounts.bunker_pairing import BunkerPairing
from nostr_client.accounts.key_import import MOST, read_key
from nostr_client.accounts.keyfiles import Protection
from nostr_client.accounts.secret_descriptor import read_descriptor
from nostr_client.errors import AccountError, InvalidKey
from nostr_client.nips import nip06, nip19
from nostr_client.nips.nip19 import NSEC
from nostr_client.nips.nip46 import BunkerUri
from nostr_client.nips.nip49 import NCRYPTSEC
from nostr_client.protocol.keys import SecretKey, is_hex64
from nostr_client.signing.signer import Signer, WatchOnly

REFUSED: Final = (
    "this is a SECRET key: never show it to anybody, nor write it into a program or a command; "
    "give where it is, as fd:3, keyring:NAME or file:PATH, or an account's name, or a SecretKey"
)
BUNKER: Final = "bunker://"


class KeyText(NamedTuple):
    """A key as it was found, in any form that `account import` takes; perhaps encrypted."""

    text: str

    def __repr__(self) -> str:
        return "<KeyText>"


Chosen = Account | WatchOnly | SecretKey | KeyText | BunkerUri
"""What a string can name."""


async def signer_from(
    what: str | SecretKey | Signer,
    *,
    accounts: Accounts | None = None,
    password: str | None = None,
) -> Signer:
    """What signs, by one string: to be entered by whoever uses it, as `NostrClient.open` does.

    - `npub1...`, `nprofile1...`: reads as them, and signs nothing.
    - `bunker://...`: a bunker (NIP-46), met anew, for as long as this signer is used; a person may
      have to say yes there. One that is to be kept is an account (`Accounts.add_bunker`).
    - `keyring:NAME`: the key of the account NAME, or else that of the entry NAME, in the system's
      key store.
    - `fd:3`: the key that a file descriptor gives; `file:PATH`: the one in a file, in any form that
      `account import` takes. It is kept nowhere. A bunker's address may stand there, too.
    - anything else: an account on this machine, by its name, its public key in hex, or the file in
      which it rests.

    A `SecretKey` signs, too, and a `Signer` is itself. `password` opens what is encrypted (NIP-49).
    `accounts` are those of this person by default. A secret key itself in the string is refused.
    Raises InvalidKey, InvalidCode, AccountError, SignerError (SignerUnavailable without a password
    where one is needed, DecryptionFailed), StoreError.
    """
    accounts = accounts or Accounts()
    if isinstance(what, SecretKey):
        return await accounts.signer_given(what)
    if not isinstance(what, str):
        return what
    match await named_by(what, accounts):
        case Account() as account:
            return await accounts.signer(account, password)
        case WatchOnly() as watching:
            return watching
        case SecretKey() as key:
            return await accounts.signer_given(key)
        case KeyText(text):
            imported = await asyncio.to_thread(read_key, text, password)
            return await accounts.signer_given(imported.key)
        case BunkerUri() as uri:
            return bunker_signer(await met(uri, accounts), accounts, owns_key=True)


async def named_by(what: str, accounts: Accounts) -> Chosen:
    """What `what` means (see `signer_from`), with no bunker met and no key opened yet. Raises
    InvalidKey, InvalidCode, AccountError."""
    text = what.strip().removeprefix("nostr:")
    if NSEC.search(text.lower()) or NCRYPTSEC.search(text.lower()) or nip06.looks_like_words(text):
        raise InvalidKey(REFUSED)
    if text.startswith(BUNKER):
        return BunkerUri.parse(text)
    if text.startswith(("npub1", "nprofile1")):
        return WatchOnly(nip19.pubkey_of(text))
    sort, _, rest = text.partition(":")
    match sort if rest else "":
        case "fd" if rest.isascii() and rest.isdigit():
            return _in_text(await asyncio.to_thread(read_descriptor, int(rest)))
        case "file":
            return await _of_file(_path(rest), accounts)
        case "keyring":
            return await _of_keyring(rest, accounts)
    if is_hex64(text.lower()) and not any(text.lower() == one.pubkey for one in accounts.all()):
        raise InvalidKey("64 hex digits may be a secret key: give an npub, to read as somebody")
    if "/" in text or "\\" in text:
        return await _of_file(_path(text), accounts)
    return accounts.find(text)


async def met(uri: BunkerUri, accounts: Accounts) -> BunkerPairing:
    """The bunker, which knows us from now on. Raises SignerError."""
    from nostr_client.accounts.bunker_meeting import pair  # the network, for them alone

    return await pair(uri, accounts.bunkers)


def bunker_signer(pairing: BunkerPairing, accounts: Accounts, *, owns_key: bool = False) -> Signer:
    """What has a bunker that was met sign, and keeps nothing of it (`owns_key`: nobody else needs
    the key by which it knows us)."""
    from nostr_client.accounts.remote_signer import RemoteSigner

    options = accounts.bunkers.for_account(pairing.account)
    return RemoteSigner(pairing, options, owns_key=owns_key)


def _in_text(text: str) -> KeyText | BunkerUri:
    address = text.strip()
    return BunkerUri.parse(address) if address.startswith(BUNKER) else KeyText(text)


async def _of_keyring(name: str, accounts: Accounts) -> Account | SecretKey:
    account = _named(name, accounts)
    if account is not None and account.protection is Protection.KEYRING:
        return account
    return await accounts.keyring.get(name)


def _named(name: str, accounts: Accounts) -> Account | None:
    found = [one for one in accounts.all() if one.name.casefold() == name.casefold()]
    return found[0] if len(found) == 1 else None


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


async def _of_file(path: Path, accounts: Accounts) -> Account | KeyText | BunkerUri:
    for account in accounts.all():
        if accounts.file_of(account) == path:
            return account

    def read() -> str:
        with path.open(encoding="utf-8") as file:
            return file.read(MOST + 1)

    try:
        text = await asyncio.to_thread(read)
    except (OSError, UnicodeDecodeError):
        raise AccountError("the file with the key cannot be read") from None
    return _in_text(text)

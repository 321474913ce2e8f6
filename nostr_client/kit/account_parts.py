"""The account itself, into a kit and out of it: its key, its name, its settings."""

from __future__ import annotations

import asyncio
import tomllib

from nostr_client.accounts.account import Account, Accounts
from nostr_client.accounts.bunker_pairing import BunkerPairing
from nostr_client.accounts.keyfiles import Protection
from nostr_client.config import NO_PROXY, ClientConfig, load_config
from nostr_client.errors import AccountError, InvalidData, KitDamaged
from nostr_client.kit.records import KitPairing, KitStart
from nostr_client.kit.secret import KitSecret, Shares
from nostr_client.nips import nip49
from nostr_client.nips.nip19 import encode_npub
from nostr_client.paths import Paths, private_folder, translated, write_private
from nostr_client.protocol.keys import PublicKey, SecretKey, wiping
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.settings import read_table
from nostr_client.version import __version__

_WITHOUT_KEY = (Protection.WATCH_ONLY, Protection.BUNKER)


def opens_key_too(account: Account, secret: KitSecret) -> bool:
    """Does what opens the kit open the key in it? Not where the key rests under a password of its
    own, unless it is shares that open the kit: friends do not know that password."""
    return account.protection is not Protection.PASSWORD or isinstance(secret, Shares)


async def start_of(
    accounts: Accounts,
    account: Account,
    secret: KitSecret,
    config: ClientConfig,
    now: float,
    *,
    password: str | None = None,
    given: SecretKey | None = None,
) -> KitStart:
    """The beginning of a kit of `account`. `password` unlocks its key where `opens_key_too` and it
    has one; `given` is a key that is not kept here. Raises SignerUnavailable, DecryptionFailed,
    AccountError."""
    by_kit = opens_key_too(account, secret) and account.protection not in _WITHOUT_KEY
    code = ""
    if given is not None:
        code = await accounts.encrypt_given(given, secret.key_password, secret.key_work)
    elif account.protection not in _WITHOUT_KEY:
        fresh = secret.key_password if by_kit else None
        code = await accounts.encrypted_key(
            account, password, new_password=fresh, work=secret.key_work
        )
    pairing = None
    if account.protection is Protection.BUNKER:
        pairing = await _pairing_of(accounts, account)
    own = config.accounts.get(account.pubkey)
    proxy = config.for_account(account.pubkey).proxy or (
        NO_PROXY if own is not None and own.proxy == NO_PROXY else ""
    )
    return KitStart(
        account.pubkey,
        account.name,
        int(now),
        __version__,
        account.protection.value,
        code,
        by_kit,
        proxy,
        pairing,
    )


async def _pairing_of(accounts: Accounts, account: Account) -> KitPairing | None:
    """None where the key store does not give it out: the rest is worth a kit all the same."""
    try:
        known = await accounts.pairing(account)
    except AccountError:
        return None
    return KitPairing(bytes(known.key).hex(), known.bunker, known.relays)


def held(accounts: Accounts, pubkey: str) -> Account | None:
    """The account as it is on this machine."""
    return next((account for account in accounts.all() if account.pubkey == pubkey), None)


def needs_key(accounts: Accounts, start: KitStart) -> bool:
    """Is there a key in the kit which is not on this machine?"""
    here = held(accounts, start.pubkey)
    return bool(start.ncryptsec) and (here is None or not here.can_sign)


def needs_pairing(accounts: Accounts, start: KitStart) -> bool:
    """Does the kit know a bunker that signs for the account, and nothing on this machine does?"""
    here = held(accounts, start.pubkey)
    return start.pairing is not None and (here is None or not here.can_sign)


async def restore_account(
    accounts: Accounts,
    start: KitStart,
    secret: KitSecret,
    *,
    password: str | None = None,
    protection: Protection | None = None,
) -> Account:
    """The account is on this machine afterwards; a key that is there is not touched.

    A key under its own password is kept as it is. One that the kit's secret opens is kept as
    `password` and `protection` say (`Accounts.import_key`). Where a bunker signed for the account
    it does so again, if it still knows this client. An account without a key is watched.
    Raises AccountError, KitDamaged, DecryptionFailed.
    """
    here = held(accounts, start.pubkey)
    names = {account.name.casefold() for account in accounts.all() if account != here}
    name = "" if start.name.casefold() in names else start.name
    if start.pairing is not None and needs_pairing(accounts, start):
        return await accounts.add_bunker(_pairing(start.pubkey, start.pairing), name)
    if not needs_key(accounts, start):
        if here is not None:
            return here
        return await accounts.add_watch_only(start.pubkey, name)
    if not start.by_kit:
        return await accounts.add_encrypted(start.pubkey, start.ncryptsec, name)
    opened = await asyncio.to_thread(nip49.decrypt, start.ncryptsec, secret.key_password)
    with wiping(opened) as key:
        if key.public_key.hex != start.pubkey:
            raise KitDamaged("the key in the backup is not that of the account")
        security = nip49.security_of(start.ncryptsec)
        return await accounts.import_key(
            key, name, password=password, protection=protection, security=security
        )


def _pairing(pubkey: str, kept: KitPairing) -> BunkerPairing:
    """Raises KitDamaged."""
    try:
        key = SecretKey.from_hex(kept.key)
        bunker = PublicKey(kept.bunker).hex
        relays = tuple(map(normalize_relay_url, kept.relays))
    except InvalidData:
        raise KitDamaged("how the bunker in the backup knows this client makes no sense") from None
    return BunkerPairing(key, bunker, relays, pubkey)


def restore_settings(paths: Paths, start: KitStart) -> bool:
    """The proxy that the account went through is its own here, too: a table at the end of the
    configuration. False where there are settings of the account already, which stay, or where the
    file takes no table. Blocks. Raises StoreError, ConfigError."""
    path = paths.config / "config.toml"
    config = load_config(path)
    if start.pubkey in config.accounts:
        return False
    if not start.proxy or (config.proxy or NO_PROXY) == start.proxy:
        return True
    private_folder(path.parent)
    with translated(f"cannot read {path}"):
        before = path.read_text("utf-8") if path.exists() else ""
    table = f"[accounts.{encode_npub(start.pubkey)}]\nproxy = {_quoted(start.proxy)}\n"
    text = f"{before.rstrip()}\n\n{table}".lstrip()
    problems: list[str] = []
    try:
        read_table(ClientConfig, tomllib.loads(text), problems)
    except tomllib.TOMLDecodeError as error:
        problems.append(str(error))
    if problems:  # as where the accounts stand in one inline table
        return False
    write_private(path, text.encode())
    return True


def _quoted(text: str) -> str:
    if any(char in text for char in "'\n\r"):
        raise AccountError("a setting in the backup is not understood")
    return f"'{text}'"

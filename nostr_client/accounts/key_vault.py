"""How a secret key rests here: encrypted with a password (NIP-49), or in the system's key store.

Never in plain text. Everything slow (scrypt, the key store) happens off the event loop.
"""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from typing import Final

import msgspec

from nostr_client.accounts.keyfiles import KeyRecord, Protection
from nostr_client.accounts.keyring_store import KeyringStore
from nostr_client.errors import AccountError, SignerUnavailable
from nostr_client.nips import nip19, nip49
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.secret_search import trace_of

SHORTEST_PASSWORD: Final = 8
"""Characters of a new password."""
WORK: Final = 16
"""scrypt's work factor for new keys: 2**16 rounds, 64 MiB of memory."""


def check_password(password: str) -> None:
    """Raises AccountError for a new password that protects too little."""
    if not password:
        raise AccountError("an empty password protects nothing")
    if len(unicodedata.normalize("NFKC", password)) < SHORTEST_PASSWORD:
        raise AccountError(f"a password has at least {SHORTEST_PASSWORD} characters")


class KeyVault:
    """Locks keys away and opens them; the records that say how are kept elsewhere."""

    def __init__(self, keyring: KeyringStore, work: int = WORK) -> None:
        self.keyring = keyring
        self._work = work

    async def protect(
        self,
        record: KeyRecord,
        key: SecretKey,
        password: str | None,
        protection: Protection | None,
    ) -> KeyRecord:
        """`record` with the key encrypted by `password`, or with its entry in the key store.

        Raises AccountError.
        """
        if protection is None:
            protection = Protection.KEYRING if password is None else Protection.PASSWORD
        code = entry = ""
        if protection is Protection.KEYRING:
            entry = await self.put(record.pubkey, key)
        elif protection is Protection.PASSWORD and password is not None:
            code = await self.encrypt(key, password, record.security)
        else:
            raise AccountError("a password is needed to keep this key")
        return msgspec.structs.replace(
            record,
            protection=protection,
            ncryptsec=code,
            keyring_entry=entry,
            trace=trace_of(bytes(key)),
        )

    async def put(self, pubkey: str, key: SecretKey) -> str:
        """Hand `key`, of the account `pubkey`, to the key store; the entry's name."""
        entry = f"{nip19.encode_npub(pubkey)}/{secrets.token_hex(4)}"
        await self.keyring.put(entry, key)
        return entry

    async def encrypt(
        self, key: SecretKey, password: str, security: int, work: int | None = None
    ) -> str:
        """The ncryptsec under a new password. Raises AccountError for one that is too short."""
        check_password(password)
        return await self.encrypt_again(key, password, security, work)

    async def encrypt_again(
        self, key: SecretKey, password: str, security: int, work: int | None = None
    ) -> str:
        """The same under a password that is in use already, however short it is."""
        return await asyncio.to_thread(nip49.encrypt, key, password, work or self._work, security)

    async def open(self, record: KeyRecord, password: str | None) -> SecretKey:
        """The key of `record`. Raises SignerUnavailable without a password where one is needed,
        DecryptionFailed with a wrong one, AccountError."""
        if record.protection is Protection.KEYRING:
            key = await self.keyring.get(record.keyring_entry)
        elif password is None:
            raise SignerUnavailable(f"the account {record.label} is locked: it needs its password")
        else:
            key = await asyncio.to_thread(nip49.decrypt, record.ncryptsec, password)
        if key.public_key.hex != record.pubkey:
            key.wipe()
            raise AccountError("the key that is kept does not belong to this account")
        return key

"""How the bunkers of accounts know this client (NIP-46), as it is kept with the accounts."""

from __future__ import annotations

import asyncio

import msgspec

from nostr_client.accounts.bunker_pairing import BunkerOptions, BunkerPairing
from nostr_client.accounts.key_vault import KeyVault
from nostr_client.accounts.keyfiles import BunkerRecord, KeyFiles, KeyRecord, Protection
from nostr_client.errors import AccountError
from nostr_client.protocol.keys import SecretKey


class KeptPairings:
    """The pairings of one folder's accounts.

    The key by which a bunker knows this client is in the system's key store, or where there is
    none in the account's file, which its owner alone may read.
    """

    def __init__(self, files: KeyFiles, vault: KeyVault) -> None:
        self._files = files
        self._vault = vault

    async def record_of(self, pairing: BunkerPairing, name: str, now: float) -> KeyRecord:
        """What is to be written of a new one, its key in the key store already.

        Raises AccountError.
        """
        entry = ""
        if not await self._vault.keyring.problem():
            entry = await self._vault.put(pairing.account, pairing.key)
        return KeyRecord(
            pubkey=pairing.account,
            protection=Protection.BUNKER,
            created_at=now,
            name=name,
            keyring_entry=entry,
            bunker=BunkerRecord(
                pubkey=pairing.bunker,
                relays=pairing.relays,
                client_key="" if entry else bytes(pairing.key).hex(),
            ),
            backed_up=True,
        )

    async def of(self, pubkey: str) -> BunkerPairing:
        """How the bunker of the account `pubkey` knows us. Raises AccountError."""
        record = self._files.read(pubkey)
        bunker = record.bunker
        if bunker is None:
            raise AccountError(f"the account file {self._files.path(pubkey)} names no bunker")
        if record.keyring_entry:
            key = await self._vault.keyring.get(record.keyring_entry)
        else:
            key = SecretKey.from_hex(bunker.client_key)
        return BunkerPairing(key, bunker.pubkey, bunker.relays, pubkey)

    def options(self, given: BunkerOptions, pubkey: str) -> BunkerOptions:
        """As `given`, for the bunker of the account `pubkey`; where it moves to is kept."""

        async def keep(relays: tuple[str, ...]) -> None:
            await asyncio.to_thread(write, relays)

        def write(relays: tuple[str, ...]) -> None:
            with self._files.locked():
                record = self._files.read(pubkey)
                if record.bunker is not None:
                    bunker = msgspec.structs.replace(record.bunker, relays=relays)
                    self._files.write(msgspec.structs.replace(record, bunker=bunker))

        return msgspec.structs.replace(given.for_account(pubkey), on_relays=keep)

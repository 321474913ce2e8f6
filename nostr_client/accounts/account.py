"""Accounts: who the person is, with which key.

A secret key never rests in plain text: it is encrypted with a password (NIP-49) or handed to the
system's key store. Where neither is to be had, `create` and `import_key` refuse. Everything slow
(scrypt, the key store, waiting for another process) happens off the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.accounts.account_name import checked_name
from nostr_client.accounts.bunker_pairing import BunkerOptions, BunkerPairing
from nostr_client.accounts.kept_pairings import KeptPairings
from nostr_client.accounts.key_vault import WORK, KeyVault
from nostr_client.accounts.keyfiles import KeyFiles, KeyRecord, Protection, label_of
from nostr_client.accounts.keyring_store import KeyringStore
from nostr_client.errors import AccountError, NostrError, SignerUnavailable, SigningRefused
from nostr_client.nips import nip19, nip49
from nostr_client.paths import Paths, paths
from nostr_client.protocol.keys import PublicKey, SecretKey, wiping
from nostr_client.safe_text import safe_line
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.secret_search import trace_of
from nostr_client.signing.signer import Signer, WatchOnly

log = logging.getLogger(__name__)

SHORTEST_PREFIX: Final = 8
NEW_FOR: Final = 24 * 3600
"""Seconds for which a key that was made here is taken to have been used nowhere else."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account on this machine. `created_at`, in seconds, is when it came here.

    `backed_up`: the key is known to exist elsewhere too, since it was imported or exported.
    """

    pubkey: str
    name: str
    protection: Protection
    current: bool
    created_at: float
    backed_up: bool

    @property
    def npub(self) -> str:
        """The account's address, as people give it to each other (NIP-19)."""
        return nip19.encode_npub(self.pubkey)

    @property
    def label(self) -> str:
        """Its name, or else the beginning of its npub."""
        return label_of(self.pubkey, self.name)

    @property
    def can_sign(self) -> bool:
        """Is there a key, here or in a bunker? It may be locked all the same."""
        return self.protection is not Protection.WATCH_ONLY

    def key_only_here(self, now: float) -> bool:
        """Was the key made here, lately, and did it never leave (as far as can be known)?

        Then nobody else can have written lists with it. Not for ever: sooner or later a copy of
        this folder is at work on another machine.
        """
        is_new = 0 <= now - self.created_at < NEW_FOR
        return self.can_sign and not self.backed_up and is_new


class Accounts:
    """The accounts in one data folder. Several processes may use one folder at once."""

    def __init__(
        self,
        where: Paths | None = None,
        *,
        keyring: KeyringStore | None = None,
        work: int = WORK,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._files = KeyFiles.of(where or paths())
        self.keyring = keyring or KeyringStore()
        self._vault = KeyVault(self.keyring, work)
        self._pairings = KeptPairings(self._files, self._vault)
        self._clock = clock
        self.bunkers = BunkerOptions(clock=clock)
        """How bunkers are reached; a face sets what it has."""

    # Reading

    def all(self) -> list[Account]:
        """All accounts, oldest first."""
        records, damaged = self._files.read_all()
        current = self._files.in_use(records, damaged)
        return [_account(record, current) for record in records]

    def damaged(self) -> list[Path]:
        """Files that should hold an account and cannot be read; nothing touches them."""
        return self._files.read_all()[1]

    def current(self) -> Account | None:
        """The account in use: the one last chosen, else the oldest; None without any.

        Raises AccountError where it cannot be told: nobody writes as another than was chosen.
        """
        found = next((account for account in self.all() if account.current), None)
        if found is None and (why := self._files.unreadable()):
            raise AccountError(
                f"which account is in use cannot be told: {why} cannot be read; mend it or move it "
                "away, or choose one: `nostr-client account switch WHO`"
            )
        return found

    def find(self, ref: str) -> Account:
        """The account called `ref`: a name, an npub, a hex pubkey or the beginning of one.

        Raises AccountError when none fits, or several do.
        """
        ref = ref.strip().removeprefix("nostr:")
        found = self.all()
        for fits in (
            lambda a: ref in (a.pubkey, a.npub),
            lambda a: bool(ref) and a.name.casefold() == ref.casefold(),
            lambda a: (
                len(ref) >= SHORTEST_PREFIX and (a.npub.startswith(ref) or a.pubkey.startswith(ref))
            ),
        ):
            matching = [account for account in found if fits(account)]
            if len(matching) == 1:
                return matching[0]
            if matching:
                raise AccountError("several accounts fit this name: give the npub")
        shown = "" if ref.startswith("nsec") else f" {safe_line(ref, 70)!r}"
        raise AccountError(f"no account{shown} on this machine")

    def file_of(self, account: Account) -> Path:
        """The file in which the account rests."""
        return self._files.path(account.pubkey)

    # Adding

    async def create(
        self,
        name: str = "",
        *,
        password: str | None = None,
        protection: Protection | None = None,
        switch: bool = False,
    ) -> Account:
        """A new key, kept encrypted by `password`, or in the system's key store.

        Without `protection` a password decides: given, it encrypts; else the key store is used.
        `switch`: it becomes the account in use, as the first one does anyway. Raises AccountError.
        """
        with wiping(SecretKey.generate()) as key:
            record = self._new_record(key, name, backed_up=False, security=nip49.HANDLED_SECURELY)
            return await self._add(
                await self._vault.protect(record, key, password, protection), switch
            )

    async def import_key(
        self,
        key: SecretKey,
        name: str = "",
        *,
        password: str | None = None,
        protection: Protection | None = None,
        security: int = nip49.UNTRACKED,
        switch: bool = False,
    ) -> Account:
        """Keep a key that exists already (see `key_import.read_key`), as `create` does.

        `security`: how well it was handled until now, NIP-49's byte. A watch-only account of the
        same key becomes a full one. Raises AccountError.
        """
        record = self._new_record(key, name, backed_up=True, security=security)
        return await self._add(await self._vault.protect(record, key, password, protection), switch)

    async def add_watch_only(self, pubkey: str, name: str = "", *, switch: bool = False) -> Account:
        """Read as `pubkey` (64 hex digits) without its key. Raises InvalidKey, AccountError."""
        record = KeyRecord(
            pubkey=PublicKey(pubkey).hex,
            protection=Protection.WATCH_ONLY,
            created_at=self._clock(),
            name=checked_name(name),
        )
        return await self._add(record, switch)

    async def add_encrypted(
        self, pubkey: str, ncryptsec: str, name: str = "", *, switch: bool = False
    ) -> Account:
        """Keep the key of `pubkey` as it is encrypted already, under the password that it has.

        Whether it is that key, unlocking tells. Raises InvalidKey, InvalidCode, AccountError.
        """
        record = KeyRecord(
            pubkey=PublicKey(pubkey).hex,
            protection=Protection.PASSWORD,
            created_at=self._clock(),
            name=checked_name(name),
            ncryptsec=ncryptsec,
            backed_up=True,
            security=nip49.security_of(ncryptsec),
        )
        return await self._add(record, switch)

    async def add_bunker(
        self, pairing: BunkerPairing, name: str = "", *, switch: bool = False
    ) -> Account:
        """An account whose key is in a bunker (NIP-46).

        The key by which that knows this client goes into the system's key store, or where there is
        none into the account's file, which its owner alone may read. A watch-only account of the
        same key becomes this one, and so does one of a bunker that was met before. Raises
        AccountError.
        """
        before = self._record_of(pairing.account)
        record = await self._pairings.record_of(pairing, checked_name(name), self._clock())
        account = await self._add(record, switch)
        if before is not None and before.bunker is not None and before.keyring_entry:
            await self.keyring.delete(before.keyring_entry)
        return account

    async def pairing(self, account: Account) -> BunkerPairing:
        """How the bunker of `account` knows this client: a secret. Raises AccountError."""
        return await self._pairings.of(account.pubkey)

    # Changing

    async def switch(self, ref: str) -> Account:
        """Make `ref` the account in use. Raises AccountError."""
        account = self.find(ref)

        def choose() -> None:
            with self._files.locked():
                self._files.read(account.pubkey)
                self._files.set_current(account.pubkey)

        await asyncio.to_thread(choose)
        return self.find(account.pubkey)

    async def remove(self, ref: str) -> Account:
        """Take an account off this machine, with its key. Returns what it was.

        Whether this was the only copy of the key is the caller's question to ask
        (`Account.backed_up`). A bunker is told, and forgotten whatever it answers. Raises
        AccountError.
        """
        account = self.find(ref)
        if account.protection is Protection.BUNKER:
            try:
                await self._log_out(account)
            finally:
                await self._forget(account)
        else:
            await self._forget(account)
        return account

    async def _log_out(self, account: Account) -> None:
        from nostr_client.accounts.bunker_meeting import log_out

        try:
            pairing = await self._pairings.of(account.pubkey)
        except NostrError:  # no key by which the bunker would know us: nothing to say to it
            return
        await log_out(pairing, self.bunkers.for_account(account.pubkey))

    async def _forget(self, account: Account) -> None:

        def drop() -> KeyRecord:
            with self._files.locked():
                record = self._files.read(account.pubkey)
                self._files.delete(account.pubkey)
                return record

        entry = self._files.read(account.pubkey).keyring_entry
        if entry:
            await self.keyring.delete(entry)
        await asyncio.to_thread(drop)

    # Using

    async def signer(self, account: Account, password: str | None = None) -> Signer:
        """What signs for `account`: to be entered by whoever uses it, as `NostrClient.open` does.

        Raises SignerUnavailable without a password where one is needed, DecryptionFailed with a
        wrong one, AccountError when the key store does not give the key out.
        """
        if not account.can_sign:
            return WatchOnly(account.pubkey)
        if account.protection is Protection.BUNKER:
            # the network, for them alone
            from nostr_client.accounts.remote_signer import RemoteSigner

            pairing = await self._pairings.of(account.pubkey)
            options = self._pairings.options(self.bunkers, account.pubkey)
            return RemoteSigner(pairing, options, owns_key=True)
        key = await self._key(account, password)
        return LocalSigner(key, own=self._files.own_keys, owns_key=True)

    def given(self, pubkey: str, protection: Protection = Protection.GIVEN) -> Account:
        """The account of a key that is given for one run and not kept, or of somebody who is read
        for one (`WATCH_ONLY`), by the name it has here."""
        record = self._record_of(pubkey)
        return Account(
            pubkey=pubkey,
            name=record.name if record else "",
            protection=protection,
            current=False,
            created_at=record.created_at if record else self._clock(),
            backed_up=True,
        )

    async def signer_given(self, key: SecretKey) -> Signer:
        """What signs with a `key` that is given for one run. Its public key and its trace are
        kept, so that nothing that is signed here for any account lets it out. Raises StoreError.
        """
        await asyncio.to_thread(self._note_given, key.public_key.hex, trace_of(bytes(key)))
        return LocalSigner(key, own=self._files.own_keys)

    def _note_given(self, pubkey: str, trace: str) -> None:
        with self._files.locked():
            self._files.note_given(pubkey, trace)
            record = self._record_of(pubkey)
            if record is not None and not record.backed_up:  # it is elsewhere, too
                self._files.write(msgspec.structs.replace(record, backed_up=True))

    async def export(
        self, account: Account, password: str | None = None, *, new_password: str | None = None
    ) -> str:
        """The key as an ncryptsec (NIP-49), under its password or a new one; notes the backup.

        A key from the key store needs `new_password`. Raises as `signer` does, and
        SigningRefused for a watch-only account.
        """
        if new_password is None and account.protection is Protection.PASSWORD:
            (await self._key(account, password)).wipe()  # is it its password?
        code = await self.encrypted_key(account, password, new_password=new_password)
        await self.note_backup(account)
        return code

    async def encrypted_key(
        self,
        account: Account,
        password: str | None = None,
        *,
        new_password: str | None = None,
        work: int | None = None,
    ) -> str:
        """The key as an ncryptsec, under `new_password` with `work` (scrypt's work factor, None for
        the usual); without one as it rests in its file, which takes no password. That there is a
        backup is not noted (`note_backup`). Raises as `export`.
        """
        if not account.can_sign:
            raise SigningRefused("a watch-only account has no secret key to export")
        if account.protection is Protection.BUNKER:
            raise SigningRefused("the key of this account is in its bunker: export it there")
        if new_password is None:
            code = self._files.read(account.pubkey).ncryptsec
            if not code:
                raise SignerUnavailable("a password is needed to encrypt the backup")
            return code
        with wiping(await self._key(account, password)) as key:
            return await self._vault.encrypt(key, new_password, self._security(account), work)

    async def encrypt_given(self, key: SecretKey, password: str, work: int | None = None) -> str:
        """A key that is not kept here as an ncryptsec under `password`. Raises AccountError."""
        return await self._vault.encrypt(key, password, nip49.UNTRACKED, work)

    async def note_backup(self, account: Account) -> None:
        """From now on the key is known to exist elsewhere too. Raises AccountError, StoreError."""
        await self._note(account, backed_up=True)

    async def export_plain(self, account: Account, password: str | None = None) -> str:
        """The key as an nsec: whoever sees it has the account.

        From then on the key counts as handled insecurely (NIP-49), in every later backup too.
        Raises as `export` does.
        """
        if not account.can_sign:
            raise SigningRefused("a watch-only account has no secret key to export")
        with wiping(await self._key(account, password)) as key:
            changed: dict[str, object] = {"backed_up": True, "security": nip49.HANDLED_INSECURELY}
            if account.protection is Protection.PASSWORD and password is not None:
                changed["ncryptsec"] = await self._vault.encrypt_again(
                    key, password, nip49.HANDLED_INSECURELY
                )
            await self._note(account, **changed)
            return nip19.encode_nsec(key)

    # Inside

    async def _note(self, account: Account, **changed: object) -> None:
        """Write down what has `changed` in the record of `account`."""

        def note() -> None:
            with self._files.locked():
                record = self._files.read(account.pubkey)
                self._files.write(msgspec.structs.replace(record, **changed))

        await asyncio.to_thread(note)

    async def _key(self, account: Account, password: str | None) -> SecretKey:
        """Its key, unlocked; of an account that an earlier version made, the trace is noted."""
        record = self._files.read(account.pubkey)
        key = await self._vault.open(record, password)
        if not record.trace:
            try:
                await self._note(account, trace=trace_of(bytes(key)))
            except NostrError as error:  # it saves time, and nothing else is lost without it
                log.info("the trace of the key of %s was not kept: %s", account.pubkey, error)
        return key

    def _security(self, account: Account) -> int:
        """NIP-49's byte, of an account made before it was kept in the record, too."""
        record = self._files.read(account.pubkey)
        return nip49.security_of(record.ncryptsec) if record.ncryptsec else record.security

    def _record_of(self, pubkey: str) -> KeyRecord | None:
        return next((each for each in self._files.read_all()[0] if each.pubkey == pubkey), None)

    def _new_record(
        self, key: SecretKey, name: str, *, backed_up: bool, security: int
    ) -> KeyRecord:
        """What will be kept of a key, once it is protected. Raises AccountError."""
        pubkey, name = key.public_key.hex, checked_name(name)
        self._refuse_doubles(self._files.read_all()[0], pubkey, name)
        return KeyRecord(
            pubkey=pubkey,
            protection=Protection.PASSWORD,
            created_at=self._clock(),
            name=name,
            backed_up=backed_up,
            security=security,
        )

    async def _add(self, record: KeyRecord, switch: bool) -> Account:
        try:
            await asyncio.to_thread(self._keep, record, switch)
        except AccountError:
            if record.keyring_entry:
                await self.keyring.delete(record.keyring_entry)
            raise
        return self.find(record.pubkey)

    def _keep(self, record: KeyRecord, switch: bool) -> None:
        with self._files.locked():
            records, _ = self._files.read_all()
            self._refuse_doubles(records, record.pubkey, record.name, record.protection)
            watched = next((held for held in records if held.pubkey == record.pubkey), None)
            if watched is not None and not record.name:
                record = msgspec.structs.replace(record, name=watched.name)
            if self._files.path(record.pubkey).exists() and watched is None:
                raise AccountError(f"{self._files.path(record.pubkey)} is damaged: move it away")
            self._files.write(record)
            if switch or not records:
                self._files.set_current(record.pubkey)

    @staticmethod
    def _refuse_doubles(
        records: list[KeyRecord],
        pubkey: str,
        name: str,
        protection: Protection | None = None,
    ) -> None:
        for record in records:
            if record.pubkey == pubkey:
                watched = record.protection is Protection.WATCH_ONLY
                again = record.protection is Protection.BUNKER is protection
                if not (again or watched) or protection is Protection.WATCH_ONLY:
                    raise AccountError("this account is on this machine already")
            elif name and record.name.casefold() == name.casefold():
                raise AccountError(f"another account is called {name!r}")


def _account(record: KeyRecord, current: str | None) -> Account:
    return Account(
        pubkey=record.pubkey,
        name=record.name,
        protection=record.protection,
        current=record.pubkey == current,
        created_at=record.created_at,
        backed_up=record.backed_up,
    )

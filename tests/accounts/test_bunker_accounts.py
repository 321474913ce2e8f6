"""Accounts whose key is in a bunker: what is kept of them here, and what is left afterwards."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from nostr_client.accounts.account import Account, Accounts
from nostr_client.accounts.bunker_meeting import pair
from nostr_client.accounts.keyfiles import Protection
from nostr_client.accounts.keyring_store import KeyringStore
from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import AccountError, SigningRefused
from nostr_client.paths import Paths
from nostr_client.protocol.event import Draft
from tests.accounts.bunkers import ACCOUNT, FakeBunker, Switchboard, never
from tests.accounts.test_keyring_store import Memory
from tests.waiting import time_passes, until

ME = ACCOUNT.public_key.hex


def accounts_in(folder: Path, *, keyring: bool = False) -> Accounts:
    stores = [Memory()] if keyring else []
    where = Paths(folder / "config", folder / "data", folder / "state")
    return Accounts(where, keyring=KeyringStore(find=lambda: stores, trust=lambda _: True), work=4)


async def added(accounts: Accounts, bunker: FakeBunker) -> Account:
    return await accounts.add_bunker(await pair(bunker.uri), "ana")


@pytest.mark.parametrize("keyring", [False, True])
async def test_the_clients_key_is_kept_like_other_keys_and_removed_with_the_account(
    tmp_path: Path, keyring: bool
) -> None:
    accounts = accounts_in(tmp_path, keyring=keyring)
    async with Switchboard() as relay:
        bunker = FakeBunker(relay)
        account = await added(accounts, bunker)
        assert (account.pubkey, account.protection) == (ME, Protection.BUNKER)
        assert account.can_sign
        assert account.backed_up
        path = accounts.file_of(account)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert ('"client_key": ""' in path.read_text()) == keyring
        assert bunker.secret not in path.read_text()
        async with await accounts.signer(account) as signer:
            assert (await signer.sign(Draft(1))).pubkey == ME
        with pytest.raises(SigningRefused, match="in its bunker"):
            await accounts.export(account)
        again = await added(accounts, bunker)  # another connection takes the place of the first
        assert [each.name for each in accounts.all()] == [again.name] == ["ana"]
        assert len(bunker.clients) == 2
        await accounts.remove("ana")
        assert len(bunker.clients) == 1
        assert accounts.all() == []
        with pytest.raises(AccountError):
            accounts.find(ME)


async def test_the_key_goes_whatever_the_bunker_answers(tmp_path: Path) -> None:
    accounts = accounts_in(tmp_path)
    async with Switchboard() as relay:
        bunker = FakeBunker(relay)
        account = await added(accounts, bunker)
        bunker.instead = never
        leaving = asyncio.ensure_future(accounts.remove("ana"))
        await until(lambda: bunker.of("logout"))
        assert accounts.file_of(account).exists()
        time_passes(10)
        await leaving
        assert not accounts.file_of(account).exists()
        account = await added_silently(accounts, bunker)
        leaving = asyncio.ensure_future(accounts.remove("ana"))
        await until(lambda: len(bunker.of("logout")) == 2)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert not accounts.file_of(account).exists()


async def added_silently(accounts: Accounts, bunker: FakeBunker) -> Account:
    bunker.instead = None
    account = await added(accounts, bunker)
    bunker.instead = never
    return account


async def test_where_the_bunker_moved_is_kept(tmp_path: Path) -> None:
    accounts = accounts_in(tmp_path)
    async with Switchboard() as old, Switchboard() as new:
        bunker = FakeBunker(old)
        account = await added(accounts, bunker)
        bunker.relays.append(new)
        new.bunkers.append(bunker)
        bunker.moves_to = [new.url]
        async with await accounts.signer(account):
            await until(lambda: new.url in accounts.file_of(account).read_text())
            await until(lambda: old.url not in accounts.file_of(account).read_text())


async def test_a_client_writes_with_it_and_owns_it(tmp_path: Path) -> None:
    accounts = accounts_in(tmp_path)
    where = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state")
    async with Switchboard() as relay:
        bunker = FakeBunker(relay)
        signer = await accounts.signer(await added(accounts, bunker))
        async with NostrClient.open(
            signer, paths=where, config=ClientConfig(own_relay=False), relays=[]
        ) as client:
            posted = await client.post("by way of a bunker")
            assert posted.event.pubkey == ME
        assert len(bunker.signed) == 1
        await relay.until(lambda: relay.open == 0)

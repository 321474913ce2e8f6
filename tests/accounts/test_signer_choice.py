"""A signer of any sort, by one string."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nostr_client.accounts.account import Accounts
from nostr_client.accounts.keyfiles import Protection
from nostr_client.accounts.keyring_store import KeyringStore
from nostr_client.accounts.signer_choice import signer_from
from nostr_client.errors import (
    AccountError,
    DecryptionFailed,
    InvalidCode,
    InvalidKey,
    SignerUnavailable,
    SigningRefused,
)
from nostr_client.nips import nip19, nip49
from nostr_client.paths import Paths
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from tests.accounts.bunkers import ACCOUNT, FakeBunker, Switchboard
from tests.accounts.test_keyring_store import Memory

KEY = SecretKey.from_hex("1" * 64)
PUBKEY = KEY.public_key.hex
NSEC = nip19.encode_nsec(KEY)
WORDS = "correct horse battery staple"
PHRASE = "leader monkey parrot ring guide accident before fence cannon height naive bean"


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    memory = Memory()
    where = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state")
    return Accounts(where, keyring=KeyringStore(lambda: [memory], trust=lambda _: True), work=4)


async def signs_as(what: object, pubkey: str, accounts: Accounts, password: str = "") -> None:
    signer = await signer_from(what, accounts=accounts, password=password or None)  # type: ignore[arg-type]
    async with signer:
        assert signer.pubkey == pubkey
        event = await signer.sign(Draft(1, "hi"))
    assert event.verify()
    assert event.pubkey == pubkey


async def test_who_is_only_read_signs_nothing(accounts: Accounts) -> None:
    npub = nip19.encode_npub(PUBKEY)
    await accounts.import_key(KEY, "ana", password=WORDS)
    for text in (npub, f" nostr:{npub}\n", nip19.encode_nprofile(PUBKEY, [])):
        signer = await signer_from(text, accounts=accounts)
        assert signer.pubkey == PUBKEY
        with pytest.raises(SigningRefused):
            await signer.sign(Draft(1))
    with pytest.raises(InvalidCode):
        await signer_from(npub[:-1], accounts=accounts)


async def test_keys_that_are_elsewhere(accounts: Accounts, tmp_path: Path) -> None:
    await signs_as(KEY, PUBKEY, accounts)
    given = await signer_from(KEY, accounts=accounts)
    assert await signer_from(given) is given
    reading, writing = os.pipe()
    os.write(writing, f"{NSEC}\n".encode())
    os.close(writing)
    await signs_as(f"fd:{reading}", PUBKEY, accounts)
    with pytest.raises(AccountError, match="descriptor"):
        await signer_from(f"fd:{reading}", accounts=accounts)
    file = tmp_path / "key"
    file.write_text(nip49.encrypt(KEY, WORDS, log_n=4))
    for text in (f"file:{file}", str(file)):
        await signs_as(text, PUBKEY, accounts, WORDS)
        with pytest.raises(SignerUnavailable):
            await signer_from(text, accounts=accounts)
        with pytest.raises(DecryptionFailed):
            await signer_from(text, accounts=accounts, password="another")
    with pytest.raises(AccountError, match="cannot be read"):
        await signer_from(f"file:{tmp_path / 'nowhere'}", accounts=accounts)
    await accounts.keyring.put("bot", KEY)
    await signs_as("keyring:bot", PUBKEY, accounts)
    with pytest.raises(AccountError):
        await signer_from("keyring:nobody", accounts=accounts)


async def test_accounts_of_this_machine(accounts: Accounts) -> None:
    here = await accounts.import_key(KEY, "Ana", password=WORDS)
    other = SecretKey.from_hex("2" * 64)
    await accounts.import_key(other, "Ben", protection=Protection.KEYRING)
    for text in ("ana", here.pubkey, str(accounts.file_of(here)), f"file:{accounts.file_of(here)}"):
        await signs_as(text, PUBKEY, accounts, WORDS)
    for text in ("ben", "keyring:BEN"):
        await signs_as(text, other.public_key.hex, accounts)
    with pytest.raises(AccountError, match="no account 'carl'"):
        await signer_from("carl", accounts=accounts)


@pytest.mark.parametrize(
    "text",
    [
        NSEC,
        f"nostr:{NSEC}",
        f"my key is {NSEC.upper()}",
        nip49.encrypt(KEY, WORDS, log_n=4),
        PHRASE,
        "1" * 64,
        f"fd:{NSEC}",
    ],
)
async def test_a_secret_in_the_string_is_refused_and_not_said(
    text: str, accounts: Accounts
) -> None:
    with pytest.raises(InvalidKey, match=r"SECRET|may be a secret") as refused:
        await signer_from(text, accounts=accounts)
    assert NSEC[5:] not in str(refused.value)
    assert "1" * 64 not in str(refused.value)


async def test_a_bunker(accounts: Accounts) -> None:
    async with Switchboard() as relay:
        bunker = FakeBunker(relay)
        await signs_as(bunker.uri.format(), ACCOUNT.public_key.hex, accounts)
    assert not accounts.all()

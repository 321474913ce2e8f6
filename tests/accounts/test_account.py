"""Accounts: kept encrypted, never half, never lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from nostr_client.accounts.account import Account, Accounts
from nostr_client.accounts.key_import import read_key
from nostr_client.accounts.keyfiles import KeyFiles, Protection
from nostr_client.accounts.keyring_store import KeyringStore
from nostr_client.errors import (
    AccountError,
    DecryptionFailed,
    InvalidKey,
    SecretFound,
    SignerUnavailable,
    SigningRefused,
    StoreError,
)
from nostr_client.nips import nip19, nip49
from nostr_client.paths import Paths
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.secret_search import trace_of
from tests.accounts.test_keyring_store import Hanging, Memory

WORDS = "correct horse battery staple"
QUICK = 4
"""scrypt's work factor in these tests."""


@pytest.fixture
def where(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state")


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def accounts(where: Paths, memory: Memory) -> Accounts:
    keyring = KeyringStore(lambda: [memory], trust=lambda _: True)
    return Accounts(where, keyring=keyring, work=QUICK)


@pytest.fixture
def without_keyring(where: Paths) -> Accounts:
    return Accounts(where, keyring=KeyringStore(lambda: []), work=QUICK)


def everything_under(where: Paths) -> bytes:
    return b"\n".join(p.read_bytes() for p in where.data.rglob("*") if p.is_file())


async def test_a_new_account_signs(accounts: Accounts) -> None:
    assert accounts.all() == []
    assert accounts.current() is None
    account = await accounts.create("ana", password=WORDS)
    assert (account.name, account.protection, account.current, account.backed_up) == (
        *("ana", Protection.PASSWORD),
        *(True, False),
    )
    signer = await accounts.signer(account, WORDS)
    event = await signer.sign(Draft(1, "hello"))
    assert event.pubkey == account.pubkey == signer.pubkey
    assert event.verify()


async def test_a_key_is_known_to_be_only_here_for_a_day(accounts: Accounts) -> None:
    """Later a copy of the folder may be at work elsewhere; an exported key may at once."""
    made = await accounts.create("ana", password=WORDS)
    for age, only_here in ((0, True), (23 * 3600, True), (25 * 3600, False), (-3600, False)):
        assert made.key_only_here(made.created_at + age) is only_here
    await accounts.export(made, WORDS)
    assert not accounts.find("ana").key_only_here(made.created_at)
    brought = await accounts.import_key(SecretKey.generate(), "ben", password=WORDS)
    assert not brought.key_only_here(brought.created_at)
    await accounts.add_watch_only(SecretKey.generate().public_key.hex, "cy")
    cy = accounts.find("cy")
    assert not cy.key_only_here(cy.created_at)


async def test_a_wrong_password_opens_nothing(accounts: Accounts) -> None:
    account = await accounts.create("ana", password=WORDS)
    with pytest.raises(DecryptionFailed):
        await accounts.signer(account, "wrong")
    with pytest.raises(SignerUnavailable, match="password"):
        await accounts.signer(account)


async def test_the_key_rests_encrypted_and_private(accounts: Accounts, where: Paths) -> None:
    key = SecretKey.generate()
    account = await accounts.import_key(key, "ana", password=WORDS)
    path = accounts.file_of(account)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    kept = everything_under(where)
    assert bytes(key).hex().encode() not in kept
    assert bytes(key) not in kept
    assert WORDS.encode() not in kept
    record = json.loads(path.read_bytes())
    assert nip49.decrypt(record["ncryptsec"], WORDS) == key


async def test_without_password_and_keyring_nothing_is_stored(
    without_keyring: Accounts, where: Paths
) -> None:
    with pytest.raises(AccountError, match="no key store that encrypts"):
        await without_keyring.create("ana")
    with pytest.raises(AccountError, match="empty password"):
        await without_keyring.create("ana", password="")
    with pytest.raises(AccountError, match="password is needed"):
        await without_keyring.create("ana", protection=Protection.PASSWORD)
    assert without_keyring.all() == []
    assert everything_under(where) == b""


async def test_the_key_store_keeps_it(accounts: Accounts, memory: Memory, where: Paths) -> None:
    account = await accounts.create("ana")
    assert account.protection is Protection.KEYRING
    (kept,) = memory.kept.values()
    assert kept.encode() not in everything_under(where)
    assert (await accounts.signer(account)).pubkey == account.pubkey
    await accounts.remove("ana")
    assert not memory.kept


async def test_a_key_store_that_hangs_leaves_no_account(where: Paths) -> None:
    hanging = Hanging()
    keyring = KeyringStore(lambda: [hanging], trust=lambda _: True, ask_limit=0.2)
    accounts = Accounts(where, keyring=keyring, work=QUICK)
    with pytest.raises(AccountError, match="did not answer"):
        await accounts.create("ana")
    assert accounts.all() == []
    hanging.release.set()


async def test_two_folders_share_no_entry(tmp_path: Path, memory: Memory) -> None:
    """The same key on two homes of one machine: removing one leaves the other."""
    key = SecretKey.generate()
    keyring = KeyringStore(lambda: [memory], trust=lambda _: True)
    homes = [Accounts(Paths(p, p, p), keyring=keyring) for p in (tmp_path / "a", tmp_path / "b")]
    for home in homes:
        await home.import_key(key, "ana")
    await homes[0].remove("ana")
    assert (await homes[1].signer(homes[1].find("ana"))).pubkey == key.public_key.hex


async def test_an_imported_key_is_known_to_be_elsewhere(accounts: Accounts) -> None:
    key = SecretKey.generate()
    account = await accounts.import_key(key, password=WORDS)
    assert account.backed_up
    assert account.pubkey == key.public_key.hex


async def test_backups_say_how_well_the_key_was_handled(accounts: Accounts) -> None:
    made = await accounts.create("ana", password=WORDS)
    assert nip49.security_of(await accounts.export(made, WORDS)) == nip49.HANDLED_SECURELY
    nsec = await accounts.export_plain(made, WORDS)
    assert SecretKey.parse(nsec).public_key.hex == made.pubkey
    for fresh in (None, "another password"):
        code = await accounts.export(made, WORDS, new_password=fresh)
        assert nip49.security_of(code) == nip49.HANDLED_INSECURELY
        assert nip49.decrypt(code, fresh or WORDS).public_key.hex == made.pubkey
    for byte in (nip49.HANDLED_INSECURELY, nip49.HANDLED_SECURELY, nip49.UNTRACKED):
        brought = nip49.encrypt(SecretKey.generate(), WORDS, QUICK, byte)
        read = read_key(brought, WORDS)
        bob = await accounts.import_key(read.key, password=WORDS, security=read.security)
        assert nip49.security_of(await accounts.export(bob, WORDS)) == byte


async def test_a_key_of_the_key_store_remembers_it_too(where: Paths, memory: Memory) -> None:
    accounts = Accounts(where, keyring=KeyringStore(lambda: [memory], trust=lambda _: True))
    made = await accounts.create("ana")
    code = await accounts.export(made, new_password=WORDS)
    assert nip49.security_of(code) == nip49.HANDLED_SECURELY
    await accounts.export_plain(made)
    code = await accounts.export(made, new_password=WORDS)
    assert nip49.security_of(code) == nip49.HANDLED_INSECURELY


async def test_a_password_has_eight_characters_at_least(accounts: Accounts) -> None:
    for short in ("", "seven 7", "\ufb01\u0301" * 2):
        with pytest.raises(AccountError):
            await accounts.create("ana", password=short)
        with pytest.raises(AccountError):
            await accounts.import_key(SecretKey.generate(), "ana", password=short)
    ana = await accounts.create("ana", password="eight 88")
    with pytest.raises(AccountError, match="8 characters"):
        await accounts.export(ana, "eight 88", new_password="seven 7")
    assert len(accounts.all()) == 1


async def test_the_same_account_twice_is_refused(accounts: Accounts) -> None:
    key = SecretKey.generate()
    await accounts.import_key(key, "ana", password=WORDS)
    with pytest.raises(AccountError, match="already"):
        await accounts.import_key(key, "again", password="another one")
    with pytest.raises(AccountError, match="already"):
        await accounts.add_watch_only(key.public_key.hex)
    with pytest.raises(AccountError, match="called"):
        await accounts.create("ANA", password=WORDS)
    assert len(accounts.all()) == 1


async def test_watching_reads_and_never_signs(accounts: Accounts) -> None:
    key = SecretKey.generate()
    account = await accounts.add_watch_only(key.public_key.hex, "ben")
    assert not account.can_sign
    signer = await accounts.signer(account)
    assert signer.pubkey == key.public_key.hex
    with pytest.raises(SigningRefused):
        await signer.sign(Draft(1, "no"))
    with pytest.raises(SigningRefused):
        await accounts.export(account, WORDS)
    with pytest.raises(InvalidKey):
        await accounts.add_watch_only("f" * 64)


async def test_a_watched_account_becomes_a_full_one(accounts: Accounts) -> None:
    key = SecretKey.generate()
    await accounts.add_watch_only(key.public_key.hex, "ana")
    account = await accounts.import_key(key, password=WORDS)
    assert (account.name, account.can_sign) == ("ana", True)
    assert len(accounts.all()) == 1


async def test_switching_and_removing(accounts: Accounts) -> None:
    ana = await accounts.create("ana", password=WORDS)
    ben = await accounts.create("ben", password=WORDS)
    assert _names(accounts) == ["ana", "ben"]
    assert accounts.current() == accounts.find(ana.npub), "the first one, until told otherwise"
    await accounts.add_watch_only(SecretKey(b"\x09" * 32).public_key.hex, "cy", switch=True)
    assert accounts.current() == accounts.find("cy")
    await accounts.import_key(SecretKey(b"\x08" * 32), "dan", password=WORDS)
    assert accounts.current() == accounts.find("cy")
    await accounts.remove("cy")
    await accounts.remove("dan")
    await accounts.switch("ana")
    assert accounts.current() == accounts.find(ana.npub)
    await accounts.remove(ana.npub)
    current = accounts.current()
    assert current is not None
    assert current.pubkey == ben.pubkey
    with pytest.raises(AccountError, match="no account"):
        await accounts.remove("ana")


async def test_accounts_are_found_by_what_people_type(accounts: Accounts) -> None:
    account = await accounts.create("Ana", password=WORDS)
    for ref in ("ana", " Ana ", account.npub, f"nostr:{account.npub}", account.pubkey):
        assert accounts.find(ref).pubkey == account.pubkey
    assert accounts.find(account.npub[:12]).pubkey == account.pubkey
    for ref in ("", "an", account.pubkey[:4], "npub1"):
        with pytest.raises(AccountError):
            accounts.find(ref)
    secret = "nsec1" + "q" * 58
    with pytest.raises(AccountError) as caught:
        accounts.find(secret)
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["x" * 65, "a\nb", "\x1b[31mred", "nsec1abc", "my nCryptsec1abc", "0aF1" * 16, "a\u202eb"],
)
async def test_names_that_would_do_harm_are_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(AccountError):
        await accounts.create(name, password=WORDS)
    assert accounts.all() == []


async def test_a_backup_opens_elsewhere(accounts: Accounts) -> None:
    account = await accounts.create("ana", password=WORDS)
    code = await accounts.export(account, WORDS)
    assert read_key(code, WORDS).key.public_key.hex == account.pubkey
    assert accounts.find("ana").backed_up
    other = await accounts.export(account, WORDS, new_password="another one")
    assert read_key(other, "another one").key.public_key.hex == account.pubkey
    with pytest.raises(DecryptionFailed):
        await accounts.export(account, "wrong")


async def test_a_backup_from_the_key_store_needs_a_password(accounts: Accounts) -> None:
    account = await accounts.create("ana")
    with pytest.raises(SignerUnavailable):
        await accounts.export(account)
    code = await accounts.export(account, new_password=WORDS)
    assert read_key(code, WORDS).key.public_key.hex == account.pubkey


async def test_a_damaged_file_hides_no_other_and_is_left_alone(
    accounts: Accounts, where: Paths
) -> None:
    key = SecretKey.generate()
    ana = await accounts.import_key(key, "ana", password=WORDS)
    await accounts.create("ben", password=WORDS)
    path = accounts.file_of(ana)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(AccountError, match="which account is in use"):
        accounts.current()
    assert ana.pubkey in KeyFiles(path.parent).own_keys(), "its key is no less a secret"
    assert _names(accounts) == ["ben"]
    assert not accounts.all()[0].current, "nobody writes as ben who chose ana"
    assert accounts.damaged() == [path]
    with pytest.raises(AccountError, match="damaged"):
        await accounts.import_key(key, "ana", password=WORDS)
    assert len(path.read_bytes()) == 50
    await accounts.switch("ben")
    assert accounts.current() == accounts.find("ben")
    (path.parent / "current").write_bytes(b"\xff\0")
    with pytest.raises(AccountError, match="which account is in use"):
        accounts.current()
    path.unlink()
    assert accounts.current() == accounts.find("ben"), "it must be this one"
    (path.parent / "current").write_text(ana.pubkey)
    assert accounts.current() == accounts.find("ben"), "ana was removed"


async def test_a_file_of_another_account_is_not_believed(accounts: Accounts) -> None:
    ana = await accounts.create("ana", password=WORDS)
    ben = await accounts.create("ben", password=WORDS)
    record = json.loads(accounts.file_of(ana).read_bytes())
    record["ncryptsec"] = json.loads(accounts.file_of(ben).read_bytes())["ncryptsec"]
    accounts.file_of(ana).write_text(json.dumps(record))
    with pytest.raises(AccountError, match="does not belong"):
        await accounts.signer(accounts.find("ana"), WORDS)


async def test_nothing_shows_the_secret(accounts: Accounts, where: Paths) -> None:
    key = SecretKey.generate()
    account = await accounts.import_key(key, "ana", password=WORDS)
    records, _ = KeyFiles(where.data / "accounts").read_all()
    shown = f"{account!r} {records!r} {accounts!r} {await accounts.signer(account, WORDS)!r}"
    for secret in (bytes(key).hex(), nip19.encode_nsec(key), WORDS, "ncryptsec1"):
        assert secret not in shown


CREATE = """
import asyncio, sys
from pathlib import Path
from nostr_client.accounts.account import Accounts
from nostr_client.paths import Paths

home = Path(sys.argv[1])

async def main():
    accounts = Accounts(Paths(home, home, home), work=4)
    for n in range(int(sys.argv[3])):
        account = await accounts.create(f"{sys.argv[2]}-{n}", password="some words")
        print(account.pubkey, flush=True)

asyncio.run(main())
"""


async def created_by(home: Path, name: str, count: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CREATE, str(home), name, str(count)),
        stdout=asyncio.subprocess.PIPE,
    )


async def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    processes = [await created_by(tmp_path, name, 10) for name in ("one", "two")]
    told: list[str] = []
    for process in processes:
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        told += out.decode().split()
    assert len(told) == 20
    accounts = Accounts(Paths(tmp_path, tmp_path, tmp_path))
    assert {account.pubkey for account in accounts.all()} == set(told)


async def killed_while_creating(home: Path, pause: float) -> None:
    process = await created_by(home, "name", 1000)
    assert process.stdout is not None
    told = [await asyncio.wait_for(process.stdout.readline(), 60)]
    await asyncio.sleep(pause)
    process.send_signal(signal.SIGKILL)
    rest, _ = await process.communicate()
    pubkeys = b"".join([*told, rest]).decode().split("\n")[:-1]
    accounts = Accounts(Paths(home, home, home), work=QUICK)
    assert accounts.damaged() == []
    found = {account.pubkey for account in accounts.all()}
    assert set(pubkeys) <= found, "an account that was reported is there"
    assert len(found) <= len(pubkeys) + 1
    for account in accounts.all():
        assert (await accounts.signer(account, "some words")).pubkey == account.pubkey
    assert (await accounts.create("after", password=WORDS, switch=True)).current


async def test_kill_while_creating(tmp_path: Path) -> None:
    await killed_while_creating(tmp_path, 0.05)


@pytest.mark.slow
async def test_kill_while_creating_often(tmp_path: Path) -> None:
    for turn in range(30):
        await killed_while_creating(tmp_path / str(turn), turn * 0.007)


async def test_scrypt_runs_off_the_loop(where: Paths) -> None:
    accounts = Accounts(where, keyring=KeyringStore(lambda: []), work=16)
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()  # the loop's own work: others may have the cores
            await asyncio.sleep(0.005)
            longest = max(longest, time.thread_time() - before)

    task = asyncio.create_task(beat())
    account: Account = await accounts.create("ana", password=WORDS)
    await accounts.signer(account, WORDS)
    task.cancel()
    assert longest < 0.1


def test_an_account_is_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import os; os.umask(0)\n{CREATE}", str(tmp_path), "ana", "1"],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    path = tmp_path / "accounts" / f"{done.stdout.strip()}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def _names(accounts: Accounts) -> list[str]:
    return [account.name for account in accounts.all()]


async def test_no_signer_lets_the_key_of_another_account_out(accounts: Accounts) -> None:
    """Though that one is locked, and came later."""
    ana = await accounts.create("ana", password=WORDS)
    signer = await accounts.signer(ana, WORDS)
    other = SecretKey(b"\x21" * 32)
    draft = Draft(1, f"is this it? {bytes(other).hex()}")
    assert (await signer.sign(draft)).verify()
    await accounts.import_key(other, "other", password=WORDS)
    with pytest.raises(SecretFound):
        await signer.sign(draft)


async def test_the_trace_of_a_key_is_known_once_it_was_here(
    accounts: Accounts, where: Paths, memory: Memory
) -> None:
    """Of an account that an earlier version made, once it is unlocked; of watched ones never."""
    key = SecretKey(b"\x21" * 32)
    files = KeyFiles(where.data / "accounts")
    ana = await accounts.import_key(key, "ana", password=WORDS)
    kept = await accounts.import_key(SecretKey(b"\x22" * 32), "kept")
    await accounts.add_watch_only(SecretKey(b"\x23" * 32).public_key.hex)
    whole = {ana.pubkey: trace_of(bytes(key)), kept.pubkey: trace_of(b"\x22" * 32)}
    assert files.own_keys() == whole
    files.write(msgspec.structs.replace(files.read(ana.pubkey), trace=""))
    assert files.own_keys() == {**whole, ana.pubkey: ""}
    with pytest.raises(DecryptionFailed):
        await accounts.signer(ana, "another password")
    assert files.own_keys() == {**whole, ana.pubkey: ""}
    await accounts.signer(ana, WORDS)
    assert files.own_keys() == whole


async def test_an_account_opens_where_nothing_can_be_written(
    accounts: Accounts, where: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await accounts.create("ana", password=WORDS)
    files = KeyFiles(where.data / "accounts")
    files.write(msgspec.structs.replace(files.read(ana.pubkey), trace=""))

    def full(*_: object) -> None:
        raise StoreError("no space left")

    monkeypatch.setattr(KeyFiles, "write", full)
    assert (await (await accounts.signer(ana, WORDS)).sign(Draft(1, "hello"))).verify()


async def test_what_another_version_of_this_program_wrote_stays(
    accounts: Accounts, where: Paths
) -> None:
    ana = await accounts.create("ana", password=WORDS)
    file = accounts.file_of(ana)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"kit": {"n": 1}}))
    await accounts.export(ana, WORDS)
    assert json.loads(file.read_text())["kit"] == {"n": 1}
    assert accounts.find("ana").backed_up
    (where.data / "accounts" / "current").write_bytes(b"\xff\xfe")
    assert accounts.current() == accounts.find("ana")


async def test_a_signer_is_wiped_when_it_is_left(accounts: Accounts) -> None:
    account = await accounts.create("ana", password=WORDS)
    stored = await accounts.create("ben", protection=Protection.KEYRING)
    for each in (account, stored):
        async with await accounts.signer(each, WORDS) as signer:
            assert (await signer.sign(Draft(1, "hello"))).verify()
        with pytest.raises(SignerUnavailable, match="locked"):
            await signer.sign(Draft(1, "hello"))


async def test_no_key_outlives_what_it_was_unlocked_for(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[SecretKey] = []
    real = SecretKey.__init__

    def noted(self: SecretKey, secret: bytes) -> None:
        real(self, secret)
        made.append(self)

    monkeypatch.setattr(SecretKey, "__init__", noted)
    account = await accounts.create("ana", password=WORDS)
    await accounts.export(account, WORDS, new_password="another password")
    await accounts.export_plain(account, WORDS)
    with pytest.raises(AccountError):
        await accounts.create("ana", password=WORDS)
    assert len(made) >= 4
    assert all(key.is_wiped for key in made)

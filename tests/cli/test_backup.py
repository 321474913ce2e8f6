"""`nostr-client backup` and `restore`: an account goes from one home to another, in one file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pexpect
import pytest

from nostr_client.accounts.account import Accounts
from nostr_client.exits import Exit
from nostr_client.kit.last_kit import is_fresh, last_kit
from nostr_client.kit.secret import Passphrase
from nostr_client.nips import nip19
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.store.contract import CopyState
from nostr_client.store.opening import open_store
from tests.cli.conftest import LIMIT, PASSWORD, Home, Result
from tests.cli.test_account import descriptor_with
from tests.kit.accounts import KEEPING, LIST, ME, NOTES, OWN, fill, make_kit
from tests.routing.rooms import ANA, signed
from tests.waiting import until
from tests.warm import Warm

PASSPHRASE = "a passphrase of some length"
SECRET = Passphrase(PASSPHRASE, 4)


@pytest.fixture
def other(tmp_path: Path, warm: Warm) -> Home:
    """Another machine."""
    home = Home(tmp_path / "other", warm=warm)
    home.configure()
    return home


async def filled(home: Home) -> None:
    await home.import_key(ANA)
    async with open_store(home.paths.data / "events.db", KEEPING) as store:
        await fill(store, home.paths.data)


async def kit_of(home: Home) -> Path:
    """A kit that costs little work to open."""
    await filled(home)
    path = home.folder / "ana.kit"
    await make_kit(home.paths, path, secret=SECRET)
    return path


async def opening(home: Home, *arguments: str, passphrase: str = PASSPHRASE) -> Result:
    return await home.run("restore", *arguments, "--passphrase-fd", "0", given=f"{passphrase}\n")


async def test_shares_open_a_backup_in_another_home(home: Home, other: Home) -> None:
    pytest.importorskip("shamir_mnemonic", reason="the extra `shares` is not installed")
    await filled(home)
    kit, folder = home.folder / "ana.kit", home.folder / "shares"
    made = await home.run(
        *("backup", str(kit), "--shares", "2/3", "--shares-to", str(folder), "--json")
    )
    assert made.code == 0, made.err
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == ["share-1.txt", "share-2.txt", "share-3.txt"]
    assert {path.stat().st_mode & 0o777 for path in (kit, *files)} == {0o600}
    assert made.record["checked"]
    assert made.record["opens"] == "shares 2/3"
    assert made.record["key"] == "by the backup"
    assert (made.record["events"], made.record["versions"]) == (len(OWN), 3)
    words = files[0].read_text().split()[-20:]
    assert not [line for line in home.said if " ".join(words[:3]) in line]
    refused = await other.run("restore", str(kit), "--share", str(files[0]))
    assert refused.code == Exit.LOCKED
    assert "2 shares of 3 open this backup, and these are 1" in refused.err
    shares = ("--share", str(files[2]), "--share", str(files[0]))
    done = await other.run(
        "restore", str(kit), *shares, "--json", NOSTR_CLIENT_PASSWORD="new words"
    )
    assert done.code == 0, done.err
    assert (done.record["key"], done.record["kept"]) == ("restored", [])
    assert Accounts(other.paths).find("ana").current
    async with open_store(other.paths.data / "events.db", KEEPING) as store:
        assert {event.id for event in OWN} <= set(await store.known([e.id for e in OWN]))
        assert len(await store.history(LIST.address or "")) == 2
        [copy] = await store.ledger.copies(NOTES[1].id)
        assert copy.state is CopyState.FAILED


async def test_what_is_in_it_is_said_without_restoring_anything(home: Home, other: Home) -> None:
    kit = await kit_of(home)
    for flag in ("--list", "--dry-run"):
        shown = await opening(other, str(kit), flag, "--json")
        assert shown.code == 0, shown.err
        assert shown.record["name"] == "ana"
        assert shown.record["key"] == "own password"
        assert (shown.record["events"], shown.record["damaged"]) == (len(OWN), "")
    plain = await opening(other, str(kit), "--list")
    assert "the password that the account had when it was made" in plain.err
    assert not (other.folder / "data").exists() or not list(other.paths.data.rglob("*.db"))
    assert (await other.run("account", "list")).out == ""


async def test_a_key_under_its_own_password_comes_back_under_it(home: Home, other: Home) -> None:
    kit = await kit_of(home)
    other.password = None
    done = await opening(other, str(kit))
    assert done.code == 0, done.err
    assert "opens with the password that it had" in done.err
    other.password = PASSWORD
    code = (await other.run("account", "export", "--json")).record["ncryptsec"]
    assert code.startswith("ncryptsec1")
    again = await opening(other, str(kit), "--json")
    assert (again.record["key"], again.record["new"]) == ("kept", 0)
    settled = list(other.paths.data.glob("*.settled.json"))
    assert settled == [], "lists are read before they are changed"


async def test_a_wrong_passphrase_and_damage_are_told_apart(home: Home, other: Home) -> None:
    kit = await kit_of(home)
    wrong = await opening(other, str(kit), passphrase="another one")
    assert wrong.code == Exit.LOCKED
    assert "this passphrase does not open the backup" in wrong.err
    kit.write_bytes(kit.read_bytes()[:-2000])
    damaged = await opening(other, str(kit), "--json")
    assert damaged.code == Exit.ERROR
    said = json.loads(damaged.err)
    assert "cut short" in said["damaged"]
    assert said["events"] == len(OWN)
    assert (await other.run("account", "list")).out == ""
    saved = await opening(other, str(kit), "--salvage", "--json")
    assert saved.code == Exit.INCOMPLETE, saved.err
    assert "cut short" in saved.record["damaged"]
    async with open_store(other.paths.data / "events.db") as store:
        assert await store.count([Filter.of(authors=[ME])]) == len(OWN)
    kit.write_bytes(b"something else")
    other_file = await opening(other, str(kit))
    assert other_file.code == Exit.USAGE
    missing = await opening(other, str(kit.with_name("none.kit")))
    assert missing.code == Exit.ERROR


async def test_what_is_asked_wrongly(home: Home) -> None:
    await home.import_key(ANA)
    kit = home.folder / "ana.kit"
    for arguments, code, words in (
        ((), Exit.LOCKED, "--passphrase-fd"),
        (("--shares", "3"), Exit.USAGE, "--shares-to FOLDER"),
        (("--shares", "3", "--shares-to", "x"), Exit.USAGE, "as in 3/5"),
        (("--shares", "1/5", "--shares-to", "x"), Exit.USAGE, "as in 3/5"),
        (("--shares-to", "x"), Exit.USAGE, "goes with --shares"),
    ):
        done = await home.run("backup", str(kit), *arguments)
        assert (done.code, words in done.err) == (code, True), done.err
    done = await home.run("backup", str(kit), "--passphrase-fd", "0", given="short\n")
    assert "at least 8 characters" in done.err
    kit.write_bytes(b"mine")
    done = await home.run("backup", str(kit), "--shares", "2/3", "--shares-to", str(home.folder))
    assert "is there already" in done.err
    assert kit.read_bytes() == b"mine"
    assert not list(home.folder.glob("share-*"))
    assert not list(home.folder.glob("*.part"))


async def test_accounts_without_a_key_here(home: Home, other: Home) -> None:
    pytest.importorskip("shamir_mnemonic", reason="the extra `shares` is not installed")
    npub = nip19.encode_npub(ME)
    assert (await home.run("account", "watch", npub, "--name", "ana")).code == 0
    kit, folder = str(home.folder / "ana.kit"), home.folder / "shares"
    made = await home.run("backup", kit, "--shares", "2/2", "--shares-to", str(folder))
    assert made.code == 0, made.err
    assert "No key is in it: it is watch-only." in made.err
    shares = [word for path in folder.iterdir() for word in ("--share", str(path))]
    done = await other.run("restore", kit, *shares, "--json")
    assert (done.code, done.record["key"]) == (0, "none"), done.err
    [account] = (await other.run("account", "list", "--json")).records
    assert (account["npub"], account["protection"]) == (npub, "watch-only")


@pytest.mark.slow
async def test_a_passphrase_is_typed_twice_and_the_key_counts_as_backed_up(
    home: Home, other: Home
) -> None:
    """With the work that a real backup takes."""
    assert (await home.run("account", "create", "--name", "ana", "--no-profile")).code == 0
    assert (await home.run("post", "hello")).code == Exit.NOT_ACCEPTED
    kit = home.folder / "ana.kit"
    child = pexpect.spawn(
        *(sys.executable, ["-m", "nostr_client", "backup", str(kit)]),
        env={**home.environment, "PATH": os.environ["PATH"]},
        timeout=LIMIT,
        encoding="utf-8",
    )
    for typed in (PASSPHRASE, "not the same", PASSPHRASE, PASSPHRASE):
        child.expect(["New passphrase for the backup: ", "Once more: "])
        child.sendline(typed)
    child.expect("1 events, 0 list versions, 0 messages; opened again and compared")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    [account] = (await home.run("account", "list", "--json")).records
    assert account["backed_up"]
    made = last_kit(home.paths.data, account["pubkey"])
    assert made is not None
    assert is_fresh(home.paths.data, account["pubkey"], 60, made.made_at + 1)
    done = await opening(other, str(kit), "--json")
    assert (done.code, done.record["new"]) == (0, 1), done.err


@pytest.mark.slow
async def test_shares_are_shown_one_a_page_and_typed_one_by_one(home: Home, other: Home) -> None:
    pytest.importorskip("shamir_mnemonic", reason="the extra `shares` is not installed")
    await home.import_key(SecretKey.generate())
    kit = home.folder / "ana.kit"

    def spawn(who: Home, *arguments: str) -> pexpect.spawn[str]:
        return pexpect.spawn(
            *(sys.executable, ["-m", "nostr_client", *arguments]),
            env={**who.environment, "PATH": os.environ["PATH"]},
            timeout=LIMIT,
            encoding="utf-8",
            dimensions=(24, 400),
        )

    child = spawn(home, "backup", str(kit), "--shares", "2/3")
    pages: list[str] = []
    for number in (1, 2, 3):
        child.expect(f"Share {number} of 3 .*them open it.\r\n\r\n(.*)\r\n\r\nIt is shown once")
        pages.append(child.match.group(1))
        child.sendline("")
    child.expect("opened again and compared")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    child = spawn(other, "restore", str(kit))
    child.expect("Share 1 of 2 .its words; hidden.: ")
    child.sendline("these are no words")
    child.expect("word 1 is none that a share is made of. Once more.")
    child.expect("Share 1 of 2 .its words; hidden.: ")
    child.sendline(pages[2])
    child.expect("Share 2 of 2 .its words; hidden.: ")
    child.sendline(pages[2])
    child.expect("This one was typed already.")
    child.expect("Share 2 of 2 .its words; hidden.: ")
    child.sendline(pages[0])
    child.expect("are new here")
    assert pages[0] not in child.before
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.slow
async def test_a_backup_that_is_told_to_end_leaves_nothing(home: Home) -> None:
    await filled(home)
    async with open_store(home.paths.data / "events.db", KEEPING) as store:
        await store.save([signed(content=f"{n}" + "x" * 2000) for n in range(3000)])
    kit = home.folder / "ana.kit"
    part = kit.with_name("ana.kit.part")
    number = descriptor_with(PASSPHRASE)
    process = await home.start(
        *("backup", str(kit), "--passphrase-fd", str(number)), descriptors=[number]
    )
    os.close(number)
    await until(lambda: part.exists() and part.stat().st_size > 100_000)
    process.terminate()
    _, err = await process.communicate()
    assert process.returncode == Exit.TERMINATED, err
    assert b"Traceback" not in err
    assert not kit.exists()
    assert not part.exists()
    assert not (home.paths.data / "kit-trial").exists()

"""A kit holds all of an account, is tried before it is called done, and brings all of it back."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nostr_client.accounts.account import Accounts
from nostr_client.accounts.bunker_pairing import BunkerPairing
from nostr_client.accounts.keyfiles import Protection
from nostr_client.accounts.keyring_store import KeyringStore
from nostr_client.bunker.files import BunkerFiles
from nostr_client.config import ClientConfig, load_config
from nostr_client.errors import FolderInUse, KitDamaged, StoreError, StoreFull
from nostr_client.kit import making
from nostr_client.kit.account_parts import (
    needs_pairing,
    restore_account,
    restore_settings,
    start_of,
)
from nostr_client.kit.contents import KitFile, file_path
from nostr_client.kit.file_format import KitWriter
from nostr_client.kit.last_kit import is_fresh, last_kit
from nostr_client.kit.making import TRIAL, KitDraft
from nostr_client.kit.records import (
    KitEnd,
    KitEvent,
    KitSection,
    KitStart,
    decode_record,
    encode_record,
)
from nostr_client.nips import nip49
from nostr_client.nips.nip19 import encode_npub
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.auth_choices import auth_choices
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.drafts import NEW_NOTE, DraftFile
from nostr_client.social.messages.archive import MessageArchive
from nostr_client.social.scheduled import ScheduledNote
from nostr_client.store.contract import CopyGrade, CopyState, SaveStatus
from nostr_client.store.opening import MEMORY, open_store
from tests.kit.accounts import (
    ARTICLE,
    CONTACTS,
    DELETED,
    DRAFT,
    KEEPING,
    LATER,
    LIST,
    ME,
    MESSAGES,
    NOTES,
    OTHER,
    OWN,
    PASSWORD,
    PROGRAM,
    RELAY,
    SAID,
    SECRET,
    SENT_WRAP,
    STRANGE,
    VERSIONS,
    WRAP,
    account_in,
    fill,
    follows,
    make_kit,
    paths_in,
    restore_kit,
    scheduled_file,
)
from tests.routing.rooms import ANA, BEN, START, signed


async def test_all_of_an_account_comes_back(tmp_path: Path) -> None:
    old, new = paths_in(tmp_path / "old"), paths_in(tmp_path / "new")
    await account_in(old)
    async with open_store(old.data / "events.db", KEEPING) as store:
        await fill(store, old.data)
    kit = tmp_path / "ana.kit"
    counts = await make_kit(old, kit)
    assert (counts.events, counts.versions, counts.messages) == (len(OWN), 3, 3)
    assert (counts.contacts, counts.drafts, counts.files) == (2, 1, 5)
    assert kit.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ana.kit", "old"]
    assert not (old.data / TRIAL).exists()
    async with open_store(MEMORY) as store:
        report = await restore_kit(kit, store, new.data)
        assert report.is_whole
        assert report.counts == counts
        assert report.kept == []
        held = {event.id for event in await store.query([Filter()])}
        assert held == {event.id for event in (*OWN, *MESSAGES, SENT_WRAP, *CONTACTS)}
        assert await store.history(LIST.address or "") == VERSIONS[::-1]
        assert await store.history(ARTICLE.address or "") == [ARTICLE]
        for gone in (DELETED, ARTICLE):
            assert (await store.save([gone]))[0].status is SaveStatus.DELETED
        assert await store.get(STRANGE.id) is None, "it is not the account's"
        first, second = await store.ledger.copies(NOTES[0].id)
        assert (first.url, first.state, first.wanted) == (OTHER, CopyState.REFUSED, True)
        assert (second.state, second.grade) == (CopyState.CONFIRMED, CopyGrade.READ_BACK)
        [later] = await store.ledger.copies(NOTES[1].id)
        assert (later.state, later.next_try, later.reason) == ("failed", START + 99, "later")
        assert later.attempts == 1
        [known] = await store.ledger.copies(CONTACTS[0].id)
        assert (known.state, known.wanted) == (CopyState.CONFIRMED, False)
        waiting = {copy.event_id for copy in await store.ledger.due(1 << 40)}
        assert waiting == {NOTES[1].id, SENT_WRAP.id}
    assert DraftFile(new, ME, NEW_NOTE).read() == DRAFT
    assert counts.scheduled == 1
    assert msgspec.json.decode(scheduled_file(new.data).read_bytes(), type=ScheduledNote) == LATER
    assert auth_choices(new.data, ME).of(RELAY) is False
    assert (new.data / f"reserves-{ME[:16]}.json").read_bytes() == b'{"chosen":[]}'
    bunker = BunkerFiles(new.data, ME)
    assert bunker.state().client(PROGRAM.pubkey) == PROGRAM
    async with LocalSigner(ANA) as signer:
        same_key = await BunkerFiles(old.data, ME).key(signer, (RELAY,))
        assert (await bunker.key(signer, (RELAY,))).public_key == same_key.public_key
    sealed = file_path(new.data, ME, KitFile.MESSAGES, "")
    assert sealed.read_bytes() == file_path(old.data, ME, KitFile.MESSAGES, "").read_bytes()
    assert sealed.stat().st_mode & 0o777 == 0o600
    async with LocalSigner(ANA) as signer:
        archive = MessageArchive(sealed, ME)
        await archive.unlock(signer)
    assert archive.mailbox.messages[WRAP.id].content == SAID


async def test_what_is_here_is_united_with_it_and_nothing_newer_is_overwritten(
    tmp_path: Path,
) -> None:
    old, new = paths_in(tmp_path / "old"), paths_in(tmp_path / "new")
    await account_in(old)
    kit = tmp_path / "ana.kit"
    async with open_store(MEMORY, KEEPING) as store:
        await fill(store, old.data)
        await make_kit(old, kit, store=store)
    newer, since = follows(at=START + 50), signed(content="written here since")
    unwanted = signed(kind=kinds.DELETION, tags=(("e", NOTES[2].id),), at=START + 60)
    new.data.mkdir(parents=True)
    DraftFile(new, ME, NEW_NOTE).write("another draft")
    scheduled_file(new.data).write_text("moved to another time since")
    async with LocalSigner(ANA) as signer:
        await BunkerFiles(new.data, ME).key(signer, (OTHER,))
    async with open_store(MEMORY, KEEPING) as store:
        await store.save([newer, since, NOTES[0], unwanted])
        await store.ledger.confirm([(NOTES[1].id, RELAY)], CopyGrade.READ_AS_STRANGER)
        report = await restore_kit(kit, store, new.data)
        assert report.kept == [
            "bunker key",
            "bunker clients",
            "draft note",
            f"scheduled note {LATER.id}",
        ]
        assert BunkerFiles(new.data, ME).state().clients == (), "they know another bunker's key"
        assert await store.get_address(LIST.address or "") == newer
        assert await store.history(LIST.address or "") == [LIST, *VERSIONS[::-1]]
        assert await store.get(since.id) == since
        assert await store.get(NOTES[2].id) is None
        [copy] = await store.ledger.copies(NOTES[1].id)
        assert (copy.grade, copy.wanted) == (CopyGrade.READ_AS_STRANGER, False)
        again = await restore_kit(kit, store, new.data)
        assert again.new == 0
    assert DraftFile(new, ME, NEW_NOTE).read() == "another draft"
    assert scheduled_file(new.data).read_text() == "moved to another time since"
    assert not list(new.data.glob(".restored-*"))


async def test_events_that_nobody_signed_are_left_out(tmp_path: Path) -> None:
    """Whoever knows the passphrase can write a kit."""
    forged = Event.from_dict(
        {
            "id": NOTES[0].id,
            "pubkey": NOTES[0].pubkey,
            "created_at": NOTES[0].created_at,
            "kind": 1,
            "tags": [],
            "content": NOTES[0].content,
            "sig": NOTES[1].sig,
        }
    )
    kit = tmp_path / "forged.kit"
    header = SECRET.header()
    with kit.open("wb") as file:
        writer = KitWriter(file, header, SECRET.master(header))
        broken = NOTES[2].json.replace(b"note 2", b"note 9")
        events = [NOTES[1].json, forged.json, broken, b"{}"]
        writer.write([KitStart(ME, "", START, "", "password")])
        writer.write([KitEvent(KitSection.OWN, data) for data in events])
        writer.write([KitEnd()])
        writer.end()
    async with open_store(MEMORY) as store:
        report = await restore_kit(kit, store, tmp_path)
        assert (report.new, report.invalid, report.is_whole) == (1, 3, False)
        assert await store.query([Filter()]) == [NOTES[1]]


async def test_what_is_before_the_damage_comes_back(tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "home")
    await account_in(paths)
    kit = tmp_path / "ana.kit"
    async with open_store(MEMORY, KEEPING) as store:
        await fill(store, paths.data)
        await store.save([signed(content="x" * 20_000, at=START + n) for n in range(30)])
        await make_kit(paths, kit, store=store)
    whole = kit.read_bytes()
    kit.write_bytes(whole[: len(whole) // 20])
    async with open_store(MEMORY, KEEPING) as store:
        report = await restore_kit(kit, store, tmp_path / "new")
        assert "cut short" in report.damaged
        assert not report.is_whole
        assert await store.get_address(LIST.address or "") == LIST, "lists come first"
        assert 0 < report.new < 30


def damaged(draft: KitDraft) -> None:
    part = draft.path.with_name(f"{draft.path.name}.part")
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)


def shorter(draft: KitDraft) -> None:
    part = draft.path.with_name(f"{draft.path.name}.part")
    part.write_bytes(part.read_bytes()[:-1])


@pytest.mark.parametrize("spoil", [damaged, shorter])
async def test_a_kit_that_cannot_be_read_back_is_not_made(
    tmp_path: Path, spoil: Callable[[KitDraft], None]
) -> None:
    paths = paths_in(tmp_path / "home")
    await account_in(paths)
    async with open_store(MEMORY, KEEPING) as store:
        await fill(store, paths.data)
        with pytest.raises(KitDamaged):
            await make_kit(paths, tmp_path / "ana.kit", store=store, before_check=spoil)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert last_kit(paths.data, ME) is None


async def test_a_restore_that_loses_something_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = paths_in(tmp_path / "home")
    await account_in(paths)
    real = making.restore

    async def forgetful(following: Any, pubkey: str, store: Any, data: Path) -> Any:
        report = await real(following, pubkey, store, data)
        await spoil(store, data)
        return report

    async def lose_event(store: Any, data: Path) -> None:
        await store.remove([Filter.of(ids=[NOTES[3].id])])

    async def change_file(store: Any, data: Path) -> None:
        file_path(data, ME, KitFile.MESSAGES, "").write_bytes(b"other")

    async def lose_copy(store: Any, data: Path) -> None:
        await store.ledger.unwant(NOTES[1].id, [RELAY])

    spoil = lose_event
    monkeypatch.setattr(making, "restore", forgetful)
    async with open_store(MEMORY, KEEPING) as store:
        await fill(store, paths.data)
        for spoil in (lose_event, lose_copy, change_file):  # noqa: B007 - `forgetful` has it
            with pytest.raises(KitDamaged, match="did not come back"):
                await make_kit(paths, tmp_path / "ana.kit", store=store)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


async def test_nothing_is_overwritten_unless_it_is_to_be(tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "home")
    await account_in(paths)
    kit = tmp_path / "ana.kit"
    kit.write_bytes(b"precious")
    async with open_store(MEMORY) as store:
        with pytest.raises(StoreError, match="is there already"):
            await make_kit(paths, kit, store=store)
        assert kit.read_bytes() == b"precious"

        def appears(draft: KitDraft) -> None:
            draft.path.write_bytes(b"just now")

        kit.unlink()
        with pytest.raises(StoreError, match="is there already"):
            await make_kit(paths, kit, store=store, before_check=appears)
        assert kit.read_bytes() == b"just now"
        await make_kit(paths, kit, store=store, replace=True)
        assert kit.read_bytes().startswith(b"nostr-client kit 1\n")
        kit.unlink()
        part = tmp_path / "ana.kit.part"
        part.write_bytes(b"another program's")
        with pytest.raises(StoreError, match="another program"):
            await make_kit(paths, kit, store=store)
        assert part.read_bytes() == b"another program's"
        part.write_bytes(b"nostr-client kit 1\nof a run that was killed")
        (paths.data / TRIAL).mkdir()
        (paths.data / TRIAL / "events.db").write_bytes(b"of the same run")
        await make_kit(paths, kit, store=store)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ana.kit", "home"]
    with KitDraft(paths, tmp_path / "one", ME), pytest.raises(FolderInUse):
        KitDraft(paths, tmp_path / "two", ME).__enter__()
    with KitDraft(paths, tmp_path / "one", ME) as draft, pytest.raises(RuntimeError):
        draft.finish()
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("step", ["write", "fsync", "trial"])
async def test_a_full_disk_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    paths = paths_in(tmp_path / "home")
    await account_in(paths)
    async with open_store(MEMORY, KEEPING) as store:
        await fill(store, paths.data)
        match step:
            case "write":
                monkeypatch.setattr(KitWriter, "write", full)
            case "fsync":
                monkeypatch.setattr(making.os, "fsync", full)
            case "trial":
                monkeypatch.setattr("nostr_client.kit.restoring.open_new_private", full)
        with pytest.raises(StoreFull, match="the disk is full"):
            await make_kit(paths, tmp_path / "ana.kit", store=store)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert not (paths.data / TRIAL).exists()


async def test_it_is_made_beside_others_who_write(tmp_path: Path) -> None:
    """What was there when it began is in it, also what is replaced or deleted meanwhile."""
    paths = paths_in(tmp_path / "home")
    await account_in(paths)
    kit = tmp_path / "ana.kit"
    async with (
        open_store(paths.data / "events.db", KEEPING) as theirs,
        open_store(paths.data / "events.db", KEEPING) as ours,
    ):
        await fill(theirs, paths.data)

        async def write() -> None:
            for n in range(10_000):
                await theirs.save([follows(at=START + 100 + n), signed(content=f"since {n}")])

        writer = asyncio.create_task(write())
        try:
            await make_kit(paths, kit, store=ours)
        finally:
            writer.cancel()
    async with open_store(MEMORY, KEEPING) as store:
        assert (await restore_kit(kit, store, tmp_path / "new")).is_whole
        assert {event.id for event in NOTES} <= set(await store.known([e.id for e in NOTES]))
        current = await store.get_address(LIST.address or "")
        assert LIST in [current, *await store.history(LIST.address or "")]


async def test_when_the_last_one_was_made(tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "home")
    await account_in(paths)
    assert not is_fresh(paths.data, ME, 1e12, 2e9)
    async with open_store(MEMORY) as store:
        await make_kit(paths, tmp_path / "ana.kit", store=store)
    made = last_kit(paths.data, ME)
    assert made is not None
    assert made.path == str(tmp_path / "ana.kit")
    assert is_fresh(paths.data, ME, 60, made.made_at + 60)
    assert not is_fresh(paths.data, ME, 60, made.made_at + 61)
    assert not is_fresh(paths.data, ME, 60, made.made_at - 1)
    [file] = paths.data.glob("kit-*.json")
    file.write_bytes(b"{")
    assert last_kit(paths.data, ME) is None


# The account itself


async def start(paths_of: Path, **given: Any) -> KitStart:
    paths = paths_in(paths_of)
    accounts, account = await account_in(paths)
    return await start_of(
        accounts, account, SECRET, load_config(paths.config / "x"), START, **given
    )


async def test_a_key_under_its_own_password_stays_under_it(tmp_path: Path) -> None:
    made = await start(tmp_path / "old")
    assert (made.by_kit, made.kept, made.name) == (False, "password", "ana")
    assert made.ncryptsec not in repr(made)
    accounts = Accounts(paths_in(tmp_path / "new"), work=4)
    await accounts.import_key(BEN, "ANA", password=PASSWORD)
    account = await restore_account(accounts, made, SECRET)
    assert (account.pubkey, account.name, account.backed_up) == (ME, "", True), "ANA is taken"
    async with await accounts.signer(account, PASSWORD) as signer:
        assert signer.pubkey == ME
    before = accounts.file_of(account).read_bytes()
    await restore_account(accounts, made, SECRET)
    assert accounts.file_of(account).read_bytes() == before


async def test_a_watched_account_gets_its_key_and_a_bunker_account_is_watched(
    tmp_path: Path,
) -> None:
    made = await start(tmp_path / "old")
    accounts = Accounts(paths_in(tmp_path / "new"), work=4)
    watched = await accounts.add_watch_only(ME, "me")
    without = KitStart(ME, "ana", START, "", "bunker")
    assert await restore_account(accounts, without, SECRET) == watched
    assert (await restore_account(accounts, made, SECRET)).protection is Protection.PASSWORD
    others = Accounts(paths_in(tmp_path / "other"), work=4)
    assert (await restore_account(others, without, SECRET)).protection is Protection.WATCH_ONLY


async def test_the_bunker_of_an_account_signs_for_it_again(tmp_path: Path) -> None:
    """By the key by which it knew this client, which is nobody's to read from outside the kit."""
    old = Accounts(paths_in(tmp_path / "old"), keyring=KeyringStore(find=list), work=4)
    pairing = BunkerPairing(SecretKey.generate(), BEN.public_key.hex, (RELAY,), ME)
    account = await old.add_bunker(pairing, "ana")
    made = await start_of(old, account, SECRET, ClientConfig(), START)
    assert made.ncryptsec == ""
    assert made.pairing is not None
    assert bytes(pairing.key).hex() not in f"{made!r} {made.pairing!r}"
    known = decode_record(encode_record(made))
    assert known == made

    new = Accounts(paths_in(tmp_path / "new"), keyring=KeyringStore(find=list), work=4)
    await new.add_watch_only(ME, "me")
    assert needs_pairing(new, made)
    back = await restore_account(new, made, SECRET)
    assert back.protection is Protection.BUNKER
    assert await new.pairing(back) == pairing
    assert not needs_pairing(new, made), "what is here is not touched"
    for wrong in (
        msgspec.structs.replace(made.pairing, key="0" * 64),
        msgspec.structs.replace(made.pairing, bunker="nobody"),
        msgspec.structs.replace(made.pairing, relays=("http://a.example",)),
    ):
        others = Accounts(paths_in(tmp_path / "other"), keyring=KeyringStore(find=list), work=4)
        with pytest.raises(KitDamaged, match="makes no sense"):
            await restore_account(others, msgspec.structs.replace(made, pairing=wrong), SECRET)
        assert others.all() == []


async def test_a_key_that_was_given_comes_back_by_what_opens_the_kit(tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "old")
    accounts = Accounts(paths, work=4)
    given = accounts.given(ME)
    made = await start_of(
        accounts, given, SECRET, load_config(paths.config / "x"), START, given=ANA
    )
    assert made.by_kit
    assert nip49.decrypt(made.ncryptsec, SECRET.key_password).public_key.hex == ME
    account = await restore_account(accounts, made, SECRET, password="another password")
    async with await accounts.signer(account, "another password") as signer:
        assert signer.pubkey == ME
    stolen = KitStart(BEN.public_key.hex, "", START, "", "given", made.ncryptsec, True)
    with pytest.raises(KitDamaged, match="not that of the account"):
        await restore_account(accounts, stolen, SECRET, password="another password")


def test_the_proxy_of_the_account_is_its_own_here(tmp_path: Path) -> None:
    paths = paths_in(tmp_path)
    proxy = "socks5h://ana:hush@127.0.0.1:1080"
    made = KitStart(ME, "", START, "", "password", proxy=proxy)
    assert "hush" not in repr(made)
    assert restore_settings(paths, KitStart(ME, "", START, "", "password"))
    assert not paths.config.exists()
    assert restore_settings(paths, made)
    file = paths.config / "config.toml"
    assert load_config(file).for_account(ME).proxy == proxy
    assert load_config(file).proxy is None
    before = file.read_bytes()
    assert not restore_settings(paths, made), "there are settings of the account"
    assert file.read_bytes() == before
    file.write_text(f"# mine\n\nproxy = '{proxy}'\n")
    assert restore_settings(paths, made), "it goes that way anyway"
    assert restore_settings(paths, KitStart(ME, "", START, "", "password", proxy="none"))
    assert file.read_text().startswith("# mine\n\nproxy")
    assert load_config(file).for_account(ME).proxy is None
    other = encode_npub(BEN.public_key.hex)
    inline = f"accounts = {{ {other} = {{ proxy = 'none' }} }}\n"
    file.write_text(inline)
    assert not restore_settings(paths, made), "no table can follow an inline one"
    assert file.read_text() == inline

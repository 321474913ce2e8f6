"""What was opened rests encrypted: on disk, for several processes, through crashes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path

import pytest

from nostr_client.errors import DecryptionFailed, SignerUnavailable, StoreError
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.messages import records, sealed_log
from nostr_client.social.messages.mailbox import Mailbox
from nostr_client.social.messages.records import KeptRumor, ReadUpTo
from nostr_client.social.messages.sealed_log import SealedLog
from nostr_client.social.messages.sending import MessageSender
from tests.routing.rooms import ANA, BEN, CY, Clock, Relay
from tests.social.messages.people import NOW, dm_list, eventually, person, wraps_sent

A, B, C = (key.public_key.hex for key in (ANA, BEN, CY))


async def test_nothing_that_was_said_stands_in_the_folder_or_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = "meet-me-at-the-old-mill"
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        async with (
            person(tmp_path / "ana", ANA, *lists) as ana,
            person(tmp_path / "ben", BEN, *lists) as ben,
        ):
            sent = await ana.messages.send([B], said, subject=said)
            await ben.hears(said, A)
            await ben.messages.react(sent.id, said)
            assert len(await ben.messages.search("old mill")) == 1
            everything = [p for p in tmp_path.rglob("*") if p.is_file()]
            assert any(path.name.endswith("-wal") for path in everything)
            for path in everything:
                data = path.read_bytes()
                assert said.encode() not in data, path
                assert sent.id.encode() not in data, path
            if os.name == "posix":
                assert ben.sealed.stat().st_mode & 0o077 == 0
        assert said not in caplog.text


async def test_two_processes_on_one_folder_see_what_either_opened(tmp_path: Path) -> None:
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        async with (
            person(tmp_path / "ben", BEN, *lists) as ben,
            person(tmp_path / "one", ANA, *lists) as one,
            person(tmp_path / "one", ANA) as two,
        ):
            await one.messages.send([B], "from one")
            await ben.hears("from one", A)
            await two.hears("from one", B)
            sent = await two.messages.send([B], "from two")
            await one.hears("from two", B)
            await ben.messages.send([A], "to both", reply_to=sent.id)
            await one.hears("to both", B)
            await two.hears("to both", B)
            await two.messages.mark_read([B])

            async def read() -> bool:
                return await one.messages.unread() == 0

            await eventually(read)
            assert one.messages.status.by_another_process != two.messages.status.by_another_process


async def test_a_one_shot_command_opens_what_came(tmp_path: Path) -> None:
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        async with person(tmp_path / "ana", ANA, *lists) as ana:
            sent = await ana.messages.send([B], "hello")
            await ana.messages.delivered(sent.id)
        async with person(tmp_path / "ben", BEN, *lists, start=False) as ben:
            status = await ben.messages.sync(10.0)
            assert (status.opened, status.waiting) == (1, 0)
            assert all(end.answered for end in status.ends.values())
            assert await ben.texts(A) == ["hello"]


async def test_what_was_deleted_leaves_the_file(tmp_path: Path) -> None:
    async with Relay() as relay, person(tmp_path / "ana", ANA, dm_list(ANA, relay.url)) as ana:
        note = await ana.messages.send([A], "to myself " * 500)
        before = ana.sealed.stat().st_size
        await ana.messages.delete(note.id)
        await ana.messages._tidy()
        assert ana.sealed.stat().st_size < before - 4_000
        [left] = await ana.messages.messages([A])
        assert (left.deleted, left.text) == (True, "")


async def test_a_signer_that_opens_nothing_costs_nothing(tmp_path: Path) -> None:
    class Broken(LocalSigner):
        async def nip44_decrypt(self, peer: str, payload: str) -> str:
            raise DecryptionFailed("the bunker cannot decrypt this")

    path = tmp_path / "m.sealed"
    log = SealedLog(path, A)
    await log.unlock(LocalSigner(ANA))
    async with log.turn():
        await log.read_new()
        await log.append([b"said"])
    with pytest.raises(SignerUnavailable):
        await SealedLog(path, A).unlock(Broken(ANA))
    assert await read_all(path) == [b"said"]


def kept(n: int, author: str = A, **more: object) -> KeptRumor:
    tags = (("p", B if author == A else A),)
    fields = {"source": f"{n:064x}", "id": f"{n:063x}a", "author": author, "created_at": NOW + n}
    return KeptRumor(**{**fields, "kind": 14, "tags": tags, "content": f"{n}", **more})  # type: ignore[arg-type]


async def read_all(path: Path) -> list[bytes]:
    log = SealedLog(path, A)
    await log.unlock(LocalSigner(ANA))
    return (await log.read_new())[1]


async def test_what_a_crash_cut_short_is_cut_off_and_the_rest_is_there(tmp_path: Path) -> None:
    path = tmp_path / "m.sealed"
    log = SealedLog(path, A)
    await log.unlock(LocalSigner(ANA))
    async with log.turn():
        await log.read_new()
        await log.append([b"one", b"two"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert await read_all(path) == [b"one"]
    async with log.turn():
        log.reread()
        assert (await log.read_new())[1] == [b"one"]
        await log.append([b"three"])
    assert await read_all(path) == [b"one", b"three"]
    damaged = bytearray(path.read_bytes())
    damaged[-5] ^= 1
    path.write_bytes(bytes(damaged))
    other = SealedLog(path, A)
    await other.unlock(LocalSigner(ANA))
    assert (await other.read_new())[1] == [b"one"]
    assert other.damaged == 1


@pytest.mark.parametrize("at", range(-12, 4))
async def test_damage_anywhere_in_a_frame_costs_one_record(tmp_path: Path, at: int) -> None:
    path = tmp_path / "m.sealed"
    log = SealedLog(path, A)
    await log.unlock(LocalSigner(ANA))
    async with log.turn():
        await log.read_new()
        await log.append([b"one"])
        begin = path.stat().st_size
        await log.append([b"two"])
        await log.append([b"three", b"four"])
    damaged = bytearray(path.read_bytes())
    damaged[begin + 12 + at] ^= 0x55
    path.write_bytes(bytes(damaged))
    other = SealedLog(path, A)
    await other.unlock(LocalSigner(ANA))
    assert (await other.read_new())[1] == [b"one", b"three", b"four"]
    assert other.damaged == 1
    async with other.turn():
        await other.append([b"five"])
    assert await read_all(path) == [b"one", b"three", b"four", b"five"]


async def test_what_is_damaged_at_the_end_is_kept_and_written_behind(tmp_path: Path) -> None:
    path = tmp_path / "m.sealed"
    log = SealedLog(path, A)
    await log.unlock(LocalSigner(ANA))
    async with log.turn():
        await log.read_new()
        await log.append([b"one"])
        begin = path.stat().st_size
        await log.append([b"two"])
    damaged = bytearray(path.read_bytes())
    damaged[begin + 6] ^= 0x55
    path.write_bytes(bytes(damaged))
    other = SealedLog(path, A)
    await other.unlock(LocalSigner(ANA))
    async with other.turn():
        assert (await other.read_new())[1] == [b"one"]
        assert other.damaged == 1
        await other.append([b"three"])
        assert other.damaged == 1
    assert path.read_bytes().startswith(damaged), "what cannot be read is not cut off"
    assert await read_all(path) == [b"one", b"three"]


async def test_files_set_aside_are_numbered_and_so_many_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_log, "MOST_SET_ASIDE", 2)
    path = tmp_path / "m.sealed"
    for _ in range(3):
        path.write_bytes(b"no head\n")
        with contextlib.suppress(StoreError):
            await SealedLog(path, A).unlock(LocalSigner(ANA))
    assert path.read_bytes() == b"no head\n", "nothing is overwritten, and it is an error"
    set_aside = sorted(tmp_path.glob("*.unreadable-*"))
    assert [file.read_bytes() for file in set_aside] == [b"no head\n"] * 2


async def test_a_file_that_is_written_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "m.sealed"
    one, two = SealedLog(path, A), SealedLog(path, A)
    await one.unlock(LocalSigner(ANA))
    await two.unlock(LocalSigner(ANA))
    async with one.turn():
        await one.read_new()
        await one.append([b"old", b"older"])
    assert await two.read_new() == (True, [b"old", b"older"])
    assert not two.has_new()
    async with one.turn():
        await one.rewrite([b"new", b"newer"])
    assert two.has_new()
    assert await two.read_new() == (True, [b"new", b"newer"])


async def test_the_key_of_the_file_is_the_signers_to_open(tmp_path: Path) -> None:
    class Away(LocalSigner):
        async def nip44_decrypt(self, peer: str, payload: str) -> str:
            raise SignerUnavailable("the bunker did not answer")

    path = tmp_path / "m.sealed"
    log = SealedLog(path, A)
    await log.unlock(LocalSigner(ANA))
    async with log.turn():
        await log.read_new()
        await log.append([b"said"])
    with pytest.raises(SignerUnavailable):
        await SealedLog(path, A).unlock(Away(ANA))
    assert await read_all(path) == [b"said"], "nothing is set aside for a signer that is away"
    stranger = SealedLog(path, C)
    await stranger.unlock(LocalSigner(CY))
    assert (await stranger.read_new())[1] == []


def test_a_mailbox_comes_out_of_its_snapshot_as_it_was() -> None:
    before = Mailbox(B)
    deletion = kept(9, kind=5, tags=(("e", kept(2).id),))
    for record in (
        *map(kept, range(6)),
        kept(7, B),
        deletion,
        ReadUpTo((A, B), NOW + 3),
        kept(1_000, content="late"),
        kept(8, expires_at=NOW + 10, content="burns"),
    ):
        before.apply(record)
    [room] = before.rooms.values()
    before.forget(kept(8).id)
    after = Mailbox(B)
    for record in before.snapshot():
        after.apply(records.decode(records.encode(record)) or record)
    [again] = after.rooms.values()
    assert (again.order, again.unread) == (room.order, room.unread)
    assert after.sources == before.sources
    assert "2" not in {m.content for m in after.messages.values()}
    assert kept(8).id not in after


def test_one_message_is_read_and_what_came_before_it_is_not() -> None:
    box = Mailbox(B)
    box.apply(kept(1))
    box.apply(kept(2))
    box.apply(records.MarkedRead((A, B), (kept(2).id,)))
    [room] = box.rooms.values()
    assert room.unread == {kept(1).id}


def test_what_was_read_stays_read_and_what_comes_late_is_unread() -> None:
    box = Mailbox(B)
    box.begun = NOW
    box.apply(kept(5))
    box.apply(ReadUpTo((A, B), NOW + 5))
    [room] = box.rooms.values()
    assert not room.unread
    box.apply(kept(3, content="late"))
    assert room.unread == {kept(3).id}
    box.apply(kept(6, B))
    assert not room.unread
    box.apply(kept(-50, content="history"))
    box.apply(kept(7))
    assert room.unread == {kept(7).id}


async def test_a_kill_between_storing_and_sending_loses_nothing_and_sends_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        with monkeypatch.context() as m:
            m.setattr(MessageSender, "_start", lambda self, rumor_id, wraps: None)
            async with person(tmp_path / "ana", ANA, *lists, start=False) as ana:
                sent = await ana.messages.send([B], "written down")
        assert not relay.held
        ana.sealed.unlink()  # as if it had ended before this was written, too
        async with (
            person(tmp_path / "ana", ANA, clock=Clock(NOW + 100)) as ana,
            person(tmp_path / "ben", BEN, *lists) as ben,
        ):
            running = asyncio.create_task(ana.replication.run())
            await ben.hears("written down", A)
            assert (await ana.hears("written down", B)).id == sent.id

            async def both() -> bool:
                return len(set(wraps_sent(relay))) == 2

            await eventually(both)
            running.cancel()
            assert len(wraps_sent(relay)) == 2

"""The log: a chain that shows each change to it."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from nostr_client.errors import InvalidData
from nostr_client.protocol.event import Draft, Event
from relays.moderation import audit_log
from relays.moderation.records import RecordTables
from tests.relays.desk import Desk, OpenDesk
from tests.relays.talk import KEY, NOW, OTHER, note


async def entries(desk: Desk) -> list[bytes]:
    return [line async for line in desk.actions.log()]


async def test_what_was_done_stands_in_it(desk: Desk) -> None:
    actions, victim = desk.actions, note("the secret content", key=KEY)
    await desk.store.save([victim])
    await actions.ban_pubkey(victim.pubkey, by="olga", reason="spam")
    await actions.ban_word("casino", by="keeper")
    await actions.ban_address("203.0.113.5", by="olga", reason="floods")
    await actions.change_info("name", "New", by="olga")
    lines = await entries(desk)
    read = [audit_log.read_entry(event) for event in audit_log.verified(lines, desk.state.pubkey)]
    assert [(entry.number, entry.action, entry.by, entry.reason) for entry in read] == [
        (1, "ban-pubkey", "olga", "spam"),
        (2, "removed", "olga", "spam"),
        (3, "ban-word", "keeper", ""),
        (4, "ban-ip", "olga", "floods"),
        (5, "change-name", "olga", ""),
    ]
    assert read[1].about == (("p", victim.pubkey), ("removed", "1"))
    assert read[2].about == (("word", "casino"),)
    assert {entry.at for entry in read} == {NOW}
    everything = b"".join(lines)
    assert b"secret content" not in everything
    assert b"203.0.113" not in everything


async def test_what_fails_leaves_no_entry(desk: Desk) -> None:
    with pytest.raises(InvalidData):
        await desk.actions.members.assign(KEY.public_key.hex, "none", by="olga")
    assert await entries(desk) == []


async def test_two_processes_make_one_chain(open_desk: OpenDesk) -> None:
    one, two = await open_desk(), await open_desk()
    for n in range(20):
        await (one if n % 2 else two).actions.ban_event(f"{n:064x}", by="k")
    assert len(list(audit_log.verified(await entries(one)))) == 20


async def test_the_file_itself_keeps_it(desk: Desk) -> None:
    await desk.actions.ban_event("00" * 32, by="k")
    with contextlib.closing(sqlite3.connect(desk.folder / "keeper.db")) as db:
        for sql in ("DELETE FROM log", "UPDATE log SET entry = x'00'"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                db.execute(sql)


async def test_more_than_a_slice(desk: Desk) -> None:
    async def act(tables: RecordTables) -> None:
        for n in range(audit_log.SLICE + 1):
            await desk.state.log(tables, "test", by="k", number=n)

    await desk.state.records.write(act)
    assert len(list(audit_log.verified(await entries(desk)))) == audit_log.SLICE + 1


@pytest.fixture
async def chain(desk: Desk) -> list[bytes]:
    for n in range(4):
        await desk.actions.ban_event(f"{n:064x}", by="k", reason=f"reason {n}")
    return await entries(desk)


def _faults(chain: list[bytes]) -> dict[str, list[bytes]]:
    forged = Event.from_trusted(chain[1])
    again = Draft(forged.kind, "another reason", forged.tags).sign(OTHER, forged.created_at)
    return {
        "entry 2 does not follow": [chain[0], *chain[2:]],
        "entry 1 does not follow": chain[1:],
        "entry 3 does not follow": [*chain[:2], chain[3], chain[2]],
        "entry 2: id does not match": [chain[0], chain[1].replace(b"reason 1", b"reason x")],
        "entry 2 is not signed by": [chain[0], again.json],
        "entry 1: ": [b"junk"],
        "not an entry": [note().json],
    }


async def test_each_change_shows(chain: list[bytes]) -> None:
    for fault, lines in _faults(chain).items():
        with pytest.raises(InvalidData, match=fault):
            list(audit_log.verified(lines))


async def test_a_wrong_signature_shows(chain: list[bytes]) -> None:
    sig = Event.from_trusted(chain[1]).sig.encode()
    with pytest.raises(InvalidData, match="entry 2: the signature"):
        list(audit_log.verified([chain[0], chain[1].replace(sig, b"0" * 128)]))


async def test_whose_log_it_is(chain: list[bytes], desk: Desk) -> None:
    assert len(list(audit_log.verified(chain, desk.state.pubkey))) == 4
    with pytest.raises(InvalidData, match="entry 1 is not signed"):
        list(audit_log.verified(chain, OTHER.public_key.hex))

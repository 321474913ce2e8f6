"""Backups: made beside a running relay, read back, and put back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.opening import open_store
from relays.moderation.opening import open_state
from relays.operations import backup
from relays.operations.backup import MANIFEST, back_up, restore
from relays.process.stores import DATABASE
from tests.conftest import StartRelay
from tests.relays.operations.test_import_export import relays
from tests.relays.talk import NOW, OTHER, note, wire

EVENTS = [note(f"{number}", at=NOW + number) for number in range(120)]


async def filled(data: Path, events: list[Event] = EVENTS) -> Path:
    """A relay's folder with events and a ban."""
    async with open_store(data / DATABASE) as store, open_state(data):
        await store.save(events)
    return data


async def held(data: Path) -> set[str]:
    async with open_store(data / DATABASE) as store:
        return {event.id for event in await store.query([Filter()])}


async def test_there_and_back(tmp_path: Path) -> None:
    data = await filled(tmp_path / "relay")
    key = (data / "relay.key").read_bytes()
    made = await back_up(data, tmp_path / "backup")
    assert made.events == len(EVENTS)
    assert set(made.files) == {DATABASE, "keeper.db", "relay.key"}
    for path in (tmp_path / "backup", *(tmp_path / "backup").iterdir()):
        assert path.stat().st_mode & 0o077 == 0
    await restore(tmp_path / "backup", tmp_path / "new")
    assert await held(tmp_path / "new") == {event.id for event in EVENTS}
    assert (tmp_path / "new" / "relay.key").read_bytes() == key
    async with open_state(tmp_path / "new") as state:
        assert bytes(state.key).hex().encode() in key
    with pytest.raises(StoreError, match="already"):
        await restore(tmp_path / "backup", tmp_path / "new")
    with pytest.raises(StoreError, match="already"):
        await back_up(data, tmp_path / "backup")


async def test_the_key_is_copied_where_the_records_are_lost(tmp_path: Path) -> None:
    data = await filled(tmp_path / "relay")
    (data / "keeper.db").unlink()
    made = await back_up(data, tmp_path / "backup")
    assert set(made.files) == {DATABASE, "relay.key"}


async def test_beside_a_running_relay(start_relay: StartRelay, tmp_path: Path) -> None:
    relay = await start_relay(data=tmp_path / "relay")
    async with wire(relay.url) as client:
        for event in EVENTS[:20]:
            await client.publish(event)

        async def go_on() -> None:
            for event in EVENTS[20:]:
                assert (await client.publish(event))[2] is True

        async with asyncio.TaskGroup() as group:
            group.create_task(go_on())
            made = await back_up(tmp_path / "relay", tmp_path / "backup")
        assert 20 <= made.events <= len(EVENTS)
        assert len(await client.stored({"kinds": [1]})) == len(EVENTS)
    await restore(tmp_path / "backup", tmp_path / "new")
    back = await held(tmp_path / "new")
    assert {event.id for event in EVENTS[: made.events]} == back, "one moment, not several"


async def test_what_is_damaged_is_not_put_back(tmp_path: Path) -> None:
    data = await filled(tmp_path / "relay")
    place, new = tmp_path / "backup", tmp_path / "new"
    await back_up(data, place)
    sound = (place / DATABASE).read_bytes()
    (place / DATABASE).write_bytes(sound[:5000] + bytes([sound[5000] ^ 1]) + sound[5001:])
    with pytest.raises(StoreError, match="changed"):
        await restore(place, new)
    assert sorted(path.name for path in new.iterdir()) == ["folder.lock", "relay.lock"]
    (place / DATABASE).unlink()
    with pytest.raises(StoreError, match="no file"):
        await restore(place, new)
    (place / MANIFEST).write_text("{}")
    with pytest.raises(StoreError, match="no backup"):
        await restore(place, new)


async def test_a_forged_event_is_seen(tmp_path: Path) -> None:
    forged = Event.parse(EVENTS[0].json.replace(EVENTS[0].sig.encode(), EVENTS[1].sig.encode()))
    data = await filled(tmp_path / "relay", [forged])
    with pytest.raises(StoreError, match="signature"):
        await back_up(data, tmp_path / "backup")
    assert not list(tmp_path.glob("*backup*")), "nothing is left of it"


async def test_while_a_relay_runs_there(start_relay: StartRelay, tmp_path: Path) -> None:
    await back_up(await filled(tmp_path / "old"), tmp_path / "backup")
    await start_relay(data=tmp_path / "relay")
    with pytest.raises(StoreError, match="in use"):
        await restore(tmp_path / "backup", tmp_path / "relay")


def test_the_commands(tmp_path: Path) -> None:
    data, place = str(tmp_path / "relay"), str(tmp_path / "backup")
    nothing = relays("backup", place, "--data", data)
    assert nothing.returncode == 1
    assert b"no relay" in nothing.stderr
    assert relays("compact", "--data", data).returncode == 1
    assert not (tmp_path / "relay").exists()
    relays("import", "--data", data, "-", input=note("mine", key=OTHER).json)
    assert relays("backup", place, "--data", data).returncode == 0
    result = relays("restore", place, "--data", str(tmp_path / "new"))
    assert b"1 events are back" in result.stderr
    assert relays("export", "--data", str(tmp_path / "new")).stdout.count(b"\n") == 1
    compacted = relays("compact", "--data", data)
    assert compacted.returncode == 0
    assert b"events.db: " in compacted.stderr


async def test_a_sample_at_random_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    check = backup._check_signatures

    async def counting(database: Path, verifier: object, events: list[Event]) -> None:
        asked.append(len(events))
        await check(database, verifier, events)  # type: ignore[arg-type]

    monkeypatch.setattr(backup, "_check_signatures", counting)
    data = await filled(tmp_path / "relay")
    assert await backup.verify(data / DATABASE) == len(EVENTS)
    assert len(asked) == backup.PAGES + 1

"""Removal: an author's everything goes, and stays out."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from relays.moderation import audit_log, removal
from relays.moderation.actions import ModerationActions
from tests.relays.desk import Desk, OpenDesk
from tests.relays.talk import KEY, NOW, OTHER, note
from tests.waiting import until


async def held(desk: Desk) -> set[str]:
    return {event.id for event in await desk.store.query([Filter()])}


async def logged(desk: Desk) -> list[tuple[str, str]]:
    lines = [line async for line in desk.actions.log()]
    read = [audit_log.read_entry(event) for event in audit_log.verified(lines)]
    return [(entry.action, entry.by) for entry in read]


def repost(event: Event, tag: str) -> Event:
    tags = (("e", event.id), ("p", event.pubkey))
    return note(event.json.decode(), kind=6, tags=tags, key=OTHER, at=NOW + int(tag))


async def test_an_authors_everything_goes(desk: Desk) -> None:
    bad = [note("", kind=kind, at=NOW + n) for n, kind in enumerate((0, 1, 3, 5, 7, 30023))]
    bad += [note(f"{n}") for n in range(200)]
    fine = [note("fine", key=OTHER), note("", kind=6, tags=(("e", bad[1].id),), key=OTHER)]
    await desk.store.save([*bad, *fine, repost(bad[1], "1")])
    assert await desk.actions.ban_pubkey(KEY.public_key.hex, by="olga") == len(bad) + 1
    assert await held(desk) == {event.id for event in fine}
    assert await desk.actions.ban_pubkey(KEY.public_key.hex, by="olga") == 0


async def test_one_event_goes_with_reposts_that_carry_it(desk: Desk) -> None:
    bad, other = note("bad"), note("other")
    kept = [other, repost(other, "1"), note("bad", key=OTHER, tags=(("e", bad.id),))]
    await desk.store.save([bad, repost(bad, "2"), *kept])
    assert await desk.actions.ban_event(bad.id, by="olga", reason="r") == 2
    assert await held(desk) == {event.id for event in kept}
    assert await logged(desk) == [("ban-event", "olga"), ("removed", "olga")]


async def test_after_an_unban_it_may_come_again(desk: Desk) -> None:
    event = note()
    await desk.store.save([event])
    await desk.actions.ban_pubkey(event.pubkey, by="k")
    await desk.actions.unban_pubkey(event.pubkey, by="k")
    await desk.store.save([event])
    assert await held(desk) == {event.id}


async def test_words_of_what_is_stored(desk: Desk) -> None:
    bad, fine = note("a casino"), note("casinos")
    allowed = note("casino!")
    await desk.store.save([bad, fine, allowed])
    await desk.actions.allow_event(allowed.id, by="k")
    assert await desk.actions.remove_word("Casino", by="k") == 1
    assert await held(desk) == {fine.id, allowed.id}


class Running:
    """The part of a running relay that looks after strays."""

    def __init__(self, actions: ModerationActions) -> None:
        self._task = asyncio.create_task(actions.remover.run())

    async def __aenter__(self) -> Running:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def gone(desk: Desk) -> None:
    async def nothing_held() -> bool:
        return not await held(desk)

    await until(nothing_held)


async def test_what_another_process_stored_meanwhile_goes(open_desk: OpenDesk) -> None:
    relay, command = await open_desk(), await open_desk()
    async with Running(relay.actions):
        event = note()
        await command.actions.ban_pubkey(event.pubkey, by="k")
        await relay.store.save([event])  # it was judged before the ban was known here
        await relay.state.refresh()

        async def removed() -> bool:
            return ("removed", removal.RELAY) in await logged(relay)

        await until(removed)
    assert not await held(relay)


async def test_what_came_while_no_relay_ran_goes_at_the_start(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    one, two = note("one"), note("two", key=OTHER)
    await desk.actions.ban_pubkey(one.pubkey, by="k")
    await desk.actions.ban_event(two.id, by="k")
    await desk.store.save([one, two])
    async with Running(desk.actions):
        await gone(desk)


async def test_a_stray_is_removed(desk: Desk) -> None:
    async with Running(desk.actions):
        vanish = note("casino", kind=62, tags=(("relay", "ALL_RELAYS"),))
        await desk.actions.ban_word("casino", by="k")
        await desk.store.save([vanish])
        assert desk.state.is_hidden(vanish)
        desk.actions.remover.remove_soon(vanish)
        await gone(desk)


async def test_a_stray_that_comes_behind_the_removal_is_removed_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [note(f"{n}") for n in range(20)]
    await desk.actions.ban_pubkey(KEY.public_key.hex, by="k")
    remove = desk.store.remove

    async def removes(filters: list[Filter]) -> int:
        removed = await remove(filters)
        if left:  # and before that is known here, the next is stored
            await desk.store.save([event := left.pop()])
            desk.actions.remover.remove_soon(event)
        return removed

    monkeypatch.setattr(desk.store, "remove", removes)
    await desk.store.save([event := left.pop()])
    async with Running(desk.actions):
        desk.actions.remover.remove_soon(event)
        await until(lambda: not left)
        await gone(desk)


async def test_what_could_not_be_removed_is_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(removal, "TRY_AGAIN", 0.01)
    count = desk.store.count
    failing = [2]

    async def fails(filters: list[Filter]) -> int:
        if failing[0]:
            failing[0] -= 1
            raise StoreError("the disk is gone")
        return await count(filters)

    monkeypatch.setattr(desk.store, "count", fails)
    event = note()
    await desk.actions.ban_pubkey(event.pubkey, by="k")
    await desk.store.save([event])
    async with Running(desk.actions):
        await gone(desk)
    assert caplog.text.count("could not be removed yet") == 2


async def test_many_bans_cost_few_questions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("ban-event", f"{n:064x}", "", "k", NOW) for n in range(2000)]
    with sqlite3.connect(desk.folder / "keeper.db") as db:
        db.executemany("INSERT INTO rule VALUES (?, ?, ?, ?, ?)", rows)
    db.close()
    asked = []
    count = desk.store.count

    async def counted(filters: list[Filter]) -> int:
        asked.append(filters)
        return await count(filters)

    monkeypatch.setattr(desk.store, "count", counted)
    await desk.state.refresh()
    event = note()
    await desk.store.save([event])
    async with Running(desk.actions):
        await desk.actions.ban_event(event.id, by="k")
        await gone(desk)
        await until(lambda: len(asked) >= 11)
    assert len(asked) == 11

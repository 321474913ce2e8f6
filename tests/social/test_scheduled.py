"""Notes that go out at a time: once, whoever sends them, and whatever ends meanwhile."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from nostr_client.errors import (
    FolderInUse,
    InvalidData,
    SecretFound,
    SignerUnavailable,
    StoreError,
)
from nostr_client.paths import FolderLock, Paths
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing.courier import Courier
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social import scheduled
from nostr_client.social.drafts import NEW_NOTE, DraftFile
from nostr_client.social.scheduled import LATE, Schedule, ScheduledNote
from nostr_client.social.taken_back import take_back
from nostr_client.social.writing import Writing
from tests.social.house import ME, House, house
from tests.waiting import until

SOON = Writing(text="see you at eight", warning="")


def schedule_of(h: House, folder: Path) -> Schedule:
    return Schedule(h.notes, h.notes._publisher, folder=folder / "scheduled", clock=h.clock)


@asynccontextmanager
async def kept(*schedules: Schedule) -> AsyncIterator[None]:
    """The schedules as processes of one person keep them."""
    tasks = [asyncio.create_task(each.keep()) for each in schedules]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def notes_in(h: House) -> list[Event]:
    return await h.store.query([Filter.of(authors=[ME], kinds=[1])])


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduled, "LOOK_EVERY", 0.01)


async def test_it_goes_out_when_it_is_due_and_once(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        one, other = schedule_of(h, tmp_path), schedule_of(h, tmp_path)
        sent: list[str] = []
        one.on_sent = other.on_sent = lambda note, posted: sent.append(posted.id)
        now = int(h.clock.now)
        later = await one.add(SOON, now + 500)
        note = await one.add(SOON, now + 100)
        file = tmp_path / "scheduled" / f"{note.id}.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert await other.all() == [note, later]
        async with kept(one, other):
            await asyncio.sleep(0)
            assert await notes_in(h) == []
            h.clock.now += 100
            await until(lambda: bool(sent))
            await until(lambda: not file.exists())
        [event] = await notes_in(h)
        assert sent == [event.id]
        assert (event.content, event.tags) == ("see you at eight", (("content-warning",),))
        assert await one.all() == [later]


async def test_one_that_is_late_waits_for_a_word(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        schedule = schedule_of(h, tmp_path)
        now = int(h.clock.now)
        first, second = await schedule.add(SOON, now + 1), await schedule.add(SOON, now + 2)
        h.clock.now += LATE + 10
        assert await schedule._send_due() > 0
        assert await notes_in(h) == []
        assert await schedule.late() == [first, second]
        assert await schedule.take_back(first.id) == first
        assert await schedule.take_back(first.id) is None
        posted = await schedule.send_now(second.id)
        assert posted is not None
        assert [event.id for event in await notes_in(h)] == [posted.id]
        assert await schedule.send_now(second.id) is None


async def test_time_and_text_change_until_it_is_signed(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        schedule = schedule_of(h, tmp_path)
        now = int(h.clock.now)
        note = await schedule.add(SOON, now + 10)
        moved = await schedule.change(note.id, at=now + 50)
        assert moved == ScheduledNote(id=note.id, at=now + 50, writing=SOON)
        said = await schedule.change(note.id, writing=Writing(text="at nine"))
        assert said == ScheduledNote(id=note.id, at=now + 50, writing=Writing(text="at nine"))
        assert await schedule.all() == [said]
        with pytest.raises(InvalidData, match="to come"):
            await schedule.change(note.id, at=now)
        with pytest.raises(SecretFound):
            await schedule.change(note.id, writing=Writing(text=NSEC))
        h.clock.now += 20
        await schedule.send_due()
        assert await notes_in(h) == []
        h.clock.now += 40
        await schedule.send_due()
        [event] = await notes_in(h)
        assert event.content == "at nine"
        assert await schedule.change(note.id, at=now + 500) is None


async def test_a_signer_may_take_its_time_while_more_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the client sends by itself is no other process that `schedule send` gives up for."""
    monkeypatch.setattr(scheduled, "LOCK_LIMIT", 0.0)
    signing, sign = asyncio.Event(), LocalSigner.sign
    asked: asyncio.Task[None] | None = None

    async def slow(signer: LocalSigner, draft: Draft) -> Event:
        signing.set()
        await until(lambda: asked is not None)
        assert asked is not None
        await asyncio.wait([asked], timeout=0.1)
        return await sign(signer, draft)

    monkeypatch.setattr(LocalSigner, "sign", slow)
    async with house(tmp_path) as h:
        schedule = schedule_of(h, tmp_path)
        await schedule.add(SOON, int(h.clock.now) + 1)
        h.clock.now += 2
        async with kept(schedule):
            await signing.wait()
            asked = asyncio.create_task(schedule.send_due())
            await asked
        assert len(await notes_in(h)) == 1


async def test_what_cannot_be_taken_back_is_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be sent twice, once from the schedule and once by its person."""
    monkeypatch.setattr(scheduled, "LOCK_LIMIT", 0.0)
    where = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state")
    draft = DraftFile(where, ME, NEW_NOTE)
    async with house(tmp_path) as h:
        schedule = schedule_of(h, tmp_path)
        note = await schedule.add(SOON, int(h.clock.now) + 100)
        withdraw = partial(schedule.take_back, note.id)
        draft.write("begun")
        with FolderLock(tmp_path / "scheduled" / scheduled._LOCK), pytest.raises(FolderInUse):
            await take_back(where, ME, note.writing, withdraw)
        assert draft.read() == "begun"
        kept_draft = await take_back(where, ME, note.writing, withdraw)
        assert kept_draft is not None
        assert kept_draft.file.name == NEW_NOTE
        both = draft.read()
        assert both.endswith("begun")
        assert SOON.text in both
        assert await take_back(where, ME, note.writing, withdraw) is None, "it is gone"
        assert draft.read() == both


async def test_a_crash_after_signing_sends_that_event_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as h:
        schedule = schedule_of(h, tmp_path)
        note = await schedule.add(SOON, int(h.clock.now) + 1)
        h.clock.now += 2

        async def killed(courier: Courier, event: Event, **_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Courier, "publish", killed)
            with pytest.raises(KeyboardInterrupt):
                await schedule._send_due()
        [left] = await schedule.all()
        assert Event.parse(left.event).content == SOON.text
        assert await schedule.take_back(note.id) is None, "it may be out already"
        await h.store.save([Event.parse(left.event)])  # the crash may have come after this, too
        h.clock.now += 2 * LATE
        await schedule_of(h, tmp_path)._send_due()
        assert await notes_in(h) == [Event.parse(left.event)]
        assert await schedule.all() == []


async def test_a_signer_that_is_away_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(signer: LocalSigner, draft: Draft) -> Event:
        raise SignerUnavailable("the bunker does not answer")

    async with house(tmp_path) as h:
        schedule = schedule_of(h, tmp_path)
        note = await schedule.add(SOON, int(h.clock.now) + 1)
        h.clock.now += 2
        with monkeypatch.context() as patch:
            patch.setattr(LocalSigner, "sign", away)
            await schedule._send_due()
            assert schedule.problems == {note.id: "the bunker does not answer"}
        await schedule._send_due()
        assert (schedule.problems, await schedule.all()) == ({}, [])
        assert len(await notes_in(h)) == 1


async def test_what_is_not_scheduled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(tmp_path) as h:
        schedule = schedule_of(h, tmp_path)
        now = int(h.clock.now)
        with pytest.raises(InvalidData, match="to come"):
            await schedule.add(SOON, now)
        with pytest.raises(InvalidData, match="empty"):
            await schedule.add(Writing(text=" \n"), now + 9)
        with pytest.raises(SecretFound):
            await schedule.add(Writing(text=NSEC), now + 9)
        monkeypatch.setattr(scheduled, "MOST", 0)
        with pytest.raises(InvalidData, match="no more can be"):
            await schedule.add(SOON, now + 9)
        (tmp_path / "scheduled").mkdir()
        (tmp_path / "scheduled" / "foreign.json").write_text("{not ours")
        assert await schedule.all() == [], "what is not ours stops nobody, and stays"
        (tmp_path / "scheduled" / "ab.json").mkdir()
        with pytest.raises(StoreError, match="cannot be read"):
            await schedule.all()


NSEC = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"

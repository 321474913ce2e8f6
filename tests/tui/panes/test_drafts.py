"""The section of what is not sent: drafts, and notes that go out at a time."""

from __future__ import annotations

import asyncio
import time

import pytest

from nostr_client.client import NostrClient
from nostr_client.nips import nip19
from nostr_client.protocol.filters import Filter
from nostr_client.social import drafts, scheduled
from nostr_client.social.drafts import DraftFile, kept_drafts
from nostr_client.social.scheduled import LATE, ScheduledNote
from nostr_client.social.writing import Writing
from nostr_client.tui.app import NostrApp
from nostr_client.tui.held_acts import HeldAct, HeldActs
from nostr_client.tui.panes.drafts import UnsentList
from nostr_client.tui.screens.dialogs import ConfirmDialog
from nostr_client.tui.screens.note_compose import NoteComposeScreen
from nostr_client.tui.screens.thread import ThreadScreen
from tests.tui.world import World, furnish, sees, shown, told, type_in, until


def draft(world: World, name: str) -> DraftFile:
    return DraftFile(world.where, world.pubkey("ana"), name)


def client_of(app: NostrApp) -> NostrClient:
    assert app.main is not None
    return app.main.client


def client_list(app: NostrApp) -> UnsentList:
    assert app.main is not None
    front = app.main.view.front
    assert isinstance(front, UnsentList)
    return front


async def own_notes(app: NostrApp, world: World) -> list[str]:
    mine = Filter.of(authors=[world.pubkey("ana")], kinds=[1])
    return [event.content for event in await client_of(app).store.query([mine])]


async def test_drafts_are_listed_opened_and_thrown_away(world: World) -> None:
    await world.account()
    roof = world.note("ben", "The roof is fixed.")
    await world.put(world.named("ben"), roof)
    ben = nip19.encode_npub(world.pubkey("ben"))
    draft(world, drafts.name_of(roof.id)).write(f"and the door, nostr:{ben}?")
    draft(world, drafts.name_of(quote="cd" * 32)).write(
        "Content-Warning: x\n\nlook at this \x1b[2J"
    )
    draft(world, f"{drafts.private_room(['a'])}").write("encrypted text of nobody")
    async with world.at_home() as (app, pilot):
        app.action_section("drafts")
        await sees(app, "and the door, @ben?")
        assert "look at this" in shown(app)
        assert "Content-Warning" not in shown(app)
        assert "private message" in shown(app)
        assert "encrypted text" not in shown(app)
        names = [one.name for one in kept_drafts(world.where, world.pubkey("ana"))]
        await pilot.press(*"j" * names.index(drafts.name_of(roof.id)), "enter")
        await sees(app, "Answer to ben")
        assert "│ The roof is fixed." in shown(app)
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)
        await pilot.press("x")
        await sees(app, "Throw it away?")
        await pilot.press("n", "x", "y")
        await until(lambda: "and the door" not in shown(app))
        assert len(kept_drafts(world.where, world.pubkey("ana"))) == 2


@pytest.mark.slow
async def test_a_note_is_scheduled_and_taken_back(world: World) -> None:
    await world.account()
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        await type_in(pilot, "see you at eight")
        await pilot.press("ctrl+l")
        await sees(app, "which must be on then")
        await type_in(pilot, "soon\n")
        await told(app, "Not scheduled: a time is typed as: 18:30")
        assert isinstance(app.screen, NoteComposeScreen)
        await pilot.press("ctrl+l")
        await type_in(pilot, "in 2h\n")
        await until(lambda: app.screen is app.main)
        await told(app, "It waits on this machine, which must be on then")
        assert kept_drafts(world.where, world.pubkey("ana")) == []
        [note] = await client_of(app).schedule.all()
        assert abs(note.at - time.time() - 7200) < 60
        app.action_section("drafts")
        await sees(app, "note  goes out t")
        await sees(app, "see you at eight")
        await pilot.press("t")
        await type_in(pilot, "in 3d\n")
        await sees(app, "in 2d")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, NoteComposeScreen))
        await sees(app, "see you at eight")
        assert await client_of(app).schedule.all() == []
        assert draft(world, drafts.NEW_NOTE).read() == "see you at eight"


@pytest.mark.slow
async def test_what_is_due_goes_out_and_what_is_late_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduled, "LOOK_EVERY", 0.05)
    await world.account()
    folder = world.where.data / "scheduled" / world.pubkey("ana")
    async with world.at_home() as (app, pilot):
        schedule = client_of(app).schedule
        now = int(time.time())
        for name, at in (("due", now - 300), ("late", now - LATE - 60)):
            note = ScheduledNote(id=name, at=at, writing=Writing(text=f"the {name} one"))
            schedule._write(note)
        await told(app, "A scheduled note went out, 5 min late: the due one")
        await until(lambda: isinstance(app.screen, ConfirmDialog))
        await sees(app, "and nobody was here.")
        await pilot.press("n")
        await until(lambda: app.screen is app.main)
        assert await own_notes(app, world) == ["the due one"]
        assert [file.name for file in folder.glob("*.json")] == ["late.json"]
        app.action_section("drafts")
        await sees(app, "nobody was here; s sends it")
        await pilot.press("s", "y")
        await until(lambda: not list(folder.glob("*.json")))
        assert sorted(await own_notes(app, world)) == ["the due one", "the late one"]


@pytest.mark.slow
async def test_a_draft_follows_to_another_device(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = "ws://127.0.0.1:9"

    async def private_relays() -> tuple[str, ...]:
        return (relay,)

    await world.account()
    async with world.at_home() as (app, pilot):
        client = client_of(app)
        synced, store = client.synced_drafts, client.store
        synced.on = True
        synced._private_relays = client.courier.private_relays = private_relays

        async def wraps() -> list[str]:
            found = await store.query([Filter.of(kinds=[31234])])
            return [event.content for event in found]

        await pilot.press("c")
        await type_in(pilot, "half a thought")
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)
        async with asyncio.timeout(30):
            while not await wraps():
                await asyncio.sleep(0.02)
        assert "thought" not in str(await wraps())
        await pilot.press("c")
        await sees(app, "half a thought")
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)
        assert await wraps() != [""], "opening it deletes it nowhere"
        synced._path.unlink()  # as another device, which knows nothing of it
        draft(world, drafts.NEW_NOTE).drop()
        app.action_section("drafts")
        await sees(app, "draft of another device")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, NoteComposeScreen))
        await sees(app, "half a thought")
        await pilot.press("ctrl+s")
        await until(lambda: app.screen is app.main)
        async with asyncio.timeout(30):
            while await wraps() != [""]:
                await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_what_an_earlier_run_held_is_done_by_enter_or_thrown_away(world: World) -> None:
    await furnish(world)
    account = await world.account()

    async def never(act: HeldAct) -> bool:
        raise AssertionError("nobody does anything here")

    left = HeldActs(world.where, account.pubkey, never)
    async with world.at_home() as (app, pilot):
        store = client_of(app).store
        [note] = await store.query([Filter.of(authors=[world.pubkey("ben")], kinds=[1], limit=1)])
        left._folder.mkdir(parents=True)
        left._write("aa", HeldAct("react", note.id, "+", words="♥ for \x1b[2Jben"))
        left._write("bb", HeldAct("repost", note.id, words="repost of ben"))
        app.action_section("drafts")
        await sees(app, "not done  when the program ended; enter does it")
        assert "repost of ben" in shown(app)
        await pilot.press("enter")
        await until(lambda: len(client_list(app).items) == 1)
        likes = Filter.of(authors=[account.pubkey], kinds=[7], e=[note.id])
        assert len(await store.query([likes])) == 1
        await pilot.press("x", "y")
        await until(lambda: "repost of ben" not in shown(app))
        assert not await left.left_over()
        assert not await store.query([Filter.of(authors=[account.pubkey], kinds=[6])])


@pytest.mark.slow
async def test_a_note_that_no_relay_has_waits_there_and_is_taken_back(world: World) -> None:
    relay = "ws://127.0.0.1:9"
    await world.put(world.event("ana", 10002, "", (("r", relay),)))
    await world.account()
    async with world.at_home() as (app, pilot):
        client = client_of(app)
        first, second = [(await client.notes.post(text)).id for text in ("wrogn word", "too late")]
        app.action_section("drafts")
        await sees(app, "waiting: 0 of 1 relays have it")
        await until(lambda: "wrogn" in shown(app) and "too late" in shown(app))
        await client.store.ledger.refuse(
            second, relay, "error", "busy", final=False, next_try=1 << 40, handed=True
        )
        await sees(app, "tried on after the year 9999")
        rows = client_list(app)
        rows.go_to(f"unplaced-{second}")
        await pilot.press("enter")
        await told(app, "It stays as it is: 127.0.0.1:9 was handed it.")
        await until(lambda: isinstance(app.screen, ThreadScreen))
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)
        rows.go_to(f"unplaced-{first}")
        await pilot.press("enter")
        await sees(app, "Take it back and write on?")
        await pilot.press("y")
        await until(lambda: isinstance(app.screen, NoteComposeScreen))
        await sees(app, "wrogn word")
        assert await own_notes(app, world) == ["too late"]
        [deletion] = await client.store.query([Filter.of(kinds=[5])])
        assert list(deletion.values("e")) == [first]

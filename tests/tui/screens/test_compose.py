"""Writing a note, from the key to the last answer."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.widgets import TextArea

from nostr_client import paths
from nostr_client.errors import StoreFull
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.social import drafts
from nostr_client.social.drafts import DraftFile
from nostr_client.store.contract import EventStore, SaveResult
from nostr_client.store.sqlite.store import SqliteStore
from nostr_client.tui.acts.registry import ACT_BY_ID
from nostr_client.tui.screens import compose
from nostr_client.tui.screens.compose import ComposeScreen
from tests.conftest import StartRelay
from tests.tui.world import PASSWORD, World, burst, sees, shown, told, type_in, until


async def test_esc_keeps_the_draft_and_c_brings_it_back(world: World) -> None:
    await world.account()
    await world.put(world.named("ana"), world.note("ana", "Older."))
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        await type_in(pilot, "half a thought")
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)
        file = draft_of(world, drafts.NEW_NOTE)
        assert file.read() == "half a thought"
        await pilot.press("r")
        await until(lambda: isinstance(app.screen, ComposeScreen))
        await pilot.pause()
        assert "Answer to ana" in shown(app)
        assert "│ Older." in shown(app)
        assert "half a thought" not in shown(app), "another note, another draft"
        await type_in(pilot, "an answer")
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)
        await pilot.press("c")
        await sees(app, "half a thought")


async def test_quitting_keeps_it(world: World) -> None:
    await world.account()
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        app.screen.query_one("#text").text = "not lost"  # type: ignore[attr-defined]
        await pilot.pause()
        await pilot.press("ctrl+q")
        await until(lambda: not app.is_running)
    assert draft_of(world, drafts.NEW_NOTE).read() == "not lost"


async def test_the_keys_are_named_on_a_low_screen(world: World) -> None:
    await world.account()
    async with world.at_home((300, 10)) as (app, pilot):
        await pilot.press("c")
        await sees(app, "ctrl+s send")


@pytest.mark.slow
async def test_no_relay_at_all(world: World) -> None:
    await world.account()
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        await pilot.press("ctrl+s")
        await told(app, "There is nothing to send yet.")
        await type_in(pilot, "alone, and kept")
        await pilot.press("ctrl+s")
        await until(lambda: app.screen is app.main)
        await sees(app, "Kept here.")
        assert not draft_of(world, drafts.NEW_NOTE).path.exists()
        await until(lambda: shown(app).count("alone, and kept") == 1)


async def test_live_results_and_a_relay_that_is_down(world: World, start_relay: StartRelay) -> None:
    there, gone = await start_relay(), await start_relay()
    world.relays = [there.url, gone.url]
    await gone.kill()
    await world.account()
    async with world.at_home() as (app, pilot):
        await sees(app, "relays 1/2")
        await pilot.press("c")
        await type_in(pilot, "to whom it may concern")
        await pilot.press("ctrl+s")
        await sees(app, "1 of 2, 1 waiting: tried again by itself · D shows each answer")
        assert app.screen is app.main, "nothing lies over what is being read"
        assert "●○ 1 of 2" in shown(app) or "○● 1 of 2" in shown(app)
        await sees(app, "copies 1/7")
        await pilot.press("D")
        await sees(app, f"● {there.url.removeprefix('ws://')}")
        assert f"○ {gone.url.removeprefix('ws://')}" in shown(app)
        assert "1 of 2 have it, and the copy here." in shown(app)
        await pilot.press("escape")
        await pilot.press("8")
        await pilot.pause()
        assert "8 Relays !" in shown(app)


@pytest.mark.slow
async def test_what_no_relay_took_is_counted(world: World, start_relay: StartRelay) -> None:
    gone = await start_relay()
    await gone.kill()
    world.relays = [gone.url]
    await world.account()
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        await type_in(pilot, "hello?")
        await pilot.press("ctrl+s")
        await sees(app, "○ 0 of 1, 1 waiting")
        await sees(app, "unsent 1")


async def test_a_note_that_cannot_be_kept_stays_a_draft(world: World) -> None:
    await world.account()
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        await pilot.press("c")
        secret = "nsec1" + "q" * 58
        app.screen.query_one("#text").text = f"my key is {secret}"  # type: ignore[attr-defined]
        await pilot.press("ctrl+s")
        await sees(app, "!! error: Not sent, kept as a draft:")
        assert secret[:20] not in shown(app)
        assert secret in draft_of(world, drafts.NEW_NOTE).read()
        await pilot.press("c")
        await sees(app, secret[:20])


async def test_closing_while_it_is_on_its_way(world: World, start_relay: StartRelay) -> None:
    relay = await start_relay()
    world.relays = [relay.url]
    await world.account()
    async with world.at_home() as (app, pilot):
        await sees(app, "relays 1/1")
        await pilot.press("c")
        await type_in(pilot, "in passing")
        app.screen.action_send()  # type: ignore[attr-defined]
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)
        await sees(app, "in passing")
        await sees(app, "copies 1/7")
        assert not draft_of(world, drafts.NEW_NOTE).path.exists()


def draft_of(world: World, name: str) -> DraftFile:
    assert PASSWORD
    return DraftFile(world.where, world.pubkey("ana"), name)


class Disk:
    """What the folder answers while it is full: every file that would be written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.refused = 0
        write = paths._write_new

        def maybe(path: Path, data: bytes) -> None:
            if self.full:
                self.refused += 1
                raise OSError(errno.ENOSPC, "No space left on device")
            write(path, data)

        monkeypatch.setattr(paths, "_write_new", maybe)


async def test_a_draft_is_kept_as_soon_as_there_is_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "TRY_AGAIN", 0.1)
    disk = Disk(monkeypatch)
    await world.account()
    async with world.at_home() as (app, pilot):
        disk.full = True
        await pilot.press("c")
        burst(app, "not lost")
        await told(app, "The draft is not kept")
        await until(lambda: disk.refused > 3)
        said = [one for one in app.news.log.kept if "not kept" in one.text]
        assert len(said) == 1, "once, however often it was tried"
        assert "the disk is full: make room on it" in said[0].text
        assert "draft NOT kept" in shown(app)
        await pilot.press("escape")
        await pilot.press("ctrl+q")
        assert isinstance(app.screen, ComposeScreen), "the only copy is on the screen"
        disk.full = False
        await until(lambda: draft_of(world, drafts.NEW_NOTE).read() == "not lost")
        await sees(app, "draft kept")


async def test_a_store_that_is_full_gives_the_text_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, full = SqliteStore.save, [True]

    async def maybe(store: EventStore, events: Sequence[Event]) -> list[SaveResult]:
        if full[0]:
            raise StoreFull("events.db: the disk is full: make room on it")
        return await save(store, events)

    await world.account()
    async with world.at_home() as (app, _):
        monkeypatch.setattr(SqliteStore, "save", maybe)
        burst(app, "cfirst\x13")
        await sees(app, "Not sent, kept as a draft: events.db: the disk is full")
        assert draft_of(world, drafts.NEW_NOTE).read() == "first"
        full[0] = False
        burst(app, "c, and again\x13")
        # An error that nobody can have read yet stands in the line still.
        await until(lambda: app.news.sending is not None and app.news.sending.kept)
        assert app.main is not None
        stored = await app.main.client.store.query([Filter.of(kinds=[1])])
        assert [event.content for event in stored] == ["first, and again"]


@pytest.mark.slow
async def test_what_was_not_sent_comes_back_into_what_is_being_written_since(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next key would write over a draft that only lay behind it."""
    fail = asyncio.Event()

    async def save(store: EventStore, events: Sequence[Event]) -> list[SaveResult]:
        await fail.wait()
        raise StoreFull("events.db: the disk is full: make room on it")

    await world.account()
    async with world.at_home() as (app, pilot):
        monkeypatch.setattr(SqliteStore, "save", save)
        burst(app, "cfirst\x13")
        await until(lambda: app.screen is app.main)
        burst(app, "cbegun since")
        await sees(app, "begun since")
        fail.set()
        await sees(app, "Not sent, kept as a draft")
        burst(app, "!")
        await until(lambda: draft_of(world, drafts.NEW_NOTE).read() == "first\n\nbegun since!")
        await pilot.press("escape")
        assert draft_of(world, drafts.NEW_NOTE).read() == "first\n\nbegun since!"


@pytest.mark.slow
async def test_a_poll_is_a_draft_until_it_is_asked(world: World) -> None:
    await world.account()
    async with world.at_home() as (app, pilot):

        async def kept(text: str) -> None:
            await until(lambda: draft_of(world, drafts.POLL).read() == text)

        def composes() -> bool:
            return isinstance(app.screen, ComposeScreen) and app.screen.takes_keys.is_set()

        app.post_message(ACT_BY_ID["poll"].on(None))
        await until(composes)
        await sees(app, "Ask a poll")
        burst(app, "Tea?")
        await kept("Tea?")
        await pilot.press("escape")
        app.action_section("drafts")
        await sees(app, "poll  draft")
        await pilot.press("enter")
        await until(composes)
        await until(lambda: app.screen.query_one("#text", TextArea).text == "Tea?")
        for answer in ("- yes", "- no"):
            await pilot.press("enter")
            burst(app, answer)
        burst(app, "\x13")
        await sees(app, "For how many days?")
        await pilot.press("enter")
        await sees(app, "yes | no; one answer, 3 days")
        await kept("Tea?\n- yes\n- no")
        await pilot.press("y")
        await told(app, "Asked")
        await until(lambda: not draft_of(world, drafts.POLL).path.exists())
        assert app.main is not None
        [poll] = await app.main.client.store.query([Filter.of(kinds=[kinds.POLL])])
        assert (poll.content, len(list(poll.values("option")))) == ("Tea?", 2)

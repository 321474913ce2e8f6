"""The unlocked session: it locks itself, by any clock, or at once, and goes on where it was."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot

from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import SignerUnavailable
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.tui import session_lock
from nostr_client.tui.app import NostrApp
from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.screens.dialogs import ConfirmDialog
from nostr_client.tui.screens.profile import ProfileScreen
from nostr_client.tui.screens.room import RoomScreen
from nostr_client.tui.screens.thread import ThreadScreen
from nostr_client.tui.session_lock import IdleTime
from tests.tui.world import PASSWORD, World, furnish, paste, sees, shown, told, type_in, until

HOUR = 3600.0


class Clocks:
    """Two that stand still until they are turned."""

    def __init__(self, world: World) -> None:
        self.monotonic = self.wall = 1_000.0
        world.clocks = (lambda: self.monotonic, lambda: self.wall)


@asynccontextmanager
async def locked(app: NostrApp) -> AsyncIterator[None]:
    """What happens inside locks the account; then nothing of the session is left."""
    assert app.main is not None
    before, signer = app.main, app.main.client.signer
    assert signer is not None
    yield
    await until(lambda: app.main is not None and app.main is not before)
    await sees(app, "locked, L unlocks")
    assert app.main is not None
    assert app.main.client.signer is None
    assert app.main.client.pubkey == signer.pubkey
    with pytest.raises(SignerUnavailable, match="locked"):
        await signer.sign(Draft(1, "words"))


async def unlock(app: NostrApp, pilot: Pilot[int]) -> None:
    await pilot.press("L")
    await until(lambda: bool(app.screen.query("#password")))
    await type_in(pilot, PASSWORD)
    await pilot.press("enter")
    await until(lambda: app.main is not None and app.main.client.signer is not None)


def test_a_clock_that_stands_still_hides_nothing() -> None:
    now = [0.0, 0.0]
    idle = IdleTime([lambda: now[0], lambda: now[1]])
    now[:] = [60.0, -7 * HOUR]  # the wall clock was set back
    assert idle.minutes == 1
    now[:] = [60.0, 90 * 60.0]  # a laptop slept
    assert idle.minutes == 90
    idle.touch()
    assert idle.minutes == 0


async def test_what_is_typed_after_the_time_does_nothing_and_the_draft_goes_on(
    world: World,
) -> None:
    clocks = Clocks(world)
    await world.account()
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, ComposeScreen))
        await type_in(pilot, "half a thought")
        clocks.monotonic += HOUR / 2
        clocks.wall += HOUR / 2
        await type_in(pilot, "s")
        clocks.wall += HOUR - 1
        await type_in(pilot, "!")
        clocks.wall += HOUR
        async with locked(app):
            paste(app, "by a stranger")
            await type_in(pilot, "xx")
        assert "half a thought" not in shown(app)
        [draft] = (world.where.data / "drafts").rglob("note.txt")
        assert draft.read_text() == "half a thoughts!"
        await unlock(app, pilot)
        await until(lambda: isinstance(app.screen, ComposeScreen))
        await sees(app, "half a thoughts!")
        await type_in(pilot, "?")
        await sees(app, "half a thoughts!?")


async def test_a_room_is_left_and_found_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_lock, "LOOK_EVERY", 0.05)
    clocks = Clocks(world)
    await world.account()
    where = (("relay", "ws://127.0.0.1:9"),)
    await world.put(*(world.event(name, kinds.DM_RELAYS, "", where, 60) for name in ("ana", "ben")))
    signer = LocalSigner(world.person("ana"))
    async with NostrClient.open(signer, paths=world.where, config=world.config) as client:
        await client.messages.send([world.pubkey("ben")], "between us")
        assert client.messages._archive.mailbox.messages
    assert not client.messages._archive.mailbox.messages, "a client that is closed keeps nothing"
    async with world.at_home() as (app, pilot):
        await pilot.press("4")
        await sees(app, "between us")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, RoomScreen))
        await sees(app, "between us")
        await pilot.press("n")
        await until(lambda: isinstance(app.screen, ComposeScreen))
        await type_in(pilot, "more")
        assert app.main is not None
        opened = weakref.ref(app.main.client.messages)
        gc.freeze()  # as is done a moment after the start
        async with locked(app):
            clocks.monotonic += HOUR
        assert app.main.pane.name == "messages"
        assert "between us" not in shown(app)
        await until(lambda: not [one for one in app.workers if one.group == "lock"])
        gc.collect()
        assert opened() is None, "what was opened stays in memory"
        await unlock(app, pilot)
        await until(lambda: isinstance(app.screen, RoomScreen))
        await sees(app, "between us")
        await pilot.press("n")
        await sees(app, "more")


async def test_locked_by_a_key_with_what_was_open_and_asked(world: World) -> None:
    clocks = Clocks(world)
    await furnish(world)
    await world.account()
    async with world.at_home() as (app, pilot):
        main = app.main
        assert main is not None
        await until(lambda: main.front.selected is not None)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ThreadScreen))
        await pilot.press("p")
        await until(lambda: isinstance(app.screen, ProfileScreen))
        async with locked(app):
            await pilot.press("L")
        assert app.screen is app.main
        await unlock(app, pilot)
        await until(lambda: isinstance(app.screen, ProfileScreen))
        assert isinstance(app.screen_stack[-2], ThreadScreen)
        await pilot.press("F")
        await until(lambda: isinstance(app.screen, ConfirmDialog))
        clocks.wall += HOUR
        async with locked(app):
            await pilot.press("enter")  # no answer any more
        await pilot.pause()
        assert not [worker for worker in app.workers if worker.group == "action"]


async def test_a_draft_that_cannot_be_kept_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks(world)
    await world.account()
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, ComposeScreen))
        drafts = world.where.data / "drafts"
        drafts.write_text("no folder")
        await type_in(pilot, "precious")
        clocks.wall += HOUR
        await pilot.press("x")
        await told(app, "Not locked")
        drafts.unlink()
        await type_in(pilot, "!")
        await sees(app, "precious!")


async def test_what_has_no_password_does_not_lock(world: World) -> None:
    clocks = Clocks(world)
    async with world.app(demo=True) as (app, pilot):
        await until(lambda: app.main is not None and app.main.front.is_mounted)
        main = app.main
        assert main is not None
        clocks.wall += HOUR
        await pilot.press("L")
        await told(app, "nothing to lock")
        assert app.main is main
        assert main.client.signer is not None


async def test_who_wants_no_lock_has_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(world)
    config = ClientConfig(own_relay=False, lock_after=0)
    monkeypatch.setattr(World, "config", property(lambda self: config))
    await world.account()
    async with world.at_home() as (app, pilot):
        main = app.main
        clocks.wall += 1000 * HOUR
        await pilot.press("9")
        await until(lambda: main is not None and main.pane.name == "accounts")
        assert app.main is main

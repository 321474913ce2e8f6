"""What is typed and pasted: all of it, once, in order, in every field."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.dom import DOMNode
from textual.pilot import Pilot
from textual.widgets import Input

from nostr_client.protocol.filters import Filter
from nostr_client.social import drafts
from nostr_client.social.drafts import DraftFile, DraftSaver
from nostr_client.tui import input_queue
from nostr_client.tui.app import NostrApp
from nostr_client.tui.input_queue import InputQueue
from nostr_client.tui.panes.registry import pane_named
from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.screens.first_relays import FirstRelaysScreen, ProbeResult, RelayOffer
from nostr_client.tui.screens.help import HelpScreen
from nostr_client.tui.screens.key_created import KeyCreatedScreen
from nostr_client.tui.screens.key_setup import CreateKeyScreen, ImportKeyScreen
from nostr_client.tui.screens.main import MainScreen
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.items import ItemPage
from nostr_client.tui.widgets.pager import PAGE
from tests.conftest import StartRelay
from tests.tui.widgets.lists import ListApp, Row, Rows
from tests.tui.world import NARROW, PASSWORD, World, burst, paste, sees, shown, told, until

FOX = "The quick brown fox jumps over the lazy dog, and it was fine."


async def published(app: NostrApp, texts: list[str]) -> None:
    """Wait until these are the account's notes, and no others."""
    assert app.main is not None
    store = app.main.client.store

    async def found() -> list[str]:
        contents = [event.content for event in await store.query([Filter.of(kinds=[1])])]
        return sorted(contents) if len(contents) >= len(texts) else []

    assert await until(found) == texts


# A held key


class GatedRows(Rows):
    """Rows whose further pages come only when the gate is open."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.gate = asyncio.Event()

    async def after(self, item: Row, limit: int) -> ItemPage[Row]:
        await self.gate.wait()
        return await super().after(item, limit)


class QueuedListApp(ListApp):
    """A list, and the queue before it."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        self.input_queue = InputQueue(self)
        self.keys_seen = 0

    @property
    def moved(self) -> int:
        """How far down the selected row is."""
        item = self.list.selected
        return 0 if item is None else self.rows.top - item.number

    def on_mount(self) -> None:
        super().on_mount()
        self.run_worker(self.input_queue.run)

    async def on_event(self, event: events.Event) -> None:
        if not self.input_queue.holds(event):
            self.keys_seen += isinstance(event, events.Key)
            await super().on_event(event)


async def test_a_held_key_loses_nothing_where_the_next_page_is_awaited() -> None:
    rows = GatedRows(1_000)
    app = QueuedListApp(rows)
    async with app.run_test(size=NARROW) as pilot:
        await pilot.pause()
        assert app._driver is not None
        for _ in range(150):
            app._driver.send_message(events.Key("j", "j"))
        await until(lambda: app.moved == PAGE - 1)
        assert not app.input_queue.idle
        rows.gate.set()
        await until(lambda: app.input_queue.idle)
        assert app.moved == 150
        assert app.keys_seen == 0, "each moved at once, and none made the next one wait"


async def test_a_page_that_never_comes_holds_no_key_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(input_queue, "SETTLE_LIMIT", 0.05)
    app = QueuedListApp(GatedRows(1_000))
    async with app.run_test(size=NARROW) as pilot:
        await pilot.pause()
        assert app._driver is not None
        for key in ["j"] * PAGE + ["k"]:
            app._driver.send_message(events.Key(key, key))
        await until(lambda: app.moved == PAGE - 1)
        await until(lambda: app.moved == PAGE - 2)


# Typing


class QueuedFieldApp(App[None]):
    """A field that takes no keys at first, and the queue before it."""

    def __init__(self) -> None:
        super().__init__()
        self.input_queue = InputQueue(self)
        self.field = Input()
        self.gate = asyncio.Event()
        self.field.takes_keys = self.gate  # type: ignore[attr-defined]

    def compose(self) -> ComposeResult:
        yield self.field

    def on_mount(self) -> None:
        self.field.focus()
        self.run_worker(self.input_queue.run)

    async def on_event(self, event: events.Event) -> None:
        if not self.input_queue.holds(event):
            await super().on_event(event)


async def test_what_is_typed_while_what_waited_is_let_go_comes_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = QueuedFieldApp()
    async with app.run_test() as pilot:
        await pilot.pause()
        driver = app._driver
        assert driver is not None
        real, more = input_queue._flush, iter("defg")

        async def flush(nodes: Iterable[DOMNode]) -> None:
            if app.gate.is_set() and (key := next(more, "")):
                driver.send_message(events.Key(key, key))
            await real(nodes)

        for key in "abc":
            driver.send_message(events.Key(key, key))
        await until(lambda: len(app.input_queue._waiting) == 3)
        monkeypatch.setattr(input_queue, "_flush", flush)
        app.gate.set()
        await until(lambda: len(app.field.value) == 7)
        assert app.field.value == "abcdefg"


async def test_what_is_typed_just_before_ctrl_s_is_in_the_note(world: World) -> None:
    await world.account()
    async with world.at_home() as (app, pilot):
        for number in range(2):
            await pilot.press("c")
            await until(lambda: isinstance(app.screen, ComposeScreen))
            burst(app, f"{number} {FOX}\x13")
            await sees(app, "Kept here.")
            await pilot.press("escape")
        await published(app, [f"{number} {FOX}" for number in range(2)])


async def test_text_before_the_composer_is_open_and_keys_after_it(world: World) -> None:
    """The whole of it at once: open, write, send, close, open, write, keep as draft."""
    await world.account()
    async with world.at_home() as (app, _):
        burst(app, f"c{FOX}\n\nlast\x13\x1bcsecond thought\x1b")
        draft = DraftFile(world.where, world.pubkey("ana"), drafts.NEW_NOTE)
        await until(lambda: draft.read() == "second thought" and app.screen is app.main)
        await published(app, [f"{FOX}\n\nlast"])
        burst(app, "c, and a third\x13")
        await sees(app, "Kept here.")
        await published(app, [f"{FOX}\n\nlast", "second thought, and a third"])


async def test_a_paste_before_ctrl_s_is_in_the_note(world: World) -> None:
    await world.account()
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        burst(app, "before ")
        paste(app, FOX)
        burst(app, " after\x13")
        await sees(app, "Kept here.")
        await published(app, [f"before {FOX} after"])


async def test_quitting_keeps_what_was_typed_last(world: World) -> None:
    await world.account()
    async with world.at_home() as (app, _):
        burst(app, f"c{FOX}\x11")
        await until(lambda: not app.is_running)
    assert DraftFile(world.where, world.pubkey("ana"), drafts.NEW_NOTE).read() == FOX


async def test_a_form_filled_in_one_go(world: World) -> None:
    """As a password keeper does it: each text in its field, and none of it elsewhere."""
    async with world.app() as (app, _):
        await sees(app, "New here")
        burst(app, "\n")
        await until(lambda: isinstance(app.screen, CreateKeyScreen))
        burst(app, "ana\tlong enough 1\tlong enough 1\n")
        await until(lambda: isinstance(app.screen, KeyCreatedScreen))
    account = world.accounts.current()
    assert account is not None
    assert account.name == "ana"
    assert (await world.accounts.signer(account, "long enough 1")).pubkey == account.pubkey


@pytest.mark.slow
async def test_a_password_with_its_enter(world: World) -> None:
    await world.account()
    async with world.at_home(unlock=False) as (app, _):
        burst(app, f"c{PASSWORD}\n")
        await until(lambda: app.main is not None and app.main.client.signer is not None)


@pytest.mark.slow
async def test_a_relay_and_a_command_with_their_enter(
    world: World, start_relay: StartRelay
) -> None:
    here, relay = await start_relay(), await start_relay()
    world.relays = [here.url]
    await world.account()
    async with world.at_home() as (app, _):
        await sees(app, "relays 1/1")
        burst(app, f"8a{relay.url}\n")
        await sees(app, "Begin a new relay list?")
        burst(app, "y")
        await told(app, "is in your list")


@pytest.mark.slow
async def test_what_hangs_does_not_hold_keys_back_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A composer whose draft never comes can be left all the same."""

    async def never(saver: DraftSaver) -> str:
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(DraftSaver, "load", never)
    monkeypatch.setattr(input_queue, "SETTLE_LIMIT", 0.05)
    await world.account()
    async with world.at_home() as (app, _):
        burst(app, "c")
        await until(lambda: isinstance(app.screen, ComposeScreen))
        burst(app, "\x1b")
        await until(lambda: isinstance(app.screen, MainScreen))


# Pasting


@asynccontextmanager
async def _at(world: World, keys: str, field: str) -> AsyncIterator[tuple[NostrApp, Pilot[int]]]:
    """The app with the keys in an input of the first run."""
    async with world.app(NARROW) as (app, pilot):
        await sees(app, "New here")
        burst(app, keys)
        await until(lambda: bool(app.screen.query(f"#{field}")) and app.input_queue.idle)
        app.screen.query_one(f"#{field}").focus()
        await pilot.pause()
        yield app, pilot


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        *(("\n", name) for name in ("name", "password")),
        ("j\n", "key"),
        ("jjj\n", "who"),
    ],
)
async def test_a_paste_arrives_once_in_a_form(world: World, keys: str, field: str) -> None:
    async with _at(world, keys, field) as (app, pilot):
        paste(app, "\npasted\r\nonce\x1b[2J\n")
        await pilot.pause()
        box = app.screen.query_one(f"#{field}", Input)
        assert box.value == "pasted once[2J"


async def test_a_paste_arrives_once_in_the_composer(world: World) -> None:
    await world.account()
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, ComposeScreen))
        paste(app, "pasted\r\nonce\x1b[2J\x9b")
        await pilot.pause()
        assert app.screen.query_one("#text").text == "pasted\nonce[2J"  # type: ignore[attr-defined]


async def test_a_paste_arrives_once_where_one_is_asked(world: World) -> None:
    await world.account()
    async with world.app() as (app, pilot):
        await until(lambda: bool(app.screen.query("#password")))
        paste(app, PASSWORD)
        await pilot.pause()
        assert app.screen.query_one("#password", Input).value == PASSWORD
        burst(app, "\n")
        await until(lambda: app.main is not None)
        burst(app, "8a")
        await sees(app, "Add a relay")
        paste(app, "wss://relay.example")
        await pilot.pause()
        assert app.screen.query_one("#line", Input).value == "wss://relay.example"
        burst(app, "\x1b\x10")
        await sees(app, "Search for commands")
        paste(app, "them")
        await pilot.pause()
        assert app.screen.query_one(Input).value == "them"


async def test_a_paste_arrives_once_where_first_relays_are_added() -> None:
    async def probe(url: str) -> ProbeResult:
        return ProbeResult(True, "answers")

    app: App[None] = App()
    async with app.run_test(size=NARROW) as pilot:
        page = FirstRelaysScreen([RelayOffer("wss://one.example")], "1 January 2026", probe)
        await app.push_screen(page)
        await pilot.press("a")
        assert app._driver is not None
        app._driver.send_message(events.Paste("wss://two.example\n"))
        await pilot.pause()
        assert page.query_one("#add", Input).value == "wss://two.example"


@pytest.mark.slow
async def test_a_paste_into_a_list_does_nothing(world: World) -> None:
    await world.account()
    async with world.at_home() as (app, pilot):
        paste(app, "c4x")
        await pilot.pause()
        assert app.screen is app.main
        assert ImportKeyScreen not in map(type, app.screen_stack)


# Counts


async def test_a_count_moves_so_often_and_a_digit_alone_goes_to_its_section(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_queue, "COUNT_WAIT", 60.0)
    await world.put(
        world.follows("ana", "ben"), *(world.note("ben", f"note {n}", n) for n in range(20))
    )
    await world.watched()
    async with world.at_home((80, 60)) as (app, pilot):
        main = app.main
        assert main is not None
        notes = main.front
        await until(lambda: len(notes.items) == 20)

        def at() -> int:
            return [item.event.id for item in notes.items].index(notes.selected.event.id)

        burst(app, "5j12k3j")
        await until(lambda: at() == 3)
        burst(app, "9G")
        await until(lambda: at() == 8)
        burst(app, "999j")
        await until(lambda: at() == 19)
        [line] = main.query(HintLine)
        app.say("Something lies over the keys")
        await sees(app, "Something lies")
        burst(app, "1234")
        await until(lambda: line.count == "123")
        await until(lambda: shown(app).splitlines()[-1].endswith(" 123"))
        burst(app, "\x1b")  # which takes it back, and goes nowhere
        await until(lambda: line.count == "")
        await sees(app, "Something lies")
        assert main.front.has_focus
        burst(app, "2jg77c\x1b")  # two digits that nothing moves by are nothing
        await until(lambda: at() == 0 and app.input_queue.idle)
        assert main.pane.name == "home"
        burst(app, pane_named("relays").key)
        await pilot.press("question_mark")  # it is a section before any other key
        await until(lambda: isinstance(app.screen, HelpScreen))
        assert main.pane.name == "relays"
        await pilot.press("escape")
        monkeypatch.setattr(input_queue, "COUNT_WAIT", 0.05)
        burst(app, pane_named("home").key)  # and once no other key has come
        await until(lambda: main.pane.name == "home")

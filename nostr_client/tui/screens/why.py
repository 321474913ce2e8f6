"""Why something is here: a note, a person, a relay; or what the home timeline waits for."""

from __future__ import annotations

import time
from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.safe_text import safe_line
from nostr_client.social.sets import NamedSet
from nostr_client.social.views import RelayRow
from nostr_client.tui.actions import Actions
from nostr_client.tui.app_messages import ActRequest, Open
from nostr_client.tui.fact_rows import FactRenderer, FactRow
from nostr_client.tui.keymap import LIST, Key, KeyGroup, hints
from nostr_client.tui.names import NameCache
from nostr_client.tui.polling import poll
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.target_screen import TargetScreen
from nostr_client.tui.targets import NoteTarget, PersonTarget, RelayTarget, WhyTarget
from nostr_client.tui.why_lines import (
    note_rows,
    person_rows,
    relay_rows,
    waiting_rows,
)
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.items import FixedItems
from nostr_client.tui.widgets.list_messages import Chosen
from nostr_client.tui.widgets.static_text import set_text
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

KEYS: Final = KeyGroup(
    "Why",
    (Key("X", "never", "Never connect again to the relay, or take that back (asks)", "never"),),
)


class WhyScreen(TargetScreen):
    """The facts, kept as they change; enter goes on to the relay or the person of a row."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()
    key_groups: ClassVar[tuple[KeyGroup, ...]] = (KEYS, LIST)

    def __init__(self, client: NostrClient, names: NameCache, target: WhyTarget) -> None:
        super().__init__(target)
        self._client = client
        self._names = names
        self._about = target.about
        self._lists: tuple[NamedSet, ...] = ()
        self._rows: list[FactRow] = []
        self.list: WindowedList[FactRow] = WindowedList(FactRenderer(), gap=0)

    def compose(self) -> ComposeResult:
        yield Static("", markup=False, id="about")
        yield self.list
        yield HintLine(hints(KEYS, LIST), id="hints")

    def on_mount(self) -> None:
        self.list.focus()
        start_worker(self, partial(poll, self._look, self._say_problem), "why")
        start_worker(self, self._look_for_lists, "lists")

    def _say_problem(self, words: str) -> None:
        self.post_message(Say(words, "error"))

    async def refresh_target(self) -> None:
        await self._look()

    async def _look(self) -> str:
        title, rows = await self._read()
        set_text(self, "#about", Content.styled(title, "bold $text-primary"))
        if rows != self._rows and self.list.is_mounted:
            self._rows = rows
            self.list.renew(FixedItems(rows, self.list.renderer.key))
        return ""

    async def _look_for_lists(self) -> None:
        """The account's lists that hold the person: their private parts may take a while."""
        try:
            pubkey = await self._pubkey()
            if pubkey and (me := self._client.pubkey):
                held = await self._client.sets.of(me)
                self._lists = tuple(one for one in held if pubkey in one.people)
                await self._look()
        except NostrError as error:
            self._say_problem(str(error))

    async def _pubkey(self) -> str:
        about = self._about
        if isinstance(about, PersonTarget):
            return about.pubkey
        if isinstance(about, NoteTarget):
            event = await self._client.store.get(about.id)
            return event.pubkey if event is not None else ""
        return ""

    async def _read(self) -> tuple[str, list[FactRow]]:
        """The title, and the rows. Raises StoreError."""
        why, now, name, about = self._client.why, time.time(), self._names.label, self._about
        await self._names.catch_up()  # those of the last look
        match about:
            case NoteTarget():
                event = await self._client.store.get(about.id)
                if event is None:
                    return "This note is not here.", []
                note = await why.note(event, about.view.entry if about.view else None)
                await self._names.know([event.pubkey])
                words = safe_line(event.content, 60).strip()
                title = f"Why is this here?  {name(event.pubkey)}: {words}"
                return title, note_rows(note, self._lists, name, now)
            case PersonTarget():
                person = await why.person(about.pubkey)
                await self._names.know([about.pubkey])
                title = f"Why do I see {name(about.pubkey)}?"
                return title, person_rows(person, self._lists, name, now)
            case RelayTarget():
                relay = await why.relay(about.url)
                title = f"Why is {safe_line(about.url, 80)} connected?"
                return title, relay_rows(relay, self._client.pubkey, name, now)
        return "What is being waited for?", waiting_rows(why.waiting, now)

    def _relay(self) -> str:
        """The relay that is meant: that of the selected row, or the one it is all about."""
        row = self.list.selected
        if row is not None and isinstance(row.opens, RelayTarget):
            return row.opens.url
        return self._about.url if isinstance(self._about, RelayTarget) else ""

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        row: FactRow | None = message.item
        if row is None or row.opens is None or row.opens == self._about:
            return
        opens = WhyTarget(row.opens) if isinstance(row.opens, RelayTarget) else row.opens
        self.post_message(Open(opens))

    def action_never(self) -> None:
        url = self._relay()
        if not url:
            self.post_message(Say("No relay is selected."))
            return

        async def block(actions: Actions) -> None:
            rows = await actions.client.relays.rows()
            await actions.block(next((row for row in rows if row.url == url), RelayRow(url)))

        self.post_message(ActRequest(block))

"""Find: one field for everything that can be pointed at, from anywhere.

What is stored here is found as one types; once one pauses, relays that search are asked. Both
happen off the keys' path, and what comes later never moves the row that is chosen. A pasted code
goes straight where it leads; a secret key is taken out of the field, and goes nowhere.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import ClassVar, Final

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError, SecretFound
from nostr_client.safe_text import safe_line
from nostr_client.social.people_search import FoundPerson
from nostr_client.social.pointers import LinkPointer, Pointer, SecretPointer, pointed_at
from nostr_client.social.search import (
    MOST_NOTES,
    LocalFindings,
    RelayFindings,
    joined_people,
)
from nostr_client.social.views import NoteView
from nostr_client.tui.acts.registry import ACT_BY_ID
from nostr_client.tui.avatars import Avatars
from nostr_client.tui.find_rows import (
    NARROWED,
    FindRenderer,
    FindRow,
    Sort,
    index_words,
    relay_words,
    rows_of,
    target_at,
)
from nostr_client.tui.keymap import Key, KeyGroup, hints
from nostr_client.tui.targets import SectionTarget, Target
from nostr_client.tui.widgets.fetching_list import PersonList
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.inputs import LineInput
from nostr_client.tui.widgets.items import FixedItems
from nostr_client.tui.widgets.list_messages import Chosen
from nostr_client.tui.widgets.static_text import set_text
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

KEYS: Final = KeyGroup(
    "Find",
    (
        Key("down,ctrl+n", "next", "Down one, while typing", "choose", priority=True),
        Key("up,ctrl+p", "previous", "Up one", priority=True),
        Key("enter", "go", "Open it; without a row, all notes with these words", "open", True),
        Key("ctrl+f", "follow", "Follow the person, or no longer (asks)", "follow", priority=True),
        Key("ctrl+o", "message", "Write to the person in private", "message", priority=True),
        Key("tab", "narrow(1)", "Only people, tags, notes, relays; all again", "only", True),
        Key("shift+tab", "narrow(-1)", "The other way round", priority=True, name="narrow_back"),
        Key("escape", "leave", "Back", "back", priority=True),
    ),
    "find",
)
PAUSE: Final = 0.12
"""Seconds after a key in which nothing is searched for yet."""
RELAY_PAUSE: Final = 0.7
"""Seconds more after which relays are asked."""
SHORTEST: Final = 3
"""Letters from which relays are asked."""
PLACEHOLDER: Final = "a name, words, #tag, npub, note, name@domain, wss://relay"
TAKEN_OUT: Final = (
    "That was a SECRET key. It was taken out of the field, nobody was asked, and nothing of it is "
    "kept. Whoever has seen it can write as you."
)


class FindInput(LineInput):
    """The field; it says when something was pasted."""

    class Pasted(Message):
        """What is in the field now was pasted."""

    def _on_paste(self, event: events.Paste) -> None:
        super()._on_paste(event)
        self.call_after_refresh(self.post_message, self.Pasted())


class FindScreen(ModalScreen[Target]):
    """Dismissed with what is to be opened. `typed`: what stands in the field at first."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(
        self, client: NostrClient, typed: str = "", avatars: Avatars | None = None
    ) -> None:
        super().__init__()
        self._client = client
        self._input = FindInput(typed, placeholder=PLACEHOLDER)
        self._list: WindowedList[FindRow] = PersonList(
            FindRenderer(avatars, client.lookalikes.of), lambda row: row.person, avatars
        )
        self._list.can_focus = False
        self._only = ""
        self._here = LocalFindings("")
        self._people: tuple[FoundPerson, ...] = ()
        self._notes: tuple[NoteView, ...] = ()
        self._asked = RelayFindings("")
        self._rows: list[FindRow] = []
        self._taken_out = False
        """A secret key was taken out of the field, and nothing has been typed since."""
        self._chosen = False
        """The person went to a row: what comes later leaves it where it is."""

    def compose(self) -> ComposeResult:
        with Vertical(id="find"):
            yield self._input
            yield Static("", markup=False, id="only")
            yield self._list
            yield Static("", markup=False, id="found-state")
            yield HintLine(hints(KEYS), id="find-hints")

    def on_mount(self) -> None:
        self.query_one("#find", Vertical).border_title = "Find"
        self._input.focus()
        self._input.select_all()
        self._show_only()
        self._begin()

    # Typing

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        if isinstance(pointed_at(message.value), SecretPointer):
            self._take_out()
        else:
            self._taken_out = self._taken_out and not message.value
            self._begin()

    def _take_out(self) -> None:
        """What stands in the field is a secret: it is gone from there."""
        self._taken_out = True
        self._input.value = ""
        self._show_state()

    def on_find_input_pasted(self, message: FindInput.Pasted) -> None:
        """A code that was pasted is gone to at once; a page of the web is only offered."""
        message.stop()
        pointer = pointed_at(self._input.value)
        if pointer is not None and not isinstance(pointer, SecretPointer | LinkPointer):
            self._go_to(pointer)

    def _begin(self) -> None:
        """Search for what stands in the field now; what was begun before is given up."""
        typed = self._input.value
        self._chosen = False
        start_worker(self, partial(self._search, typed), "find", exclusive=True)

    async def _search(self, typed: str) -> None:
        try:
            await asyncio.sleep(PAUSE)
            await self._search_here(typed)
            if _is_for_relays(typed):
                await asyncio.sleep(RELAY_PAUSE)
                await self._ask_relays(typed)
        except SecretFound:
            self._take_out()
        except NostrError as error:
            self._say(str(error), "$text-error")

    async def _search_here(self, typed: str) -> None:
        search = self._client.search
        here = await search.local(typed)
        self._here, self._people, self._notes = here, here.people, here.notes
        self._asked = RelayFindings(typed)
        self._show()
        if here.people:
            self._people = await search.people.counted(here.people)
            self._show()

    async def _ask_relays(self, typed: str) -> None:
        search = self._client.search

        def heard(findings: RelayFindings) -> None:
            self._asked = msgspec.structs.replace(findings, typed=typed)
            self._show_state()

        found = await search.ask(typed, heard)
        if found.events:
            people = joined_people(self._here.people, await search.found_people(found))
            self._people = await search.people.counted(people)
            if not self._here.problem:
                self._notes = tuple(await search.notes(typed, limit=MOST_NOTES, also=found.events))
        self._show()

    # Showing

    def _show(self) -> None:
        every = rows_of(self._here.typed, self._here, self._people, self._notes)
        self._rows = [row for row in every if not self._only or row.sort in (Sort.GO, self._only)]
        source = FixedItems(self._rows, self._list.renderer.key)
        first = self._rows[0].key if self._rows and not self._chosen else ""
        self._list.renew(source, select=first)
        self._show_state()

    def _show_state(self) -> None:
        """What is not searched yet, that nothing was found, and whom was asked."""
        here = self._here
        if self._taken_out:
            self._say(TAKEN_OUT, "$text-error")
            return
        nothing = ""
        if here.typed.strip() and not self._rows:
            nothing = f"no {self._only}" if self._only else "nothing"
            nothing = f"{nothing} here for “{safe_line(here.typed, 60)}”"
        parts = (index_words(here), nothing, relay_words(self._asked))
        self._say(" · ".join(part for part in parts if part))

    def _say(self, words: str, colour: str = "$foreground 60%") -> None:
        set_text(self, "#found-state", Content.styled(safe_line(words, 400), colour))

    def _show_only(self) -> None:
        shown = [f"[{name or 'all'}]" if name == self._only else name or "all" for name in NARROWED]
        set_text(self, "#only", Content.styled("  ".join(shown), "$foreground 60%"))

    # Keys

    @property
    def selected(self) -> FindRow | None:
        """The row that is chosen."""
        return self._list.selected

    def action_next(self) -> None:
        self._chosen = True
        self._list.action_next()

    def action_previous(self) -> None:
        self._chosen = True
        self._list.action_previous()

    def action_narrow(self, by: int) -> None:
        at = NARROWED.index(self._only)
        self._only = str(NARROWED[(at + by) % len(NARROWED)])
        self._chosen = False
        self._show_only()
        self._show()

    def action_follow(self) -> None:
        row = self.selected
        if row is not None and row.person is not None:
            self.app.post_message(ACT_BY_ID["follow"].on(row.person))

    def action_message(self) -> None:
        """To the conversation with the person: find makes room for it."""
        row = self.selected
        if row is not None and row.person is not None:
            self._keep_found()
            self.dismiss(None)
            self.app.post_message(ACT_BY_ID["message"].on(row.person))

    def on_screen_resume(self) -> None:
        """A question was answered above: whom one follows may have changed."""
        self._begin()

    def action_leave(self) -> None:
        self.dismiss(None)

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        message.stop()
        self.action_go()

    def action_go(self) -> None:
        """Open the row that is chosen, if it belongs to what is typed by now; else what the text
        itself names, or all notes with its words."""
        typed = self._input.value
        row = self.selected
        if row is not None and self._here.typed == typed:
            if row.target is not None:
                self._open(row.target)
            elif row.pointer is not None:
                self._go_to(row.pointer)
        elif (pointer := pointed_at(typed)) is not None:
            self._go_to(pointer)
        elif typed.strip():
            self._open(SectionTarget("search"))

    def _open(self, target: Target) -> None:
        """Open it."""
        self._keep_found()
        self.dismiss(target)

    def _keep_found(self) -> None:
        """What was found stays to be gone back to, in its section."""
        typed = self._input.value
        if pointed_at(typed) is None:
            asked = self._asked if self._asked.typed == typed else RelayFindings(typed)
            self._client.search.kept = asked

    def _go_to(self, pointer: Pointer) -> None:
        target = target_at(pointer)
        if target is not None:
            self.dismiss(target)
        elif not isinstance(pointer, SecretPointer):
            start_worker(self, partial(self._resolve, self._input.value), "find", exclusive=True)

    async def _resolve(self, typed: str) -> None:
        """Ask whose name that is, or what has that id."""
        self._say("asking …")
        try:
            pointer = await self._client.search.resolve(typed)
        except SecretFound:
            self._take_out()
        except NostrError as error:
            self._say(str(error), "$text-error")
        else:
            target = None if pointer is None else target_at(pointer)
            if target is not None:
                self.dismiss(target)


def _is_for_relays(typed: str) -> bool:
    """Are these words, and enough of them to trouble others with?"""
    words = typed.strip()
    long = len(words) >= SHORTEST or not words.isascii()
    return bool(words) and long and pointed_at(words) is None

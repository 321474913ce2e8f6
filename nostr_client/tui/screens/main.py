"""The main screen: sections, one of them in the middle, the detail beside it where it is wide."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import ContentSwitcher

from nostr_client.accounts.account import Account
from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.social.views import Cursor, NoteView
from nostr_client.tui.keymap import Where, hints
from nostr_client.tui.messages import OpenThread, Say, Section
from nostr_client.tui.note_look import NoteLook
from nostr_client.tui.people import People
from nostr_client.tui.screens.accounts import AccountsPane
from nostr_client.tui.screens.feed import FeedPane, hand_over
from nostr_client.tui.screens.relays import RelaysPane
from nostr_client.tui.screens.thread import ThreadPane
from nostr_client.tui.widgets.lines import HintLine, Status, StatusLine
from nostr_client.tui.widgets.note_list import NoteList
from nostr_client.tui.widgets.rail import Rail
from nostr_client.tui.widgets.windowed_list import WindowedList

WIDE = 100
"""Columns from which the detail has room beside the list."""
LOOK_EVERY = 2.0
"""Seconds between two looks at relays, unsent notes and changed counts."""
MOST_REFRESHED = 60
MENTIONS = 20
"""Mentions that a look may find new at most; the list itself reads on."""

ReadAccounts = Callable[[], list[Account]]


class MainScreen(Screen[None]):
    """Everything about one account, `client` behind it."""

    def __init__(self, client: NostrClient, account: Account, accounts: ReadAccounts) -> None:
        super().__init__()
        self.client = client
        self.account = account
        self.people = People(client)
        self.look = NoteLook(self.people.label)
        self._accounts = accounts
        self._section = Section.HOME
        self.write_relays: tuple[str, ...] = ()
        """Where a note of this account goes, as last seen."""
        self.own_relay_url = ""
        self._mentions: set[str] | None = None
        """The newest mentions of the last look."""

    def compose(self) -> ComposeResult:
        timeline, look = self.client.timeline, self.look

        async def notes(until: Cursor | None, limit: int) -> list[NoteView]:
            return await timeline.author(self.client.pubkey, until=until, limit=limit)

        yield StatusLine(id="status")
        yield Rail(upright=False, id="tabs")
        with Horizontal():
            yield Rail(upright=True, id="rail")
            with ContentSwitcher(initial="home", id="sections"):
                yield FeedPane(
                    "",
                    lambda until, limit: timeline.home(until=until, limit=limit),
                    look,
                    empty="Nothing here yet. c writes your first note; p on a note shows its "
                    "author, and F there follows them.",
                    id="home",
                )
                yield FeedPane(
                    "",
                    lambda until, limit: timeline.mentions(until=until, limit=limit),
                    look,
                    empty="Nobody has mentioned you yet.",
                    id="mentions",
                )
                empty = "You have not written anything yet. c writes."
                yield FeedPane("", notes, look, empty=empty, id="notes")
                yield RelaysPane(id="relays")
                yield AccountsPane(id="accounts")
            yield ThreadPane(self.client, look, id="detail")
        yield HintLine(hints(Where.LIST, Where.NOTE, Where.EVERYWHERE), id="hints")

    # Sections

    @property
    def section(self) -> Section:
        return self._section

    @property
    def detail(self) -> ThreadPane:
        return self.query_one("#detail", ThreadPane)

    def feed(self, section: Section) -> FeedPane:
        return self.query_one(f"#{section.value}", FeedPane)

    @property
    def front(self) -> WindowedList[Any]:
        """The list of the section that is shown."""
        return self.query_one(f"#{self._section.value}").query_one(WindowedList)

    @property
    def front_notes(self) -> NoteList | None:
        """The same if it is a list of notes."""
        found = self.front
        return found if isinstance(found, NoteList) else None

    def go_to(self, section: Section) -> None:
        """Show a section and give it the keys."""
        self._section = section
        self.query_one(ContentSwitcher).current = section.value
        for rail in self.query(Rail):
            rail.here = section
        feed = section in (Section.HOME, Section.MENTIONS, Section.NOTES)
        self.detail.display = feed and self.has_class("-wide")
        places = {
            Section.RELAYS: (Where.RELAYS, Where.LIST, Where.EVERYWHERE),
            Section.ACCOUNTS: (Where.ACCOUNTS, Where.LIST, Where.EVERYWHERE),
        }.get(section, (Where.LIST, Where.NOTE, Where.EVERYWHERE))
        self.query_one("#hints", HintLine).hints = tuple(hints(*places))
        status = self.query_one(StatusLine)
        status.status = replace(status.status, place=section.value)
        if section is Section.ACCOUNTS:
            self.query_one(AccountsPane).show(self._accounts())
        self.front.focus()
        if feed:
            note = self.feed(section).notes.note
            self.detail.show(note)

    @property
    def is_wide(self) -> bool:
        return self.size.width >= WIDE

    def on_resize(self, event: events.Resize) -> None:
        feed = self._section in (Section.HOME, Section.MENTIONS, Section.NOTES)
        self.detail.display = feed and event.size.width >= WIDE

    # Life

    def on_mount(self) -> None:
        self.go_to(Section.HOME)
        self.run_worker(self._follow_home(), group="arrivals")
        self.run_worker(self._look_around(), group="look")

    async def _follow_home(self) -> None:
        try:
            self.client.sync()
            await hand_over(self.client.timeline.watch(), self._arrived)
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    def _arrived(self, notes: list[NoteView]) -> None:
        if not self.is_mounted:
            return
        self.people.note(note.author for note in notes)
        self.feed(Section.HOME).arrive(notes)
        own = [note for note in notes if note.entry.pubkey == self.client.pubkey]
        if own:
            self.feed(Section.NOTES).arrive(own)
        if any(note.reply_to is None for note in own):
            for section in (Section.HOME, Section.NOTES):
                # Whoever writes at the top of a list wants to see it there.
                if self.feed(section).notes.at_top:
                    self.feed(section).notes.action_newest()

    async def _look_around(self) -> None:
        """Now and then: relays, what is unsent, and what has changed about the visible notes."""
        while True:
            try:
                await self._look_at_relays()
                await self._look_at_mentions()
                await self._look_at_notes()
            except NostrError as error:
                self.post_message(Say(str(error), "error"))
            await asyncio.sleep(LOOK_EVERY)

    async def _look_at_relays(self) -> None:
        rows = await self.client.relays.rows()
        unsent = await self.client.replication.pending() if self.client.signer else 0
        others = [row for row in rows if not row.own]
        up = sum(1 for row in others if row.state in ("up", "slow"))
        profile = await self.client.profiles.get(self.client.pubkey)
        self.write_relays = tuple(row.url for row in rows if row.write)
        self.own_relay_url = next((row.url for row in rows if row.own), "")
        if not self.is_mounted:
            return
        self.query_one(RelaysPane).show(rows)
        self.query_one(StatusLine).status = Status(
            account=self.account.name or profile.label,
            place=self._section.value,
            writes=self.client.signer is not None and self.account.can_sign,
            up=up,
            relays=len(others),
            unsent=unsent,
            own_relay=self._own_relay(),
            known=True,
        )
        bad = any(row.state in ("down", "refusing") for row in others)
        self._mark(Section.RELAYS, "!" if bad else "")
        self.feed(Section.HOME).say(_syncing(self.client))

    async def _look_at_mentions(self) -> None:
        newest = await self.client.timeline.mentions(limit=MENTIONS)
        before, self._mentions = self._mentions, {note.entry.id for note in newest}
        if before is None or not self.is_mounted:
            return
        pane = self.feed(Section.MENTIONS)
        pane.arrive([note for note in newest if note.entry.id not in before])
        self._mark(Section.MENTIONS, str(pane.notes.unseen or ""))

    def _mark(self, section: Section, mark: str) -> None:
        for rail in self.query(Rail):
            rail.marks = {**rail.marks, section: mark}

    def _own_relay(self) -> str:
        if self.client.own_relay is None:
            return "off"
        return "failed" if self.client.own_relay_problem else "on"

    async def _look_at_notes(self) -> None:
        """Counts, names and copies of what is in view, as they are by now."""
        if await self.people.catch_up():
            for drawn in self.query(NoteList):
                drawn.redraw()
            self.detail.notes.redraw()
        notes = self.front_notes
        if notes is None:
            return
        shown = list(notes.in_view)[:MOST_REFRESHED]
        known = {note.entry.id: note for note in shown}
        for view in await self.client.timeline.views(known):
            if self.is_mounted and view != known.get(view.entry.id):
                notes.update(view)

    # Messages from within

    def on_windowed_list_highlighted(self, message: WindowedList.Highlighted) -> None:
        if message.list is self.front_notes and self.is_wide:
            self.detail.show(message.item)

    def on_open_thread(self, message: OpenThread) -> None:
        """With room for it the detail takes the keys; without, the app opens a screen."""
        if self.is_wide and self.detail.display:
            message.stop()
            self.detail.show(message.note, at_once=True)
            self.detail.notes.focus()


def _syncing(client: NostrClient) -> str:
    status = client.timeline.status
    if status.problem:
        return status.problem
    if not status.running or not status.relays:
        return ""
    if status.caught_up < status.relays:
        return f"reading, {status.caught_up} of {status.relays} relays caught up"
    return ""

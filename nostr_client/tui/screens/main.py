"""The main screen: sections, one of them in the middle, the detail beside it where it is wide."""

from __future__ import annotations

import asyncio
import time
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
from nostr_client.net.outcome import Outcome, in_words, outcome_of
from nostr_client.social.views import Cursor, NoteView, SyncStatus
from nostr_client.tui.app_messages import OpenThread, Say, Section
from nostr_client.tui.keymap import Where, hints
from nostr_client.tui.names import NameCache
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.panes.accounts import AccountsPane
from nostr_client.tui.panes.relays import RelaysPane
from nostr_client.tui.screens.thread import ThreadPane
from nostr_client.tui.widgets.feed import NoteFeed, hand_over
from nostr_client.tui.widgets.list_messages import Highlighted
from nostr_client.tui.widgets.navigation import NavigationRail
from nostr_client.tui.widgets.note_list import NoteList
from nostr_client.tui.widgets.status_line import HintLine, Status, StatusLine
from nostr_client.tui.widgets.windowed_list import WindowedList

WIDE = 100
"""Columns from which the detail has room beside the list."""
LOOK_EVERY = 2.0
"""Seconds between two looks at relays, unsent notes and changed counts."""
NOTHING = "Nothing here yet"
FIRST_NOTE = "c writes your first note."
MENTIONS = 20
"""Mentions that a look may find new at most; the list itself reads on."""
_NOTE_KEYS = (Where.LIST, Where.NOTE, Where.EVERYWHERE)

ReadAccounts = Callable[[], list[Account]]


class MainScreen(Screen[None]):
    """Everything about one account, `client` behind it."""

    def __init__(self, client: NostrClient, account: Account, accounts: ReadAccounts) -> None:
        super().__init__()
        self.client = client
        self.account = account
        self.section = Section.HOME
        self.write_relays: tuple[str, ...] = ()
        """Where a note of this account goes, as last seen."""
        self.own_relay_url = ""
        self.writes = False
        """A note was sent from here and has not come to the lists yet."""
        self.people = NameCache(client)
        self.renderer = NoteRenderer(self.people.label)
        self._accounts = accounts
        self._mentions: set[str] | None = None
        """The newest mentions of the last look."""
        self._unread = 0
        """Mentions written since this screen was opened, and not looked at yet."""
        self._began = time.time()
        self._status = StatusLine(id="status")
        self._rails = (
            NavigationRail(upright=False, id="tabs"),
            NavigationRail(upright=True, id="rail"),
        )
        self._switcher = ContentSwitcher(initial=Section.HOME.value, id="sections")
        self.feeds = self._make_feeds()
        self._relays = RelaysPane(id=Section.RELAYS.value)
        self._account_list = AccountsPane(id=Section.ACCOUNTS.value)
        self.detail = ThreadPane(client, self.renderer, id="detail")
        self._hints = HintLine(hints(*_NOTE_KEYS), id="hints")

    def _make_feeds(self) -> dict[Section, NoteFeed]:
        timeline, me = self.client.timeline, self.client.pubkey

        async def home(until: Cursor | None, limit: int) -> list[NoteView]:
            return await timeline.home(until=until, limit=limit)

        async def mentions(until: Cursor | None, limit: int) -> list[NoteView]:
            return await timeline.mentions(until=until, limit=limit)

        async def notes(until: Cursor | None, limit: int) -> list[NoteView]:
            return await timeline.author(me, until=until, limit=limit)

        parts = (
            (Section.HOME, home, f"{NOTHING}. {FIRST_NOTE}"),
            (Section.MENTIONS, mentions, "Nobody has mentioned you yet."),
            (Section.NOTES, notes, "Nothing written yet. c writes."),
        )
        return {
            section: NoteFeed("", down, self.renderer, empty=empty, id=section.value)
            for section, down, empty in parts
        }

    def compose(self) -> ComposeResult:
        tabs, rail = self._rails
        yield self._status
        yield tabs
        with Horizontal():
            yield rail
            with self._switcher:
                yield from self.feeds.values()
                yield self._relays
                yield self._account_list
            yield self.detail
        yield self._hints

    # Sections

    @property
    def front(self) -> WindowedList[Any]:
        """The list of the section that is shown."""
        if self.section is Section.RELAYS:
            return self._relays.relays
        if self.section is Section.ACCOUNTS:
            return self._account_list.accounts
        return self.feeds[self.section].notes

    @property
    def front_notes(self) -> NoteList | None:
        """The same if it is a list of notes."""
        return self.feeds[self.section].notes if self.section in self.feeds else None

    @property
    def is_wide(self) -> bool:
        return self.size.width >= WIDE

    def go_to(self, section: Section) -> None:
        """Show a section and give it the keys."""
        self.section = section
        self._switcher.current = section.value
        for rail in self._rails:
            rail.here = section
        self._status.status = replace(self._status.status, place=section.value)
        if section is Section.RELAYS:
            self._hints.hints = tuple(hints(Where.RELAYS, Where.LIST, Where.EVERYWHERE))
        elif section is Section.ACCOUNTS:
            self._hints.hints = tuple(hints(Where.ACCOUNTS, Where.LIST, Where.EVERYWHERE))
            self._account_list.show(self._accounts())
        else:
            self._hints.hints = tuple(hints(*_NOTE_KEYS))
            self.feeds[section].open()
        self._place_detail(self.is_wide)
        self.front.focus()

    def _place_detail(self, wide: bool) -> None:
        notes = self.front_notes
        self.detail.display = wide and notes is not None
        self.detail.show(notes.note if wide and notes is not None else None)

    def on_resize(self, event: events.Resize) -> None:
        self._place_detail(event.size.width >= WIDE)

    def on_windowed_list_highlighted(self, message: Highlighted) -> None:
        if message.list is self.front_notes and self.is_wide:
            self.detail.show(message.item)

    def on_open_thread(self, message: OpenThread) -> None:
        """With room for it the detail takes the keys; without, the app opens a screen."""
        if self.is_wide and self.detail.display:
            message.stop()
            self.detail.show(message.note, at_once=True)
            self.detail.notes.focus()

    def on_unfolded(self) -> None:
        self._redraw_notes()

    def _redraw_notes(self) -> None:
        for section, feed in self.feeds.items():
            feed.redraw(now=section is self.section)
        self.detail.notes.redraw()

    # What arrives

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
        self.people.note(note.author for note in notes)
        own = [note for note in notes if note.entry.pubkey == self.client.pubkey]
        lists = [self.feeds[section].notes for section in (Section.HOME, Section.NOTES)]
        # Whoever writes, or is at the top of a list, wants to see it there.
        shown = [one for one in lists if one.at_top or self.writes]
        self.feeds[Section.HOME].arrive(notes)
        self.feeds[Section.NOTES].arrive(own)
        if any(note.reply_to is None for note in own):
            self.writes = False
            for one in shown:
                one.action_newest()

    async def _look_around(self) -> None:
        """Now and then: relays, what is unsent, and what has changed about the visible notes."""
        trouble, looks = "", 0
        while True:
            try:
                await self._look_at_relays()
                await self._look_at_mentions()
                await self._look_at_notes()
                found = self.client.replication.problem
            except NostrError as error:
                found = str(error)
            if found and found != trouble:
                self.post_message(Say(f"{found}. It goes on when that is mended.", "error"))
            trouble = found
            looks += 1
            await asyncio.sleep(min(LOOK_EVERY, 0.3 * looks))

    async def _look_at_relays(self) -> None:
        rows = await self.client.relays.rows()
        unsent = await self.client.replication.pending() if self.client.signer else 0
        profile = await self.client.profiles.get(self.client.pubkey)
        others = [row for row in rows if not row.own]
        self.write_relays = tuple(row.url for row in rows if row.write)
        self.own_relay_url = next((row.url for row in rows if row.own), "")
        self._relays.show(rows)
        self._status.status = Status(
            account=self.account.name or profile.label,
            place=self.section.value,
            writes=self.client.signer is not None and self.account.can_sign,
            up=sum(1 for row in others if row.state in ("up", "slow")),
            relays=len(others),
            unsent=unsent,
            own_relay=self.own_relay,
            known=True,
        )
        bad = any(row.state in ("down", "refusing") for row in others)
        self._mark(Section.RELAYS, "!" if bad else "")
        self.feeds[Section.HOME].say(_syncing(self.client))
        self.feeds[Section.HOME].say_nothing(_nothing_at_home(self.client.timeline.status))

    async def _look_at_mentions(self) -> None:
        newest = await self.client.timeline.mentions(limit=MENTIONS)
        before, self._mentions = self._mentions, {note.entry.id for note in newest}
        fresh = [note for note in newest if before is not None and note.entry.id not in before]
        self.feeds[Section.MENTIONS].arrive(fresh)
        self._unread += sum(1 for note in fresh if note.at >= self._began)
        if self.section is Section.MENTIONS:
            self._unread = 0
        self._mark(Section.MENTIONS, str(self._unread or ""))

    async def _look_at_notes(self) -> None:
        if await self.people.catch_up():
            self._redraw_notes()
        if self.section not in self.feeds:
            return
        await self.feeds[self.section].look_again(self.client)
        if self.people.misses_some:
            self.run_worker(self._fetch_names(), group="names")

    async def _fetch_names(self) -> None:
        try:
            await self.people.fetch_missing()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    def _mark(self, section: Section, mark: str) -> None:
        for rail in self._rails:
            rail.marks = {**rail.marks, section: mark}

    @property
    def own_relay(self) -> str:
        """The own relay: on, off, failed."""
        if self.client.own_relay is None:
            return "off"
        return "failed" if self.client.own_relay_problem else "on"


def _nothing_at_home(status: SyncStatus) -> str:
    """What an empty home timeline means: that nobody answered is not that there is nothing."""
    ends = status.ends.values()
    if not status.is_caught_up or outcome_of(ends, found=False) is Outcome.NOTHING:
        return f"{NOTHING}. {FIRST_NOTE}"
    return f"{NOTHING}: {in_words(ends, found=False)}."


def _syncing(client: NostrClient) -> str:
    status = client.timeline.status
    if status.problem:
        return status.problem
    if status.running and status.caught_up < status.relays:
        return f"reading, {status.caught_up} of {status.relays} relays caught up"
    return ""

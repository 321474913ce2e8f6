"""The main screen: sections, one of them in the middle, the detail beside it where it is wide."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from nostr_client.accounts.account import Account
from nostr_client.client import NostrClient
from nostr_client.errors import NostrError, StoreError
from nostr_client.protocol.filters import Filter
from nostr_client.routing.auth_policy import disclosure
from nostr_client.routing.authentication import Authenticator
from nostr_client.social.key_leaks import KeyLeak, leak_words
from nostr_client.social.views import NoteView, RelayRow
from nostr_client.tui.app_messages import Open
from nostr_client.tui.environment import Environment
from nostr_client.tui.held_acts import HeldActs
from nostr_client.tui.keymap import COLUMNS, hints, with_keys
from nostr_client.tui.names import NameCache
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.panes.pane import Pane, PaneContext, PaneView
from nostr_client.tui.panes.registry import EVERYWHERE, PANES, pane_named
from nostr_client.tui.pictures import Pictures, wanted_by
from nostr_client.tui.place_keeper import KEEP_EVERY, PlaceKeeper
from nostr_client.tui.polling import poll
from nostr_client.tui.preferences import AccountPlace
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.add_column import ask_for_column
from nostr_client.tui.screens.auth import say_purpose
from nostr_client.tui.targets import NoteTarget
from nostr_client.tui.widgets import columns
from nostr_client.tui.widgets.auth_bar import AuthBar
from nostr_client.tui.widgets.columns import Columns
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.list_messages import Highlighted
from nostr_client.tui.widgets.navigation import NavigationRail
from nostr_client.tui.widgets.status_line import Status, StatusLine
from nostr_client.tui.widgets.thread import ThreadPanel
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

WIDE = 100
"""Columns from which the detail has room beside the list."""
FIRST_PAGE = 1.0
"""Seconds that the network and the polls wait for the first page at most."""
LOOKS = 3
"""Looks at the marks of sections that are not in front, after something came for the account."""
RARELY = 30
"""Looks after which they are looked at all the same."""
RAIL = 20
"""Cells of the rail."""
CLOSES = (
    "{columns.close_column} closes the column in which the keys are; {columns.right} goes there."
)
GATHER = 0.1
"""Seconds in which arrivals are gathered before they are put into the lists."""


class MainScreen(Screen[None]):
    """Everything about one account, `client` behind it."""

    BINDINGS: ClassVar[list[BindingType]] = COLUMNS.bindings()
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """Textual's own, which would paint all of the screen anew whenever the focus moves."""

    def __init__(
        self,
        client: NostrClient,
        account: Account,
        environment: Environment,
        place: AccountPlace | None = None,
        *,
        rests: Callable[[], bool] = lambda: False,
        held: HeldActs | None = None,
    ) -> None:
        """`place`: where this account was last time; `rests`: has nobody been there for a while?
        `held` are the acts that wait a moment; None for an account that cannot sign."""
        super().__init__()
        self._rests = rests
        self.client = client
        self.account = account
        self._keeper = PlaceKeeper(environment.paths, account, place or AccountPlace())
        self.pane: Pane = next((p for p in PANES if p.name == self._keeper.kept.section), PANES[0])
        """The section that is shown."""
        self.write_relays: tuple[str, ...] = ()
        """Where a note of this account goes, as last seen."""
        self.own_relay_url = ""
        self.awaits_note = False
        """A note was sent from here and has not come to the lists yet."""
        self._accounts = environment.accounts
        self._saved = False
        self._asked_lists = False
        """Were relays asked for what those follow who are followed?"""
        self.names = NameCache(client)
        self.pictures = Pictures(
            client,
            by_themselves=wanted_by(environment.config, os.environ),
            titles=environment.config.media and environment.config.link_titles,
            avatars=environment.config.avatars,
        )
        self.renderer = NoteRenderer(self.names.label, pictures=self.pictures)
        self.renderer.namesake = client.lookalikes.of
        self._status = StatusLine(id="status")
        self._rails = (
            NavigationRail(PANES, upright=False, id="tabs"),
            NavigationRail(PANES, upright=True, id="rail"),
        )
        context = PaneContext(client, account, environment, self.renderer, self.names, held)
        self.views: dict[str, PaneView] = {pane.name: pane.make(context) for pane in PANES}
        for name, view in self.views.items():
            view.id = name
            if (kept := self._keeper.kept.lists.get(name)) is not None:
                view.resume(kept)
        self._fitting = asyncio.Lock()
        self._switcher = ContentSwitcher(initial=self.pane.name, id="sections")
        self.columns = Columns(context, self._keeper.kept.columns)
        self.detail = ThreadPanel(client, self.renderer, id="detail")
        self._hints = HintLine(id="hints")
        self._auth_bar = AuthBar(id="auth-bar")
        proxy = environment.config.for_account(client.pubkey).proxy or ""
        self._way = "tor" if proxy.startswith("tor:") else "proxy" if proxy else ""
        self._leaks: tuple[KeyLeak, ...] = ()
        self._polled = False
        self._looks = 0
        self._look_until = LOOKS
        """Up to which look sections that are not in front are looked at, too."""
        self._failing: frozenset[str] = frozenset()
        self._ended: set[str] = set()
        """Relays that have ended, of which the person was told."""
        if client.authenticator is not None:
            client.authenticator.asks = environment.config.ask_auth

    def compose(self) -> ComposeResult:
        tabs, rail = self._rails
        yield self._status
        yield tabs
        with Horizontal():
            yield rail
            with self._switcher:
                yield from self.views.values()
            yield self.columns
            yield self.detail
        yield self._auth_bar
        yield self._hints

    # Sections

    @property
    def view(self) -> PaneView:
        """The section that is shown, as it stands on the screen."""
        return self.views[self.pane.name]

    @property
    def front(self) -> WindowedList[Any]:
        """The list of the section that is shown."""
        return self.view.front

    @property
    def is_wide(self) -> bool:
        return self.size.width >= WIDE

    def go_to(self, section: str) -> None:
        """Show a section, by its name, and give it the keys."""
        self.pane = pane_named(section)
        self._switcher.current = section
        for rail in self._rails:
            rail.here = section
        self._status.status = replace(self._status.status, place=section)
        self._hints.hints = hints(*self.pane.key_groups, EVERYWHERE)
        self.view.open()
        self._place_detail(self.is_wide)
        self._place_columns()
        self.front.focus()

    def _place_detail(self, wide: bool) -> None:
        notes = self.view.notes
        self.detail.display = wide and notes is not None
        note = notes.note if wide and notes is not None else None
        self.detail.show(NoteTarget.of(note) if note is not None else None)

    def on_resize(self, event: events.Resize) -> None:
        self._place_detail(event.size.width >= WIDE)
        self._place_columns()

    def on_windowed_list_highlighted(self, message: Highlighted) -> None:
        of_column = message.list.has_focus and self.columns.holding(message.list) is not None
        if (message.list is self.view.notes or of_column) and self.is_wide:
            self.detail.show(NoteTarget.of(message.item) if message.item is not None else None)

    # Columns

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The detail is about what has the keys, and so are the hints."""
        keys = self.view.keys_at(event.widget) or self.pane.key_groups
        self._hints.hints = hints(*keys, EVERYWHERE)
        column = self.columns.holding(event.widget)
        if column is not None and self.detail.display and column.view.notes is not None:
            note = column.view.notes.note
            self.detail.show(NoteTarget.of(note) if note is not None else None)

    def _place_columns(self) -> None:
        start_worker(self, self._fit_columns, "columns")

    async def _fit_columns(self) -> None:
        async with self._fitting:
            width = self.size.width
            taken = RAIL + (2 if self.detail.display else 1) * columns.LEAST
            room = width - taken if width >= columns.WIDE_ENOUGH else 0
            await self.columns.fit(room, self.pane.name)

    def action_column(self, by: int) -> None:
        """To the column at the right (1) or left (-1)."""
        parts: list[WindowedList[Any]] = [self.front, *(view.front for view in self.columns.views)]
        if self.detail.display:
            parts.append(self.detail.notes)
        here = next((place for place, part in enumerate(parts) if part.has_focus), 0)
        parts[max(0, min(here + by, len(parts) - 1))].focus()

    def action_add_column(self) -> None:
        if self.size.width < columns.WIDE_ENOUGH:
            least = f"columns need a terminal of {columns.WIDE_ENOUGH} cells and more"
            self.post_message(Say(f"There is no room: {least}."))
        else:
            start_worker(self, self._add_column, "columns")

    async def _add_column(self) -> None:
        there = (self.pane.name, *self.columns.chosen)
        try:
            name = await ask_for_column(self.app, self.client, there)
        except NostrError as error:
            self._say_problem(str(error))
            return
        if not name:
            return
        if not self.columns.add(name):
            self.post_message(Say(f"It stands there, or there are {columns.MOST} already."))
            return
        await self._fit_columns()
        added = next((each for each in self.columns.shown if each.called == name), None)
        if added is None:
            self.post_message(Say("It has no room here; it shows where the screen is wider."))
        else:
            added.view.front.focus()
        await self.keep_place()

    def action_close_column(self) -> None:
        column = self.columns.holding(self.focused)
        if column is None:
            self.post_message(Say(with_keys(CLOSES)))
            return
        self.columns.close(column.called)
        self.front.focus()
        self._place_columns()
        start_worker(self, self.keep_place, "place")

    def on_open(self, message: Open) -> None:
        """With room for it the detail takes the keys; without, the app opens a screen."""
        if isinstance(message.target, NoteTarget) and self.is_wide and self.detail.display:
            message.stop()
            self.detail.show(message.target, at_once=True)
            self.detail.notes.focus()
        elif self.view.shows(message.target):
            message.stop()

    def on_unfolded(self) -> None:
        self._redraw_notes()

    def _redraw_notes(self) -> None:
        for view in self.views.values():
            view.redraw(shown=view is self.view)
        for view in self.columns.views:
            view.redraw(shown=True)
        self.detail.notes.redraw()
        for screen in self.app.screen_stack:
            if screen is not self:
                for each in screen.query(WindowedList):
                    each.redraw()

    # What arrives

    def on_mount(self) -> None:
        start_worker(self, self._know_followed, "pictures")
        self.go_to(self.pane.name)
        start_worker(self, self._begin, "begin")

    async def _begin(self) -> None:
        """First the timeline stands on the screen; then come the network and what is looked at."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_PAGE):
                await self.front.was_read.wait()
                painted = asyncio.Event()
                self.call_after_refresh(painted.set)
                await painted.wait()
        start_worker(self, self._follow_home, "arrivals")
        start_worker(self, self._follow_marks, "arrivals")
        start_worker(self, self.names.follow, "arrivals")
        start_worker(self, partial(poll, self._poll, self._say_problem, self._rests), "poll")
        self.set_interval(KEEP_EVERY, lambda: start_worker(self, self.keep_place, "place"))

    @property
    def _columns_chosen(self) -> tuple[str, ...] | None:
        """None as long as they are those that stand there by themselves."""
        chosen = self.columns.chosen
        return None if self._keeper.kept.columns is None and chosen == columns.FIRST else chosen

    async def keep_place(self) -> None:
        """Write down where one is, for the next time."""
        places = {name: view.place for name, view in self.views.items() if view.is_attached}
        lists = {name: place for name, place in places.items() if place is not None}
        lists = {**self._keeper.kept.lists, **lists}
        try:
            await self._keeper.keep(AccountPlace(self.pane.name, lists, self._columns_chosen))
        except StoreError as error:
            self._say_problem(f"Where you were is not kept: {error}")

    async def _follow_marks(self) -> None:
        """What names the account may change what sections that are not in front have to say."""
        if me := self.client.pubkey:
            async with self.client.store.watch([Filter.of(p=[me])]) as news:
                async for _ in news:
                    self._look_until = self._looks + LOOKS

    async def _follow_home(self) -> None:
        try:
            self.client.start_reading()
            await hand_over(self.client.timeline.watch(), self._arrived)
        except NostrError as error:
            self._say_problem(str(error))

    def _arrived(self, notes: list[NoteView]) -> None:
        self.names.add(note.author for note in notes)
        for view in self.views.values():
            view.arrive(notes, awaited=self.awaits_note)
        self.columns.arrive(notes)
        me = self.client.pubkey
        if any(note.entry.pubkey == me and note.reply_to is None for note in notes):
            self.awaits_note = False

    async def _poll(self) -> str:
        """Look at the relays, at what is unsent, and at what changes in the sections."""
        relays = await self.client.relays.rows()
        await self._show_status(relays)
        await self._poll_views(relays)
        if self.client.authenticator is not None:
            await self._show_auth(self.client.authenticator)
        await self._show_leaks()
        if self.account.can_sign:
            await self._show_ends()
        return self.client.replication.problem

    async def _show_leaks(self) -> None:
        """Whose secret key stands in the open: the own one each time, others' once."""
        known = {leak.pubkey for leak in self._leaks}
        found = self.client.key_leaks.found
        await self.names.know({leak.pubkey for leak in found} - known)
        for leak in found:
            if leak.pubkey not in known and (leak.pubkey == self.client.pubkey or self._polled):
                name = self.names.label(leak.pubkey)
                words = leak_words(leak, self.client.pubkey, name)
                self.post_message(Say(words, "error"))
        self._leaks, self._polled = found, True

    async def _show_ends(self) -> None:
        """Which relays of the account's lists have ended: said once, with what leads away."""
        for url, why in (await self.client.evacuation_survey.ended()).items():
            if url not in self._ended:
                self._ended.add(url)
                away = with_keys("{relays.evacuate} among the relays takes you away there.")
                self.post_message(Say(f"{url}: {why}. {away}", "warning"))

    async def _show_auth(self, authenticator: Authenticator) -> None:
        """Which relay wants to know who asks (NIP-42), and what one has learned."""
        question = authenticator.questions.current
        if question is None:
            self._auth_bar.rest()
        else:
            purpose = say_purpose(question.purposes[0], self.client.pubkey, self.names.label)
            waiting = len(authenticator.questions)
            self._auth_bar.ask(question.url, self._status.status.account, purpose, waiting)
            if self.app.screen is self:
                authenticator.questions.seen(question)
        if url := authenticator.disclosed:
            await authenticator.note_disclosed()
            self.post_message(Say(disclosure(url)))

    async def _show_status(self, relays: Sequence[RelayRow]) -> None:
        unsent = await self.client.replication.pending() if self.account.can_sign else 0
        profile = await self.client.profiles.get(self.client.pubkey)
        others = [row for row in relays if not row.own]
        self.write_relays = tuple(row.url for row in relays if row.write)
        self.own_relay_url = next((row.url for row in relays if row.own), "")
        self._status.status = Status(
            account=self.account.name or profile.label,
            place=self.pane.name,
            writes=self.client.signer is not None and self.account.can_sign,
            locked=self.client.signer is None and self.account.can_sign,
            up=sum(1 for row in others if row.is_up),
            relays=len(others),
            unsent=unsent,
            own_relay=self.own_relay,
            way=self._way,
            known=True,
            unsaved=await self._is_unsaved(),
        )

    async def _is_unsaved(self) -> bool:
        """Is this machine the only place where the key is known to be? Once it is not, it stays."""
        if self._saved or self.account.backed_up or not self.account.can_sign:
            return False
        account = await asyncio.to_thread(self._accounts.find, self.account.pubkey)
        self._saved = account.backed_up
        return not self._saved

    async def _poll_views(self, relays: Sequence[RelayRow]) -> None:
        await self.names.catch_up()
        if await self.client.lookalikes.refresh() | self.names.take_changes():
            self._redraw_notes()
        await self._know_followed()
        await self.view.poll(relays, shown=True)
        await self.columns.poll(relays)
        await self._poll_hidden(relays)
        marks = {name: view.mark for name, view in self.views.items()}
        for rail in self._rails:
            rail.marks = marks
        if not self._asked_lists and self.client.feed_sync.status.is_complete:
            self._asked_lists = True
            start_worker(self, self._fetch_lists, "lists")
        if self.view.notes is not None and self.names.has_unknown:
            start_worker(self, self._fetch_names, "names")

    async def _know_followed(self) -> None:
        """Whose pictures may come by themselves."""
        if await self.pictures.know_followed():
            self._redraw_notes()

    async def _poll_hidden(self, relays: Sequence[RelayRow]) -> None:
        """Sections that are not in front cost nothing; those with a mark are looked at when
        something for the account was stored, or a relay came or went, and else rarely."""
        failing = frozenset(row.url for row in relays if row.is_failing)
        self._looks += 1
        rests = self._looks > self._look_until and self._looks % RARELY
        if rests and failing == self._failing:
            return
        self._failing = failing
        for view in self.views.values():
            if view.has_mark and view is not self.view:
                await view.poll(relays, shown=False)

    async def _fetch_lists(self) -> None:
        try:
            await self.client.acquaintances.fetch(self.client.courier)
        except NostrError as error:
            self._say_problem(str(error))

    async def _fetch_names(self) -> None:
        try:
            await self.names.fetch_missing()
        except NostrError as error:
            self._say_problem(str(error))

    def _say_problem(self, words: str) -> None:
        self.post_message(Say(words, "error"))

    @property
    def own_relay(self) -> str:
        """The own relay: on, off, failed."""
        if self.client.own_relay is None:
            return "off"
        return "failed" if self.client.own_relay_problem else "on"


async def hand_over(
    arrivals: AsyncIterator[NoteView], take: Callable[[list[NoteView]], None]
) -> None:
    """Gather arrivals for a moment and hand them over together, until they end."""
    waiting: list[NoteView] = []
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def flush() -> None:
        nonlocal timer
        timer = None
        gathered, waiting[:] = list(waiting), []
        take(gathered)

    try:
        async for note in arrivals:
            waiting.append(note)
            if timer is None:
                timer = loop.call_later(GATHER, flush)
    finally:
        if timer is not None:
            timer.cancel()

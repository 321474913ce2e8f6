"""Notifications: all that concerns the account, by day; whoever opens them has seen them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Static

from nostr_client.errors import NostrError
from nostr_client.social.notification_views import (
    Notification,
    NotificationPage,
    NotificationRow,
    NotificationSort,
    NotificationTab,
    StrangersFold,
    unfolded,
)
from nostr_client.social.views import Cursor, RelayRow
from nostr_client.tui.acts.registry import ACT_BY_ID
from nostr_client.tui.app_messages import Open
from nostr_client.tui.keymap import LIST, Key, KeyGroup, with_keys
from nostr_client.tui.notification_renderer import (
    NAMED,
    NotificationItem,
    NotificationRenderer,
    items_of,
)
from nostr_client.tui.panes.pane import Pane, PaneContext, PaneView
from nostr_client.tui.saying import Say
from nostr_client.tui.targets import AddressTarget, NoteTarget, PersonTarget, Target
from nostr_client.tui.widgets.items import FixedItems
from nostr_client.tui.widgets.list_messages import Chosen, Highlighted
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

TABS: Final = tuple(NotificationTab)
NEAR_END: Final = 30
"""Rows before the last one at which more are read."""
MOST_ROWS: Final = 5_000
"""Rows that are held at most; nobody reads on from there by eye."""
MOST_MARKED: Final = 99
NOTHING: Final = {
    NotificationTab.ALL: "Nothing yet: what people say to you, or of you, will stand here. "
    "{app.write} writes something that they may answer.",
    NotificationTab.MENTIONS: "Nobody has spoken to you, or of you, yet.",
    NotificationTab.REACTIONS: "Nobody has reacted to what you wrote yet.",
    NotificationTab.FOLLOWS: "Nobody began to follow you since this machine looks.",
    NotificationTab.ZAPS: "Nobody says that they paid you yet.",
}
KEYS: Final = KeyGroup(
    "Notifications",
    (
        Key("right_square_bracket,right,l", "turn(1)", "The next sort", "next sort"),
        Key("left_square_bracket,left,h", "turn(-1)", "The sort before"),
        Key("x", "unfold", "Show or hide who it was; strangers", "show"),
        Key("p", "person", "Who it was: their profile", "profile"),
        Key("m", "mute", "Mute: of what tags a crowd the thread at once"),
    ),
)


class NotificationList(WindowedList[NotificationItem]):
    """The rows of one tab."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    class Wish(Message):
        """What is to be done: "turn" to another tab, "unfold" or show the "person" of `item`."""

        def __init__(self, what: str, by: int = 0) -> None:
            super().__init__()
            self.what = what
            self.by = by

    def action_turn(self, by: int) -> None:
        self.post_message(self.Wish("turn", by))

    def action_unfold(self) -> None:
        self.post_message(self.Wish("unfold"))

    def action_person(self) -> None:
        self.post_message(self.Wish("person"))

    def action_mute(self) -> None:
        self.post_message(self.Wish("mute"))


class NotificationsPane(PaneView):
    """The notifications; the mark counts what is new, strangers' left out."""

    has_mark = True

    def __init__(self, context: PaneContext) -> None:
        super().__init__()
        self._client = context.client
        self._names = context.names
        self._tab = NotificationTab.ALL
        self._rows: list[NotificationRow] = []
        self._until: Cursor | None = None
        self._unfolded: set[str] = set()
        self._visited = 0
        """Up to when all was seen before this visit."""
        self._news: object = None
        self._above = 0
        self._head = Static("", markup=False, classes="head")
        self._nothing = Static("", markup=False, classes="empty")
        renderer = NotificationRenderer(
            context.names.label, context.client.zaps.problem, namesake=context.names.namesake
        )
        self.list = NotificationList(renderer, gap=0)

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._nothing
        yield self.list

    def on_mount(self) -> None:
        self._nothing.display = False
        self.set_interval(30.0, self.list.repaint)

    @property
    def front(self) -> NotificationList:
        return self.list

    def redraw(self, *, shown: bool) -> None:
        self.list.redraw()

    # Reading

    def open(self) -> None:
        start_worker(self, partial(self._guarded, self._visit), "notifications", exclusive=True)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _visit(self) -> None:
        """Show what there is, with what is new since the last visit marked; it is seen now."""
        self._visited = self._client.notifications.seen_until
        await self._read_newest()
        await self._mark_seen()

    async def _read_newest(self) -> None:
        """The newest page anew; what was read before stays below it."""
        page = await self._client.notifications.page(self._tab)
        last = page.rows[-1].day if page.rows else None
        kept = [row for row in self._rows if last is not None and row.day < last]
        until = self._until if kept and page.until is not None else page.until
        await self._take(page, [*page.rows, *kept] if page.until is not None else page.rows, until)

    async def _read_on(self) -> None:
        if self._until is None or len(self._rows) >= MOST_ROWS:
            return
        page = await self._client.notifications.page(self._tab, until=self._until)
        await self._take(page, [*self._rows, *page.rows], page.until)

    async def _take(
        self, page: NotificationPage, rows: Sequence[NotificationRow], until: Cursor | None
    ) -> None:
        await self._names.know({p for row, _ in unfolded(page.rows) for p in row.people[:NAMED]})
        self._rows, self._until = list(rows), until
        self._draw()

    def _draw(self, *, top: bool = False) -> None:
        items = items_of(self._rows, self._unfolded, self._visited, time.time())
        source = FixedItems(items, self.list.renderer.key)
        if top or not self.list.items:
            self.list.show(source)
        else:
            self.list.renew(source)
        self._nothing.update(with_keys(NOTHING[self._tab]))
        self._nothing.display = not items
        self._draw_head()

    def _draw_head(self) -> None:
        tabs = (f"[{tab}]" if tab is self._tab else f" {tab} " for tab in TABS)
        shows = with_keys("{list.newest} shows it")
        news = f" · ▲ new above · {shows}" if self._above else ""
        self._head.update("".join(tabs) + news)

    async def _mark_seen(self) -> None:
        if self._tab is NotificationTab.ALL and self._rows:
            await self._client.notifications.mark_seen(max(row.at for row in self._rows))
            self.mark = ""

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        notifications = self._client.notifications
        unseen = await notifications.unseen()
        self.mark = "99+" if unseen > MOST_MARKED else str(unseen or "")
        if not shown or notifications.news == self._news:
            return
        self._news = notifications.news
        await self._read_newest()
        self._above = 0 if self._at_top else unseen
        if self._at_top:
            await self._mark_seen()
        self._draw_head()

    @property
    def _at_top(self) -> bool:
        return self.list.scroll_offset.y == 0

    # What the keys do

    def on_windowed_list_highlighted(self, message: Highlighted) -> None:
        message.stop()
        if self._above and self._at_top:
            self._above = 0
            self._draw_head()
            start_worker(self, partial(self._guarded, self._mark_seen), "seen")
        last = {item.key for item in self.list.items[-NEAR_END:]}
        if self._until is not None and message.item is not None and message.item.key in last:
            start_worker(self, partial(self._guarded, self._read_on), "more", exclusive=True)

    def on_notification_list_wish(self, message: NotificationList.Wish) -> None:
        message.stop()
        item = self.list.selected
        if message.what == "turn":
            self._tab = TABS[(TABS.index(self._tab) + message.by) % len(TABS)]
            self._rows, self._until = [], None
            start_worker(self, partial(self._guarded, self._show_tab), "notifications")
        elif item is None:
            return
        elif message.what == "unfold":
            self._toggle(item)
        elif message.what == "mute":
            if (event := getattr(item.row, "event", None)) is not None:
                start_worker(self, partial(self._guarded, partial(self._mute, event.id)), "mute")
        elif isinstance(item.row, Notification):
            self.post_message(Open(PersonTarget(item.person or item.row.people[0])))

    async def _mute(self, event_id: str) -> None:
        for view in await self._client.timeline.views([event_id]):
            self.post_message(ACT_BY_ID["mute"].on(view))

    async def _show_tab(self) -> None:
        await self._read_newest()
        self._draw(top=True)

    def _toggle(self, item: NotificationItem) -> None:
        self._unfolded ^= {item.row.key}
        self._draw()

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        message.stop()
        item: NotificationItem = message.item
        row = item.row
        if isinstance(row, StrangersFold):
            self._toggle(item)
            return
        if item.person:
            self.post_message(Open(PersonTarget(item.person)))
            return
        if row.sort is NotificationSort.ZAP:
            start_worker(self, partial(self._guarded, partial(self._check, row)), "zaps")
        self.post_message(Open(target_of_row(row)))

    async def _check(self, row: Notification) -> None:
        """The person opened a zap: now its provider is asked whether it is true."""
        zaps = self._client.zaps
        problem = await zaps.look_up(row.receipts)
        if zaps.sum_of(row.receipts).claims:
            why = problem or "the provider of whoever was paid does not vouch for it"
            self.post_message(Say(f"What is claimed stays so: {why}."))
        await self._read_newest()


def target_of_row(row: Notification) -> Target:
    """What a row leads to: what was said, or what it is about; else who it was."""
    if row.sort.is_said and row.event is not None:
        return NoteTarget(row.event.id, author=row.event.pubkey)
    if row.target is not None:
        return NoteTarget(row.target.id, author=row.target.pubkey)
    if ":" in row.target_id:
        return AddressTarget(row.target_id)
    if row.target_id:
        return NoteTarget(row.target_id)
    return PersonTarget(row.people[0])


PANE: Final = Pane(
    "notifications",
    "2",
    "Notifications: what people said to you, and did with what you wrote",
    NotificationsPane,
    (KEYS, LIST),
    place=20,
)

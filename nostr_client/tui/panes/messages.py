"""Messages: private conversations, and what strangers ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.net.outcome import Outcome, in_words, outcome_of
from nostr_client.safe_text import safe_line
from nostr_client.social.messages.views import Conversation, MessagesStatus, PrivateMessage
from nostr_client.social.views import RelayRow
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.messaging import new_conversation
from nostr_client.tui.app_messages import ActRequest, Open
from nostr_client.tui.keymap import LIST, WAY, Key, KeyGroup, key_for, with_keys
from nostr_client.tui.names import NameCache
from nostr_client.tui.panes.pane import Pane, PaneContext, PaneView
from nostr_client.tui.room_panel import KEYS as ROOM_KEYS
from nostr_client.tui.room_panel import RoomPanel
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog
from nostr_client.tui.screens.found_messages import FoundMessagesScreen
from nostr_client.tui.targets import RoomTarget, Target
from nostr_client.tui.time_format import ago
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
from nostr_client.tui.widgets.list_messages import Highlighted
from nostr_client.tui.widgets.note_list import AGES_EVERY
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

KEYS: Final = KeyGroup(
    "Messages",
    (
        Key("n", "new", "Write to somebody, or to several", "new"),
        Key("s", "search", "Search all messages", "search"),
        Key("a", "accept", "Accept a request", "accept"),
        Key("R", "relays", "Say where you read private messages", "relays"),
        Key("x", "ignore", "Ignore what is in the room (asks first)", "ignore"),
        Key("X", "ignore_requests", "Ignore all requests (asks first)"),
    ),
    "messages",
)


SHOWN: Final = 5
"""People of a room that are named in the list."""
BESIDE: Final = 120
"""Cells of the screen from which a conversation stands beside the list..."""
LEAST: Final = 80
"""... if the section has so many of them."""
FEW_REQUESTS: Final = 9
"""More than that are counted below the list."""


@dataclass(frozen=True, slots=True)
class MutedRooms:
    """A line for the rooms of people who are muted."""

    count: int
    shown: bool


class ConversationRenderer(ItemRenderer[Conversation | MutedRooms]):
    """A room: who is in it and what is unread; how its last message begins."""

    def __init__(self, me: str, names: Callable[[str], str]) -> None:
        self._me = me
        self._names = names

    def key(self, item: Conversation | MutedRooms) -> str:
        return "muted" if isinstance(item, MutedRooms) else ",".join(sorted(item.members))

    def lines(self, item: Conversation | MutedRooms, width: int, style: Styles) -> list[Content]:
        if isinstance(item, MutedRooms):
            rooms = "1 room" if item.count == 1 else f"{item.count} rooms"
            verb = "hides them" if item.shown else "shows them"
            words = f"muted: {rooms} · {key_for('list.choose')} {verb}"
            return [Content.styled(words, style("list--dim")).truncate(width, ellipsis=True)]
        others = item.others(self._me)
        people = ", ".join(map(self._names, others[:SHOWN]))
        if len(others) > SHOWN:
            people += f" and {len(others) - SHOWN} more"
        when = f"  {ago(item.last.created_at, time.time())}" if item.last else ""
        counts = "list--dim" if item.muted else "list--good"
        first = Content.assemble(
            ("muted  " if item.muted else "", style("list--dim")),
            ("request  " if item.request else "", style("list--warn")),
            (safe_line(people, 80), style("list--strong")),
            (f"  {item.unread} unread" if item.unread else "", style(counts)),
            (when, style("list--dim")),
        )
        words = ": ".join(filter(None, (safe_line(item.subject, 40), self._said(item.last))))
        second = Content.styled(f"  {words}", style("list--dim"))
        return [line.truncate(width, ellipsis=True) for line in (first, second)]

    def _said(self, last: PrivateMessage | None) -> str:
        if last is None:
            return ""
        if last.muted:
            return safe_line(last.muted, 80)
        blank = "a file" if last.file is not None else "nothing but blanks"
        said = safe_line(last.text, 200) or ("deleted" if last.deleted else blank)
        return f"you: {said}" if last.author == self._me else said


class ConversationList(WindowedList[Conversation | MutedRooms]):
    """The rooms, requests after the others, and last those of people who are muted, folded."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, client: NostrClient, names: NameCache) -> None:
        super().__init__(ConversationRenderer(client.pubkey, names.label))
        self._client = client
        self._names = names
        self._rooms: Sequence[Conversation] = ()
        self._unfolded = False

    def on_mount(self) -> None:
        self.set_interval(AGES_EVERY, self.repaint)

    @property
    def room(self) -> Conversation | None:
        """The room that is selected."""
        return self.selected if isinstance(self.selected, Conversation) else None

    def put(self, rooms: Sequence[Conversation]) -> None:
        """Show these."""
        self._rooms = rooms
        muted = [room for room in rooms if room.muted]
        rows: list[Conversation | MutedRooms] = [room for room in rooms if not room.muted]
        if muted:
            rows.append(MutedRooms(len(muted), self._unfolded))
            rows += muted if self._unfolded else []
        self.renew(FixedItems(rows, self.renderer.key))

    def action_choose(self) -> None:
        if self._client.signer is None:
            self.post_message(ActRequest(_unlocked))
        elif isinstance(self.selected, MutedRooms):
            self._unfolded = not self._unfolded
            self.put(self._rooms)
        elif (room := self.room) is not None:
            self.post_message(Open(RoomTarget(room.members)))

    def action_relays(self) -> None:
        self.post_message(ActRequest(Actions.message_relays))

    def action_new(self) -> None:
        self.post_message(ActRequest(new_conversation))

    def action_search(self) -> None:
        if self._client.signer is not None:
            start_worker(self, self._search, "messages")

    async def _search(self) -> None:
        dialog = PromptDialog(
            "Search", 'all of these words; "in quotes" side by side', yes="search"
        )
        words = await self.app.push_screen_wait(dialog)
        if not words:
            return
        try:
            found = await self._client.messages.search(words)
            await self._names.know({message.author for message in found})
        except NostrError as error:
            self.post_message(Say(str(error), "error"))
            return
        screen = FoundMessagesScreen(words, found, self._client.pubkey, self._names.label)
        if (chosen := await self.app.push_screen_wait(screen)) is not None:
            self.post_message(Open(RoomTarget(chosen.room, chosen.id)))

    def action_accept(self) -> None:
        if (room := self.room) is not None and room.request:
            start_worker(self, partial(self._accept, room), "messages")

    async def _accept(self, room: Conversation) -> None:
        try:
            await self._client.messages.accept(room.members)
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    def action_ignore(self) -> None:
        if (room := self.room) is not None:
            start_worker(self, partial(self._ignore, room), "messages")

    async def _ignore(self, room: Conversation) -> None:
        question = ConfirmDialog("Ignore what is in this room?", "It goes from here.", yes="ignore")
        if not await self.app.push_screen_wait(question):
            return
        try:
            await self._client.messages.dismiss(room.members)
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    def action_ignore_requests(self) -> None:
        if self._client.signer is not None:
            start_worker(self, self._ignore_requests, "messages")

    async def _ignore_requests(self) -> None:
        messages = self._client.messages
        try:
            rooms, more = len(await messages.requests()), messages.status.request_overflow
            if not rooms and not more:
                self.post_message(Say("There are no requests"))
                return
            what = (
                f"{_counted(rooms)}, and {more:,} that found no room" if more else _counted(rooms)
            )
            question = ConfirmDialog("Ignore all requests?", f"{what}: they go.", yes="ignore")
            if await self.app.push_screen_wait(question):
                await messages.dismiss_requests()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))


async def _unlocked(actions: Actions) -> None:
    """The key was asked for: that is all."""


class MessagesPane(PaneView):
    """All rooms, the one under the cursor beside them where it is wide; the mark counts what is
    unread and no request."""

    has_mark = True

    def __init__(self, context: PaneContext) -> None:
        super().__init__()
        self._client = context.client
        self._can_sign = context.account.can_sign
        self._shown: list[Conversation] = []
        self._head = Static("", markup=False, classes="head")
        self._foot = Static("", markup=False, classes="foot")
        self._names = context.names
        self.rooms = ConversationList(context.client, context.names)
        self.panel = RoomPanel(context.client, context.names)
        self.panel.display = False

    def compose(self) -> ComposeResult:
        with Horizontal():
            with Vertical(classes="rooms"):
                yield self._head
                yield self.rooms
                yield self._foot
            yield self.panel

    @property
    def front(self) -> ConversationList:
        return self.rooms

    def redraw(self, *, shown: bool) -> None:
        if shown:  # else they are made anew when it is opened
            self.rooms.redraw()

    def open(self) -> None:
        start_worker(self, self._show, "rooms", exclusive=True)

    def shows(self, target: Target) -> bool:
        if not isinstance(target, RoomTarget) or not self.panel.display:
            return False
        self.rooms.select(",".join(sorted(target.members)))
        self.panel.show(target, at_once=True)
        self.panel.messages.focus()
        return True

    def keys_at(self, widget: Widget) -> tuple[KeyGroup, ...]:
        return (ROOM_KEYS, WAY) if widget is self.panel.messages else ()

    def on_resize(self, event: events.Resize) -> None:
        beside = self.app.size.width >= BESIDE and event.size.width >= LEAST
        if beside == self.panel.display:
            return
        if self.panel.messages.has_focus:
            self.rooms.focus()
        self.panel.display = beside
        self.set_class(beside, "-beside")
        self._pass()

    def on_windowed_list_highlighted(self, message: Highlighted) -> None:
        if message.list is self.rooms:
            self._pass()

    def _pass(self) -> None:
        """The room under the cursor stands beside the list, where it is wide."""
        room = self.rooms.room if self.panel.display else None
        self.panel.show(RoomTarget(room.members) if room is not None else None)

    async def _show(self) -> None:
        try:
            await self._look(shown=True)
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        await self._look(shown=shown)
        if shown and self.panel.display:
            self.panel.look_again()

    async def _look(self, *, shown: bool) -> None:
        """Count what is unread; where it is `shown` list the rooms, which may be many."""
        messages = self._client.messages
        if self._client.signer is None:
            locked = with_keys("locked: {list.choose} unlocks to read")
            words = locked if self._can_sign else "watched only: no key"
            self._head.update(words)
            return
        status = messages.start()
        if status.signer_problem and not status.opened:
            self._head.update(f"not readable yet: {safe_line(status.signer_problem, 200)}")
            return
        self.mark = str(await messages.unread() or "")
        if not shown:
            return
        requests = await messages.requests()
        rooms = [*await messages.conversations(), *requests]
        if rooms != self._shown:
            await self._names.know({p for room in rooms for p in room.others(self._client.pubkey)})
            self._shown = rooms
            self.rooms.put(rooms)
        self._head.update(_progress(status, len(rooms)))
        wanted = sum(not room.muted for room in requests)
        told = [_counted(wanted)] if wanted > FEW_REQUESTS else []
        told += status.left_out
        if not await messages.relays.own():
            told.append(
                with_keys("Nobody can write to you yet: {messages.relays} says where you read.")
            )
        self._foot.update("\n".join(told))


def _counted(requests: int) -> str:
    return "1 request" if requests == 1 else f"{requests:,} requests"


def _progress(status: MessagesStatus, rooms: int) -> str:
    if status.waiting:
        why = f"; {safe_line(status.signer_problem, 120)}" if status.signer_problem else ""
        return f"opened {status.opened:,} of {status.total:,}{why}"
    if status.problem:
        return safe_line(status.problem, 200)
    ends = status.ends.values() if status.synced else ()
    came = outcome_of(ends, found=False) if ends else Outcome.NOTHING
    if rooms:
        unread = came in (Outcome.NO_ANSWER, Outcome.NOT_ALLOWED)
        return in_words(ends, found=True, named=1) if unread else ""
    if came is Outcome.NOTHING:
        return with_keys("No messages yet. {messages.new} writes one.")
    return f"No messages yet: {in_words(ends, found=False, named=1)}."


PANE: Final = Pane(
    "messages",
    "4",
    "Messages: private conversations, requests",
    MessagesPane,
    (KEYS, LIST),
    place=40,
)

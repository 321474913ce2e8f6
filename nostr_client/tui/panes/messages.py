"""Messages: private conversations, and what strangers ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.net.outcome import Outcome, in_words, outcome_of
from nostr_client.safe_text import safe_line
from nostr_client.social.messages.views import Conversation, MessagesStatus
from nostr_client.social.views import RelayRow
from nostr_client.tui.actions import Actions
from nostr_client.tui.app_messages import ActRequest, Say
from nostr_client.tui.keymap import LIST, Key, KeyGroup
from nostr_client.tui.names import NameCache
from nostr_client.tui.panes.pane import Pane, PaneContext, PaneView
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog
from nostr_client.tui.screens.found_messages import FoundMessagesScreen
from nostr_client.tui.screens.room import RoomScreen
from nostr_client.tui.screens.unreachable import UnreachableDialog
from nostr_client.tui.time_format import ago
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
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
FEW_REQUESTS: Final = 9
"""More than that are counted below the list."""


class ConversationRenderer(ItemRenderer[Conversation]):
    """A room: who is in it and what is unread; how its last message begins."""

    def __init__(self, me: str, names: Callable[[str], str]) -> None:
        self._me = me
        self._names = names

    def key(self, item: Conversation) -> str:
        return ",".join(sorted(item.members))

    def lines(self, item: Conversation, width: int, style: Styles) -> list[Content]:
        others = item.others(self._me)
        people = ", ".join(map(self._names, others[:SHOWN]))
        if len(others) > SHOWN:
            people += f" and {len(others) - SHOWN} more"
        when = f"  {ago(item.last.created_at, time.time())}" if item.last else ""
        first = Content.assemble(
            ("request  " if item.request else "", style("list--warn")),
            (safe_line(people, 80), style("list--strong")),
            (f"  {item.unread} unread" if item.unread else "", style("list--good")),
            (when, style("list--dim")),
        )
        subject, said = safe_line(item.subject, 40), ""
        if item.last is not None:
            blank = "a file" if item.last.file is not None else "nothing but blanks"
            said = safe_line(item.last.text, 200) or ("deleted" if item.last.deleted else blank)
        words = ": ".join(filter(None, (subject, said)))
        second = Content.styled(f"  {words}", style("list--dim"))
        return [line.truncate(width, ellipsis=True) for line in (first, second)]


class ConversationList(WindowedList[Conversation]):
    """The rooms, requests last."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, client: NostrClient, names: NameCache) -> None:
        super().__init__(ConversationRenderer(client.pubkey, names.label))
        self._client = client
        self._names = names

    def action_choose(self) -> None:
        if self._client.signer is None:
            self.post_message(ActRequest(_unlocked))
        elif (room := self.selected) is not None:
            self._open(room.members)

    def _open(self, members: frozenset[str], select: str = "") -> None:
        self.app.push_screen(RoomScreen(self._client, members, self._names, select=select))

    def action_relays(self) -> None:
        self.post_message(ActRequest(Actions.message_relays))

    def action_new(self) -> None:
        if self._client.signer is None:
            self.post_message(ActRequest(_unlocked))
        else:
            start_worker(self, self._new, "messages")

    async def _new(self) -> None:
        hint = "npub1…, name@domain; several: with spaces"
        whom = await self.app.push_screen_wait(PromptDialog("Write to", hint, yes="go on"))
        if not whom:
            return
        try:
            found = [await self._client.profiles.resolve(one) for one in whom.split()]
            await self._names.know(found)
            for pubkey in found:
                if not await self._reachable(pubkey):
                    return
        except NostrError as error:
            self.post_message(Say(str(error), "error"))
            return
        self._open(frozenset({*found, self._client.pubkey}))

    async def _reachable(self, pubkey: str) -> bool:
        """Can they be written to? If not, say why, and try again for as long as the person will."""
        reach = await self._client.messages.can_message(pubkey, fresh=True)
        while not reach:
            words = f"{safe_line(self._names.label(pubkey), 80)}: {reach.words}."
            if not await self.app.push_screen_wait(UnreachableDialog(words)):
                return False
            reach = await self._client.messages.can_message(pubkey, fresh=True)
        return True

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
            self._open(chosen.room, chosen.id)

    def action_accept(self) -> None:
        if (room := self.selected) is not None and room.request:
            start_worker(self, partial(self._accept, room), "messages")

    async def _accept(self, room: Conversation) -> None:
        try:
            await self._client.messages.accept(room.members)
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    def action_ignore(self) -> None:
        if (room := self.selected) is not None:
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
    """All rooms; the mark counts what is unread and no request."""

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

    def compose(self) -> ComposeResult:
        yield self._head
        yield self.rooms
        yield self._foot

    @property
    def front(self) -> ConversationList:
        return self.rooms

    def redraw(self, *, shown: bool) -> None:
        if shown:  # else they are made anew when it is opened
            self.rooms.redraw()

    def open(self) -> None:
        start_worker(self, self._show, "rooms", exclusive=True)

    async def _show(self) -> None:
        try:
            await self._look(shown=True)
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        await self._look(shown=shown)

    async def _look(self, *, shown: bool) -> None:
        """Count what is unread; where it is `shown` list the rooms, which may be many."""
        messages = self._client.messages
        if self._client.signer is None:
            words = "locked: enter unlocks to read" if self._can_sign else "watched only: no key"
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
            self.rooms.renew(FixedItems(rooms, self.rooms.renderer.key))
        self._head.update(_progress(status, len(rooms)))
        told = [_counted(len(requests))] if len(requests) > FEW_REQUESTS else []
        told += status.left_out
        if not await messages.relays.own():
            told.append("Nobody can write to you yet: R says where you read.")
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
        return "No messages yet. n writes one."
    return f"No messages yet: {in_words(ends, found=False, named=1)}."


PANE: Final = Pane(
    "messages",
    "4",
    "Messages: private conversations, requests",
    MessagesPane,
    (KEYS, LIST),
    place=40,
)

"""A private conversation on the screen: who is in it, its messages, the newest at the end."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.safe_text import safe_line
from nostr_client.social.messages.views import ChangeKind, Conversation, Delivery, PrivateMessage
from nostr_client.social.mute_matcher import MuteMatcher
from nostr_client.tui.app_messages import Open
from nostr_client.tui.keymap import Key, KeyGroup, with_keys
from nostr_client.tui.message_renderer import MessageRenderer
from nostr_client.tui.names import NameCache
from nostr_client.tui.private_writer import PrivateWriter
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog
from nostr_client.tui.screens.message_details import MessageDetailsScreen
from nostr_client.tui.targets import PersonTarget, RoomTarget
from nostr_client.tui.widgets.inputs import typed_path
from nostr_client.tui.widgets.items import FixedItems
from nostr_client.tui.widgets.list_messages import Chosen, Highlighted
from nostr_client.tui.widgets.message_list import MessageList
from nostr_client.tui.widgets.static_text import StillText
from nostr_client.tui.workers import start_worker

STEP: Final = 500
"""Messages, the newest, that are shown; so many more whenever the oldest of them is selected."""
LOAD_AFTER: Final = 0.1
"""Seconds for which a room must stay selected in the list before it is read."""
COUNTED: Final = 50
"""Own messages, the newest, of which is said how many relays took them."""
KEYS: Final = KeyGroup(
    "In a conversation",
    (
        Key("n,c", "say", "Write, in private", "write"),
        Key("r", "answer", "Answer the message", "answer"),
        Key("f", "react", "React with ♥"),
        Key("e", "edit", "Edit your message", "edit"),
        Key("a", "accept", "Accept the request"),
        Key("x", "delete", "Ask all to delete your message (asks first)", "delete"),
        Key("i", "details", "Which relay of whom has it; its subject, its end", "details"),
        Key("s", "save", "Fetch the file of the message, and save it"),
        Key("p", "profile", "The author's profile"),
    ),
    "room",
)


class RoomPanel(Vertical):
    """One conversation, kept up to date. What is in view is read once the panel has the keys."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, client: NostrClient, names: NameCache, id: str | None = None) -> None:
        super().__init__(id=id)
        self._client = client
        self._names = names
        self._renderer = MessageRenderer(client.pubkey, names.label)
        self.messages = MessageList(self._renderer)
        self._head = StillText(classes="head")
        self._foot = StillText(classes="foot")
        self._showing = asyncio.Lock()
        self._forget(None)

    def _forget(self, target: RoomTarget | None) -> None:
        """Another room, of which nothing is known yet."""
        self.target = target
        """The conversation that is shown."""
        self._writer: PrivateWriter | None = None
        self._sought = target.select if target is not None else ""
        self._most = STEP
        self._all = False
        self._opening = True
        self._drawn_by: MuteMatcher | None = None
        """What was muted when it was drawn."""
        self._oldest = self._newest = self._unread = ""
        """Ids: what is shown is between the first two; the oldest that was unread when the room was
        opened, until it was in view."""
        self._asked = True
        self._placed = False
        self._seen = 0
        """The time of the newest message that was in view, and is marked as read."""
        self._awaits_own = False
        """Something was written here, and does not stand in the list yet."""

    def compose(self) -> ComposeResult:
        yield self._head
        yield self.messages
        yield self._foot

    def on_mount(self) -> None:
        self.watch(self.messages, "scroll_y", self._look, init=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._look)

    def on_descendant_focus(self) -> None:
        self._look()

    # Showing

    def show(self, target: RoomTarget | None, *, at_once: bool = False) -> None:
        """Show a conversation at the message that it names, else at the oldest that is unread, or
        at the newest; `at_once`: the person opened it, and does not pass."""
        if target is None:
            self._forget(None)
            self.workers.cancel_group(self, "room")
            self.messages.renew(FixedItems([], self._renderer.key))
            self._head.update("")
            self._foot.update("")
        elif target != self.target or target.select:
            self._forget(target)
            self._writer = PrivateWriter(self.app, self._client, target.members, self._sent)
            wait = 0 if at_once else LOAD_AFTER
            start_worker(self, partial(self._live, target, wait), "room", exclusive=True)

    def look_again(self) -> None:
        """Whom and what the account mutes may have changed since it was drawn."""
        target, before = self.target, self._drawn_by
        if target is not None and before not in (None, self._client.mutes.matcher):
            start_worker(self, partial(self._show, target), "mutes")

    @property
    def chosen(self) -> PrivateMessage | None:
        """The message that is selected; None while the list is that of another room still."""
        chosen, target = self.messages.selected, self.target
        return chosen if chosen and target and chosen.room == target.members else None

    async def _live(self, target: RoomTarget, wait: float) -> None:
        """Show it, and what changes in it, until another one is shown."""
        await asyncio.sleep(wait)
        try:
            with self._client.messages.watch() as changes:
                await self._show(target)
                async for change in changes:
                    told = change.room == target.members or change.kind is ChangeKind.EVERYTHING
                    if told and change.kind is not ChangeKind.ROOM:
                        await self._show(target)
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _show(self, target: RoomTarget) -> None:
        async with self._showing:  # or what was read earlier might be drawn later
            await self._read_and_draw(target)

    async def _read_and_draw(self, target: RoomTarget) -> None:
        messages, matcher = self._client.messages, self._client.mutes.matcher
        room = await messages.conversation(target.members)
        asked = room is not None and room.request
        found = await self._read(target, to_unread=self._opening and not asked)
        own = [m.id for m in found if m.delivery not in (Delivery.RECEIVED, Delivery.ELSEWHERE)]
        copies = await messages.copies_of(own[-COUNTED:])
        who = await self._who(target, room)
        if target is not self.target:
            return
        self._drawn_by = matcher
        self._asked = asked
        self._oldest = found[0].id if found else ""
        self._renderer.answered = {message.id: message for message in found}
        self._renderer.copies = copies
        self._head.update(who)
        self._foot.update(self._says(room, bool(found)))
        self._put(found)

    def _put(self, found: list[PrivateMessage]) -> None:
        """Into the list. The cursor stays where it is; who reads at the end sees what is new, and
        who has written goes to it."""
        opening, self._opening = self._opening, False
        sought, self._sought = self._sought, ""
        self._placed = False
        if opening:
            self._unread = next((m.id for m in found if m.unread and not self._asked), "")
            source = FixedItems(found, self._renderer.key)
            self.messages.renew(source, select=sought or (found[-1].id if found else ""))
            if not sought:
                self.messages.action_oldest()
        else:
            self.messages.change(found)
            if self._awaits_own and found and self._is_new_own(found[-1]):
                self._awaits_own = False
                self.messages.action_oldest()
        self._newest = found[-1].id if found else ""
        self.messages.call_after_refresh(self._place)

    def _is_new_own(self, newest: PrivateMessage) -> bool:
        return newest.author == self._client.pubkey and newest.id != self._newest

    def _sent(self) -> None:
        self._awaits_own = True

    def _place(self) -> None:
        """The list has scrolled to where it was told to."""
        self._placed = True
        self._look()

    async def _read(self, target: RoomTarget, *, to_unread: bool) -> list[PrivateMessage]:
        """The newest messages, the oldest first; so many that what is sought is among them."""
        while True:
            found = await self._client.messages.messages(target.members, limit=self._most)
            found.reverse()
            self._all = len(found) < self._most
            sought = bool(self._sought) and all(m.id != self._sought for m in found)
            unread = to_unread and not self._sought and bool(found) and found[0].unread
            if self._all or not (sought or unread):
                return found
            self._most *= 2

    async def _who(self, target: RoomTarget, room: Conversation | None) -> str:
        others = sorted(target.members - {self._client.pubkey}) or [self._client.pubkey]
        await self._names.know(others)
        words = ", ".join(map(self._names.label, others))
        if room is not None and (subject := safe_line(room.subject, 80)):
            words = f"{subject} · {words}"
        return safe_line(words, 200)

    def _says(self, room: Conversation | None, some: bool) -> str:
        if not some:
            return with_keys("Nothing was said here yet. {room.say} writes.")
        words = with_keys("A request: {room.accept} accepts it.") if self._asked else ""
        return f"Muted. {words}" if room is not None and room.muted else words

    def _look(self) -> None:
        """Go to what is unread, if it is not in view; what is in view is read, by who is here."""
        shown = self.messages.in_view
        target = self.target
        if not shown or target is None or self._asked or not self._placed:
            return
        unread, self._unread = self._unread, ""
        if unread and all(message.id != unread for message in shown):
            self._placed = False
            self.messages.go_to(unread)
            self.messages.call_after_refresh(self._place)
            return
        newest = max((message.created_at for message in shown if message.unread), default=0)
        if newest > self._seen and self.messages.has_focus:
            self._seen = newest
            read = partial(self._client.messages.mark_read, target.members, newest)
            start_worker(self, read, "read")

    def on_windowed_list_highlighted(self, message: Highlighted) -> None:
        """The oldest that is shown is reached: show older ones, if there are."""
        message.stop()
        self._look()
        chosen = self.chosen
        if chosen is not None and chosen.id == self._oldest and not self._all:
            self._most += STEP
            if (target := self.target) is not None:
                start_worker(self, partial(self._show, target), "older")

    # Acts

    def action_details(self) -> None:
        if (message := self.chosen) is not None:
            self.app.push_screen(MessageDetailsScreen(self._client, message.id, self._names))

    def on_windowed_list_chosen(self, event: Chosen) -> None:
        """What is muted is shown first."""
        event.stop()
        message = self.chosen
        if message is not None and self._renderer.is_folded(message):
            self._renderer.unfolded.add(message.id)
            self.messages.redraw([message.id])
        else:
            self.action_details()

    def action_profile(self) -> None:
        if (message := self.chosen) is not None:
            self.post_message(Open(PersonTarget(message.author)))

    def action_accept(self) -> None:
        if (target := self.target) is not None:
            start_worker(self, partial(self._accept, target), "write")

    async def _accept(self, target: RoomTarget) -> None:
        await self._client.messages.accept(target.members)
        await self._show(target)

    def action_say(self) -> None:
        if self._writer is not None:
            start_worker(self, self._writer.write, "write")

    def action_answer(self) -> None:
        if self._writer is not None and (message := self.chosen) is not None:
            start_worker(self, partial(self._writer.write, message), "write")

    def action_edit(self) -> None:
        message = self.chosen
        if message is None or message.author != self._client.pubkey or message.deleted:
            self.post_message(Say("Only a message of yours can be edited."))
        elif message.file is not None:
            self.post_message(Say("A file is not edited."))
        elif self._writer is not None:
            start_worker(self, partial(self._writer.edit, message), "write")

    def action_react(self) -> None:
        if (message := self.chosen) is not None:
            start_worker(self, partial(self._client.messages.react, message.id, "♥"), "write")

    def action_save(self) -> None:
        message = self.chosen
        if message is None or message.file is None:
            self.post_message(Say("There is no file in this message."))
        else:
            start_worker(self, partial(self._save, message.id), "save")

    async def _save(self, message_id: str) -> None:
        path = await self.app.push_screen_wait(PromptDialog("Save as", "a new file", yes="save"))
        if not path:
            return
        try:
            size = await self._client.messages.download(message_id, typed_path(path))
        except NostrError as error:
            self.post_message(Say(f"Not saved: {error}", "error"))
        else:
            self.post_message(Say(f"{size:,} bytes saved."))

    def action_delete(self) -> None:
        message = self.chosen
        if message is not None and message.author == self._client.pubkey:
            start_worker(self, partial(self._delete, message.id), "write")

    async def _delete(self, message_id: str) -> None:
        question = ConfirmDialog(
            "Ask everybody here to delete it?", "Who has read it may keep it.", yes="delete"
        )
        if await self.app.push_screen_wait(question):
            await self._client.messages.delete(message_id)

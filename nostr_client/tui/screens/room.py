"""One private conversation: its messages, the newest at the end, and writing in it."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.safe_text import safe_line
from nostr_client.social.drafts import DraftFile, DraftSaver, SealedDraftSaver, private_room
from nostr_client.social.messages.views import ChangeKind, Conversation, PrivateMessage
from nostr_client.tui.app_messages import Open, Say
from nostr_client.tui.keymap import HELP, WAY, Key, KeyGroup, hints
from nostr_client.tui.message_renderer import MessageRenderer
from nostr_client.tui.names import NameCache
from nostr_client.tui.note_renderer import quoted
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog
from nostr_client.tui.screens.message_details import MessageDetailsScreen
from nostr_client.tui.screens.private_compose import MessageOptions, PrivateComposeScreen
from nostr_client.tui.targets import PersonTarget
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.inputs import typed_path
from nostr_client.tui.widgets.items import FixedItems
from nostr_client.tui.widgets.list_messages import Highlighted
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

STEP: Final = 500
"""Messages, the newest, that are shown; so many more whenever the oldest of them is selected."""
KEYS: Final = KeyGroup(
    "In a conversation",
    (
        Key("n,c", "say", "Write, in private", "write"),
        Key("r", "answer", "Answer the message", "answer"),
        Key("f", "react", "React with ♥"),
        Key("e", "edit", "Edit your message", "edit"),
        Key("a", "accept", "Accept the request"),
        Key("x", "delete", "Ask all to delete your message (asks first)", "delete"),
        Key("i,enter", "details", "Which relay of whom has it; its subject, its end", "details"),
        Key("s", "save", "Fetch the file of the message, and save it"),
        Key("p", "profile", "The author's profile"),
        Key("escape,q", "dismiss", "Back", "back"),
    ),
    "room",
)


class RoomScreen(Screen[None]):
    """The room of `members` (hex). What is written here rests encrypted."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(
        self,
        client: NostrClient,
        members: frozenset[str],
        names: NameCache,
        *,
        select: str = "",
    ) -> None:
        """`select`: a message's id; without it the oldest that is unread is, or the newest."""
        super().__init__()
        self._client = client
        self.members = members
        self._select = select
        self._most = STEP
        self._all = False
        self._oldest = ""
        self._unread = ""
        """The oldest that was unread when the room was opened, until it was in view."""
        self._asked = True
        self._placed = False
        self._seen = 0
        """The time of the newest message that was in view, and is marked as read."""
        self._names = names
        self._options = MessageOptions()
        self._renderer = MessageRenderer(client.pubkey, names.label)
        self.messages: WindowedList[PrivateMessage] = WindowedList(self._renderer)
        self._head = Static("", markup=False, classes="head")
        self._foot = Static("", markup=False, classes="foot")

    def compose(self) -> ComposeResult:
        yield self._head
        yield self.messages
        yield self._foot
        yield HintLine(hints(KEYS, WAY, HELP), id="hints")

    def on_mount(self) -> None:
        self.messages.focus()
        self.watch(self.messages, "scroll_y", self._look, init=False)
        start_worker(self, self._follow, "room")

    def on_resize(self) -> None:
        self.call_after_refresh(self._look)

    async def _follow(self) -> None:
        try:
            with self._client.messages.watch() as changes:
                await self._show()
                async for change in changes:
                    told = change.room == self.members or change.kind is ChangeKind.EVERYTHING
                    if told and change.kind is not ChangeKind.ROOM:
                        await self._show()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _show(self) -> None:
        messages = self._client.messages
        room = await messages.conversation(self.members)
        self._asked = room is not None and room.request
        opening = not self.messages.items and not self._select and not self._asked
        found = await self._read(opening)
        self._oldest = found[0].id if found else ""
        self._renderer.answered = {message.id: message for message in found}
        before = self.messages.items
        at_end = not before or self.messages.selected == before[-1]
        select, self._select = self._select, ""
        first = select or (found[-1].id if at_end and found else "")
        if opening:
            self._unread = next((message.id for message in found if message.unread), "")
        await self._say_who(room)
        words = "A request: a accepts it." if self._asked else ""
        self._foot.update(words if found else "Nothing was said here yet. n writes.")
        self._placed = False
        self.messages.renew(FixedItems(found, self.messages.renderer.key), select=first)
        if at_end and not select:
            self.messages.action_oldest()
        self.messages.call_after_refresh(self._place)

    def _place(self) -> None:
        """The list has scrolled to where it was told to."""
        self._placed = True
        self._look()

    async def _read(self, opening: bool) -> list[PrivateMessage]:
        """The newest messages, the oldest first; so many that what is sought is among them."""
        while True:
            found = await self._client.messages.messages(self.members, limit=self._most)
            found.reverse()
            self._all = len(found) < self._most
            sought = bool(self._select) and all(m.id != self._select for m in found)
            if self._all or not (sought or (opening and found[0].unread)):
                return found
            self._most *= 2

    async def _say_who(self, room: Conversation | None) -> None:
        others = sorted(self.members - {self._client.pubkey}) or [self._client.pubkey]
        await self._names.know(others)
        words = ", ".join(map(self._names.label, others))
        if room is not None and (subject := safe_line(room.subject, 80)):
            words = f"{subject} · {words}"
        self._head.update(safe_line(words, 200))

    def _look(self) -> None:
        """Go to what is unread, if it is not in view; what is in view is read."""
        shown = self.messages.in_view
        if not shown or self._asked or not self._placed:
            return
        unread, self._unread = self._unread, ""
        if unread and all(message.id != unread for message in shown):
            self._placed = False
            self.messages.go_to(unread)
            self.messages.call_after_refresh(self._place)
            return
        newest = max((message.created_at for message in shown if message.unread), default=0)
        if newest > self._seen:
            self._seen = newest
            start_worker(self, self._mark_read, "read")

    async def _mark_read(self) -> None:
        try:
            await self._client.messages.mark_read(self.members, self._seen)
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    def on_windowed_list_highlighted(self, message: Highlighted) -> None:
        """The oldest that is shown is reached: show older ones, if there are."""
        self._look()
        chosen = self.messages.selected
        if chosen is not None and chosen.id == self._oldest and not self._all:
            self._most += STEP
            start_worker(self, self._show_older, "older")

    async def _show_older(self) -> None:
        try:
            await self._show()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    def action_details(self) -> None:
        if (message := self.messages.selected) is not None:
            self.app.push_screen(MessageDetailsScreen(self._client, message.id, self._names))

    def on_windowed_list_chosen(self) -> None:
        self.action_details()

    def action_profile(self) -> None:
        if (message := self.messages.selected) is not None:
            self.post_message(Open(PersonTarget(message.author)))

    def action_accept(self) -> None:
        start_worker(self, self._accept, "write")

    async def _accept(self) -> None:
        try:
            await self._client.messages.accept(self.members)
            await self._show()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    def action_say(self) -> None:
        start_worker(self, partial(self._write, ""), "write")

    def action_answer(self) -> None:
        if (message := self.messages.selected) is not None:
            start_worker(self, partial(self._write, message.id), "write")

    def action_edit(self) -> None:
        message = self.messages.selected
        if message is None or message.author != self._client.pubkey or message.deleted:
            self.post_message(Say("Only a message of yours can be edited."))
        elif message.file is not None:
            self.post_message(Say("A file is not edited."))
        else:
            start_worker(self, partial(self._write, "", message), "write")

    async def _write(
        self, reply_to: str, edited: PrivateMessage | None = None, *, start: str = ""
    ) -> None:
        """The composer; its draft rests encrypted. `start`: what could not be kept as one."""
        options = self._options
        client, signer = self._client, self._client.signer
        if signer is None:
            return
        what = f"edit-{edited.id[:16]}" if edited else reply_to[:16]
        draft = DraftFile(
            client.paths, client.pubkey, f"{private_room(self.members)}-{what}".strip("-")
        )
        saver = SealedDraftSaver(draft, signer, start=edited.text if edited else "")

        async def send(text: str, saver: DraftSaver) -> None:
            subject = options.subject
            if edited is None:
                options.subject = ""
            try:
                with saver.sending(text):
                    await saver.flush()
                    if edited is not None:
                        await client.messages.edit(edited.id, text)
                    else:
                        await client.messages.send(
                            self.members,
                            text,
                            reply_to=reply_to,
                            subject=subject,
                            expires_in=options.expires_in,
                        )
                    await saver.sent(text)
            except NostrError as error:
                options.subject = options.subject or subject
                await not_sent(text, saver, str(error))

        async def not_sent(text: str, saver: DraftSaver, problem: str) -> None:
            try:
                await saver.put_back(text)
            except NostrError:
                self.post_message(Say(f"Not sent: {problem}", "error"))
                await self._write(reply_to, edited, start=text)
            else:
                self.post_message(Say(f"Not sent, kept as a draft: {problem}", "error"))

        def submit(text: str, saver: DraftSaver) -> None:
            start_worker(self.app, partial(send, text, saver), "send")

        title = "Answer, private" if reply_to else "Private message"
        title = "Edit a private message" if edited else title
        answered = self._renderer.answered.get(reply_to)
        screen = PrivateComposeScreen(
            saver,
            submit,
            None if edited else options,
            title=title,
            answered=quoted(answered.text) if answered else "",
            start=start,
        )
        await self.app.push_screen(screen)

    def action_react(self) -> None:
        if (message := self.messages.selected) is not None:
            start_worker(self, partial(self._react, message.id), "write")

    async def _react(self, message_id: str) -> None:
        try:
            await self._client.messages.react(message_id, "♥")
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    def action_save(self) -> None:
        message = self.messages.selected
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
        message = self.messages.selected
        if message is not None and message.author == self._client.pubkey:
            start_worker(self, partial(self._delete, message.id), "write")

    async def _delete(self, message_id: str) -> None:
        question = ConfirmDialog(
            "Ask everybody here to delete it?", "Who has read it may keep it.", yes="delete"
        )
        if await self.app.push_screen_wait(question):
            try:
                await self._client.messages.delete(message_id)
            except NostrError as error:
                self.post_message(Say(str(error), "error"))

"""One private conversation: its messages, the newest at the end, and writing in it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.safe_text import safe_line, safe_text
from nostr_client.social.messages.views import ChangeKind, Delivery, PrivateMessage
from nostr_client.tui.app_messages import Say
from nostr_client.tui.drafts import DraftFile, DraftSaver, SealedDraftSaver
from nostr_client.tui.keymap import LIST, Key, KeyGroup, hints
from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog
from nostr_client.tui.time_format import ago
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
from nostr_client.tui.widgets.list_messages import Highlighted
from nostr_client.tui.widgets.send_progress import Sending
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

STEP: Final = 500
"""Messages, the newest, that are shown; so many more whenever the oldest of them is selected."""
CHARACTERS: Final = 20_000
KEYS: Final = KeyGroup(
    "In a conversation",
    (
        Key("n", "say", "Write", "write"),
        Key("r", "answer", "Answer the message", "answer"),
        Key("f", "react", "React with ♥"),
        Key("e", "edit", "Edit your message", "edit"),
        Key("a", "accept", "Accept the request"),
        Key("x", "delete", "Ask all to delete your message (asks first)", "delete"),
        Key("s", "save", "Fetch the file of the message, and save it"),
        Key("escape,q", "dismiss", "Back", "back"),
    ),
)


class MessageRenderer(ItemRenderer[PrivateMessage]):
    """Who, when and how far it is; what it answers; its text; reactions."""

    def __init__(self, me: str, names: Callable[[str], str]) -> None:
        self._me = me
        self._names = names
        self.answered: dict[str, PrivateMessage] = {}
        """What is here to be quoted where it is answered, by id."""

    def key(self, item: PrivateMessage) -> str:
        return item.id

    def lines(self, item: PrivateMessage, width: int, style: Styles) -> list[Content]:
        dim, mine = style("list--dim"), item.author == self._me
        marks = [ago(item.created_at, time.time())]
        marks += ["edited"] if item.edited else []
        marks += [f"expires {ago(item.expires_at, time.time())}"] if item.expires_at else []
        marks += [item.delivery.value] if item.delivery is not Delivery.RECEIVED else []
        who = "you" if mine else self._names(item.author)
        lines = [Content.assemble((who, style("list--strong")), (f"  {' · '.join(marks)}", dim))]
        if item.reply_to:
            quoted = self.answered.get(item.reply_to)
            words = safe_line(quoted.text, 200) if quoted else "a message that is not here"
            lines.append(Content.styled(f"  ┃ {words}", dim))
        if item.deleted:
            lines.append(Content.styled("  deleted", dim))
        elif item.file is not None:
            words = f"  file: {safe_line(item.file.mime_type, 60)}, {item.file.size:,} bytes"
            lines.append(Content.styled(words, dim))
        else:
            lines += Content(safe_text(item.text[:CHARACTERS])).wrap(max(width - 1, 1))
        if item.reactions:
            signs = " ".join(safe_line(what, 8) for _, what in item.reactions[:20])
            lines.append(Content.styled(f"  {signs}", dim))
        return [line.truncate(width, ellipsis=True) for line in lines]


class RoomScreen(Screen[None]):
    """The room of `members` (hex). What is written here rests encrypted."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(
        self,
        client: NostrClient,
        members: frozenset[str],
        names: Callable[[str], str],
        *,
        select: str = "",
    ) -> None:
        """`select`: a message's id; without it the newest is."""
        super().__init__()
        self._client = client
        self._members = members
        self._select = select
        self._most = STEP
        self._all = False
        self._oldest = ""
        self._names = names
        self._renderer = MessageRenderer(client.pubkey, names)
        self.messages: WindowedList[PrivateMessage] = WindowedList(self._renderer)
        self._foot = Static("", markup=False, classes="foot")

    def compose(self) -> ComposeResult:
        people = ", ".join(self._names(p) for p in sorted(self._members - {self._client.pubkey}))
        yield Static(safe_line(people, 200), markup=False, classes="head")
        yield self.messages
        yield self._foot
        yield HintLine(hints(KEYS, LIST), id="hints")

    def on_mount(self) -> None:
        self.messages.focus()
        start_worker(self, self._follow, "room")

    async def _follow(self) -> None:
        try:
            with self._client.messages.watch() as changes:
                await self._show()
                async for change in changes:
                    told = change.room == self._members or change.kind is ChangeKind.EVERYTHING
                    if told and change.kind is not ChangeKind.ROOM:
                        await self._show()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _show(self) -> None:
        messages = self._client.messages
        found = (await messages.messages(self._members, limit=self._most))[::-1]
        self._all = len(found) < self._most
        while self._select and not self._all and all(m.id != self._select for m in found):
            self._most += STEP
            found = (await messages.messages(self._members, limit=self._most))[::-1]
            self._all = len(found) < self._most
        self._oldest = found[0].id if found else ""
        self._renderer.answered = {message.id: message for message in found}
        before = self.messages.items
        at_end = not before or self.messages.selected == before[-1]
        select, self._select = self._select, ""
        first = select or (found[-1].id if at_end and found else "")
        self.messages.renew(FixedItems(found, self.messages.renderer.key), select=first)
        if at_end and not select:
            self.messages.action_oldest()
        room = await messages.conversation(self._members)
        asked = room is not None and room.request
        self._foot.update("A request: a accepts it." if asked else "")
        if not asked:
            await messages.mark_read(self._members)

    def on_windowed_list_highlighted(self, message: Highlighted) -> None:
        """The oldest that is shown is reached: show older ones, if there are."""
        chosen = self.messages.selected
        if chosen is not None and chosen.id == self._oldest and not self._all:
            self._most += STEP
            start_worker(self, self._show_older, "older")

    async def _show_older(self) -> None:
        try:
            await self._show()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    def action_accept(self) -> None:
        start_worker(self, self._accept, "write")

    async def _accept(self) -> None:
        try:
            await self._client.messages.accept(self._members)
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

    async def _write(self, reply_to: str, edited: PrivateMessage | None = None) -> None:
        """The composer; its draft rests encrypted."""
        client, signer = self._client, self._client.signer
        if signer is None:
            return
        room = hashlib.sha256(",".join(sorted(self._members)).encode()).hexdigest()[:32]
        what = f"edit-{edited.id[:16]}" if edited else reply_to[:16]
        draft = DraftFile(client.paths, client.pubkey, f"private-{room}-{what}".strip("-"))
        saver = SealedDraftSaver(draft, signer, start=edited.text if edited else "")

        def submit(text: str, saver: DraftSaver) -> Sending:
            sending = Sending(())

            async def send() -> None:
                try:
                    await saver.flush()
                    if edited is not None:
                        await client.messages.edit(edited.id, text)
                    else:
                        await client.messages.send(self._members, text, reply_to=reply_to)
                    await saver.sent(text)
                except NostrError as error:
                    sending.finish(str(error))
                    return
                sending.finish()
                if screen.is_current:
                    screen.dismiss(None)

            start_worker(self.app, send, "send")
            return sending

        title = "Answer, private" if reply_to else "Private message"
        title = "Edit a private message" if edited else title
        screen = ComposeScreen(saver, submit, title=title)
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
            size = await self._client.messages.download(message_id, _file(path))
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


def _file(typed: str) -> Path:
    """The path that a person means; `~` is their home, and `~name` nobody's."""
    return Path.home() / typed[2:] if typed.startswith("~/") else Path(typed)

"""Writing a note: names, hashtags and emoji are completed, and it can be folded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static, TextArea

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.nips import nip19, nip27
from nostr_client.social import drafts
from nostr_client.social.completion import Vocabulary
from nostr_client.social.draft_text import DraftText
from nostr_client.social.scheduled import HERE_ONLY
from nostr_client.social.views import NoteView
from nostr_client.social.when import HOW, parse_when
from nostr_client.tui.completing import MentionNames, Offer, offers, typed_in
from nostr_client.tui.external_editor import edited_by_editor
from nostr_client.tui.keymap import WRITING, WRITING_NOTE, keyed
from nostr_client.tui.note_renderer import quoted
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.attach import AttachScreen
from nostr_client.tui.screens.compose import ComposeScreen, Submit
from nostr_client.tui.screens.dialogs import PromptDialog, key_words
from nostr_client.tui.time_format import moment
from nostr_client.tui.widgets.completion_list import CompletionList
from nostr_client.tui.workers import start_worker

SubmitLater = Callable[[str, drafts.DraftSaver, int], Awaitable[None]]
"""Schedules a draft for a time, in seconds since 1970. Raises NostrError: then it is a draft."""
LEAST_TYPED = {"@": 1, "#": 1, ":": 2}
"""Characters of a word from which on something is offered, by its sign."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What is written: a note of its own, an answer to an event (its id), or one that quotes it.

    `title` is safe; `about`, what that event says, is raw. `text` is what is to stand there, before
    what was kept.
    """

    reply_to: str = ""
    quote: str = ""
    title: str = "New note"
    about: str = ""
    text: str = field(default="", compare=False)

    @classmethod
    def of(cls, reply_to: NoteView | None = None, quote: NoteView | None = None) -> Purpose:
        """To answer one note, or quote one, or neither."""
        if reply_to is not None:
            title = f"Answer to {reply_to.author.label}"
            return cls(reply_to.event.id, "", title, reply_to.event.content)
        if quote is None:
            return cls()
        title = f"Note that quotes {quote.author.label}"
        return cls("", quote.event.id, title, quote.event.content)

    @classmethod
    async def again(cls, client: NostrClient, reply_to: str, quote: str, text: str = "") -> Purpose:
        """Of something that was written before, by the ids. Raises StoreError."""
        event = await client.store.get(reply_to or quote) if reply_to or quote else None
        if event is None:
            title = "Answer" if reply_to else "Note that quotes another" if quote else "New note"
            return cls(reply_to, quote, title, text=text)
        name = (await client.profiles.get(event.pubkey)).label
        title = f"Answer to {name}" if reply_to else f"Note that quotes {name}"
        return cls(reply_to, quote, title, event.content, text)

    @property
    def draft_name(self) -> str:
        """Each purpose has its own draft."""
        return drafts.name_of(self.reply_to, self.quote)


class NoteComposeScreen(ComposeScreen):
    """Writes one note, for `purpose`."""

    BINDINGS: ClassVar[list[BindingType]] = [*WRITING.bindings(), *WRITING_NOTE.bindings()]
    MORE_KEYS = (
        *(("writing_note.later", "later"), ("writing_note.editor", "editor")),
        *(("writing_note.attach", "picture"), ("writing_note.warning", "warning")),
    )

    def __init__(
        self,
        client: NostrClient,
        saver: drafts.DraftSaver,
        submit: Submit,
        *,
        later: SubmitLater,
        kept: Callable[[str], object],
        purpose: Purpose,
    ) -> None:
        """`later` is `submit` for a note that goes out at a time; `kept` is told of the draft that
        stays when this closes."""
        super().__init__(
            saver, submit, title=purpose.title, answered=quoted(purpose.about), start=purpose.text
        )
        self.purpose = purpose
        self._later = later
        self._tell_kept = kept
        self._client = client
        self._names = MentionNames()
        self._known = Vocabulary()
        self._warning: str | None = None
        self._closed_at = ""
        """The line before the cursor when the list was closed by hand."""
        self._offered = CompletionList(id="offered")
        self._warned = Static("", markup=False, id="warned")
        self.text.takes_key = self._take_key

    def on_mount(self) -> None:
        card = self.query_one("#compose", Vertical)
        card.mount(self._offered, before="#text")
        card.mount(self._warned, before="#count")
        self._show_warning()
        start_worker(self, self._learn, "vocabulary")

    async def _learn(self) -> None:
        try:
            self._known = await self._client.completion.vocabulary()
        except NostrError as error:
            self.post_message(Say(str(error), "warning"))

    # What is kept

    async def read(self, draft: str) -> str:
        kept = DraftText.of(draft)
        self._warning = kept.warning
        self._show_warning()
        named = {
            part.code.pubkey
            for part in nip27.parts(kept.body)
            if isinstance(part, nip27.MentionPart)
            and isinstance(part.code, nip19.Npub | nip19.Nprofile)
        }
        people = await self._client.profiles.get_many(named)

        def label(pubkey: str) -> str:
            person = people[pubkey]
            return "" if person.label == person.short_npub else person.label

        return self._names.shown(kept.body, label)

    @property
    def draft(self) -> str:
        text = self.text.text
        return str(DraftText(self._names.kept(text), self._warning)) if text.strip() else ""

    @property
    def counted(self) -> str:
        people = self._names.named(self.text.text)
        return f"{super().counted}, {people} named" if people else super().counted

    # Completion

    @on(TextArea.Changed)
    @on(TextArea.SelectionChanged)
    def _look(self) -> None:
        self._offered.offer(self._fitting())

    def _fitting(self) -> list[Offer]:
        before = self.text.before_cursor
        typed = typed_in(before)
        if typed is None or len(typed.word) < LEAST_TYPED[typed.sign]:
            self._closed_at = ""
            return []
        if self._closed_at and before.startswith(self._closed_at):
            return []
        return offers(typed, self._known)

    def _take_key(self, key: str) -> bool:
        if key not in ("tab", "enter", "up", "down"):
            return False
        self._look()  # a word that was typed just now may not have been looked at
        chosen = self._offered.chosen
        if chosen is None:
            return False
        if key in ("up", "down"):
            self._offered.move(1 if key == "down" else -1)
        elif key == "tab" or chosen.person is not None or self._offered.moved:
            self._accept(chosen)
        else:
            return False
        return True

    def _accept(self, offer: Offer) -> None:
        typed = typed_in(self.text.before_cursor)
        if typed is None:
            return
        text = offer.text
        if offer.person is not None:
            text = self._names.name(offer.person.label, f"nostr:{offer.person.npub}")
        row, column = self.text.cursor_location
        self.text.replace(f"{text} ", (row, typed.start), (row, column))
        self._offered.offer(())

    async def action_keep(self) -> None:
        if self._offered.is_open:
            self._closed_at = self.text.before_cursor
            self._offered.offer(())
            return
        self._trouble = ""  # who wants to leave hears it again
        if await self._flush():
            self._tell_kept(self.draft)
            self.dismiss(None)

    # What goes along

    def action_warning(self) -> None:
        if self._warning is None:
            start_worker(self, self._ask_warning, "warning")
        else:
            self._warn(None)

    async def _ask_warning(self) -> None:
        dialog = PromptDialog(
            "Fold it behind a content warning?", "the reason; empty: none", yes="fold", blank=True
        )
        reason = await self.app.push_screen_wait(dialog)
        if reason is not None:
            self._warn(reason)

    def _warn(self, warning: str | None) -> None:
        self._warning = warning
        self._show_warning()
        self.changed()

    def _show_warning(self) -> None:
        self._warned.display = self._warning is not None
        reason = f": {self._warning}" if self._warning else ""
        words = f"folded behind a content warning{reason}"
        self._warned.update(key_words(keyed(("writing_note.warning", words))))

    # When it goes out

    def action_later(self) -> None:
        if self.text.text.strip() and not self._sent:
            start_worker(self, self._ask_when, "later", exclusive=True)
        else:
            self.post_message(Say("There is nothing to send yet."))

    async def _ask_when(self) -> None:
        dialog = PromptDialog("When is it to go out?", HOW, yes="schedule", detail=HERE_ONLY)
        typed = await self.app.push_screen_wait(dialog)
        if not typed:
            return
        try:
            at = parse_when(typed, time.time())
            await self._later(self.draft.strip(), self.saver, at)
        except NostrError as error:
            self.post_message(Say(f"Not scheduled: {error}", "error"))
            return
        self._sent = True
        self.post_message(Say(f"It goes out {moment(at, time.time())}. {HERE_ONLY}"))
        self.dismiss(None)

    def action_attach(self) -> None:
        if self.takes_keys.is_set():
            start_worker(self, self._ask_file, "attach", exclusive=True)

    async def _ask_file(self) -> None:
        """A file goes onto media servers, and its link comes into the text."""
        url = await self.app.push_screen_wait(AttachScreen(self._client))
        if url:
            before = self.text.before_cursor
            self.text.insert(f"{' ' if before and not before[-1].isspace() else ''}{url} ")

    # The person's own editor

    def action_editor(self) -> None:
        start_worker(self, partial(self._edit, self.text.text), "editor", exclusive=True)

    async def _edit(self, text: str) -> None:
        if not await self._flush():
            return
        file = self.saver.editor_file
        try:
            self._put(await edited_by_editor(self.app, text, file))
        except NostrError as error:
            self.post_message(Say(str(error), "error"))
            return
        self.changed()
        if await self._flush():
            await asyncio.to_thread(file.unlink, missing_ok=True)

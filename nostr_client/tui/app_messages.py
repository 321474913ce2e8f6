"""What widgets ask of whoever shows them. They bubble up to the app, which decides what follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from textual.message import Message

from nostr_client.social.views import NoteView


class Section(StrEnum):
    """The sections of the rail, in its order."""

    HOME = "home"
    MENTIONS = "mentions"
    NOTES = "notes"
    RELAYS = "relays"
    ACCOUNTS = "accounts"

    @property
    def label(self) -> str:
        return self.value.capitalize()


@dataclass
class OpenThread(Message):
    """Show the thread of a note."""

    note: NoteView


@dataclass
class OpenProfile(Message):
    """Show a person."""

    pubkey: str


@dataclass
class Write(Message):
    """Write a note, or an answer to one."""

    reply_to: NoteView | None = None


@dataclass
class Unfolded(Message):
    """A content warning was lifted, or is back: every list that shows the note is to be redrawn."""


@dataclass
class React(Message):
    """Say that one likes a note."""

    note: NoteView


@dataclass
class Repost(Message):
    """Pass a note on."""

    note: NoteView


@dataclass
class GoTo(Message):
    """Show a section."""

    section: Section


@dataclass
class Say(Message):
    """A short word to the person; `text` is shown as it is, never as markup."""

    text: str
    severity: str = "information"

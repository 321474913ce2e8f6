"""What widgets ask of whoever shows them: Textual's messages, which bubble up to the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from textual.message import Message

from nostr_client.accounts.account import Account
from nostr_client.social.views import NoteView
from nostr_client.tui.actions import Actions
from nostr_client.tui.targets import Target


@dataclass
class Open(Message):
    """Show what a target points at."""

    target: Target


@dataclass
class OpenCopies(Message):
    """Show where a note of one's own is."""

    note: NoteView


@dataclass
class OpenPicture(Message):
    """Show the pictures of a note as large as the terminal is."""

    note: NoteView


@dataclass
class MakeBackup(Message):
    """Make a backup of the account in use."""


@dataclass
class Unfolded(Message):
    """A content warning was lifted, or is back: every list that shows the note is to be redrawn."""


@dataclass
class Write(Message):
    """Write a note, an answer to one, or a note that quotes one."""

    reply_to: NoteView | None = None
    quote: NoteView | None = None


@dataclass
class WriteOn(Message):
    """Go on writing what answers or quotes an event (ids; both empty: neither). `text`: a draft
    that comes before what was kept."""

    reply_to: str = ""
    quote: str = ""
    text: str = ""


@dataclass
class ActRequest(Message):
    """Do something as the account in use; its key is asked for first, if need be.

    `watched_too`: an account whose key is not here may do it as well, since nothing is published.
    `signs`: without, no key is asked for, whoever's account it is.
    """

    action: Callable[[Actions], Awaitable[object]]
    watched_too: bool = False
    signs: bool = True


@dataclass
class AddAccount(Message):
    """Set up another account."""


@dataclass
class UseAccount(Message):
    """Use this account from now on."""

    account: Account

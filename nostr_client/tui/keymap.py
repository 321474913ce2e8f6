"""The one keymap: every key of the terminal client, what it does and how help words it.

Widgets and screens take their bindings from here, and so do the hint line and the help screen:
what they say is what the keys do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from textual.binding import Binding, BindingType


class Where(StrEnum):
    """Where a key works; the value heads its part of the help screen."""

    EVERYWHERE = "Everywhere"
    LIST = "In a list"
    NOTE = "On a note"
    PROFILE = "On a profile"
    RELAYS = "Relays"
    ACCOUNTS = "Accounts"
    WRITING = "Writing"
    FORM = "Forms and questions"


@dataclass(frozen=True, slots=True)
class Key:
    """One binding: Textual's key names, the action, the help text, and the short hint, if any.

    `priority` keys reach their action even while text is being typed.
    """

    where: Where
    keys: str
    action: str
    says: str
    hint: str = ""
    priority: bool = False

    @property
    def shown(self) -> str:
        """The keys as a person reads them: `j/↓`."""
        return " ".join(_shown(key) for key in self.keys.split(","))


_NAMES: Final = {
    "down": "↓",
    "up": "↑",
    "left": "←",
    "right": "→",
    "question_mark": "?",
    "colon": ":",
    "full_stop": ".",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "escape": "esc",
}


def _shown(key: str) -> str:
    return _NAMES.get(key, key)


KEYMAP: Final[tuple[Key, ...]] = (
    Key(Where.EVERYWHERE, "1", "section('home')", "Home: the notes of those you follow"),
    Key(Where.EVERYWHERE, "2", "section('mentions')", "Mentions: who speaks of you or to you"),
    Key(Where.EVERYWHERE, "3", "section('notes')", "Notes: your own"),
    Key(Where.EVERYWHERE, "4", "section('relays')", "Relays: where your notes are kept"),
    Key(Where.EVERYWHERE, "5", "section('accounts')", "Accounts: your keys on this machine"),
    Key(Where.EVERYWHERE, "c", "write", "Write a note", "write"),
    Key(Where.EVERYWHERE, "tab", "app.focus_next", "To the next part of the screen"),
    Key(Where.EVERYWHERE, "escape,q", "back", "Back; closes a panel", "back"),
    Key(Where.EVERYWHERE, "colon", "command_palette", "Commands and themes", "command"),
    Key(Where.EVERYWHERE, "question_mark,f1", "help", "This help", "help"),
    Key(Where.EVERYWHERE, "ctrl+q", "quit", "Leave; drafts are kept", priority=True),
    Key(Where.EVERYWHERE, "ctrl+c", "ask_quit", "Leave (asks first)"),
    Key(Where.EVERYWHERE, "ctrl+z", "suspend_process", "To the shell; fg comes back"),
    Key(Where.LIST, "j,down", "next", "Down one", "move"),
    Key(Where.LIST, "k,up", "previous", "Up one"),
    Key(Where.LIST, "pagedown,space,ctrl+f", "page_down", "Down one page"),
    Key(Where.LIST, "pageup,ctrl+b", "page_up", "Up one page"),
    Key(Where.LIST, "g,home", "newest", "To the top, with everything new"),
    Key(Where.LIST, "G,end", "oldest", "To the very end"),
    Key(Where.LIST, "enter", "choose", "Open", "open"),
    Key(Where.NOTE, "r", "reply", "Reply", "reply"),
    Key(Where.NOTE, "f", "react", "React with ♥", "react"),
    Key(Where.NOTE, "t", "repost", "Repost (asks first)", "repost"),
    Key(Where.NOTE, "p", "profile", "The author's profile", "profile"),
    Key(Where.NOTE, "s", "unfold", "Show or hide what a content warning folds"),
    Key(Where.PROFILE, "F", "follow", "Follow or unfollow (asks first)", "follow"),
    Key(Where.RELAYS, "a", "add_relay", "Add a relay", "add"),
    Key(Where.RELAYS, "x", "remove_relay", "Remove the relay (asks first)", "remove"),
    Key(Where.RELAYS, "m", "mode", "Change what it is for: read, write, both", "read/write"),
    Key(Where.RELAYS, "d", "check_relay", "Down for everyone or just me?", "check"),
    Key(Where.ACCOUNTS, "a", "add_account", "Add an account", "add"),
    Key(Where.ACCOUNTS, "x", "remove_account", "Forget the account here (asks first)", "forget"),
    Key(Where.WRITING, "ctrl+s", "send", "Send", "send", priority=True),
    Key(Where.WRITING, "escape", "keep", "Close and keep as draft", "keep as draft", priority=True),
    Key(Where.WRITING, "ctrl+z", "undo", "Undo"),
    # At once, before what is typed right after it: password keepers type name, tab, password.
    Key(Where.FORM, "tab", "app.focus_next", "To the next field", priority=True),
    Key(Where.FORM, "shift+tab", "app.focus_previous", "To the field before", priority=True),
    Key(Where.FORM, "down", "app.focus_next", "To the next field"),
    Key(Where.FORM, "up", "app.focus_previous", "To the field before"),
    Key(Where.FORM, "enter", "go", "Go on"),
    Key(Where.FORM, "escape", "leave", "Back"),
    Key(Where.FORM, "ctrl+k", "key_store", "Key store instead of a password, and back"),
)


def keys_of(where: Where) -> tuple[Key, ...]:
    """The keys that work in one place."""
    return tuple(key for key in KEYMAP if key.where is where)


def bindings(where: Where, *, without: Iterable[str] = ()) -> list[BindingType]:
    """Textual's bindings for a widget or screen; `without` names actions that it leaves out."""
    left_out = frozenset(without)
    return [
        Binding(key.keys, key.action, key.says, show=False, priority=key.priority)
        for key in keys_of(where)
        if key.action not in left_out
    ]


def hints(*places: Where) -> list[tuple[str, str]]:
    """Key and word for the hint line, in the keymap's order."""
    chosen = (key for place in places for key in keys_of(place) if key.hint)
    return [(_shown(key.keys.split(",")[0]), key.hint) for key in chosen]

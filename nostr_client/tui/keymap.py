"""The keys of the terminal client, what each does and how help words it.

Widgets and screens take their bindings from these groups, and so do the hint line and the help
screen: what they say is what the keys do. A section of the main screen brings the group of its own
keys along (`panes/`); `panes/registry.py` knows them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from textual.binding import Binding, BindingType


@dataclass(frozen=True, slots=True)
class Key:
    """One binding: Textual's key names, the action, the help text, and the short hint, if any.

    `priority` keys reach their action even while text is being typed.
    """

    keys: str
    action: str
    says: str
    hint: str = ""
    priority: bool = False

    @property
    def shown(self) -> str:
        """The keys as a person reads them: `j/↓`."""
        return " ".join(_shown(key) for key in self.keys.split(","))


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """The keys that work in one place; `title` heads their part of the help screen."""

    title: str
    keys: tuple[Key, ...]

    def bindings(self, *, without: Iterable[str] = ()) -> list[BindingType]:
        """Textual's bindings for a widget or screen; `without` names actions to leave out."""
        left_out = frozenset(without)
        return [
            Binding(key.keys, key.action, key.says, show=False, priority=key.priority)
            for key in self.keys
            if key.action not in left_out
        ]


def hints(*groups: KeyGroup) -> tuple[tuple[str, str], ...]:
    """Key and word for the hint line, in the order of the groups."""
    chosen = (key for group in groups for key in group.keys if key.hint)
    return tuple((_shown(key.keys.split(",")[0]), key.hint) for key in chosen)


_NAMES: Final = {
    "down": "↓",
    "up": "↑",
    "left": "←",
    "right": "→",
    "question_mark": "?",
    "colon": ":",
    "exclamation_mark": "!",
    "full_stop": ".",
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "ctrl+left": "ctrl+←",
    "ctrl+right": "ctrl+→",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "alt+left": "alt+←",
    "alt+right": "alt+→",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "escape": "esc",
}


def _shown(key: str) -> str:
    return _NAMES.get(key, key)


APP_KEYS: Final = (
    Key("c", "write", "Write a note", "write"),
    Key("slash", "find", "Find people, notes, tags, relays; or where a code leads", "find"),
    Key("tab", "app.focus_next", "To the next part of the screen"),
    Key("escape,q", "back", "Back; closes a panel", "back"),
    Key("less_than_sign,alt+left", "history(-1)", "Back to where one was"),
    Key("greater_than_sign,alt+right", "history(1)", "Forward again"),
    Key("u", "take_back", "Take back the last like, repost or vote, for a moment"),
    Key("colon", "command_palette", "Commands and themes", "command"),
    Key("exclamation_mark", "auth_question", "A relay wants to know who you are: answer"),
    Key("D", "sent", "What each relay answered to the note that was sent last"),
    Key("ctrl+n", "log", "What was said here: the last 100 messages"),
    Key("S", "survival", "What the account survives, its backup, what to mend"),
    Key("L", "lock", "Lock the account, so that its password is needed; unlock it"),
    Key("question_mark,f1", "help", "This help", "help"),
    Key("ctrl+q", "quit", "Leave; what you write is kept", priority=True),
    Key("ctrl+c", "ask_quit", "Leave (asks first)"),
    Key("ctrl+l", "paint_anew", "Draw the screen again"),
    Key("ctrl+z", "suspend_process", "To the shell; fg comes back"),
)
"""Keys that work everywhere, beside those that go to the sections."""
HELP: Final = KeyGroup("Everywhere", tuple(key for key in APP_KEYS if key.action == "help"))
"""For the hint line of what has little to do with the other keys that work everywhere."""
LIST: Final = KeyGroup(
    "In a list",
    (
        Key("j,down", "next", "Down one", "move"),
        Key("k,up", "previous", "Up one"),
        Key("pagedown,space,ctrl+f", "page_down", "Down one page"),
        Key("pageup", "page_up", "Up one page"),
        Key("g,home", "newest", "To the top, with everything new"),
        Key("G,end", "oldest", "To the very end"),
        Key("enter", "choose", "Open", "open"),
    ),
)
COLUMNS: Final = KeyGroup(
    "Columns, where the screen is wide",
    (
        Key("ctrl+right", "column(1)", "To the column at the right"),
        Key("ctrl+left", "column(-1)", "To the column at the left"),
        Key("plus", "add_column", "One more column: a section, a hashtag"),
        Key("minus", "close_column", "Close this column"),
    ),
)
WAY: Final = KeyGroup("In a list", tuple(key for key in LIST.keys if key.action == "next"))
"""For the hint line of a list in which `enter` is named otherwise."""
WRITING: Final = KeyGroup(
    "Writing",
    (
        Key("ctrl+s", "send", "Send", "send", priority=True),
        Key("escape", "keep", "Close and keep as draft", "keep as draft", priority=True),
        Key("ctrl+z", "undo", "Undo"),
        Key("f1", "app.help", "Every key"),
    ),
)
WRITING_NOTE: Final = KeyGroup(
    "Writing a note",
    (
        Key("ctrl+l", "later", "Send it later, at a time that is asked for", priority=True),
        Key("ctrl+g", "editor", "Write in your own editor ($VISUAL or $EDITOR)", priority=True),
        Key("ctrl+o", "attach", "Add a picture or another file", priority=True),
        Key("ctrl+t", "warning", "Fold it behind a content warning, or not", priority=True),
    ),
)
FORM: Final = KeyGroup(
    "Forms and questions",
    (
        # At once, before what is typed right after it: password keepers type name, tab, password.
        Key("tab", "app.focus_next", "To the next field", priority=True),
        Key("shift+tab", "app.focus_previous", "To the field before", priority=True),
        Key("down", "app.focus_next", "To the next field"),
        Key("up", "app.focus_previous", "To the field before"),
        Key("enter", "go", "Go on"),
        Key("escape", "leave", "Back"),
        Key("ctrl+k", "key_store", "Key store instead of a password, and back"),
    ),
)

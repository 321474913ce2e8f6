"""The keys of the terminal client, what each does and how help words it.

Widgets and screens take their bindings from these groups, and so do the hint line and the help
screen: what they say is what the keys do. A section of the main screen brings the group of its own
keys along (`panes/`); `panes/registry.py` knows them all.

Each binding has an id, `place.name` (`note.react`, `list.next`, `app.quit`): by it the person gives
it other keys, or none (`own_keys`). What is bound in the end is a matter of the app that runs, and
so stands in its context: `bind_own` puts it there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from textual.binding import Binding, BindingType
from textual.keys import key_to_character

_own: ContextVar[Mapping[str, tuple[str, ...]]] = ContextVar(
    "own_keys", default=MappingProxyType({})
)


_defaults: Final[dict[str, str]] = {}
"""The keys that a binding has by itself, by its id: every group that is made puts its own here."""


def bind_own(keys: Mapping[str, tuple[str, ...]]) -> None:
    """From here on, in this context, the bindings of these ids have these keys (Textual's names);
    none at all: they are removed."""
    _own.set(keys)


@dataclass(frozen=True, slots=True)
class Key:
    """One binding: Textual's key names, the action, the help text, and the short hint, if any.

    `priority` keys reach their action even while text is being typed. `name` is its name in its
    place, for good, since the person's settings name it; without one it is the action's. `place`
    is that of the group in which it stands.
    """

    keys: str
    action: str
    says: str
    hint: str = ""
    priority: bool = False
    name: str = ""
    place: str = ""

    @property
    def id(self) -> str:
        """`place.name`."""
        name = self.name or self.action.partition("(")[0].rpartition(".")[2]
        return f"{self.place}.{name}"

    @property
    def bound(self) -> tuple[str, ...]:
        """The keys that it really has: the person's own, if there are any."""
        own = _own.get().get(self.id)
        return tuple(self.keys.split(",")) if own is None else own

    @property
    def shown(self) -> str:
        """The keys as a person reads them: `j ↓`."""
        return " ".join(key_name(key) for key in self.bound)


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """The keys that work in one place; `title` heads their part of the help screen, `place` is what
    the person's settings call it, the title itself where it is not given. Of two keys with one name
    the second is `name_2`."""

    title: str
    keys: tuple[Key, ...]
    place: str = ""

    def __post_init__(self) -> None:
        place = self.place or "_".join(re.findall(r"\w+", self.title.lower()))
        names: Counter[str] = Counter()
        keys = []
        for key in self.keys:
            name = key.id.partition(".")[2]
            names[name] += 1
            if names[name] > 1:
                name = f"{name}_{names[name]}"
            keys.append(key if key.place else replace(key, place=place, name=name))
        object.__setattr__(self, "place", place)
        object.__setattr__(self, "keys", tuple(keys))
        for key in keys:
            _defaults.setdefault(key.id, key.keys)

    def bindings(self, *, without: Iterable[str] = ()) -> list[BindingType]:
        """Textual's bindings for a widget or screen; `without` names actions to leave out."""
        left_out = frozenset(without)
        return [
            Binding(key.keys, key.action, key.says, show=False, priority=key.priority, id=key.id)
            for key in self.keys
            if key.action not in left_out
        ]


def key_for(id: str) -> str:
    """The key of a binding as a person reads it, by its id; of one that has none what does the same
    at the `:` line. Raises KeyError."""
    own = _own.get().get(id)
    key, *_ = own if own else ("",) if own is not None else _defaults[id].split(",")
    return key_name(key) if key else f":{id.partition('.')[2]}"


def with_keys(words: str) -> str:
    """`words` in which ids of bindings stand in braces, with their keys: `{app.back} goes back`.

    For words of ours alone: what comes from elsewhere is put in afterwards.
    """
    return _ID.sub(lambda found: key_for(found[1]), words)


def keyed(*named: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Key and word, as `hints` has them, of bindings by their ids, without those that have no key.
    What is no id is the key of a widget of Textual's: it stays."""
    found = ((key_for(id) if id in _defaults else id, word) for id, word in named)
    return tuple((key, word) for key, word in found if key == ":" or not key.startswith(":"))


def hints(*groups: KeyGroup) -> tuple[tuple[str, str], ...]:
    """Key and word for the hint line, in the order of the groups; what is nearer to the focus comes
    first, and has its keys for itself."""
    found: list[tuple[str, str]] = []
    taken: set[str] = set()
    for group in groups:
        for key in group.keys:
            free = next((each for each in key.bound if each not in taken), "")
            if key.hint and free:
                found.append((key_name(free), key.hint))
        taken.update(each for key in group.keys for each in key.bound)
    return tuple(found)


_ID: Final = re.compile(r"\{(\w+\.\w+)\}")
_NAMES: Final = {
    "slash": "/",
    "backslash": "\\",
    "at": "@",
    "plus": "+",
    "minus": "-",
    "underscore": "_",
    "down": "↓",
    "up": "↑",
    "left": "←",
    "right": "→",
    "ctrl+left": "ctrl+←",
    "ctrl+right": "ctrl+→",
    "alt+left": "alt+←",
    "alt+right": "alt+→",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "escape": "esc",
}


def key_name(key: str) -> str:
    """A key as a person reads it: `?` for `question_mark`."""
    if key in _NAMES:
        return _NAMES[key]
    character = key_to_character(key)
    return character if character and character.isprintable() and character != " " else key


def key_read(shown: str) -> str:
    """The key that a person reads as `shown`; what `key_name` did not make stays as it is."""
    return next((key for key, name in _NAMES.items() if name == shown), shown)


APP_KEYS: Final = (
    Key("c", "write", "Write a note", "write"),
    Key("slash", "find", "Find people, notes, tags, relays; or where a code leads", "find"),
    Key("tab", "app.focus_next", "To the next part of the screen"),
    Key("escape,q", "back", "Back; closes a panel", "back"),
    Key("less_than_sign,alt+left", "history(-1)", "Back to where one was", name="back_in_time"),
    Key("greater_than_sign,alt+right", "history(1)", "Forward again", name="forward"),
    Key("semicolon", "jump", "Letters at whatever can be gone to: type them"),
    Key("u", "take_back", "Take back the last like, repost or vote, for a moment"),
    Key("colon", "command_line", "Anything by its name", "command"),
    Key("ctrl+p", "command_palette", "What can be done, to choose from", name="palette"),
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
HELP: Final = KeyGroup("Everywhere", tuple(key for key in APP_KEYS if key.action == "help"), "app")
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
    "list",
)
OPEN_FEED: Final = KeyGroup(
    "In a feed that anybody writes into",
    (Key("K", "known_only", "Leave out strangers, whom nobody whom you follow follows; or not"),),
    "feed",
)
COLUMNS: Final = KeyGroup(
    "Columns, where the screen is wide",
    (
        Key("ctrl+right", "column(1)", "To the column at the right", name="right"),
        Key("ctrl+left", "column(-1)", "To the column at the left", name="left"),
        Key("plus", "add_column", "One more column: a section, a hashtag, a list, a relay"),
        Key("minus", "close_column", "Close this column"),
    ),
    "columns",
)
WAY: Final = KeyGroup("In a list", tuple(key for key in LIST.keys if key.action == "next"), "list")
"""For the hint line of a list in which `enter` is named otherwise."""
WRITING: Final = KeyGroup(
    "Writing",
    (
        Key("ctrl+s", "send", "Send", "send", priority=True),
        Key("escape", "keep", "Close and keep as draft", "keep as draft", priority=True),
        Key("ctrl+z", "undo", "Undo"),
        Key("f1", "app.help", "Every key"),
    ),
    "writing",
)
WRITING_NOTE: Final = KeyGroup(
    "Writing a note",
    (
        Key("ctrl+l", "later", "Send it later, at a time that is asked for", priority=True),
        Key("ctrl+g", "editor", "Write in your own editor ($VISUAL or $EDITOR)", priority=True),
        Key("ctrl+o", "attach", "Add a picture or another file", priority=True),
        Key("ctrl+t", "warning", "Fold it behind a content warning, or not", priority=True),
    ),
    "writing_note",
)
FORM: Final = KeyGroup(
    "Forms and questions",
    (
        # At once, before what is typed right after it: password keepers type name, tab, password.
        Key("tab", "app.focus_next", "To the next field", priority=True),
        Key("shift+tab", "app.focus_previous", "To the field before", priority=True),
        Key("down", "app.focus_next", "To the next field", name="below"),
        Key("up", "app.focus_previous", "To the field before", name="above"),
        Key("enter", "go", "Go on"),
        Key("escape", "leave", "Back"),
        # Before the field that has the focus, which would delete.
        Key("ctrl+k", "key_store", "Key store instead of a password, and back", priority=True),
    ),
    "form",
)

"""Keys of the person's own, from `config.toml`: read strictly when the client starts.

    [keys.note]
    react = ["f", "l"]
    repost = []         # removed

A key is written as Textual names it (`ctrl+x`, `alt+left`, `f5`, `space`) or as it is typed (`?`).
"""

from __future__ import annotations

import difflib
import pkgutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Final

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import KEY_NAME_REPLACEMENTS, Keys, key_to_character

from nostr_client.settings import InvalidSettings
from nostr_client.tui.keymap import Key, KeyGroup

LEAVING: Final = frozenset({"app.quit", "app.ask_quit"})
REMOVED: Final = "removed:"
"""Begins the name of a key that no terminal sends: Textual's keymap knows no other "none"."""
_SAME: Final = {
    "ctrl+j": "enter",
    "ctrl+m": "enter",
    "ctrl+h": "backspace",
    "ctrl+i": "tab",
    "ctrl+left_square_bracket": "escape",
}
_TAKEN: Final = {"ctrl+b": "tmux", "ctrl+a": "screen"}
_MODIFIERS: Final = frozenset({"alt", "ctrl", "shift"})
_NAMED: Final = frozenset(key.value for key in Keys if not key.value.startswith("<"))


def key_of(text: str) -> str:
    """Textual's name of a key that a person wrote. Raises ValueError where there is no such key,
    or terminals cannot tell it from another one, or keep it for themselves."""
    *modifiers, last = [text] if len(text) == 1 else text.split("+")
    if not _MODIFIERS.issuperset(modifiers) or len(set(modifiers)) < len(modifiers):
        raise ValueError("there is no such key")
    if len(last) == 1:
        last = _named(last)
    elif last not in _NAMED and key_to_character(last) is None:
        raise ValueError("there is no such key")
    if modifiers == ["shift"] and len(last) == 1:
        return last.upper()
    key = "+".join([*sorted(modifiers), last])
    if why := refusal(key):
        raise ValueError(why)
    return key


def refusal(key: str) -> str:
    """Why a key is bound to nothing, whoever wants it; empty where it may be."""
    if key in _SAME:
        return f"to many terminals it is {_SAME[key]}"
    return f"{_TAKEN[key]} takes it" if key in _TAKEN else ""


def is_bare(key: str) -> bool:
    """May a slip of the finger press it?"""
    return "+" not in key and not (key[:1] == "f" and key[1:].isdigit())


def own_keys(
    chosen: Mapping[str, Mapping[str, Sequence[str]]], groups: Iterable[KeyGroup]
) -> dict[str, tuple[str, ...]]:
    """The keys of each binding, by its id, that the person changed; `chosen` by place and name.

    Raises InvalidSettings.
    """
    known = {key.id: key for group in groups for key in group.keys}
    own: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    for place, names in chosen.items():
        for name, keys in names.items():
            if (id := f"{place}.{name}") in known:
                own[id] = tuple(dict.fromkeys(_read(id, keys, problems)))
            else:
                problems.append(_unknown(place, name, known))
    problems += _clashes(known, own)
    if problems:
        raise InvalidSettings(problems)
    return own


def textual_keymap(own: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The same as Textual's keymap."""
    return {id: ",".join(keys) or f"{REMOVED}{id}" for id, keys in own.items()}


def every_group() -> tuple[KeyGroup, ...]:
    """All groups of keys that any widget or screen has: those of every module, which this loads."""
    from nostr_client.tui import panes, screens, widgets

    found: dict[KeyGroup, None] = {}
    for package in (panes, screens, widgets):
        for module in pkgutil.iter_modules(package.__path__):
            named = vars(import_module(f"{package.__name__}.{module.name}")).values()
            found |= dict.fromkeys(each for each in named if isinstance(each, KeyGroup))
    return tuple(found)


def own_nodes(base: type[DOMNode] = DOMNode) -> Iterator[type[DOMNode]]:
    """Widgets and screens of ours that are loaded."""
    for each in base.__subclasses__():
        if each.__module__.startswith("nostr_client."):
            yield each
        yield from own_nodes(each)


def own_bindings(node: type[DOMNode]) -> Iterator[Binding]:
    """The bindings that we gave a widget, those of its bases included."""
    for base in node.__mro__:
        if base.__module__.startswith("nostr_client."):
            yield from Binding.make_bindings(base.__dict__.get("BINDINGS", ()))


def _sharing() -> set[frozenset[str]]:
    """Places whose keys are those of one widget: there a key can mean one thing alone."""
    return {
        frozenset(binding.id.partition(".")[0] for binding in own_bindings(node) if binding.id)
        for node in own_nodes()
    }


def _named(character: str) -> str:
    if character.isalnum():
        return character
    if character == " ":
        return "space"
    try:
        name = unicodedata.name(character).lower().replace("-", "_").replace(" ", "_")
    except ValueError:
        raise ValueError("there is no such key") from None
    return KEY_NAME_REPLACEMENTS.get(name, name)


def _read(id: str, keys: Sequence[str], problems: list[str]) -> Iterator[str]:
    for text in keys:
        try:
            key = key_of(text)
        except ValueError as error:
            problems.append(f"keys.{id}: {text!r}: {error}")
            continue
        if id in LEAVING and is_bare(key):
            problems.append(f"keys.{id}: {text!r}: leaving is never one bare key, for a slip")
        else:
            yield key


def _unknown(place: str, name: str, known: Mapping[str, Key]) -> str:
    places = {key.place for key in known.values()}
    if place not in places:
        return f"keys.{place} is no place; allowed: {', '.join(sorted(places))}"
    names = [id.partition(".")[2] for id, key in known.items() if key.place == place]
    close = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(names)}"
    return f"keys.{place}.{name} is nothing that a key does; {hint}"


def _clashes(known: Mapping[str, Key], own: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Two meanings of one key in one place, of which the person chose at least one."""
    keys = {id: own.get(id, tuple(key.keys.split(","))) for id, key in known.items()}
    sharing = _sharing()
    for id in own:
        place = known[id].place
        beside = frozenset({place}).union(*(each for each in sharing if place in each))
        for other, key in known.items():
            if key.place not in beside or (other in own and other <= id):
                continue
            for both in set(keys[id]).intersection(keys[other]) if other != id else ():
                yield f"keys.{id}: {both!r} is {other} there already; give that another key, or []"

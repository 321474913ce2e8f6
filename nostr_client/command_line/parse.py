"""Words to a command and its values. What is wrong is said with the nearest that would be right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NoReturn, get_args, get_origin

from nostr_client.command_line.tree import REQUIRED, Argument, Command, Group, Option, Parameter

HELP: Final = ("--help", "-h")
LARGEST: Final = 2**63 - 1
"""No number is larger, for a database would not take it."""


class UsageError(Exception):
    """The words mean no command."""


def find(
    root: Group, words: Sequence[str], path: list[str] | None = None
) -> tuple[Command | Group, list[str]]:
    """The command that `words` name, and what is left of them; `path` gets the way to it.

    Options may stand before the name of a command whose group has a default. A group is found where
    a command is missing, or help is wanted. Raises UsageError.
    """
    path = [] if path is None else path
    found: Command | Group = root
    left = list(words)
    while isinstance(found, Group):
        place = _place_of_name(found, left)
        if place is not None:
            name = left.pop(place)
        elif left[:1] and left[0] in HELP:
            return found, left
        elif found.default:
            name = found.default
            _check_name(found, left)
        elif not left:
            return found, left
        elif left[0].startswith("-") and any(word in found.members for word in left):
            raise UsageError(f"{left[0]}: the options of a command stand behind its name")
        elif left[0].startswith("-"):
            _no_such("option", left[0], ["--help", *(["--version"] if found.version else [])])
        else:
            _no_such("command", left[0], found.members)
        found = found.members[name]
        path.append(name)
    return found, left


def _check_name(group: Group, words: Sequence[str]) -> None:
    """A word where the default takes none is a command misspelled."""
    default = group.members[group.default]
    if not isinstance(default, Command) or not words or words[0].startswith("-"):
        return
    if not any(isinstance(one.spec, Argument) for one in default.parameters()):
        _no_such("command", words[0], group.members)


def _place_of_name(group: Group, words: Sequence[str]) -> int | None:
    """Where the name of one of the group's commands stands: first, or behind options."""
    if words and words[0] in group.members:
        return 0
    default = group.members.get(group.default)
    if not isinstance(default, Command):
        return None
    options = _Options(default.parameters())
    place = 0
    while place < len(words) and words[place].startswith("-") and words[place] not in HELP:
        one = options.like(words[place].partition("=")[0])
        takes_next = one is not None and not one.is_flag and "=" not in words[place]
        place += 2 if takes_next else 1
    return place if place < len(words) and words[place] in group.members else None


class _Options:
    """The options of a command, by every spelling."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.known = {name: one for one in parameters for name in one.names}

    def like(self, word: str) -> Parameter | None:
        """The option `word`, or the only one that begins so."""
        name = self.spelled(word)
        return self.known[name] if name else None

    def spelled(self, word: str) -> str:
        if word in self.known:
            return word
        begun = [name for name in self.known if name.startswith(word)] if len(word) > 2 else []
        return begun[0] if len(begun) == 1 else ""


def parse(parameters: Sequence[Parameter], words: Sequence[str]) -> dict[str, Any] | None:
    """The value of each parameter; None where help is wanted. Raises UsageError."""
    options, left = _Options(parameters), list(words)
    values: dict[str, Any] = {}
    places: list[str] = []
    while left:
        word = left.pop(0)
        if word == "--":
            places += left
            break
        if not _looks_like_option(word):
            places.append(word)
            continue
        if word in HELP:
            return None
        given, is_joined, text = word.partition("=")
        name = options.spelled(given)
        if not name:
            _no_such("option", given, [*options.known, "--help"])
        one = options.known[name]
        if one.is_flag:
            if is_joined:
                raise UsageError(f"{name} takes no value")
            values[one.name] = one.names[name]
            continue
        if not is_joined:
            if not left:
                raise UsageError(f"{name}: a value is missing; allowed: {allowed(one)}")
            text = left.pop(0)
        value = _value(one, name, text)
        values[one.name] = [*values.get(one.name, []), value] if one.is_list else value
    values |= _placed([one for one in parameters if isinstance(one.spec, Argument)], places)
    for one in parameters:
        if one.name not in values:
            if one.default is REQUIRED:
                raise UsageError(f"{one.shown} is missing")
            values[one.name] = list(one.default) if isinstance(one.default, tuple) else one.default
    return values


def _looks_like_option(word: str) -> bool:
    """A dash alone, a negative number and a text that has a blank are none: `post "- milk"`."""
    name = word.partition("=")[0]
    is_number = word[1:].replace(".", "", 1).isdecimal()
    return (
        word.startswith("-") and word != "-" and not is_number and not any(map(str.isspace, name))
    )


def _placed(arguments: Sequence[Parameter], words: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for one in arguments:
        if one.is_list and words:
            values[one.name] = [_value(one, one.metavar, word) for word in words]
            words = []
        elif words:
            values[one.name] = _value(one, one.metavar.strip("[]"), words.pop(0))
    if words:
        raise UsageError(f"{words[0]!r} is one argument too many")
    return values


def _value(one: Parameter, name: str, text: str) -> Any:
    choices = get_args(one.kind) if get_origin(one.kind) is Literal else ()
    if choices:
        if text not in choices:
            raise UsageError(f"{name}: {text!r}; {nearest(text, choices)}")
        return text
    try:
        value = one.kind(text)
        if isinstance(value, int | float) and not _least(one) <= value <= _most(one):  # nor nan
            raise ValueError
    except ValueError:
        raise UsageError(f"{name}: {text!r}; allowed: {allowed(one)}") from None
    return value


def _least(one: Parameter) -> float:
    given = one.spec.least if isinstance(one.spec, Option) else None
    return -LARGEST if given is None else given


def _most(one: Parameter) -> float:
    given = one.spec.most if isinstance(one.spec, Option) else None
    return LARGEST if given is None else given


def allowed(one: Parameter) -> str:
    """What a value may be, in words."""
    if get_origin(one.kind) is Literal:
        return ", ".join(get_args(one.kind))
    kinds = {"int": "a whole number", "float": "a number", "Path": "a path"}
    words = kinds.get(getattr(one.kind, "__name__", ""), "a text")
    if isinstance(one.spec, Option):
        words += f" from {one.spec.least:.10g}" if one.spec.least is not None else ""
        words += f" to {one.spec.most:.10g}" if one.spec.most is not None else ""
    return words


def _no_such(what: str, word: str, known: Iterable[str]) -> NoReturn:
    raise UsageError(f"no such {what}: {word}; {nearest(word, known)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """What would be right: the one that was meant, or all."""
    import difflib

    every = list(known)
    close = difflib.get_close_matches(word, every, 1)
    return f"did you mean {close[0]}?" if close else f"allowed: {', '.join(every)}"

"""Programs of the person's own, from `config.toml`: what they are told, and how.

    [commands.play]
    keys = ["X"]
    on = "note"
    run = ["mpv", "{url}"]

What a note says goes to them as an argument or on their standard input, never through a shell.
Whoever wrote the note chose every character of it, so:

- `{npub}`, `{id}` and `{nevent}` are made here and hold letters and digits alone;
- `{url}` is the first link, `http://` or `https://` and printable ASCII;
- `{text}` and the standard input are `safe_text`, of bounded length;
- Windows hands the arguments of a script (`.bat`, `.cmd`) to its shell: nothing is put into them;
- an argument that would begin with `-` only because of what is put into it is refused, as the
  program could take it for an option; and nothing is put into the name of the program.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from nostr_client.config import CommandConfig
from nostr_client.errors import InvalidData
from nostr_client.nips.nip19 import encode_nevent, encode_npub
from nostr_client.safe_text import safe_text
from nostr_client.settings import InvalidSettings
from nostr_client.social.views import NoteView
from nostr_client.tui.keymap import Key, KeyGroup
from nostr_client.tui.own_keys import key_of

PLACEHOLDERS: Final[Mapping[str, frozenset[str]]] = {
    "note": frozenset({"npub", "id", "nevent", "text", "url"}),
    "person": frozenset({"npub"}),
    "app": frozenset(),
}
MOST_ARGUMENT: Final = 8_000
"""Characters of `{text}` in an argument."""
MOST_INPUT: Final = 200_000
"""Characters on the standard input."""
_PLACE: Final = re.compile(r"\{(\w+)\}")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_LINK: Final = re.compile(r"https?://[!-;=?-_a-z~]+", re.IGNORECASE)
_AFTER_LINK: Final = ".,;:!?'\")]}*_"


@dataclass(frozen=True)
class OwnCommand:
    """One of them: its name in the settings, Textual's names of its keys, and what it is."""

    name: str
    keys: tuple[str, ...]
    config: CommandConfig

    @property
    def says(self) -> str:
        return self.config.says or f"Run {self.config.run[0]}"


def own_commands(
    chosen: Mapping[str, CommandConfig],
    own: Mapping[str, tuple[str, ...]],
    groups: Iterable[KeyGroup],
) -> tuple[OwnCommand, ...]:
    """The commands of the settings; `own` are the keys that the person changed, of those of
    `groups`, which work where commands do. Raises InvalidSettings."""
    taken = {
        bound: key.id
        for group in groups
        for key in group.keys
        for bound in own.get(key.id, tuple(key.keys.split(",")))
    }
    problems: list[str] = []
    commands = []
    for name, config in chosen.items():
        path = f"commands.{name}"
        keys: list[str] = []
        for text in config.keys:
            try:
                key = key_of(text)
            except ValueError as error:
                problems.append(f"{path}.keys: {text!r}: {error}")
                continue
            if key in taken:
                problems.append(f"{path}.keys: {text!r} is {taken[key]} already")
            taken[key] = path
            keys.append(key)
        problems += (f"{path}{problem}" for problem in _wrong(name, config))
        commands.append(OwnCommand(name, tuple(keys), config))
    if problems:
        raise InvalidSettings(problems)
    return tuple(commands)


def key_group(commands: Iterable[OwnCommand]) -> KeyGroup:
    """Their keys."""
    keys = (
        Key(",".join(each.keys), f"own_command('{each.name}')", each.says, name=each.name)
        for each in commands
        if each.keys
    )
    return KeyGroup("Your own commands", tuple(keys), "commands")


def values_of(note: NoteView | None, pubkey: str) -> dict[str, Callable[[], str]]:
    """What stands for each placeholder; it raises InvalidData where there is nothing."""
    values: dict[str, Callable[[], str]] = {"npub": lambda: encode_npub(pubkey)}
    if note is not None:
        event = note.event
        values |= {
            "id": lambda: event.id,
            "nevent": lambda: encode_nevent(event.id, author=event.pubkey),
            "text": lambda: safe_text(event.content[:MOST_ARGUMENT]),
            "url": lambda: first_link(event.content),
        }
    return values


def arguments(run: Iterable[str], values: Mapping[str, Callable[[], str]]) -> list[str]:
    """`run` with what stands for its placeholders. Raises InvalidData."""
    program, *rest = run
    made = [program]
    for argument in rest:
        filled = _PLACE.sub(lambda found: values[found[1]](), argument)
        if filled.startswith("-") and not argument.startswith("-"):
            raise InvalidData(
                f"{argument} begins with “-” here, which {program} could take for an option: "
                'give it on the standard input (stdin = "text")'
            )
        made.append(filled)
    script = program.rstrip(". ").lower().endswith((".bat", ".cmd"))
    if sys.platform == "win32" and script and made[1:] != rest:
        raise InvalidData(
            f"{program} is a script of Windows' shell, which would read what is put into its "
            'arguments: give it on the standard input (stdin = "text")'
        )
    return made


def first_link(text: str) -> str:
    """The first link of a text. Raises InvalidData where there is none."""
    if found := _LINK.search(text):
        return found[0].rstrip(_AFTER_LINK)
    raise InvalidData("there is no link in this note")


def _wrong(name: str, config: CommandConfig) -> Iterable[str]:
    if not _NAME.fullmatch(name):
        yield ": a name is small letters, digits and _"
    if not config.run or not config.run[0].strip():
        yield '.run: allowed: a program and its arguments, such as ["mpv", "{url}"]'
        return
    if "{" in config.run[0] or config.run[0].startswith("-"):
        yield ".run: the first item is the program, and nothing is put into it"
    known = PLACEHOLDERS[config.on]
    for argument in config.run[1:]:
        for found in _PLACE.finditer(argument):
            if found[1] not in known:
                allowed = ", ".join(f"{{{each}}}" for each in sorted(known)) or "none"
                yield f'.run: {found[0]} is not known on = "{config.on}"; allowed: {allowed}'
    if config.stdin == "text" and config.on != "note":
        yield '.stdin: "text" is that of a note: on = "note"'
    if config.stdin == "text" and config.terminal:
        yield ".terminal: a program that has the terminal reads what is typed there"

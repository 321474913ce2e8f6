"""What `--help` prints."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Sequence
from typing import Final

from nostr_client.command_line.parse import allowed
from nostr_client.command_line.tree import Argument, Command, Group, Option, Parameter

_WIDEST: Final = 100
_USUAL: Final = 80
_COLUMN: Final = 30
"""Where words begin, at the latest."""
Row = tuple[str, str]


def help_of(found: Command | Group, program: str, example: str = "") -> str:
    """The help of a command or of a group; `program` is how it was called, `example` how it may
    be."""
    width = min(_columns(), _WIDEST)
    text = _group(found, program) if isinstance(found, Group) else _command(found, program)
    usage, words, sections, epilog = text
    parts = [f"Usage: {usage}", _paragraphs(words, width)]
    parts += [f"{title}:\n{_table(rows, width)}" for title, rows in sections if rows]
    if example:
        parts.append(f"Example:\n  {example}")
    return "\n\n".join(part for part in [*parts, epilog] if part)


def _columns() -> int:
    """As `shutil.get_terminal_size` finds it, which would take longer to load than all of this."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _USUAL
    except (OSError, ValueError):
        return _USUAL


def _group(group: Group, program: str) -> tuple[str, str, list[tuple[str, list[Row]]], str]:
    commands = dict(group.members.lines())
    options = [("--version", "Say the version.")] if group.version else []
    name = "[COMMAND]" if group.default else "COMMAND"
    words = group.help
    if group.default:
        words += f"\n\nWithout a command: {group.default}."
    sections = [("Options", [*options, _HELP])]
    for title, names in group.sections.items():
        sections.append((title, [(name, commands.pop(name)) for name in names.split()]))
    sections.insert(1, ("Commands", list(commands.items())))
    return f"{program} {name} [OPTIONS]", words, sections, group.epilog


def _command(command: Command, program: str) -> tuple[str, str, list[tuple[str, list[Row]]], str]:
    parameters = command.parameters()
    arguments = [one for one in parameters if isinstance(one.spec, Argument)]
    options = [one for one in parameters if isinstance(one.spec, Option)]
    usage = " ".join([program, "[OPTIONS]", *(one.shown for one in arguments)])
    sections = [
        ("Arguments", [(one.shown, _help(one)) for one in arguments]),
        ("Options", [*((one.shown, _help(one)) for one in options), _HELP]),
    ]
    return usage, command.help, sections, ""


_HELP: Final = ("-h, --help", "Show this, and end.")


def _help(one: Parameter) -> str:
    words = one.spec.help
    if isinstance(one.spec, Option) and (one.spec.least is not None or one.spec.most is not None):
        words += f" [{allowed(one)}]"
    if one.is_list and isinstance(one.spec, Option):
        words += " May be given more than once."
    is_told = isinstance(one.default, int | float | str) and not isinstance(one.default, bool)
    if is_told and one.default != "" and isinstance(one.spec, Option):
        words += (
            f" [default: {one.default:g}]"
            if isinstance(one.default, float)
            else (f" [default: {one.default}]")
        )
    return words.strip()


def _paragraphs(words: str, width: int) -> str:
    found = [" ".join(part.split()) for part in words.strip().split("\n\n")]
    return "\n\n".join(
        textwrap.fill(part, width, initial_indent="  ", subsequent_indent="  ") for part in found
    )


def _table(rows: Sequence[Row], width: int) -> str:
    column = min(max(len(name) for name, _ in rows), _COLUMN) + 4
    lines: list[str] = []
    for name, words in rows:
        begin = f"  {name}"
        if len(begin) > column - 2:
            lines.append(begin)
            begin = ""
        room = max(width - column, 20)
        for part in textwrap.wrap(words, room) or [""]:
            lines.append(f"{begin:<{column}}{part}".rstrip())
            begin = ""
    return "\n".join(lines)

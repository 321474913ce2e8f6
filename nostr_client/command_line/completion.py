"""What a shell offers at the tab key: a script for bash, zsh or fish, made from the tree.

The script knows every command and option by itself. Only for names that change, those of accounts
and relays, it asks the program (`completion accounts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args, get_origin

from nostr_client.command_line.tree import Argument, Command, Group, Option, Parameter

FILES: Final = "@files"
"""Instead of words: files complete it."""
ASKED: Final = {"--account": "@accounts", "--relay": "@relays"}
"""Options whose values the program itself says."""
HELP: Final = ("--help", "Show this, and end.")


class OfferedWord(NamedTuple):
    """A word that is offered, and what it does; `values` of an option are the words that may follow
    it, `FILES`, or one of `ASKED`; None where nothing follows, empty where anything may."""

    word: str
    help: str
    values: tuple[str, ...] | None = None


class Place(NamedTuple):
    """What may follow a command or group, `path`: commands, or the choices of its arguments, and
    options."""

    path: str
    words: tuple[OfferedWord, ...]
    options: tuple[OfferedWord, ...]
    takes_files: bool = False


def places(root: Group, path: str = "") -> Iterator[Place]:
    """The tree, from its root on; every command is loaded for it."""
    default = root.members[root.default] if root.default else None
    options = _options(default) if isinstance(default, Command) else (OfferedWord(*HELP),)
    words = tuple(OfferedWord(name, help) for name, help in root.members.lines())
    yield Place(path, words, options)
    for name, member in root.members.items():
        inner = f"{path} {name}".strip()
        if isinstance(member, Group):
            yield from places(member, inner)
        else:
            arguments = [one for one in member.parameters() if isinstance(one.spec, Argument)]
            choices = tuple(
                OfferedWord(word, "")
                for one in arguments
                for word in _values(one)
                if word[0] != "@"
            )
            files = any(one.kind is Path for one in arguments)
            yield Place(inner, choices, _options(member), files)


def _options(command: Command) -> tuple[OfferedWord, ...]:
    found = [one for one in command.parameters() if isinstance(one.spec, Option)]
    return (
        *(
            OfferedWord(name, _line(one.spec.help), None if one.is_flag else _values(one))
            for one in found
            for name in one.names
        ),
        OfferedWord(*HELP),
    )


def _values(one: Parameter) -> tuple[str, ...]:
    if get_origin(one.kind) is Literal:
        return get_args(one.kind)
    if one.kind is Path:
        return (FILES,)
    asked = next((ASKED[name] for name in one.names if name in ASKED), "")
    return (asked,) if asked else ()


def _line(words: str) -> str:
    return " ".join(words.split())


def script(root: Group, program: str, shell: str) -> str:
    """The script that has `shell` (bash, zsh or fish) complete `program`."""
    every = list(places(root))
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](every, program)


def _quoted(text: str) -> str:
    """As one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _function(program: str) -> str:
    return "_" + program.replace("-", "_")


def _with_values(every: Sequence[Place]) -> list[str]:
    """The options that a word follows, wherever they stand."""
    flags = {one.word for place in every for one in place.options if one.values is None}
    found = {one.word for place in every for one in place.options if one.values is not None}
    return sorted(found - flags)


def _walk(every: Sequence[Place], words: str) -> str:
    """Shell that finds, from the elements of the array `words`, the command that is named."""
    known = "|".join(_quoted(place.path) for place in every if place.path)
    followed = "|".join(_with_values(every))
    return f"""\
  local at='' word skip=0
  for word in {words}; do
    if (( skip )); then skip=0; continue; fi
    case "$word" in
      {followed}) skip=1; continue ;;
    esac
    case "${{at:+$at }}$word" in
      {known}) at="${{at:+$at }}$word" ;;
    esac
  done
"""


def _bash(every: Sequence[Place], program: str) -> str:
    name = _function(program)
    lines = [
        f'# bash completion of {program}: eval "$({program} completion bash)"',
        f"{name}() {{",
        '  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" words=""',
        "  COMPREPLY=()",
        _walk(every, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"').rstrip(),
        '  case "$at $prev" in',
    ]
    for place in every:
        for one in place.options:
            if one.values is not None:
                pattern = _quoted(f"{place.path} {one.word}")
                lines.append(f"    {pattern}) {_bash_values(one.values, program)} ;;")
    lines += ["  esac", '  case "$at" in']
    for place in every:
        words, options = _words(place.words), _words(place.options)
        lines.append(
            f"    {_quoted(place.path)}) words={_quoted(words)};"
            f" [[ $cur == -* ]] && words={_quoted(options)} ;;"
        )
    lines += [
        "  esac",
        '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
        "}",
        f"complete -o bashdefault -o default -F {name} {program}",
    ]
    return "\n".join(lines)


def _words(choices: Sequence[OfferedWord]) -> str:
    return " ".join(one.word for one in choices)


def _bash_values(values: Sequence[str], program: str) -> str:
    if not values:
        return "return 0"
    if values[0] == FILES:
        return 'COMPREPLY=($(compgen -f -- "$cur")); return 0'
    if not values[0].startswith("@"):
        return f'COMPREPLY=($(compgen -W "{" ".join(values)}" -- "$cur")); return 0'
    # What `compgen -W` is given is expanded once more: a name could be a command.
    return (
        'COMPREPLY=(); local word; while IFS= read -r word; do [[ $word == "$cur"* ]] &&'
        ' COMPREPLY+=("$(printf %q "$word")");'
        f" done < <({program} completion {values[0][1:]} 2>/dev/null); return 0"
    )


def _offered(values: Sequence[str], program: str) -> str:
    """The words, or what asks the program for them."""
    asked = values[0].startswith("@")
    return f"$({program} completion {values[0][1:]} 2>/dev/null)" if asked else " ".join(values)


def _zsh(every: Sequence[Place], program: str) -> str:
    name = _function(program)
    lines = [
        f"#compdef {program}",
        f"# zsh completion of {program}: put it in a folder of $fpath, named {name}",
        f"{name}() {{",
        "  emulate -L zsh",
        "  local -a offered",
        '  local prev="${words[CURRENT-1]}"',
        _walk(every, '"${(@)words[2,CURRENT-1]}"').rstrip(),
        '  case "$at $prev" in',
    ]
    for place in every:
        for one in place.options:
            if one.values is not None:
                pattern = _quoted(f"{place.path} {one.word}")
                lines.append(f"    {pattern}) {_zsh_values(one.values, program)} ;;")
    lines += ["  esac", '  case "$at" in']
    for place in every:
        words = " ".join(_quoted(_described(one)) for one in place.words)
        options = " ".join(_quoted(_described(one)) for one in place.options)
        lines += [
            f"    {_quoted(place.path)})",
            f"      offered=({words})",
            f"      [[ $PREFIX == -* ]] && offered=({options})",
            "      ;;",
        ]
    lines += [
        "  esac",
        f"  (( $#offered )) && _describe {program} offered && return 0",
        "  _files",
        "}",
        f'if [[ $zsh_eval_context[-1] == loadautofunc ]]; then {name} "$@"; '
        f"else compdef {name} {program}; fi",
    ]
    return "\n".join(lines)


def _described(one: OfferedWord) -> str:
    """`word:what it does`, as `_describe` reads it."""
    return one.word.replace(":", "\\:") + (f":{one.help}" if one.help else "")


def _zsh_values(values: Sequence[str], program: str) -> str:
    if not values:
        return "return 0"
    if values[0] == FILES:
        return "_files; return 0"
    return f"compadd -- ${{=:-{_offered(values, program)}}}; return 0"


def _fish(every: Sequence[Place], program: str) -> str:
    name = f"_{_function(program)}_at"
    known = " ".join(_quoted(place.path) for place in every if place.path)
    lines = [
        f"# fish completion of {program}: {program} completion fish | source",
        f"function {name}",
        "  set -l at ''",
        "  set -l skip 0",
        "  for word in (commandline -opc)[2..-1]",
        "    if test $skip = 1",
        "      set skip 0",
        "      continue",
        "    end",
        f"    if contains -- $word {' '.join(_with_values(every))}",
        "      set skip 1",
        "      continue",
        "    end",
        '    set -l next (string trim -- "$at $word")',
        f"    if contains -- $next {known}",
        "      set at $next",
        "    end",
        "  end",
        '  test "$at" = "$argv[1]"',
        "end",
        f"complete -c {program} -e",
    ]
    for place in every:
        start = f"complete -c {program} -n {_fish_quoted(f'{name} {_fish_quoted(place.path)}')}"
        if place.words and not place.takes_files:
            lines.append(f"{start} -f")
        lines += [f"{start} -a {_fish_quoted(one.word)}{_fish_help(one)}" for one in place.words]
        lines += [f"{start} {_fish_option(one, program)}" for one in place.options]
    return "\n".join(lines)


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_help(one: OfferedWord) -> str:
    return f" -d {_fish_quoted(one.help)}" if one.help else ""


def _fish_option(one: OfferedWord, program: str) -> str:
    spelled = f"-l {one.word[2:]}" if one.word.startswith("--") else f"-s {one.word[1:]}"
    if one.values is None:
        values = " -f"
    elif not one.values:
        values = " -x"
    elif one.values[0] == FILES:
        values = " -r"
    else:
        offered = _offered(one.values, program)
        asked = f"({offered[2:-1]})" if offered.startswith("$") else offered
        values = f" -x -a {_fish_quoted(asked)}"
    return f"{spelled}{values}{_fish_help(one)}"

"""What shells offer, asked of the shells themselves where they are installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Annotated, Literal

import pytest

from nostr_client.command_line.completion import places, script
from nostr_client.command_line.context import Context
from nostr_client.command_line.tree import JSON, Argument, Group, Option


def ban(
    context: Context,
    sort: Annotated[Literal["key", "word"], Argument("SORT", "Of what.")],
    *,
    by: Annotated[Literal["ana", "ben"], Option("--by", help="Who's to say.")] = "ana",
    account: Annotated[str, Option("--account", "WHO")] = "",
    file: Annotated[Path | None, Option("--file", "FILE", short="-f")] = None,
    own: Annotated[bool, Option("--own/--no-own", help="It is `own`: or $not.")] = True,
) -> None:
    """Keep it out."""


def list_(context: Context) -> None:
    """List them: all, \\ and 'all'."""


def tree() -> Group:
    root = Group("All.", version="1")
    root.add("ban", ban, (JSON,), Context)
    people = root.group("people", "People.", default="list")
    people.add("list", list_, (JSON,), Context)
    people.add("ban", ban, (JSON,), Context)
    return root


CASES = [
    ("", "", "ban people"),
    ("", "p", "people"),
    ("people", "", "list ban"),
    ("people", "--", "--json --help"),
    ("people ban", "k", "key"),
    ("ban", "", "key word"),
    ("ban", "--", "--by --account --file --own --no-own --json --help"),
    ("ban --by", "", "ana ben"),
    ("ban --by", "b", "ben"),
    ("ban --by ana", "w", "word"),
    ("people --account people ban", "w", "word"),
    ("ban --account", "", "asked-accounts"),
]
"""The words before, the one that is begun, what is offered."""
ASKED = "nostr() { echo asked-$2; }; "


def offered(shell: str, program: str) -> list[str]:
    """What each of CASES got, a line each."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [shell, *({"fish": ["--no-config"], "zsh": ["-f"]}.get(shell, ["--norc"])), "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


def test_bash_completes() -> None:
    program = ASKED + script(tree(), "nostr", "bash") + "\n"
    for before, begun, _ in CASES:
        words = f"nostr {before}".split()
        program += f"COMP_WORDS=({' '.join(words)} '{begun}'); COMP_CWORD={len(words)}\n"
        program += '_nostr; echo "${COMPREPLY[*]}"\n'
    assert offered("bash", program) == [wanted for _, _, wanted in CASES]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_name_that_looks_like_a_command_is_none(shell: str, tmp_path: Path) -> None:
    """Names of accounts and of relays come from elsewhere."""
    made, name = tmp_path / "made", f"$(touch${{IFS}}{tmp_path}/made)`touch {tmp_path}/made`"
    (tmp_path / "names").write_text(f"{name}\nana\n")
    asked = f"cat {tmp_path}/names"
    if shell == "fish":
        program = f"function nostr; {asked}; end\n{script(tree(), 'nostr', shell)}\n"
        program += 'complete -C "nostr ban --account "'
    else:
        stubs = {"zsh": "compdef() { :; }; compadd() { shift; print -r -- $@; }; PREFIX=\n"}
        program = (
            f"nostr() {{ {asked}; }}\n{stubs.get(shell, '')}{script(tree(), 'nostr', shell)}\n"
        )
        program += (
            "COMP_WORDS=(nostr ban --account ''); COMP_CWORD=3; words=(nostr ban --account '')\n"
            "CURRENT=4; _nostr; printf '%s\\n' \"${COMPREPLY[@]}\"\n"
        )
    assert any("ana" in line for line in offered(shell, program))
    assert not made.exists()


def test_zsh_completes() -> None:
    """Its own system of completion needs a terminal: what it would be told is looked at."""
    stubs = (
        "compdef() { :; }; _files() { echo FILES; }\n"
        '_describe() { local -a all; all=("${(@P)2}"); print -r -- ${${(M)all:#$PREFIX*}%%:*}; }\n'
        "compadd() { shift; print -r -- ${(M)@:#$PREFIX*}; }\n"
    )
    program = ASKED + stubs + script(tree(), "nostr", "zsh") + "\n"
    for before, begun, _ in CASES:
        words = f"nostr {before}".split()
        program += f"words=({' '.join(words)} '{begun}'); CURRENT={len(words) + 1}\n"
        program += f"PREFIX='{begun}'; _nostr\n"
    assert offered("zsh", program) == [wanted for _, _, wanted in CASES]


def test_fish_completes() -> None:
    program = "function nostr; echo asked-$argv[2]; end\n" + script(tree(), "nostr", "fish") + "\n"
    for before, begun, _ in CASES:
        line = " ".join(["nostr", *before.split(), begun])
        program += f'echo (complete -C "{line}" | string split -f1 \\t)\n'
    found = offered("fish", program)
    assert [set(line.split()) for line in found] == [set(wanted.split()) for _, _, wanted in CASES]


def test_every_command_and_option_is_in_each_script() -> None:
    for shell in ("bash", "zsh", "fish"):
        text = script(tree(), "nostr", shell)
        for place in places(tree()):
            assert place.path in text
            for one in place.options:
                assert one.word.lstrip("-") in text

"""Secrets come in here: from a file descriptor, the environment, or a hidden prompt.

Never from an argument, which every user of the machine could read. Nothing here is ever printed,
logged or quoted in an error.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from nostr_client.errors import AccountError
from nostr_client.exits import CommandError, Exit

PASSWORD_VARIABLE: Final = "NOSTR_CLIENT_PASSWORD"  # noqa: S105 - a name, not a password
KEY_VARIABLE: Final = "NOSTR_CLIENT_KEY"
_CLEAR: Final = "\x1b[2J\x1b[3J\x1b[H"
"""The screen, and what scrolled off it."""


def can_ask() -> bool:
    """Is there a terminal to ask on?"""
    if sys.platform == "win32":
        return sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def read_descriptor(number: int) -> str:
    """What file descriptor `number` gives until its end, without the last line break.

    Raises CommandError.
    """
    from nostr_client.accounts.secret_descriptor import read_descriptor as read

    try:
        return read(number)
    except AccountError as error:
        raise CommandError(str(error), Exit.USAGE) from None


class FromEnvironment(NamedTuple):
    """What a script gave in the environment. An empty `key` is none, and not as if there were no
    such variable: whoever sets it means to sign with it."""

    password: str | None
    key: str | None

    def __repr__(self) -> str:
        return "<FromEnvironment>"


def take_from_environment() -> FromEnvironment:
    """The secrets in the environment, which are taken out: no child process inherits them."""
    password = os.environ.pop(PASSWORD_VARIABLE, None) or None
    return FromEnvironment(password, os.environ.pop(KEY_VARIABLE, None))


BY_SCRIPTS: Final = "with --password-fd N, in $NOSTR_CLIENT_PASSWORD"


def ask_hidden(prompt: str, by_scripts: str = BY_SCRIPTS) -> str:
    """What the person types, unseen; `by_scripts` says how else it is given. Raises CommandError
    where there is no terminal."""
    if not can_ask():
        raise CommandError(
            f"a password is needed: give it {by_scripts}, or use a terminal", Exit.LOCKED
        )
    try:
        return getpass.getpass(f"{prompt}: ")
    except EOFError:
        raise CommandError("nothing was typed", Exit.LOCKED) from None


def ask_new_password(prompt: str, *, may_be_empty: bool = False) -> str:
    """A new password, typed twice. Raises CommandError."""
    from nostr_client.accounts.key_vault import check_password

    while True:
        first = ask_hidden(prompt)
        if not first and may_be_empty:
            return ""
        try:
            check_password(first)
        except AccountError as error:
            say(f"{error}; several words are good.")
            continue
        if ask_hidden("Once more") != first:
            say("The two differ.")
            continue
        return first


def ask_yes(question: str) -> bool:
    """Asks on the terminal; anything but a yes is a no. Raises CommandError without a terminal."""
    if not can_ask():
        raise CommandError(f"{question} Say so with --yes.", Exit.USAGE)
    return _answer(f"{question} [y/N] ").lower() in ("y", "yes")


def confirm_typed(warning: str, name: str) -> None:
    """Has the person type `name` after `warning`: what follows cannot be undone.

    Raises CommandError for anything else, and without a terminal: no flag stands in for it.
    """
    if not can_ask():
        raise CommandError(f"{warning} It has to be confirmed on a terminal.", Exit.USAGE)
    if _answer(f"{warning}\nType {name} to go on: ") != name:
        raise CommandError("that was not it: nothing was shown", Exit.ERROR)


def _answer(question: str) -> str:
    """The line that the person types on the terminal, whatever is piped into this command."""
    with contextlib.ExitStack() as stack:
        windows = sys.platform == "win32"
        source = sys.stdin if windows else stack.enter_context(open("/dev/tty"))  # noqa: PTH123
        _write_to_terminal(question)
        return source.readline().strip()


def _write_to_terminal(text: str) -> None:
    with contextlib.ExitStack() as stack:
        windows = sys.platform == "win32"
        target = sys.stderr if windows else stack.enter_context(open("/dev/tty", "w"))  # noqa: PTH123
        target.write(text)
        target.flush()


def read_secret_text(
    descriptor: int | None, prompt: str = "Secret key (nsec, ncryptsec, hex or words; hidden)"
) -> str:
    """The text of a key or code: from `descriptor`, piped standard input, or a hidden prompt."""
    if descriptor is not None:
        return read_descriptor(descriptor)
    if not sys.stdin.isatty():
        return read_descriptor(0)
    return ask_hidden(prompt)


def show_pages(pages: Sequence[str]) -> None:
    """Each on a page of the terminal alone, until Enter; nothing of them stays there. Raises
    CommandError without a terminal."""
    if not can_ask():
        raise CommandError("this is shown on a terminal alone", Exit.USAGE)
    try:
        for page in pages:
            _answer(f"{_CLEAR}{page}\n\nIt is shown once. Write it down, then press Enter. ")
    finally:
        _write_to_terminal(_CLEAR)


def say(text: str) -> None:
    """A line for whoever is typing."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()

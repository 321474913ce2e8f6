"""Exit codes: what a script may rely on. The one place where they are said."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from nostr_client.errors import (
    ConnectFailed,
    ConnectionLost,
    DecryptionFailed,
    FeedRefused,
    InvalidData,
    ListNotRead,
    NostrError,
    NotConfirmed,
    PublishFailed,
    RelayTimeout,
    SecretFound,
    SignerUnavailable,
    SigningRefused,
    UploadFailed,
)


class Exit(IntEnum):
    """The exit codes of `nostr-client` and of `nostr-client relay`."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    NOT_ACCEPTED = 3
    NOT_FOUND = 4
    LOCKED = 5
    NOT_READ = 6
    NO_ANSWER = 7
    NOT_ALLOWED = 8
    INCOMPLETE = 9
    TIMED_OUT = 124
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS = {
    Exit.DONE: "done",
    Exit.ERROR: "an error, said on standard error; or what was looked at is not well",
    Exit.USAGE: "used in a wrong way: a bad argument, a secret key in it, no terminal, no consent",
    Exit.NOT_ACCEPTED: "what was offered was refused: by all relays but your own; or part of many",
    Exit.NOT_FOUND: "nothing there: every relay that was asked answered, and has nothing of it",
    Exit.LOCKED: "no key to sign with: no account, no password, a wrong one, or watch-only",
    Exit.NOT_READ: "a list was not published, since its latest version could not be read first",
    Exit.NO_ANSWER: "nobody answered, and nothing of it is here",
    Exit.NOT_ALLOWED: "it may not be read: relays want to know who asks, or will not have you",
    Exit.INCOMPLETE: "not all of what there is was shown or fetched, or not every relay answered",
    Exit.TIMED_OUT: "what was waited for did not come in time",
    Exit.INTERRUPTED: "interrupted (Ctrl-C)",
    Exit.TERMINATED: "told to end (SIGTERM); a running relay that is told so is done, with 0",
}
"""Each in words, for both command lines."""


def table() -> str:
    """Shown at the end of `--help`."""
    return "\n".join(
        ["Exit codes:", *(f"  {code:>3}  {words}" for code, words in MEANINGS.items())]
    )


_CODES: tuple[tuple[type[NostrError], Exit], ...] = (
    (PublishFailed, Exit.NOT_ACCEPTED),
    (UploadFailed, Exit.NOT_ACCEPTED),
    (FeedRefused, Exit.NOT_ALLOWED),
    (SignerUnavailable, Exit.LOCKED),
    (DecryptionFailed, Exit.LOCKED),
    (SecretFound, Exit.USAGE),
    (NotConfirmed, Exit.USAGE),
    (SigningRefused, Exit.LOCKED),
    (ListNotRead, Exit.NOT_READ),
    (ConnectFailed, Exit.NO_ANSWER),
    (ConnectionLost, Exit.NO_ANSWER),
    (RelayTimeout, Exit.NO_ANSWER),
    (InvalidData, Exit.USAGE),  # whatever the network says wrongly is dropped long before
)


class CommandError(NostrError):
    """A command cannot go on, and says so with an exit code of its own choice.

    `record` stands beside the words in what `--json` prints.
    """

    def __init__(
        self, message: str, code: Exit = Exit.ERROR, record: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.record = record or {}


def exit_code_of(error: NostrError) -> Exit:
    """The exit code for an expected error."""
    if isinstance(error, CommandError):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.ERROR)

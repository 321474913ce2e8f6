"""Exit codes: what a script may rely on. The one place where they are said."""

from __future__ import annotations

from enum import IntEnum

from nostr_client.errors import (
    DecryptionFailed,
    InvalidData,
    ListNotRead,
    NostrError,
    PublishFailed,
    SecretFound,
    SignerUnavailable,
    SigningRefused,
)


class Exit(IntEnum):
    """The meaning of `nostr-client`'s exit codes."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    NOT_ACCEPTED = 3
    NOT_FOUND = 4
    LOCKED = 5
    NOT_READ = 6
    INTERRUPTED = 130


MEANINGS = {
    Exit.DONE: "done",
    Exit.ERROR: "an error; it was said in one line on standard error",
    Exit.USAGE: "used in a wrong way: a bad argument, a secret key in it, no terminal",
    Exit.NOT_ACCEPTED: "no relay but your own has it; it is kept, and tried again where that helps",
    Exit.NOT_FOUND: "what was asked for is neither here nor on the relays that answered",
    Exit.LOCKED: "no key to sign with: no account, no password, a wrong one, or watch-only",
    Exit.NOT_READ: "a list was not published, since its latest version could not be read first",
    Exit.INTERRUPTED: "interrupted",
}
"""Shown at the end of `nostr-client --help`."""

_CODES: tuple[tuple[type[NostrError], Exit], ...] = (
    (PublishFailed, Exit.NOT_ACCEPTED),
    (SignerUnavailable, Exit.LOCKED),
    (DecryptionFailed, Exit.LOCKED),
    (SecretFound, Exit.USAGE),
    (SigningRefused, Exit.LOCKED),
    (ListNotRead, Exit.NOT_READ),
    (InvalidData, Exit.USAGE),  # whatever the network says wrongly is dropped long before
)


class CommandError(NostrError):
    """A command cannot go on, and says so with an exit code of its own choice."""

    def __init__(self, message: str, code: Exit = Exit.ERROR) -> None:
        super().__init__(message)
        self.code = code


def exit_code_of(error: NostrError) -> Exit:
    """The exit code for an expected error."""
    if isinstance(error, CommandError):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.ERROR)

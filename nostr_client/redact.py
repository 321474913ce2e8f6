"""A secret is not said back: what is shown, logged and kept is redacted here first.

What looks like an nsec or an ncryptsec goes wherever it stands, and so does what a URL holds before
its `@`: a proxy's password, or one that somebody wrote into a relay's. Of long runs of hex digits
nobody can tell whether they are a secret key or a public one: in a log all go, and in what a person
is shown those that came as an argument.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Final

REDACTED: Final = "(a key, not shown)"
_CODE: Final = re.compile(r"n(?:crypt)?sec1[0-9a-z]*", re.IGNORECASE)
_IN_URL: Final = re.compile(r"(?<=://)(?:[^\s/?#]*|[^\s/?#:@]+:(?!\d+(?:[/?#]|$))[^\s@]*)@")
"""Also where a password has a slash that should have been encoded; a port is none."""
_IN_QUERY: Final = re.compile(r"([?&](?:secret|(?:ssl)?password)=)[^\s&#]+")
"""As in a bunker's code (NIP-46), or a database's address."""
_HEX: Final = re.compile(r"[0-9a-f]{60,}", re.IGNORECASE)

_arguments: ContextVar[tuple[str, ...]] = ContextVar("arguments", default=())


def remember_arguments(arguments: Sequence[str]) -> None:
    """These are the arguments of this run."""
    _arguments.set(tuple(argument.lower() for argument in arguments))


def redacted(text: str) -> str:
    """`text`, to be shown, without secret keys and passwords of URLs."""
    return _HEX.sub(_unless_ours, _without_codes(text))


def redacted_for_log(text: str) -> str:
    """`text` without anything that could be a secret key, or is as long as one."""
    return _HEX.sub(REDACTED, _without_codes(text))


def _without_codes(text: str) -> str:
    return _IN_QUERY.sub(r"\1...", _IN_URL.sub("", _CODE.sub(REDACTED, text)))


def _unless_ours(found: re.Match[str]) -> str:
    digits = found[0]
    return REDACTED if any(digits.lower() in given for given in _arguments.get()) else digits

"""A secret key that was typed as an argument is not said back: errors are kept and shown around.

What looks like an nsec or an ncryptsec is blotted out wherever it stands, 60 and more hex digits
where they came as an argument (they may be a public key or an id, but nobody can tell).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Final

BLOT: Final = "(a key, not shown)"
_CODE: Final = re.compile(r"n(?:crypt)?sec1[0-9a-z]*", re.IGNORECASE)
_HEX: Final = re.compile(r"[0-9a-f]{60,}", re.IGNORECASE)

_given: ContextVar[tuple[str, ...]] = ContextVar("given", default=())


def given(arguments: Sequence[str]) -> None:
    """These are the arguments of this run."""
    _given.set(tuple(argument.lower() for argument in arguments))


def blotted(text: str) -> str:
    """`text` without secret keys."""
    return _HEX.sub(_unless_ours, _CODE.sub(BLOT, text))


def _unless_ours(found: re.Match[str]) -> str:
    digits = found[0]
    return BLOT if any(digits.lower() in argument for argument in _given.get()) else digits

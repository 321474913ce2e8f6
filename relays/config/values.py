"""What a setting of the relay's may be beyond what TOML has: a public key, a rate."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from nostr_client.settings import read_by

_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_PER: Final = {1: "a second", 60: "a minute", 3600: "an hour", 86_400: "a day"}
_UNITS: Final = {"": 1, "k": 1000, "M": 10**6, "G": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_is_rate = re.compile(
    r"([0-9_]{1,15}) ?(|k|M|G|KiB|MiB|GiB)/(second|minute|hour|day)"
    r"(?:,? burst ([0-9_]{1,15}) ?(|k|M|G|KiB|MiB|GiB))?"
).fullmatch


class Rate(msgspec.Struct, frozen=True):
    """So much in so many seconds, on the average; and at most `burst` at once."""

    amount: int
    seconds: int
    burst: int

    def __str__(self) -> str:
        burst = "" if self.burst == self.amount else f", {_amount(self.burst)} at once"
        return f"{_amount(self.amount)} {_PER.get(self.seconds, f'in {self.seconds} s')}{burst}"


def pubkey_of(value: object) -> str:
    """A public key in hex, from hex or an npub. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("not a text")
    from nostr_client.nips import nip19

    return nip19.pubkey_of(value)


def rate_of(value: object) -> Rate | None:
    """A rate, from `120/minute, burst 500`; None from `none`. Raises ValueError."""
    if value == "none":
        return None
    found = _is_rate(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("not a rate")
    amount = int(found[1]) * _UNITS[found[2]]
    burst = int(found[4]) * _UNITS[found[5]] if found[4] else amount
    if not amount or not burst:
        raise ValueError("a rate of nothing; who may do it at all is said elsewhere")
    return Rate(amount, _SECONDS[found[3]], burst)


Pubkey = Annotated[str, read_by(pubkey_of, "npub1... or 64 hex digits")]
MaybeRate = Annotated[
    Rate | None,
    read_by(rate_of, '"60/minute", "100 MiB/hour, burst 20 MiB" or "none"'),
]


def _amount(number: int) -> str:
    for unit in ("GiB", "MiB", "KiB"):
        if number >= _UNITS[unit] and number % _UNITS[unit] == 0:
            return f"{number // _UNITS[unit]} {unit}"
    return f"{number:_}".replace("_", ",")

"""Tables of settings to structs: all that is wrong in one go, each key with what is allowed.

A struct's fields say what a table may hold; a value of a type that TOML does not have carries its
own reader in its annotation (`Pubkey`, `Rate`).
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from nostr_client.errors import InvalidData
from nostr_client.protocol.keys import PublicKey

S = TypeVar("S", bound=msgspec.Struct)

_READ: Final = "read"
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
    if value.startswith("nsec1"):
        raise ValueError("this is a SECRET key, and nobody's business: give the public one")
    if value.startswith(("npub1", "nprofile1")):
        from nostr_client.nips import nip19

        found = nip19.decode(value)
        if isinstance(found, nip19.Npub | nip19.Nprofile):
            value = found.pubkey
    return PublicKey(value.lower()).hex


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


Pubkey = Annotated[
    str, msgspec.Meta(description="npub1... or 64 hex digits", extra={_READ: pubkey_of})
]
MaybeRate = Annotated[
    Rate | None,
    msgspec.Meta(
        description='"60/minute", "100 MiB/hour, burst 20 MiB" or "none"', extra={_READ: rate_of}
    ),
]


def read_table(form: type[S], table: Mapping[str, Any], problems: list[str], path: str = "") -> S:
    """`form` made of `table`; a default stands for what is wrong and is named in `problems`."""
    known = {field.name: field for field in msgspec.structs.fields(form)}
    values: dict[str, Any] = {}
    for name, value in table.items():
        field = known.get(name)
        if field is None:
            problems.append(_unknown(f"{path}{name}", name, list(known)))
            continue
        found = len(problems)
        read = _read(field.type, value, problems, f"{path}{name}")
        if len(problems) == found:
            values[name] = read
    return _made(form, values, problems, path)


def _made(form: type[S], values: dict[str, Any], problems: list[str], path: str) -> S:
    missing = [
        field
        for field in msgspec.structs.fields(form)
        if field.required and field.name not in values
    ]
    for field in missing:
        problems.append(f"{path}{field.name} is missing: {allowed(field.type)} is wanted")
        values[field.name] = _stand_in(field.type)
    return form(**values)


def _stand_in(kind: Any) -> Any:
    """Something to go on with, where a value that must be there is missing or wrong."""
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(bare) is tuple:
        return ()
    return 0 if bare in (int, float) else ""


def _read(kind: Any, value: Any, problems: list[str], path: str) -> Any:
    """`value` as a `kind`; what is wrong is named in `problems`, and the result worth nothing."""
    kind = _without_none(kind)
    reader = _reader(kind)
    if reader is not None:
        try:
            return reader(value)
        except (ValueError, InvalidData) as error:
            problems.append(f"{path}: {_quoted(value)}: {error}; allowed: {allowed(kind)}")
            return None
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, dict):
        return read_table(kind, value, problems, f"{path}.")
    if get_origin(kind) is tuple and isinstance(value, list):
        item = get_args(kind)[0]
        return tuple(
            _read(item, one, problems, f"{path}[{number}]") for number, one in enumerate(value)
        )
    if get_origin(kind) in (dict, Mapping) and isinstance(value, dict):
        item = get_args(kind)[1]
        return {name: _read(item, one, problems, f"{path}.{name}") for name, one in value.items()}
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        problems.append(f"{path}: {_quoted(value)}; allowed: {allowed(kind)}")
        return None


def _reader(kind: Any) -> Callable[[object], Any] | None:
    if get_origin(kind) is not Annotated:
        return None
    extras = [meta.extra for meta in kind.__metadata__ if isinstance(meta, msgspec.Meta)]
    return next((extra[_READ] for extra in extras if extra and _READ in extra), None)


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        others = [one for one in get_args(kind) if one is not types.NoneType]
        return others[0] if len(others) == 1 else kind
    return kind


def _unknown(path: str, name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(known) or 'nothing'}"
    return f"{path} is no setting of ours; {hint}"


def _quoted(value: object) -> str:
    text = repr(value)
    if "nsec1" in text:
        return "(a secret key)"
    return text if len(text) <= 60 else f"{text[:57]}..."


def allowed(kind: Any) -> str:
    """What a setting of this type may be, in words."""
    kind = _without_none(kind)
    origin = get_origin(kind)
    if origin is Annotated:
        return _annotated(kind)
    if origin is Literal:
        return ", ".join(f'"{one}"' for one in get_args(kind))
    if origin is tuple:
        return f"a list, each item {allowed(get_args(kind)[0])}"
    if origin in (dict, Mapping) or (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return "a table"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return words.get(kind, "something else")


def _annotated(kind: Any) -> str:
    words = allowed(get_args(kind)[0])
    for meta in kind.__metadata__:
        if isinstance(meta, msgspec.Meta):
            if meta.description:
                return meta.description
            least, most = meta.ge, meta.le
            if least is not None:
                words += f" from {least}"
            if most is not None:
                words += f" to {most}"
            if meta.max_length is not None:
                words += f" of at most {meta.max_length} characters"
    return words


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The tables in one; what `over` says counts."""
    both = dict(under)
    for name, value in over.items():
        below = both.get(name)
        is_table = isinstance(below, Mapping) and isinstance(value, Mapping)
        both[name] = merged(below, value) if is_table else value  # type: ignore[arg-type]
    return both


def _amount(number: int) -> str:
    for unit in ("GiB", "MiB", "KiB"):
        if number >= _UNITS[unit] and number % _UNITS[unit] == 0:
            return f"{number // _UNITS[unit]} {unit}"
    return f"{number:_}".replace("_", ",")

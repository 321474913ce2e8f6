"""Settings in TOML, of the client's file and the relay's: tables become structs, all that is wrong
is said in one go, each key with what is allowed.

A struct's fields say what a table may hold; a value of a type that TOML does not have carries its
own reader in its annotation (`read_by`).
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from nostr_client.errors import ConfigError, InvalidData
from nostr_client.redact import redacted

S = TypeVar("S", bound=msgspec.Struct)

_READ: Final = "read"
_SECRET: Final = "secret"  # noqa: S105 - the name of a mark


class InvalidSettings(ConfigError):
    """Settings that cannot be used: one line for each `problems`, which begins with its key."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def read_by(read: Callable[[Any], Any], words: str, *, secret: bool = False) -> msgspec.Meta:
    """For an annotation: `read` makes the value, or raises ValueError or InvalidData; `words` say
    what is allowed; what is `secret` is quoted nowhere."""
    return msgspec.Meta(description=words, extra={_READ: read, _SECRET: secret})


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


def checked(made: msgspec.Struct) -> dict[str, Any]:
    """The fields of `made`, which a program made: read as if they stood in a file.

    Raises InvalidSettings.
    """
    problems: list[str] = []
    values = {
        field.name: _read(field.type, value, problems, field.name)
        for field in msgspec.structs.fields(made)
        if (value := getattr(made, field.name)) is not field.default
    }
    if problems:
        raise InvalidSettings(problems)
    return values


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
    reader, is_secret = _reader(kind)
    if reader is not None:
        try:
            return reader(value)
        except (ValueError, InvalidData) as error:
            why = "" if is_secret else f"{_quoted(value)}: {error}; "
            problems.append(f"{path}: {why}allowed: {allowed(kind)}")
            return None
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, dict):
        return read_table(kind, value, problems, f"{path}.")
    if get_origin(kind) is tuple and isinstance(value, list | tuple):
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


def _reader(kind: Any) -> tuple[Callable[[Any], Any] | None, bool]:
    """The reader that an annotation carries, and whether what it reads is a secret."""
    if get_origin(kind) is Annotated:
        for meta in kind.__metadata__:
            if isinstance(meta, msgspec.Meta) and meta.extra and _READ in meta.extra:
                return meta.extra[_READ], meta.extra[_SECRET]
    return None, False


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        others = [one for one in get_args(kind) if one is not types.NoneType]
        return others[0] if len(others) == 1 else kind
    return kind


def _unknown(path: str, name: str, known: list[str]) -> str:
    import difflib  # for whoever misspells

    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(known) or 'nothing'}"
    return f"{path} is no setting of ours; {hint}"


def _quoted(value: object) -> str:
    text = redacted(repr(value))
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

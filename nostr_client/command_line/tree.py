"""Commands and groups of them. A command is a plain function with annotated parameters.

    def ban(context: RelayContext, value: Annotated[str, Argument("VALUE", "whom")],
            *, reason: Annotated[str, Option("--reason", "WORDS", "why")] = "") -> None:
        \"""Remove a key's everything, and keep it out.\"""

A parameter that is a NamedTuple stands for its fields. What is made of it all costs a start-up
nothing: a command's file is loaded, and a signature read, when the command was named.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

if TYPE_CHECKING:
    from nostr_client.command_line.context import Context

Function = Callable[..., None]
REQUIRED: Final = object()


class Option(NamedTuple):
    """`--name VALUE`, or a flag `--name`, whose no is spelled `--name/--no-name` if it has one.
    `short` is another spelling: `-n`."""

    name: str
    metavar: str = ""
    help: str = ""
    least: float | None = None
    most: float | None = None
    short: str = ""


class Argument(NamedTuple):
    """What stands in its place; a list takes all that are left."""

    metavar: str
    help: str = ""


class FieldsLeftOut(NamedTuple):
    """Fields of a record that are no parameters of this command, and keep their defaults:
    `Annotated[Record, FieldsLeftOut(("name",))]`."""

    names: tuple[str, ...]


class Parameter(NamedTuple):
    """One parameter of a command: `kind` is the type of its value, or of each in a list."""

    name: str
    kind: Any
    spec: Option | Argument
    default: Any = REQUIRED
    is_list: bool = False

    @property
    def is_flag(self) -> bool:
        return self.kind is bool

    @property
    def names(self) -> dict[str, bool]:
        """The spellings of an option; those of a flag say which value they mean."""
        if not isinstance(self.spec, Option):
            return {}
        yes, _, no = self.spec.name.partition("/")
        names = dict.fromkeys(filter(None, (self.spec.short, yes)), True)
        return names | ({no: False} if no else {})

    @property
    def shown(self) -> str:
        """As the help names it."""
        if isinstance(self.spec, Argument):
            has_dots = self.spec.metavar.rstrip("]").endswith("...")
            dots = "..." if self.is_list and not has_dots else ""
            shown = f"{self.spec.metavar}{dots}"
            is_bare = self.default is REQUIRED or shown.startswith("[")
            return shown if is_bare else f"[{shown}]"
        spelled = ", ".join(self.names)
        return spelled if self.is_flag else f"{spelled} {self.metavar}"

    @property
    def metavar(self) -> str:
        choices = get_args(self.kind) if get_origin(self.kind) is Literal else ()
        return self.spec.metavar or "|".join(choices) or self.name.upper().replace("_", "-")


class Command(NamedTuple):
    """A function, the options that it shares with others, and what opens its context from these."""

    function: Function
    common: Mapping[str, Parameter]
    open: Callable[..., Context]

    @property
    def help(self) -> str:
        return self.function.__doc__ or ""

    def parameters(self) -> list[Parameter]:
        """Those of the function, then the common ones."""
        found: list[Parameter] = []
        for name, (annotation, default) in _own(self.function).items():
            if fields := _fields_in(annotation):
                found += _fields(_record_in(annotation), fields)
            else:
                found.append(_parameter(name, annotation, default))
        return [*found, *self.common.values()]

    def run(self, context: Context, values: dict[str, Any]) -> None:
        """Call the function with the values of its own parameters."""
        for name, (annotation, _) in _own(self.function).items():
            if fields := _fields_in(annotation):
                given = {field: values.pop(field) for field in fields}
                values[name] = _record_in(annotation)(**given)
        self.function(context, **values)


class Later(NamedTuple):
    """A command or group that is loaded when it is named; `help` is the first line of its help."""

    help: str
    load: Callable[[], Command | Group]


class LazyMembers(Mapping[str, "Command | Group"]):
    """Commands and groups by name, each loaded when it is asked for."""

    def __init__(self) -> None:
        self._by_name: dict[str, Command | Group | Later] = {}

    def __getitem__(self, name: str) -> Command | Group:
        found = self._by_name[name]
        if isinstance(found, Later):
            found = self._by_name[name] = found.load()
        return found

    def __setitem__(self, name: str, member: Command | Group | Later) -> None:
        self._by_name[name] = member

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def lines(self) -> Iterator[tuple[str, str]]:
        """Each name and the first line of its help; nothing is loaded for it."""
        for name, one in self._by_name.items():
            yield name, " ".join(one.help.strip().partition("\n\n")[0].split())


NO_SECTIONS: Final[Mapping[str, str]] = {}


class Group:
    """Commands under one word; without one of them, `default` is meant, if it has one.

    `epilog` stands at the end of its help, `version` is what `--version` says, and `examples` are
    those of the commands below it, by their words. `sections` has, by its heading, the names of
    members that its help shows together; what stands in none of them comes first.
    """

    def __init__(
        self,
        help: str,
        default: str = "",
        *,
        epilog: str = "",
        version: str = "",
        examples: Callable[[], Mapping[str, str]] = dict,
        sections: Mapping[str, str] = NO_SECTIONS,
    ) -> None:
        self.help = help
        self.default = default
        self.epilog = epilog
        self.version = version
        self.examples = examples
        self.sections = sections
        self.members: Final = LazyMembers()

    def add(
        self,
        name: str,
        function: Function,
        common: Iterable[Parameter],
        open: Callable[..., Context],
    ) -> None:
        """A command."""
        self.members[name] = Command(function, {one.name: one for one in common}, open)

    def later(self, name: str, help: str, load: Callable[[], Command | Group]) -> None:
        """A command or group that `load` brings; `help` is the first line of its help."""
        self.members[name] = Later(help, load)

    def group(self, name: str, help: str, default: str = "") -> Group:
        """A group within this one."""
        made = self.members[name] = Group(help, default)
        return made


def option(name: str, kind: Any, spec: Option, default: Any) -> Parameter:
    """An option that several commands share."""
    bare, is_list = _bare(kind)
    return Parameter(name, bare, spec, default, is_list)


@functools.lru_cache(16)
def _own(function: Function) -> dict[str, tuple[Any, Any]]:
    """What a function takes beside the context: each parameter's annotation and default. `inspect`
    would say the same, and take as long to load as all of this."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    last = function.__defaults__ or ()
    defaults = dict(zip(names[code.co_argcount - len(last) :], last, strict=False))
    defaults |= function.__kwdefaults__ or {}
    # The context's class is not loaded yet, and its name is not needed.
    context = {str(function.__annotations__[names[0]]): object}
    kinds = get_type_hints(function, localns=context, include_extras=True)
    return {name: (kinds[name], defaults.get(name, REQUIRED)) for name in names[1:]}


def _record_in(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _fields_in(annotation: Any) -> list[str]:
    """The names of a record's fields that are parameters; none where it is no record."""
    marks = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    without = {name for mark in marks if isinstance(mark, FieldsLeftOut) for name in mark.names}
    names = getattr(_record_in(annotation), "_fields", ())
    return [name for name in names if name not in without]


def _fields(record: Any, names: Iterable[str]) -> list[Parameter]:
    """What of a record of parameters has one of `names`."""
    kinds = get_type_hints(record, include_extras=True)
    defaults = record._field_defaults
    return [_parameter(name, kinds[name], defaults.get(name, REQUIRED)) for name in names]


def _parameter(name: str, annotation: Any, default: Any) -> Parameter:
    """What a function's parameter, or a record's field, says of itself."""
    kind, *marks = get_args(annotation)
    spec = next(mark for mark in marks if isinstance(mark, Option | Argument))
    bare, is_list = _bare(kind)
    may_be_none = isinstance(spec, Option) or spec.metavar.startswith("[")
    if is_list and default is REQUIRED and may_be_none:
        default = ()
    return Parameter(name, bare, spec, default, is_list)


def _bare(kind: Any) -> tuple[Any, bool]:
    """The type of one value, and whether it is one of a list."""
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(one for one in get_args(kind) if one is not types.NoneType)
    if get_origin(kind) is list:
        return get_args(kind)[0], True
    return kind, False


JSON: Final = option("json", bool, Option("--json", help="Print one JSON object a line."), False)
DEBUG: Final = option(
    "debug", bool, Option("--debug", help="Show where an error came from."), False
)

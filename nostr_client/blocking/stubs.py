"""What type checkers and completion know of the plain faces, written from the classes themselves.

python -m nostr_client.blocking.stubs       # writes blocking/__init__.pyi
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from nostr_client import blocking
from nostr_client.blocking.faces import closes, is_asynchronous, plain_signature, plain_words

FILE: Final = Path(__file__).with_name("__init__.pyi")
_HEAD: Final = '''"""Written by `make stubs`: what the plain faces have, read from their models."""

'''
_TYPING: Final = frozenset(("Any", "Self", "Literal", "Generic", "TypeVar"))
_OPENED_BY: Final = """class OpenedBy(Generic[_T]):
    def __enter__(self) -> _T: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool: ...
    def start(self) -> _T: ...
    def close(self) -> None: ...
"""


class Stubs:
    """One file: the classes reached from the public names, and what they are written with."""

    def __init__(self) -> None:
        self._imports: dict[str, set[str]] = defaultdict(set)
        self._classes: dict[str, type] = {}
        self._waiting: list[type] = []

    def text(self) -> str:
        """All of it, as `ruff format` would have it but for the breaking of lines."""
        functions = []
        for name in blocking.__all__:
            shown = getattr(blocking, name)
            kind = getattr(shown, "_face_of", None)
            if kind is not None:
                self._add(kind)
            elif inspect.isfunction(shown) and shown.__module__.startswith("nostr_client."):
                functions.append(self._function(shown, shown, name))
            elif name not in ("OpenedBy", "__version__"):
                self._reexport(name)
        written: dict[str, str] = {}
        while self._waiting:
            kind = self._waiting.pop()
            written[kind.__name__] = self._class(kind)
        ordered = sorted(written, key=lambda name: (len(self._classes[name].__mro__), name))
        self._imports["types"].add("TracebackType")
        self._imports["typing"] |= {"Generic", "TypeVar"}
        self._imports["collections.abc"].add("Iterator")
        self._imports["nostr_client.version"].add("__version__")
        lines = [
            f"from {module} import {', '.join(sorted(names))}" if names else f"import {module}"
            for module, names in sorted(self._imports.items())
        ]
        offered = f"__all__ = {[*blocking.__all__]}"
        parts = ["\n".join(lines), offered, '_T = TypeVar("_T")', _OPENED_BY]
        return (
            _HEAD + "\n\n".join([*parts, *functions, *(written[name] for name in ordered)]) + "\n"
        )

    def _reexport(self, name: str) -> None:
        home, original = _public_names()[name]
        self._import(home, original, name)

    def _import(self, home: str, original: str, name: str) -> None:
        self._imports[home].add(name if name == original else f"{original} as {name}")

    def _add(self, kind: type) -> None:
        if kind.__name__ not in self._classes:
            self._classes[kind.__name__] = kind
            self._waiting.append(kind)

    def _class(self, kind: Any) -> str:
        bases = [base for base in kind.__bases__ if is_asynchronous(base)]
        for base in bases:
            self._add(base)
        names = ", ".join(base.__name__ for base in bases)
        lines = [f"class {kind.__name__}({names}):" if bases else f"class {kind.__name__}:"]
        members = vars(kind)
        for name, said in inspect.get_annotations(kind).items():
            if not name.startswith("_") and name not in members:
                lines.append(f"    {name}: {self._words(str(said), kind.__module__)}")
        for name, member in members.items():
            if not name.startswith("_") or name == "__init__":
                lines += [f"    {line}" for line in self._member(name, member)]
        if hasattr(kind, "__aenter__"):
            enter = kind.__aenter__
            words = self._words(str(plain_signature(enter).return_annotation), enter.__module__)
            lines += [f"    def __enter__(self) -> {words}: ...", f"    {_EXIT}"]
        if hasattr(kind, "__aiter__"):
            found = self._items_of(kind)
            lines.append(f"    def __iter__(self) -> Iterator[{found}]: ...")
            if hasattr(kind, "__anext__"):
                lines.append(f"    def __next__(self) -> {found}: ...")
            if closes(kind):
                lines.append("    def close(self) -> None: ...")
        return "\n".join(lines if len(lines) > 1 else [f"{lines[0]} ..."]) + "\n"

    def _items_of(self, kind: Any) -> str:
        if hasattr(kind, "__anext__"):
            step = kind.__anext__
            return self._words(str(plain_signature(step).return_annotation), step.__module__)
        begin = kind.__aiter__
        said = str(plain_signature(begin).return_annotation)
        return self._words(said.partition("[")[2].removesuffix("]"), begin.__module__)

    def _member(self, name: str, member: Any) -> Iterator[str]:
        if isinstance(member, property | functools.cached_property):
            read: Any = member.fget if isinstance(member, property) else member.func
            yield "@property"
            yield self._function(read, read, name)
        elif isinstance(member, classmethod | staticmethod):
            yield "@classmethod" if isinstance(member, classmethod) else "@staticmethod"
            yield self._function(member.__func__, member.__func__, name)
        elif inspect.isfunction(member) and member.__module__ != "typing":
            yield self._function(member, member, name)

    def _function(self, function: Callable[..., Any], home: Any, name: str) -> str:
        signature = plain_signature(function)
        parts: list[str] = []
        starred = False
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY and not starred:
                parts.append("*")
            starred = starred or parameter.kind in (
                parameter.KEYWORD_ONLY,
                parameter.VAR_POSITIONAL,
            )
            stars: dict[object, str] = {
                parameter.VAR_POSITIONAL: "*",
                parameter.VAR_KEYWORD: "**",
            }
            text = stars.get(parameter.kind, "") + parameter.name
            given = parameter.default is not parameter.empty
            if parameter.annotation is not parameter.empty:
                text += f": {self._words(str(parameter.annotation), home.__module__)}"
                text += " = ..." if given else ""
            else:
                text += "=..." if given else ""
            parts.append(text)
        returned = signature.return_annotation
        if returned is signature.empty:
            return f"def {name}({', '.join(parts)}): ..."
        words = self._words(str(returned), home.__module__)
        return f"def {name}({', '.join(parts)}) -> {words}: ..."

    def _words(self, annotation: str, module: str) -> str:
        """An annotation of `module`, with all that it names at hand in the stub."""
        annotation = plain_words(annotation)
        for node in ast.walk(ast.parse(annotation, mode="eval")):
            if isinstance(node, ast.Name):
                self._name(node.id, module)
        return annotation

    def _name(self, name: str, module: str) -> None:
        if name in ("Iterator", "Iterable", "Generator"):
            self._imports["collections.abc"].add(name)
            return
        if name == "OpenedBy" or hasattr(builtins, name):
            return
        home, original = _names_of(module).get(name, ("", name))
        if not home:
            raise LookupError(f"{module} does not say where {name} comes from")
        if not original:
            self._imports[home] |= set()
            return
        value = getattr(import_module(home), original, None)
        if inspect.isclass(value) and is_asynchronous(value):
            self._add(value)
        else:
            self._import(home, original, name)


_EXIT: Final = (
    "def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,"
    " trace: TracebackType | None) -> bool: ..."
)


@functools.cache
def _names_of(module: str) -> dict[str, tuple[str, str]]:
    """Where the names of a module come from, by its source: those for types, too."""
    tree = ast.parse(Path(str(sys.modules[module].__file__)).read_text("utf-8"))
    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = (node.module, alias.name)
        elif isinstance(node, ast.Import):
            found |= {alias.name: (alias.name, "") for alias in node.names}
    for statement in tree.body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.ClassDef):
            found[statement.name] = (module, statement.name)
        elif isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        found |= {one.id: (module, one.id) for one in targets if isinstance(one, ast.Name)}
    return found


def _public_names() -> dict[str, tuple[str, str]]:
    return _names_of(blocking.__name__.rpartition(".")[0])


if __name__ == "__main__":
    FILE.write_text(Stubs().text(), encoding="utf-8")

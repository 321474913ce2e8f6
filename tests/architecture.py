"""The house as it stands: its floors, and who imports whom, read from the source.

Imports are read wherever they stand: at the top, under TYPE_CHECKING, inside of functions, or as a
name given to `import_module`. `test_architecture.py` holds the laws over them, and
`architecture_picture.py` draws them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("nostr_client", "relays")

FLOORS = {
    0: ["errors", "version"],
    1: ["paths", "safe_text", "redact", "tasks", "core_dumps", "processes", "turned_clock"],
    2: ["protocol", "output", "exits", "settings", "toml_file"],
    3: ["nips", "store", "config", "command_line"],
    4: ["signing"],
    5: ["net"],
    6: ["accounts", "routing", "bunker"],
    7: ["social", "resilience", "kit"],
    8: ["client", "releases"],
    9: ["rehearsal", "blocking", "bots"],
    10: ["cli", "tui", "testing"],
    11: ["main"],
    12: ["__main__"],
}
RELAY_FLOORS = {
    1: ["logs", "networks", "metrics"],
    2: ["config"],
    3: ["policies"],
    4: ["engine", "moderation"],
    5: ["sync", "web"],
    6: ["server"],
    7: ["process"],
    8: ["operations"],
    9: ["cli"],
    10: ["__main__", "rehearsed", "worker"],
}


def _floors(floors: dict[int, list[str]]) -> dict[str, int]:
    return {room: floor for floor, rooms in floors.items() for room in rooms}


FLOOR_OF = _floors(FLOORS)
FLOORS_OF_PACKAGE = {"nostr_client": FLOOR_OF, "relays": _floors(RELAY_FLOORS)}
RELAYS_MAY_USE = 5
"""The highest floor of nostr_client that `relays` may import from."""


class Import(NamedTuple):
    importer: str
    target: str
    line: int
    at_start: bool
    """It runs when the module is loaded: neither in a function nor under TYPE_CHECKING."""

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


Sources = Mapping[str, str]
"""Module names and their source; a package's name stands for its `__init__`."""


def real_sources() -> dict[str, str]:
    sources = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            sources[name] = path.read_text(encoding="utf-8")
    return sources


class _Reader(ast.NodeVisitor):
    def __init__(self, module: str, modules: frozenset[str]) -> None:
        self.module = module
        self.modules = modules
        self.found: list[Import] = []
        self.at_start = True

    def add(self, target: str, node: ast.stmt | ast.expr) -> None:
        self.found.append(Import(self.module, target, node.lineno, self.at_start))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.add(alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = self.base(node)
        ours = any(inside(module, base.partition(".")[0]) for module in self.modules)
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            self.add(inner if inner in self.modules or not ours else base, node)

    def base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        is_package = any(name.startswith(f"{self.module}.") for name in self.modules)
        parts = self.module.split(".")
        kept = parts[: len(parts) - node.level + is_package]
        return ".".join([*kept, *([node.module] if node.module else [])])

    def visit_Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in ("import_module", "__import__"):
            given = node.args[0] if node.args else None
            known = isinstance(given, ast.Constant) and isinstance(given.value, str)
            self.add(given.value if known else "?", node)  # type: ignore[union-attr, arg-type]
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        test = node.test
        name = getattr(test, "attr", getattr(test, "id", ""))
        if name == "TYPE_CHECKING":
            self.later(node.body)
            for statement in node.orelse:
                self.visit(statement)
        else:
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        self.later(node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.later([node.body])

    def later(self, nodes: list[ast.stmt] | list[ast.expr]) -> None:
        before, self.at_start = self.at_start, False
        for node in nodes:
            self.visit(node)
        self.at_start = before


def imports_of(sources: Sources) -> Iterator[Import]:
    modules = frozenset(sources)
    for module, source in sources.items():
        yield from _imports(module, source, modules)


@cache
def tree_of(source: str) -> ast.Module:
    """Each source is parsed once, whoever reads it."""
    return ast.parse(source)


@cache
def _imports(module: str, source: str, modules: frozenset[str]) -> list[Import]:
    reader = _Reader(module, modules)
    reader.visit(tree_of(source))
    return reader.found


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")

"""The floors of the house: who may import whom.

A room imports only from floors below its own, modules of one room may import each other, and nobody
runs in a circle. Both packages have floors of their own, and `relays` stands beside the upper ones
of `nostr_client`.
"""

from __future__ import annotations

import ast
import itertools
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.architecture import (
    FLOOR_OF,
    FLOORS_OF_PACKAGE,
    PACKAGES,
    RELAYS_MAY_USE,
    ROOT,
    Import,
    Sources,
    imports_of,
    inside,
    real_sources,
    room_of,
    tree_of,
)
from tests.portable import not_everywhere

pytestmark = pytest.mark.tree

ONE_DOOR = {
    "secp256k1": "nostr_client.protocol.keys",
    "coincurve": "nostr_client.protocol.keys",
    "platformdirs": "nostr_client.paths",
    "python_socks": "nostr_client.net.proxy",
}
"""Packages that one module alone may import."""

ROOM_ONLY = {"textual": "nostr_client.tui"}
"""Packages that stay inside of one room."""

TURNED = {
    "nostr_client.turned_clock": ("relays.rehearsed", "nostr_client.testing"),
    "relays.rehearsed": (),
}
"""A relay that serves people goes by the machine's clock: only what is for tests knows another."""

SQLITE = {
    "sqlite3": ("nostr_client.store.sqlite", "relays.moderation.sqlite"),
    "nostr_client.store.sqlite": (
        *("nostr_client.store.sqlite", "nostr_client.store.opening"),
        "relays.moderation.sqlite",
    ),
}
"""Who may know that there is SQLite: the engine, what opens it, and the keeper's records."""

PYNOSTR_DOORS = ("nostr_client.protocol.bech32", "nostr_client.nips.pynostr_bridge")
"""The one for its codes, and the one for its objects."""

PYNOSTR_AT_START = {"pynostr", "pynostr.bech32"}
"""What of pynostr may be loaded before anybody asks for it: the rest brings its network code."""

PURE = (
    "nostr_client.protocol",
    "nostr_client.nips",
    "nostr_client.net.session",
    "relays.engine.session",
)
"""Nor may what they import of ours be anything else: purity is passed on."""
IMPURE = {
    *("asyncio", "concurrent", "datetime", "http", "io", "multiprocessing", "os", "pathlib"),
    *("select", "selectors", "shutil", "socket", "sqlite3", "ssl", "subprocess", "tempfile"),
    *("threading", "time", "urllib", "websockets"),
}
"""What brings I/O, a clock, threads or a loop: not for what is pure."""
SANS_IO = {
    "websockets.streams.StreamReader",
    *("urllib.parse.parse_qsl", "urllib.parse.quote", "urllib.parse.urlencode"),
}
"""The exceptions: the halves of libraries that know text alone."""

THE_PUBLIC_NAMES = "nostr_client"
"""Its `__init__` alone: it may name any room, and nobody inside imports from it."""

FINDS_ITS_FILES = frozenset(
    f"nostr_client.{name}"
    for name in (
        *("tui.acts.registry", "tui.faces.registry", "tui.panes.registry", "tui.own_keys"),
        "cli.app",
    )
) | {"nostr_client.blocking.stubs"}
"""They import every file of a folder, whatever it is called: adding one is adding a file.
What writes stubs looks where the names in them come from."""


WAY_OUT = "nostr_client.net.dial"
"""The one module that connects to anybody, so that a proxy that is set is never gone past."""
CONNECTING = {
    *("open_connection", "create_connection", "open_unix_connection", "create_unix_connection"),
    *("create_datagram_endpoint", "sock_connect", "sock_sendto", "urlopen", "urlretrieve"),
    *("getaddrinfo", "getnameinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"),
}
"""Calls that connect to somebody, or ask about a name; not where a `sock` is handed over."""
LISTENS = {("relays.process.port", "getaddrinfo")}
"""That looks up where the relay itself is to listen."""
CLIENTS = {
    "socket": ("nostr_client.net.dial", "nostr_client.net.proxy"),
    "websockets.asyncio.client": (
        "nostr_client.net.websocket",
        "nostr_client.rehearsal.plain_socket",  # to this machine alone
    ),
    **dict.fromkeys(("websockets.sync", "websockets.client", "websockets.legacy"), ()),
    **dict.fromkeys(("urllib.request", "http.client", "ftplib", "smtplib", "xmlrpc"), ()),
    **dict.fromkeys(("requests", "httpx", "urllib3"), ()),
    "aiohttp": ("nostr_client.cli.web_server",),  # which listens
}
"""Who may import what connects. Of `relays`, which listens, sockets alone are no sign of it."""
SAY_THE_PROXY = {"RelayPool", "DialOptions"}
"""Who makes one says through which proxy, or `proxy=None`."""


# The laws: each yields what breaks it.


def other_ways_out(sources: Sources) -> Iterator[str]:
    for one in imports_of(sources):
        for package, doors in CLIENTS.items():
            listens = package == "socket" and inside(one.importer, "relays")
            if inside(one.target, package) and one.importer not in doors and not listens:
                yield f"{one}: sockets and names are the business of {WAY_OUT}"
    for module, source in sources.items():
        for node in ast.walk(tree_of(source)):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                given = {keyword.arg for keyword in node.keywords}
                if name in SAY_THE_PROXY and "proxy" not in given:
                    yield f"{module}:{node.lineno} makes a {name} and does not say the proxy"
                connects = name in CONNECTING and "sock" not in given
                if connects and module != WAY_OUT and (module, name) not in LISTENS:
                    yield f"{module}:{node.lineno} calls {name}: the way out is {WAY_OUT}"


def broken_floors(sources: Sources) -> Iterator[str]:
    for module in sources:
        package = module.partition(".")[0]
        if module not in PACKAGES and room_of(module) not in FLOORS_OF_PACKAGE[package]:
            yield f"{module} stands on no floor: give its room one here and in docs/architecture.md"
    for one in imports_of(sources):
        if inside(one.importer, "relays") and inside(one.target, "relays"):
            yield from _upwards(one, FLOORS_OF_PACKAGE["relays"])
        if one.importer == THE_PUBLIC_NAMES or not inside(one.target, "nostr_client"):
            continue
        below = room_of(one.target)
        if one.target == THE_PUBLIC_NAMES:
            yield f"{one}: nothing inside imports from the public names; name the module itself"
        elif below not in FLOOR_OF:
            yield f"{one}, which does not exist"
        elif inside(one.importer, "relays"):
            if FLOOR_OF[below] > RELAYS_MAY_USE:
                yield f"{one}: relays may use floors 1 to {RELAYS_MAY_USE}, not {FLOOR_OF[below]}"
        else:
            yield from _upwards(one, FLOOR_OF)


def _upwards(one: Import, floor_of: Mapping[str, int]) -> Iterator[str]:
    room, below = room_of(one.importer), room_of(one.target)
    if below and below not in floor_of:
        yield f"{one}, which does not exist"
    elif room in floor_of and room != below and floor_of.get(below, 0) >= floor_of[room]:
        yield (
            f"{one}: {room} (floor {floor_of[room]}) may import only from below, "
            f"and {below} is on floor {floor_of[below]}"
        )


def broken_doors(sources: Sources) -> Iterator[str]:
    for one in imports_of(sources):
        package = one.target.partition(".")[0]
        if package in ONE_DOOR and one.importer != ONE_DOOR[package]:
            yield f"{one}: the one door to {package} is {ONE_DOOR[package]}"
        if package in ROOM_ONLY and not inside(one.importer, ROOM_ONLY[package]):
            yield f"{one}: {package} is known only inside of {ROOM_ONLY[package]}"
        for inner, doors in (*SQLITE.items(), *TURNED.items()):
            if inside(one.target, inner) and not any(inside(one.importer, d) for d in doors):
                known = f"only inside of {' and '.join(doors)}" if doors else "to nobody"
                yield f"{one}: {inner} is known {known}"
        if package == "pynostr":
            if one.importer not in PYNOSTR_DOORS:
                yield f"{one}: the doors to pynostr are {' and '.join(PYNOSTR_DOORS)}"
            if one.at_start and one.target not in PYNOSTR_AT_START:
                yield f"{one} when it is loaded: of pynostr only bech32 is, the rest in functions"
        if inside(one.importer, "nostr_client") and package == "relays":
            if one.importer != "nostr_client.main":
                yield f"{one}: nostr_client.main alone hands over to relays"
            elif one.at_start:
                yield f"{one} when it is loaded: only the relay command needs it"
        if one.target == "?" and one.importer not in (THE_PUBLIC_NAMES, *FINDS_ITS_FILES):
            yield f"{one.importer}:{one.line} imports a module whose name the source does not say"


def broken_purity(sources: Sources) -> Iterator[str]:
    """What is pure imports nothing impure, and nothing of ours that does when it is loaded."""
    impure: dict[str, str] = {}
    imports = list(imports_of(sources))
    for one in imports:
        if one.target.partition(".")[0] in IMPURE and one.target not in SANS_IO:
            impure.setdefault(one.importer, f"{one}")
    grows = True
    while grows:
        before = len(impure)
        for one in imports:
            if one.target in impure and one.at_start and one.importer not in impure:
                impure[one.importer] = f"{one}; {impure[one.target]}"
        grows = len(impure) > before
    for module, why in impure.items():
        if any(inside(module, pure) for pure in PURE):
            yield f"{why}: {module} is pure, without I/O, clock, threads and loop"


def circles(sources: Sources) -> Iterator[str]:
    """Circles of any imports, lazy ones and those for types included: a circle is a circle."""
    graph: dict[str, dict[str, Import]] = {module: {} for module in sources}
    for one in imports_of(sources):
        if one.target in graph and one.importer != THE_PUBLIC_NAMES:
            graph[one.importer].setdefault(one.target, one)
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> Iterator[str]:
        if module in path:
            turn = [*path[path.index(module) :], module]
            steps = [graph[a][b] for a, b in itertools.pairwise(turn)]
            yield "a circle: " + "; ".join(map(str, steps))
        elif module not in done:
            for target in graph[module]:
                yield from walk(target, [*path, module])
            done.add(module)

    for module in graph:
        yield from walk(module, [])


def names_of_two_things(sources: Sources) -> Iterator[str]:
    """No class has the name of another one, in either package."""
    homes: dict[str, list[str]] = {}
    for module, source in sources.items():
        for node in tree_of(source).body:
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(module)
    for name, modules in homes.items():
        if len(modules) > 1:
            yield f"{modules[-1]}: {name} is the name of a class in {modules[0]} too"


LAWS = (
    *(other_ways_out, names_of_two_things, broken_floors, broken_doors, broken_purity, circles),
    not_everywhere,
)


def test_the_house_keeps_its_laws() -> None:
    """All of them in one test: parsing takes longer than they do."""
    broken = [words for law in LAWS for words in law(real_sources())]
    assert not broken, "\n" + "\n".join(broken)


# The laws bite: each of these additions to an empty house is caught, and for the right reason.


def empty_house() -> dict[str, str]:
    """The real modules, with nothing in them."""
    return dict.fromkeys(real_sources(), "")


FORBIDDEN = [
    ("nostr_client.protocol.bad", "import nostr_client.store.opening", "floor 2"),
    ("nostr_client.protocol.bad", "from nostr_client.store import events", "floor 3"),
    ("nostr_client.protocol.bad", "from nostr_client import store", "floor 3"),
    ("nostr_client.store.bad", "from ..net.pool import RelayPool", "net is on floor 5"),
    ("nostr_client.store.bad", "from .. import net", "net is on floor 5"),
    ("nostr_client.store", "from ..net import pool", "net is on floor 5"),
    ("nostr_client.social.bad", "def f():\n    import nostr_client.client", "client is on floor 8"),
    ("nostr_client.social.bad", "from nostr_client.resilience import retry", "only from below"),
    ("nostr_client.accounts.bad", "from nostr_client.routing import courier", "only from below"),
    ("nostr_client.cli.bad", "from nostr_client.tui.run import run", "only from below"),
    (
        "nostr_client.tui.bad",
        "async def f():\n    from nostr_client.cli import app",
        "only from below",
    ),
    ("nostr_client.rehearsal.bad", "import nostr_client.tui", "tui is on floor 10"),
    ("nostr_client.errors", "import nostr_client.paths", "only from below"),
    (
        "nostr_client.net.bad",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import nostr_client.routing",
        "routing is on floor 6",
    ),
    (
        "nostr_client.net.bad",
        "import typing as t\nif t.TYPE_CHECKING:\n    pass\nelse:\n    import nostr_client.routing",
        "routing is on floor 6",
    ),
    (
        "nostr_client.net.bad",
        "from importlib import import_module\nx = lambda: import_module('nostr_client.routing')",
        "routing is on floor 6",
    ),
    (
        "nostr_client.net.bad",
        "class A:\n    try:\n        import nostr_client.cli\n    except E: ...",
        "cli",
    ),
    ("nostr_client.net.bad", "import importlib\nimportlib.import_module(name)", "does not say"),
    ("nostr_client.net.bad", "__import__('nostr_client.social')", "social is on floor 7"),
    ("nostr_client.net.bad", "from nostr_client import NostrClient", "public names"),
    ("nostr_client.net.bad", "from .. import NostrClient", "public names"),
    ("nostr_client.net.bad", "import nostr_client", "public names"),
    ("nostr_client.net.bad", "import nostr_client.nowhere", "does not exist"),
    ("nostr_client.attic", "x = 1", "stands on no floor"),
    ("nostr_client.attic.box", "x = 1", "stands on no floor"),
    ("relays.bad", "from nostr_client.routing import courier", "floors 1 to 5, not 6"),
    ("relays.bad", "def f():\n    from nostr_client.client import NostrClient", "not 8"),
    ("relays.bad", "from nostr_client import Event", "public names"),
    ("nostr_client.resilience.bad", "import relays.server.connections", "hands over to relays"),
    ("nostr_client.cli.bad", "def f():\n    from relays import cli", "hands over to relays"),
    ("nostr_client.main", "from relays.cli.app import run_command", "only the relay command"),
    ("nostr_client.net.bad", "import fcntl", "its places are nostr_client.paths"),
    ("nostr_client.cli.bad", "def f():\n    import termios", "does not ask for it"),
    ("nostr_client.net.bad", "import os\nos.getuid()", "has getuid, which not every system"),
    ("relays.server.bad", "def f(s):\n    s.AF_UNIX\nimport socket\nsocket.AF_UNIX", "AF_UNIX"),
    ("relays.bad", "async def f(g):\n    g().add_signal_handler(1, f)", "add_signal_handler"),
    ("relays.bad", "from signal import SIGHUP", "has SIGHUP"),
    ("nostr_client.signing.bad", "import secp256k1", "one door to secp256k1"),
    ("nostr_client.nips.bad", "from coincurve.keys import PrivateKey", "one door to coincurve"),
    ("relays.bad", "import platformdirs", "one door to platformdirs"),
    (
        "nostr_client.cli.bad",
        "def f():\n    from pynostr.key import PrivateKey",
        "the doors to pynostr",
    ),
    ("nostr_client.nips.nip19", "from pynostr import bech32", "the doors to pynostr"),
    ("nostr_client.nips.pynostr_bridge", "import pynostr.event", "only bech32"),
    ("nostr_client.protocol.bech32", "from pynostr import bech32, key", "only bech32"),
    ("nostr_client.cli.bad", "def f():\n    import textual.app", "inside of nostr_client.tui"),
    ("relays.bad", "from textual import work", "inside of nostr_client.tui"),
    ("relays.web.bad", "import sqlite3", "sqlite3 is known only"),
    ("nostr_client.store.bad", "import sqlite3", "sqlite3 is known only"),
    ("relays.moderation.bad", "import sqlite3", "sqlite3 is known only"),
    ("nostr_client.client", "from nostr_client.store.sqlite import copies", "known only inside"),
    ("nostr_client.store.contract", "from .sqlite.database import Database", "known only inside"),
    (
        "relays.operations.bad",
        "def f():\n    from nostr_client.store.sqlite.opening import connect",
        "known only inside",
    ),
    ("relays.process.run", "from nostr_client import turned_clock", "only inside of relays.re"),
    ("relays.cli.app", "def f():\n    import relays.rehearsed", "known to nobody"),
    ("nostr_client.protocol.bad", "from time import time", "is pure"),
    ("nostr_client.nips.bad", "def f():\n    import asyncio", "is pure"),
    ("nostr_client.nips.bad", "import urllib.parse", "is pure"),
    ("nostr_client.net.session.bad", "import asyncio", "is pure"),
    ("relays.engine.session", "from websockets.http11 import Request", "is pure"),
    ("relays.bad", "x = 1", "stands on no floor"),
    ("relays.policies.bad", "from relays.moderation import bans", "moderation is on floor 4"),
    ("relays.engine.bad", "import relays.moderation.bans", "only from below"),
    ("relays.config", "from relays import policies", "policies is on floor 3"),
    ("relays.web.bad", "import relays.nowhere.at_all", "does not exist"),
    ("nostr_client.social.bad", "import socket", "the business of nostr_client.net.dial"),
    ("nostr_client.net.http", "from urllib.request import urlopen", "the business of"),
    ("relays.sync.bad", "from websockets.sync.client import connect", "the business of"),
    ("nostr_client.net.pool", "from websockets.asyncio.client import connect", "the business of"),
    ("nostr_client.net.bad", "import python_socks", "one door to python_socks"),
    (
        "nostr_client.net.http",
        "async def f():\n    await asyncio.open_connection(host, 80)",
        "the way out is",
    ),
    ("relays.sync.bad", "def f():\n    x.getaddrinfo(name)", "the way out is"),
    ("nostr_client.social.bad", "pool = RelayPool(verifier=v)", "does not say the proxy"),
    ("relays.sync.bad", "dial = d.DialOptions(private=True)", "does not say the proxy"),
]


def test_a_name_of_two_things_is_caught() -> None:
    sources = empty_house() | {
        "nostr_client.net.pool": "class RelayPool: ...",
        "relays.sync.mirror": "def f():\n    class Inner: ...\nclass RelayPool: ...",
    }
    assert list(names_of_two_things(sources)) == [
        "relays.sync.mirror: RelayPool is the name of a class in nostr_client.net.pool too"
    ]


def test_purity_is_passed_on() -> None:
    sources = empty_house() | {
        "nostr_client.net.session.bad": "from nostr_client.net.health import RelayHealth",
        "nostr_client.net.health": "import nostr_client.errors",
        "nostr_client.errors": "import time",
    }
    assert any(fault.endswith("loop") and "health" in fault for fault in broken_purity(sources))


@pytest.mark.parametrize(("module", "code", "why"), FORBIDDEN)
def test_a_forbidden_import_is_caught(module: str, code: str, why: str) -> None:
    sources = empty_house() | {module: code}
    broken = [fault for law in LAWS for fault in law(sources) if fault.startswith(module)]
    assert [fault for fault in broken if why in fault], broken


ALLOWED = [
    ("nostr_client.net.fine", "from nostr_client.protocol import event, keys\nimport asyncio"),
    ("nostr_client.net.fine", "from . import pool\nfrom ..protocol.event import Event"),
    ("nostr_client.tui.fine", "from textual.app import App\nfrom nostr_client.client import X"),
    ("nostr_client.nips.fine", "import hashlib\nfrom nostr_client.errors import InvalidCode"),
    ("nostr_client.store.opening", "from nostr_client.store.sqlite.store import SqliteStore"),
    ("relays.web.fine", "from nostr_client.net.http import get\nimport nostr_client.store.opening"),
    ("nostr_client.protocol.bech32", "from pynostr import bech32"),
    ("nostr_client.nips.pynostr_bridge", "def f():\n    import pynostr.key"),
    ("nostr_client.net.fine", "asyncio.open_connection(sock=s)\nRelayPool(proxy=None)"),
    ("relays.server.listen", "import socket"),
    ("nostr_client.rehearsal.fine", "code = 'import textual'  # import relays"),
]


@pytest.mark.parametrize(("module", "code"), ALLOWED)
def test_an_import_from_below_is_allowed(module: str, code: str) -> None:
    sources = empty_house() | {module: code}
    assert not [fault for law in LAWS for fault in law(sources) if fault.startswith(module)]


@pytest.mark.parametrize(
    "sources",
    [
        {"p.a": "import p.b", "p.b": "import p.a"},
        {"p.a": "from p import b", "p.b": "from . import c", "p.c": "def f():\n    import p.a"},
        {
            "p.a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.b",
            "p.b": "import p.a",
        },
        {"p": "from p.a import X", "p.a": "from p import X"},
        {"p.a": "import p.a"},
        {"z": "import p.a", "p.a": "import p.b", "p.b": "import p.c", "p.c": "import p.b"},
    ],
    ids=str,
)
def test_a_circle_is_caught(sources: dict[str, str]) -> None:
    found = list(circles(sources))
    assert len(found) == 1
    assert "p.a:" in found[0] or "p.b:" in found[0]


def test_what_is_no_circle() -> None:
    ladder = {"p.a": "import p.b, p.c", "p.b": "import p.c", "p.c": "import json", "p": ""}
    assert not list(circles(ladder))


# The tests stand where a reader looks for them.

OF_THE_WHOLE = {Path("fuzz"), Path("nodes"), Path("browser")}
"""Folders of tests that are not about one room."""
TESTS_OF = {"nostr_client": Path(), "relays": Path("relays")}
"""Where below `tests/` the rooms of a package have their folders."""


def test_tests_mirror_the_rooms() -> None:
    tests = {path.parent.relative_to(ROOT / "tests") for path in ROOT.glob("tests/**/test_*.py")}
    folders = {
        place / path.parent.relative_to(ROOT / package)
        for package, place in TESTS_OF.items()
        for path in (ROOT / package).rglob("*.py")
    }
    assert tests - folders == OF_THE_WHOLE
    rooms = {
        place / room
        for package, place in TESTS_OF.items()
        for room in FLOORS_OF_PACKAGE[package]
        if (ROOT / package / room).is_dir()
    }
    assert not rooms - tests


# What really happens at import


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


HEAVY = {"textual", "relays", "typer", "rich", "pynostr", "sqlite3", "websockets", "asyncio"}


def test_the_public_names_cost_nothing_until_they_are_used() -> None:
    loaded = loaded_by("import nostr_client")
    assert "nostr_client" in loaded
    assert not loaded & HEAVY
    assert {name for name in loaded if inside(name, "nostr_client")} == {
        "nostr_client",
        "nostr_client.version",
    }


def test_the_engine_loads_no_face() -> None:
    loaded = loaded_by("import nostr_client.client.furnishing")
    assert "nostr_client.store.opening" in loaded
    assert not loaded & {"textual", "relays", "typer", "rich"}
    assert {name for name in loaded if inside(name, "pynostr")} <= PYNOSTR_AT_START
    rooms = {room_of(name) for name in loaded if name.startswith("nostr_client.")}
    assert not rooms & {"cli", "tui", "rehearsal", "main"}


def test_a_relay_loads_no_client() -> None:
    loaded = loaded_by("import relays.cli.app")
    assert not loaded & {"textual", "typer", "rich", "pynostr"}
    rooms = {room_of(name) for name in loaded if name.startswith("nostr_client.")}
    assert max(FLOOR_OF[room] for room in rooms) <= RELAYS_MAY_USE


def test_a_relay_without_mirrors_loads_nothing_that_dials() -> None:
    loaded = loaded_by("import relays.process.run")
    assert "relays.sync.mirror" in loaded
    assert not loaded & {"nostr_client.net.pool", "relays.sync.sync", "textual", "rich"}

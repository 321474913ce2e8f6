"""The public names: all there, typed, and loaded only when they are used."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import nostr_client


def run(code: str) -> str:
    """What an interpreter of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=90, check=True
    )
    return done.stdout.strip()


def test_every_public_name_is_there() -> None:
    for name in nostr_client.__all__:
        value = getattr(nostr_client, name)
        assert value is not None, name
        assert getattr(nostr_client, name) is value
        assert name in dir(nostr_client)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = nostr_client.nonsense


def test_what_the_type_checker_sees_is_what_there_is() -> None:
    tree = ast.parse(Path(nostr_client.__file__).read_text("utf-8"))
    typed = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module
        for alias in node.names
        if node.module.startswith("nostr_client.")
    }
    assert typed == set(nostr_client.__all__)
    assert set(nostr_client._HOMES) == typed - {"__version__"}
    assert nostr_client.__all__ == sorted(nostr_client.__all__)


def undocumented(name: str) -> list[str]:
    """The public name, or methods and properties of it, which say nothing of themselves."""
    value = getattr(nostr_client, name)
    if inspect.ismodule(value):
        own = {key: one for key, one in vars(value).items() if not key.startswith("_")}
        parts = {key: one for key, one in own.items() if inspect.isfunction(one)}
        parts = {key: one for key, one in parts.items() if one.__module__ == value.__name__}
    else:
        parts = dict(inspect.getmembers(value)) if inspect.isclass(value) else {}
        parts = {key: one for key, one in parts.items() if not key.startswith("_")}
        parts = {key: one for key, one in parts.items() if _is_ours(one)}
    return [".".join((name, key)) for key, one in parts.items() if not inspect.getdoc(one)] + (
        [] if inspect.getdoc(value) else [name]
    )


def _is_ours(part: object) -> bool:
    made = part.fget if isinstance(part, property) else part
    home = str(getattr(made, "__module__", ""))
    return inspect.isroutine(made) and home.startswith("nostr_client")


def test_every_public_name_says_what_it_is() -> None:
    """The reference on the site is made of it."""
    names = sorted({*nostr_client.__all__} - {"__version__"})
    assert [part for name in names for part in undocumented(name)] == []


def test_importing_loads_nothing_heavy() -> None:
    heavy = "textual typer relays nostr_client.client nostr_client.store sqlite3 websockets asyncio"
    code = "import sys, nostr_client; print(*sorted(sys.modules))"
    loaded = set(run(code).split())
    assert not loaded & set(heavy.split())


def test_a_client_that_is_not_opened_has_loaded_none_of_its_rooms() -> None:
    """They come with the first `NostrClient.open`; what they stand on comes when it is needed."""
    code = "import sys; from nostr_client import NostrClient; print(*sorted(sys.modules))"
    loaded = set(run(code).split())
    assert "nostr_client.client" in loaded
    assert not loaded & {"textual", "typer", "relays", "keyring", "nostr_client.cli"}
    rooms = {name.removeprefix("nostr_client.").partition(".")[0] for name in loaded}
    assert not rooms & {"accounts", "kit", "social", "store"}
    late = "sqlite3 websockets cryptography nacl python_socks http.client email importlib.metadata"
    assert not loaded & set(late.split())
    rooms_loaded = run("import sys, nostr_client.client.furnishing; print(*sorted(sys.modules))")
    assert "nostr_client.social.messages.sealed_log" in rooms_loaded.split()
    assert "cryptography" not in rooms_loaded.split()  # it comes with the first message


def test_a_script_pays_for_what_it_takes() -> None:
    code = "import sys; from nostr_client import SecretKey, Draft; print(*sorted(sys.modules))"
    loaded = set(run(code).split())
    assert "nostr_client.protocol.event" in loaded
    assert not loaded & {
        "asyncio",
        "nostr_client.client",
        "nostr_client.store",
        "sqlite3",
        "websockets",
    }

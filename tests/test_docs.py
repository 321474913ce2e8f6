"""The settings stand in the documents: every one, and with its true default."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from nostr_client.config import ClientConfig, load_config
from nostr_client.exits import MEANINGS
from relays.config.relay_config import RelayConfig
from tests import architecture_picture
from tests.architecture import real_sources

pytestmark = pytest.mark.tree

DOCS = Path(__file__).parents[1] / "docs"


NAMED_BY_THE_PERSON = {"keys"}
"""Tables whose keys are no settings of ours."""


def text_of(*names: str) -> str:
    return "\n".join((DOCS / name).read_text("utf-8") for name in names)


def examples(text: str) -> list[str]:
    return re.findall(r"```toml\n(.*?)```", text, re.DOTALL)


def keys_of(form: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting and its default; `[]` in the path of what stands in a list of tables."""
    for field in msgspec.structs.fields(form):
        if field.name == "rooms":  # the same settings again
            continue
        default = None if field.default is msgspec.NODEFAULT else field.default
        inner = [part for part in (field.type, *get_args(field.type)) if _is_section(part)]
        if inner:
            mark = "." if inner[0] is field.type else "[]."
            yield from keys_of(inner[0], f"{path}{field.name}{mark}")
        else:
            yield f"{path}{field.name}", default


def _flat(table: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """What an example sets, as `keys_of` names it."""
    for name, value in table.items():
        if name.startswith("npub1"):
            yield from _flat(value, f"{path.removesuffix('.')}[].")
        elif f"{path}{name}" in NAMED_BY_THE_PERSON:
            yield name, value
        elif name == "commands":
            for command in value.values():
                yield from _flat(command, "commands[].")
        elif isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _is_section(kind: object) -> bool:
    is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    return is_struct and kind.__name__ != "Rate"


def test_every_setting_of_the_client_stands_in_its_document(tmp_path: Path) -> None:
    [example] = examples(text_of("config.md"))
    shown = dict(_flat(tomllib.loads(example)))
    assert shown.keys() == {name for name, _ in keys_of(ClientConfig)}
    (tmp_path / "config.toml").write_text(example)
    load_config(tmp_path / "config.toml")
    text = text_of("config.md")
    defaults = {
        name: default for name, default in keys_of(ClientConfig) if default not in (None, ())
    }
    assert {name: shown[name] for name in defaults} == defaults
    for name in shown.keys() - NAMED_BY_THE_PERSON:
        assert re.search(rf"^{name.rpartition('.')[2]} = ", text, re.MULTILINE)
    assert "docs/config.md" in (DOCS.parent / "README.md").read_text("utf-8")


def test_every_setting_of_the_relay_stands_in_a_document() -> None:
    fences = "\n".join(examples(text_of("relay.md", "policies.md")))
    plain = text_of("relay.md", "policies.md")
    missing = [
        key
        for key, _ in keys_of(RelayConfig)
        if not re.search(rf"(?<![\w.])#?\s*{(name := key.rpartition('.')[2])}\s*=", fences)
        and not re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`", plain)
        and not re.search(rf"^# not set: .*\b{name}\b", fences, re.MULTILINE)
    ]
    assert missing == []


def test_what_they_say_of_the_relay_is_so() -> None:
    *_, defaults = examples(text_of("policies.md"))
    said = tomllib.loads(defaults)
    assert {"limits", "negentropy", "members", "moderation", "host"} <= said.keys()
    real = msgspec.json.decode(msgspec.json.encode(RelayConfig()))
    for name, value in said.items():
        if isinstance(value, dict):
            optional = {key for key, default in real[name].items() if default is None}
            assert value == {k: v for k, v in real[name].items() if k not in optional}, name
        else:
            assert value == real[name], name


def test_the_exit_codes_stand_in_one_table() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", text_of("commands.md"), re.MULTILINE)
    assert rows == [(str(code.value), words) for code, words in MEANINGS.items()]


def test_every_file_that_is_named_is_there() -> None:
    root = DOCS.parent
    for page in (root / "README.md", root / "CONTRIBUTING.md", *DOCS.rglob("*.md")):
        text = page.read_text("utf-8")
        for name in re.findall(r"`((?:nostr_client|relays|packaging|tests)/[^`\s]*)`", text):
            assert (root / name).exists(), (page, name)
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), (page, target)


def test_the_table_of_nips_names_every_file_of_a_nip() -> None:
    for file in (DOCS.parent / "nostr_client" / "nips").glob("nip*.py"):
        assert f"nostr_client/nips/{file.name}" in text_of("../README.md")


def test_the_picture_of_the_architecture_is_that_of_the_code() -> None:
    sources = real_sources()
    written = architecture_picture.TEXT.read_text("utf-8")
    drawn = architecture_picture.PICTURE.read_text("utf-8")
    what = "docs/architecture.* are not as the imports are: `make architecture` makes them anew"
    assert architecture_picture.text(written, sources) == written, what
    assert architecture_picture.picture(sources) == drawn, what


def test_the_readme_links_every_page_for_users() -> None:
    readme = (DOCS.parent / "README.md").read_text("utf-8")
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    linked = set(re.findall(r"\(docs/([a-z/-]+\.md)", readme))
    assert pages <= linked, (
        f"README.md links no {sorted(pages - linked)}: name them under Documents"
    )
    assert "(#where-each-nip-lives)" in readme

"""What README.md and docs/ show can be copied: every example is run, or at least understood."""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from nostr_client.cli.app import build
from nostr_client.client import NostrClient
from nostr_client.command_line.parse import UsageError, find
from nostr_client.command_line.tree import Command, Group
from nostr_client.config import ClientConfig, load_config
from nostr_client.errors import ConfigError
from nostr_client.exits import MEANINGS
from nostr_client.nips.nip19 import encode_npub, encode_nsec
from nostr_client.paths import Paths
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.starter_relays import starter_relays
from relays.cli.app import build as build_relay
from relays.config.relay_config import assemble
from tests.cli.conftest import PASSWORD, Home
from tests.conftest import StartRelay
from tests.docs_examples import (
    ROOT,
    Example,
    SmallInternet,
    commands,
    examples,
    mentioned,
    pages,
    understood,
)
from tests.docs_followed import follow
from tests.warm import Warm

pytestmark = pytest.mark.tree

ANA, BEN = SecretKey.from_hex("1" * 64), SecretKey.from_hex("2" * 64)
LANGUAGES = {"python", "sh", "toml", "json", "yaml", ""}
FOLLOWED = [
    "docs/first-hour.md",
    *(f"docs/guides/{path.name}" for path in sorted((ROOT / "docs" / "guides").glob("*.md"))),
]
"""Pages whose blocks are copied one after the other."""
NOT_RUN = 6
"""Examples that may say why they are not run."""
NO_COMMANDS = {"kit"}
"""What stands behind the program's name in the head of a file."""
FIRST_HOUR = """
nostr-client relays add wss://relay.example.com --start-empty
nostr-client post "Hello from my own machine."
"""
"""What those have behind them who read a guide."""
LIMIT = 60.0


def test_each_is_in_a_language_that_is_tried() -> None:
    found = examples()
    assert {one.language for one in found} <= LANGUAGES
    fences = sum(page.read_text("utf-8").count("```") for page in pages())
    assert fences == 2 * len(found), "a fence that is not seen"
    excused = [f"{one.place}: {one.why}" for one in found if one.why]
    assert len(excused) <= NOT_RUN, excused


def test_every_script_is_python() -> None:
    for one in examples("python"):
        compile(one.text, one.place, "exec")


@pytest.fixture(scope="module")
def trees() -> tuple[Group, Group]:
    """The commands of the client, and those of the relay."""
    return build(), build_relay()


def test_every_command_line_is_understood(trees: tuple[Group, Group]) -> None:
    wrong, seen = [], 0
    for one in examples("sh", ""):
        for words in commands(one.text):
            seen += 1
            root, rest = (trees[1], words[2:]) if words[1:2] == ["relay"] else (trees[0], words[1:])
            if rest[:1] == ["--plain"]:
                rest = ["plain", *rest[1:]]
            if not rest or rest in (["--help"], ["--version"]):
                continue
            try:
                understood(root, rest)
            except UsageError as error:
                wrong.append(f"{one.place}: {' '.join(words)}: {error}")
    assert seen > 80
    assert wrong == []


def test_every_command_that_a_text_names_is_there(trees: tuple[Group, Group]) -> None:
    wrong = []
    for page in pages():
        for words in mentioned(page.read_text("utf-8")):
            root = trees[0]
            if words[0] == "relay" and len(words) > 1:
                root, words = trees[1], words[1:]  # noqa: PLW2901
            if words[0] == "--plain":
                words[0] = "plain"
            bare = [word.strip("[]…,") for word in words]
            if bare[0].startswith("-") or bare[0] in NO_COMMANDS:
                continue
            try:
                command, left = find(root, bare)
            except UsageError as error:
                wrong.append(f"{page.name}: {' '.join(words)}: {error}")
                continue
            if isinstance(command, Command):
                options = {name for one in command.parameters() for name in one.names} | {"--help"}
                said = {word.partition("=")[0] for word in left if word.startswith("--")}
                wrong += [f"{page.name}: {' '.join(words)}: {word}" for word in said - options]
    assert wrong == []


def test_what_is_json_yaml_or_toml_is_that() -> None:
    npub = encode_npub(BEN.public_key.hex)
    for one in examples("json", "yaml", "toml"):
        if one.language == "json":
            assert [json.loads(line) for line in one.text.splitlines()], one.place
        elif one.language == "yaml":
            assert yaml.safe_load(one.text), one.place
        else:
            assert tomllib.loads(one.text.replace("npub1...", npub)), one.place


def test_settings_that_are_shown_can_be_used(tmp_path: Path) -> None:
    """Those of a guide as a file of their own: of the client, or of the relay."""
    problems = {}
    for one in examples("toml"):
        if one.page == "docs/policies.md":
            continue  # names files and modules that are not there; tests/test_docs.py holds it
        file = tmp_path / "config.toml"
        file.write_text(one.text)
        try:
            load_config(file)
        except ConfigError:
            table = tomllib.loads(one.text.replace("npub1...", encode_npub(BEN.public_key.hex)))
            table.setdefault("profile", "public")
            problems[one.place] = assemble(table).problems
    assert not any(problems.values()), problems


def test_no_relay_is_named_that_may_go() -> None:
    """Relays of examples are nobody's, or of the list that is carried along and looked after."""
    ours = re.compile(r"(.*\.)?example(\.com)?|localhost|127\.0\.0\.1|\.\.\..*|192\.168\..*")
    starters = {urlsplit(relay.url).hostname for relay in starter_relays().relays}
    for page in pages():
        for host in re.findall(r"wss?://(?:[^@\s]*@)?([^\s:/`\"')>\],]+)", page.read_text("utf-8")):
            assert ours.fullmatch(host) or host in starters, (page.name, host)


def _is_long(one: Example) -> bool:
    """Does it make a key of a passphrase, which is to take its time?"""
    return "Passphrase(" in one.text


@pytest.mark.parametrize("long", [False, pytest.param(True, marks=pytest.mark.slow)])
async def test_every_script_runs(
    tmp_path: Path, start_relay: StartRelay, warm: Warm, long: bool
) -> None:
    """Each with a home of its own, where `ana` has an account, and her key on standard input."""
    of_here = [one for one in examples("python") if not one.why and one.page not in FOLLOWED]
    scripts = [one for one in of_here if _is_long(one) is long]
    relay = await start_relay()
    names = {"ana": ANA.public_key.hex, "ben": BEN.public_key.hex}
    async with SmallInternet(tmp_path, relay.url, names) as internet:
        wrong = await asyncio.gather(
            *(_run(one, tmp_path / str(one.line), internet, warm) for one in scripts)
        )
    assert scripts
    assert [said for said in wrong if said] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", FOLLOWED)
async def test_a_page_is_followed_to_its_end(
    page: str, tmp_path: Path, start_relay: StartRelay
) -> None:
    """As a newcomer does, on an empty machine, in a network where `ben` has written something."""
    relay = await start_relay()
    names = {"ana": ANA.public_key.hex, "ben": BEN.public_key.hex}
    async with SmallInternet(tmp_path, relay.url, names) as internet:
        there = Paths(*(tmp_path / "ben" / name for name in ("config", "data", "state")))
        known = ClientConfig(relays=(relay.url,))
        async with NostrClient.open(BEN, paths=there, config=known, key_only_here=True) as ben:
            await ben.profiles.update(name="ben")
            (await ben.post("The library roof is fixed. #roof")).report.raise_if_failed()
        home = Home(tmp_path / "page" / "home", None)
        file = home.paths.config / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(f'proxy = "{internet.proxy}"\n')
        steps = [one for one in examples() if one.page == page]
        if page != "docs/first-hour.md":  # which all others follow
            home.password = PASSWORD
            await home.import_key(ANA)
            file.write_text(file.read_text() + "own_relay = false\n")
            steps.insert(0, Example(page, 0, "sh", FIRST_HOUR))
        environment = home.environment | internet.environment
        environment |= {"SMALL_INTERNET": internet.proxy, "PYTHONWARNINGS": "default"}
        await asyncio.to_thread(follow, steps, tmp_path / "page", environment)


async def _run(one: Example, folder: Path, internet: SmallInternet, warm: Warm) -> str:
    """What went wrong."""
    folder = folder / Path(one.page).stem
    folder.mkdir(parents=True)
    home = Home(folder / "home", PASSWORD, warm)
    home.configure(["wss://relay.example.com"])
    file = home.folder / "config" / "config.toml"
    file.write_text(f'proxy = "{internet.proxy}"\n{file.read_text()}')
    await home.import_key(ANA)
    script = folder / "script.py"
    script.write_text(one.text)
    environment = home.environment | internet.environment | {"PYTHONWARNINGS": "default"}
    done = await asyncio.to_thread(
        warm.run,
        *("tests.run_script", [str(script)], encode_nsec(ANA).encode(), environment, LIMIT),
    )
    said = done.stderr.decode()
    return f"{one.place}: {done.returncode}: {said}" if done.returncode or said else ""


GOES_ON = {
    "account": ("connect",),
    "bunker": ("run", "connect"),
    "demo": (),
    "drill": (),
    "dm await": (),
    "feed": ("--follow",),
    "mcp": (),
    "relay": ("run", "mirror"),
    "relays watch": (),
    "web": (),
}
"""Commands that go on until they are stopped, or ask somebody: what `tests/` runs elsewhere."""


def _is_run(words: list[str]) -> bool:
    """Does it end by itself, in its own folder, with no dots or capitals for the reader to fill?"""
    line = " ".join(words)
    for beginning, further in GOES_ON.items():
        if line.startswith(beginning) and (not further or any(one in words for one in further)):
            return False
    return not any(re.search(r"\.\.\.|…|^[A-Z]{2,}$|^/", word) for word in words)


@pytest.mark.slow
async def test_every_command_line_ends_as_a_command_does(
    tmp_path: Path, start_relay: StartRelay, warm: Warm
) -> None:
    """Those of the pages that are not followed, one after the other in a home of the page's own.

    What one of them needs may not be there, and then it says so: no line is misunderstood, and none
    comes to an end that is not in the table of exit codes.
    """
    relay = await start_relay()
    by_page: dict[str, list[list[str]]] = {}
    for one in examples("sh", ""):
        if one.page not in FOLLOWED and not one.why:
            by_page.setdefault(one.page, []).extend(
                words[1:] for words in commands(one.text) if _is_run(words[1:])
            )
    names = {"ana": ANA.public_key.hex, "ben": BEN.public_key.hex}
    turns = asyncio.Semaphore(2)
    async with SmallInternet(tmp_path, relay.url, names) as internet:

        async def go(page: str) -> list[str]:
            async with turns:
                return await _go_through(by_page[page], tmp_path / Path(page).stem, internet, warm)

        wrong = await asyncio.gather(*map(go, by_page))
    assert sum(map(len, by_page.values())) > 40
    assert [said for of_page in wrong for said in of_page] == []


async def _go_through(
    lines: list[list[str]], folder: Path, internet: SmallInternet, warm: Warm
) -> list[str]:
    home = Home(folder, PASSWORD, warm)
    home.configure(["wss://relay.example.com"])
    file = home.folder / "config" / "config.toml"
    file.write_text(f'proxy = "{internet.proxy}"\n{file.read_text()}')
    await home.import_key(ANA)
    script = folder / "command.py"
    script.write_text(
        "import sys\nfrom nostr_client.main import main\nsys.exit(main(sys.argv[1:]))\n"
    )
    environment = home.environment | internet.environment
    wrong = []
    for words in lines:
        done = await asyncio.to_thread(
            warm.run, *("tests.run_script", [str(script), *words], b"", environment, LIMIT)
        )
        said = done.stderr.decode()
        is_ours = done.returncode in {code.value for code in MEANINGS}
        if not is_ours or "--help)" in said or "Traceback" in said:
            wrong.append(f"{' '.join(words)}: {done.returncode}: {said}")
    return wrong

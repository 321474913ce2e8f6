"""A secret typed where it does not belong is not said back, and no child gets a password."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from nostr_client import main, redact
from nostr_client.command_line import error_log
from nostr_client.exits import Exit
from nostr_client.nips import nip19
from nostr_client.paths import environment_for_children
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.tui import run as tui_run
from tests.cli.conftest import Home

COMMANDS = [
    ["account", "import", "NSEC"],
    ["account", "import", "NCRYPTSEC"],
    ["account", "import", "HEX"],
    ["account", "switch", "HEX"],
    ["account", "switch", "TYPO"],
    ["account", "remove", "HEX", "--json"],
    ["account", "create", "--name", "HEX"],
    ["account", "create", "--name", "NSEC"],
    ["account", "create", "--name=NCRYPTSEC"],
    ["account", "watch", "NSEC"],
    ["feed", "--limit", "HEX"],
    ["feed", "--account", "HEX"],
    ["follow", "NSEC", "--debug"],
    ["relays", "add", "NSEC"],
    ["NSEC"],
    ["HEX"],
    ["--NSEC"],
    ["post", "hello", "--key-fd", "NSEC"],
    ["post", "hello", "--key", "HEX"],
    ["post", "hello", "--key=NCRYPTSEC"],
    ["--HEX=1"],
]


async def test_a_secret_typed_as_an_argument_is_not_said_back(home: Home, key: SecretKey) -> None:
    digits = bytes(key).hex()
    secrets = {
        "NSEC": nip19.encode_nsec(key),
        "NCRYPTSEC": "ncryptsec1" + "q" * 100,
        "HEX": digits,
        "TYPO": digits[:-1],
    }
    gate = asyncio.Semaphore(3)

    async def run(command: list[str]) -> None:
        words = []
        for word in command:
            for name in sorted(secrets, key=len, reverse=True):
                word = word.replace(name, secrets[name]) if name in word else word  # noqa: PLW2901
                if secrets[name] in word:
                    break
            words.append(word)
        async with gate:
            done = await home.run(*words)
        assert done.code not in (0, 130), command
        assert done.err.strip(), command
        for secret in secrets.values():
            assert secret not in done.out + done.err, command

    await asyncio.gather(*(run(command) for command in COMMANDS))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("wss://me:hunter2@relay.example: no", "wss://relay.example: no"),
        ("'socks5h://me:hun/ter2@localhost:1'", "'socks5h://localhost:1'"),
        ("bunker://ab?relay=wss://r.example&secret=hunter2", None),
        ("https://a.example:443/@ben", "https://a.example:443/@ben"),
    ],
)
def test_what_a_url_keeps_secret_is_redacted(said: str, shown: str | None) -> None:
    for redact_ in (redact.redacted, redact.redacted_for_log):
        assert "ter2" not in redact_(said)
        assert shown is None or redact_(said) == shown


def test_only_hex_that_was_typed_is_redacted() -> None:
    typed, other = "ab" * 32, "cd" * 32
    redact.remember_arguments(["switch", typed.upper()])
    assert redact.redacted(f"no {typed} in {other}.json") == f"no {redact.REDACTED} in {other}.json"
    assert redact.redacted("nsec1abc NSEC1ABC ncryptsec1x nsecond") == (
        f"{redact.REDACTED} {redact.REDACTED} {redact.REDACTED} nsecond"
    )
    redact.remember_arguments([])


def test_children_are_given_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOSTR_CLIENT_PASSWORD", "NOSTR_CLIENT_HOME", "DB_PASSWORD", "my_nsec", "PATH"):
        monkeypatch.setenv(name, "open sesame")
    kept = environment_for_children()
    assert kept["PATH"] == "open sesame"
    assert list(kept.values()).count("open sesame") == 1


async def test_a_rehearsals_relay_is_given_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOSTR_CLIENT_PASSWORD", "open sesame")
    relay = await RelayProcess.start(tmp_path)
    try:
        assert b"open sesame" not in Path(f"/proc/{relay.pid}/environ").read_bytes()
    finally:
        await relay.stop()


@pytest.mark.parametrize("arguments", [[], ["demo"]])
def test_the_terminal_client_takes_the_password_out_of_the_environment(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[bool] = []

    def run(*, demo: bool) -> int:
        seen.append("NOSTR_CLIENT_PASSWORD" in os.environ)
        return 0

    monkeypatch.setattr(tui_run, "run", run)
    monkeypatch.setattr(error_log, "keep_log", lambda path: None)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NOSTR_CLIENT_HOME", str(tmp_path))
    monkeypatch.setenv("NOSTR_CLIENT_PASSWORD", "open sesame")
    assert main.main(arguments) == 0
    assert seen == [False]
    monkeypatch.setenv("NOSTR_CLIENT_KEY", "1" * 64)
    code = main.main(arguments)  # it does not act as another than the one who was given
    assert (code, len(seen)) == ((0, 2) if arguments else (Exit.USAGE, 1))
    assert "NOSTR_CLIENT_KEY" not in os.environ
    said = capsys.readouterr().err
    assert ("NOSTR_CLIENT_KEY" in said) is not bool(arguments)
    assert "1" * 64 not in said

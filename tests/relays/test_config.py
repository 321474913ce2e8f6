"""Settings from TOML: defaults, and errors that name file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.errors import ConfigError
from relays.config import Limits, RelayConfig, load_config


def test_settings_are_read(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('name = "Ana"\nurls = ["wss://a.example"]\n[limits]\nsubscriptions = 3\n')
    config = load_config(file)
    assert config == RelayConfig(
        name="Ana", urls=("wss://a.example",), limits=Limits(subscriptions=3)
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nmae = 'x'", "nmae"),
        ("port = 'x'", "port"),
        ("[limits]\nsubscriptions = 1.5", "limits.subscriptions"),
        ("name = ", "relay.toml"),
        ("\udcff", "relay.toml"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(text, errors="surrogateescape")
    with pytest.raises(ConfigError, match=words):
        load_config(file)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"relay\.toml"):
        load_config(tmp_path / "relay.toml")

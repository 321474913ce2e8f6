"""Where the URL of a relay's database stands, and that its password stands nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.errors import ConfigError, StoreError
from nostr_client.store.opening import open_store
from relays.cli.app import run_command as main
from relays.config.explain import meaning
from relays.config.relay_config import load_config
from relays.config.store_url import VARIABLE, base_of, url_of_schema

SECRET = "s3kret"
URL = f"postgresql://ana:{SECRET}@db.example.net/relay"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "relay.toml"


def test_a_file_of_its_own_holds_it(config: Path, tmp_path: Path) -> None:
    secret = tmp_path / "store"
    secret.write_text(f"{URL}\n")
    secret.chmod(0o600)
    config.write_text(f'store_file = "{secret}"\n')
    assert load_config(config).store == URL
    other = "postgresql:///other"
    assert load_config(config, {"store": other}).store == other, "the line counts more"
    config.write_text(f'store_file = "{secret}"\nstore = "{other}"\n')
    with pytest.raises(ConfigError, match="store is set, too"):
        load_config(config)
    config.write_text(f'store_file = "{secret}"\n')
    secret.chmod(0o644)
    with pytest.raises(ConfigError, match="others can read"):
        load_config(config)
    secret.chmod(0o600)
    secret.write_text(f"mysql://{SECRET}@x")
    with pytest.raises(ConfigError, match="postgresql://user@host/database") as wrong:
        load_config(config)
    assert SECRET not in str(wrong.value)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://ana:{SECRET}@db/x",
        f"postgresql://ana:{SECRET}/x@db/x",
        f"postgresql://ana:?{SECRET}@db/x",
        f"postgresql://ana:{SECRET}@x@db/x",
        f"postgresql://ana:{SECRET}@db:port/x",
        f"postgresql://ana:{SECRET}@db/x?search_path=A,b",
        f"postgresql://ana:{SECRET}@db/x y",
    ],
)
async def test_what_is_none_is_not_said_back(config: Path, url: str) -> None:
    config.write_text(f'store = "{url}"\n')
    with pytest.raises(ConfigError, match="allowed: postgresql://") as wrong:
        load_config(config)
    assert SECRET not in str(wrong.value)


async def test_a_store_is_not_opened_by_half_a_password() -> None:
    pytest.importorskip("asyncpg", reason="no asyncpg")
    with pytest.raises(StoreError, match="no address") as wrong:
        async with open_store(f"postgresql://ana:{SECRET}/x@db/x"):
            pass
    assert SECRET not in str(wrong.value)


def test_it_is_shown_without_its_password(config: Path) -> None:
    config.write_text(f'store = "{URL}?sslmode=require&search_path=ours"\n')
    [line] = [line for line in meaning(load_config(config)) if line.startswith("kept in")]
    assert line == (
        "kept in postgresql://db.example.net/relay (schema ours), by any number of nodes"
    )


def test_schemas() -> None:
    assert base_of(URL) == "relay"
    assert base_of(f"{URL}?sslmode=require&search_path=ours") == "ours"
    assert url_of_schema(URL, "relay_inbox") == f"{URL}?search_path=relay_inbox"
    given = f"{URL}?host=%2Frun&search_path=ours"
    assert url_of_schema(given, "ours") == f"{URL}?host=%2Frun&search_path=ours"


@pytest.mark.parametrize("how", ["line", "environment", "settings"])
def test_where_a_command_has_it_from(
    config: Path,
    tmp_path: Path,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("asyncpg", reason="no asyncpg")
    url = f"postgresql://ana:{SECRET}@/x?host={tmp_path}/nowhere"
    options = ["--data", str(tmp_path / "data")]
    if how == "line":
        options += ["--store", url]
    elif how == "environment":
        monkeypatch.setenv(VARIABLE, url)
    else:
        config.write_text(f'store = "{url}"\n')
        options += ["--config", str(config)]
    for arguments in (["bans"], ["export"], ["doctor"], ["run", "--port", "0"]):
        assert main([*arguments, *options]) == 1
        said = "".join(capfd.readouterr())
        assert "is not reached" in said
        assert SECRET not in said

"""Settings: every one optional, every mistake named."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.config import AccountConfig, ClientConfig, load_config
from nostr_client.errors import ConfigError
from nostr_client.nips.nip19 import encode_npub
from nostr_client.protocol.keys import SecretKey

BEN_KEY, CY_KEY = (SecretKey.from_hex(d * 64).public_key.hex for d in "12")
BEN = encode_npub(BEN_KEY)


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_no_file_is_no_setting(tmp_path: Path) -> None:
    assert load_config(tmp_path / "config.toml") == ClientConfig()
    assert load_config(written(tmp_path, "")) == ClientConfig()
    assert ClientConfig().own_relay
    assert not ClientConfig().compression


def test_no_relays_at_all_is_not_the_same_as_none_named(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, "")).relays is None
    assert load_config(written(tmp_path, "relays = []")).relays == ()


def test_every_setting_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        relays = ["WSS://Relay.Example.com:443/", "wss://relay.example.com", "ws://127.0.0.1:7777"]
        proxy = "tor://127.0.0.1:9050"
        media = false
        compression = true
        allow_private_relays = ["NAS.local", "[fd00::1]"]
        own_relay = false
        theme = "nord"
        """,
    )
    assert load_config(path) == ClientConfig(
        relays=("wss://relay.example.com", "ws://127.0.0.1:7777"),
        proxy="tor://127.0.0.1:9050",
        media=False,
        compression=True,
        allow_private_relays=("nas.local", "fd00::1"),
        own_relay=False,
        theme="nord",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("relais = []", "relais is no setting of ours; did you mean relays?"),
        ("compression = 1", "compression: 1; allowed: true or false"),
        ("relays = 'wss://a.b'", "relays: 'wss://a.b'; allowed: a list"),
        ("relays = ['wss://a.b', 7]", r"relays\[1\]: 7: not a text"),
        ("relays = ['https://a.b']", r"relays\[0\]: 'https://a.b': "),
        ("proxy = 'ftp://localhost:1'", "proxy: "),
        ("proxy = 'socks5h://localhost'", "proxy: "),
        ("proxy = 'socks5h://[::1:80'", "proxy: "),
        ("proxy = 'socks5h://localhost:99999'", "proxy: "),
        ("theme = 1", "theme: "),
        ("accounts.ben.proxy = 'none'", "accounts: 'ben' is no npub"),
        (f"accounts.{BEN}.proxy = 'direct'", f"accounts.{BEN}.proxy: allowed: tor://"),
        ("relays = [", "not TOML"),
        ("x = " + "[" * 100_000, "not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=said) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, "relais = []\ncompression = 1\nproxy = 'http://me:hunter2@nowhere'")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    lines = str(caught.value).splitlines()
    assert [line.removeprefix(f"{path}: ").partition(" ")[0] for line in lines] == [
        "relais",
        "compression:",
        "proxy:",
    ]
    assert "hunter2" not in str(caught.value)


def test_what_is_no_text_or_no_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"theme = '\xff'")
    with pytest.raises(ConfigError, match="not TOML"):
        load_config(path)
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(ConfigError, match="too large"):
        load_config(path)
    with pytest.raises(ConfigError, match=str(tmp_path)):
        load_config(tmp_path)


def test_a_script_is_held_to_the_same_rules() -> None:
    with pytest.raises(ConfigError, match=r"relays\[0\](?s:.*)\ntheme: 7"):
        ClientConfig(relays=("relay.example.com",), theme=7)  # type: ignore[arg-type]
    assert ClientConfig(relays=("wss://A.example/",)).relays == ("wss://a.example",)


def test_a_password_of_the_proxy_is_not_shown() -> None:
    config = ClientConfig(proxy="socks5h://me:hunter2@localhost:9050")
    assert "hunter2" not in repr(config)
    assert "localhost:9050" in repr(config)
    with pytest.raises(ConfigError) as caught:
        ClientConfig(proxy="socks5h://me:hunter2@localhost")
    assert "hunter2" not in str(caught.value)
    own = AccountConfig(proxy="socks5h://me:hunter2@localhost:9050")
    assert "hunter2" not in repr(ClientConfig(accounts={BEN: own}))


def test_a_password_in_a_relays_url_is_not_said_back(tmp_path: Path) -> None:
    path = written(tmp_path, "relays = ['wss://me:hunter2@relay.example.com']")
    with pytest.raises(ConfigError, match=r"wss://relay\.example\.com") as caught:
        load_config(path)
    assert "hunter2" not in str(caught.value)


def test_an_account_may_have_a_proxy_of_its_own_or_none(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f"""
        proxy = "tor://127.0.0.1:9050"
        accounts.{BEN}.proxy = "none"
        accounts.{CY_KEY}.proxy = "http://127.0.0.1:1"
        """,
    )
    config = load_config(path)
    proxies = [config.for_account(who).proxy for who in ("", BEN_KEY, CY_KEY)]
    assert proxies == ["tor://127.0.0.1:9050", None, "http://127.0.0.1:1"]
    with pytest.raises(ConfigError, match="stands there twice"):
        ClientConfig(accounts={BEN: AccountConfig(), BEN_KEY: AccountConfig()})

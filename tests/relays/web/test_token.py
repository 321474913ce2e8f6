"""A relay that answers only those who show its token."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.errors import ConfigError
from relays.web.http_types import HttpRequest
from relays.web.token import SHORTEST, read_token, refusal

TOKEN = "t" * SHORTEST


def asked(**headers: str) -> HttpRequest:
    return HttpRequest(method="GET", path="/", headers=headers)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_who_shows_it_goes_on(scheme: str) -> None:
    assert refusal(TOKEN, asked(authorization=f"{scheme} {TOKEN}")) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": TOKEN},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": f"Bearer {TOKEN}t"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": f"Bearer {TOKEN}, Bearer {TOKEN}"},
        {"authorization": "Bearer é"},
        {"authorization": f"Bearer {TOKEN}", "origin": "http://127.0.0.1:7777"},
    ],
)
def test_nobody_else_does(headers: dict[str, str]) -> None:
    answer = refusal(TOKEN, asked(**headers))
    assert answer is not None
    assert answer.status == 401
    assert TOKEN not in repr(answer)


def test_the_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    assert read_token(None) == ""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(str(path))
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    assert read_token(str(path)) == TOKEN
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="others can read"):
        read_token(str(path))
    path.chmod(0o600)
    path.write_text(TOKEN[1:])
    with pytest.raises(ConfigError, match="fewer than"):
        read_token(str(path))

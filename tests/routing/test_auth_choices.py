"""What the person said about being known is kept, and read with care."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.routing.auth_choices import AuthChoice, AuthChoices, auth_choices

A, B = "wss://a.example", "wss://b.example"


async def test_what_is_ticked_outlives_the_session(tmp_path: Path) -> None:
    choices = auth_choices(tmp_path, "f" * 64)
    await choices.choose(A, True)
    choices.choose_for_now(B, False)
    assert (choices.of(A), choices.of(B)) == (True, False)
    assert choices.all() == [AuthChoice(A, True, True), AuthChoice(B, False, False)]
    again = auth_choices(tmp_path, "f" * 64)
    assert (again.of(A), again.of(B)) == (True, None)
    assert auth_choices(tmp_path, "e" * 64).of(A) is None, "each account has its own"
    await again.choose(A, False)
    assert choices.of(A) is False, "another process has said so"
    assert await again.forget(A)
    assert not await again.forget(A)
    assert choices.of(A) is None
    [file] = tmp_path.glob("auth-*.json")
    assert file.stat().st_mode & 0o77 == 0


async def test_a_word_for_now_counts_until_one_for_good(tmp_path: Path) -> None:
    choices = AuthChoices(tmp_path / "auth.json")
    await choices.choose(A, False)
    choices.choose_for_now(A, True)
    assert choices.of(A) is True
    await choices.choose(A, False)
    assert choices.all() == [AuthChoice(A, False, True)]


@pytest.mark.parametrize("held", [b"", b"{", b"[]", b'{"allowed":1}', b'{"new":[]}', b"\xff"])
async def test_a_file_that_is_not_understood_is_never_written_over(
    tmp_path: Path, held: bytes
) -> None:
    """It may hold a no, written by a later version."""
    path = tmp_path / "auth.json"
    path.write_bytes(held)
    choices = AuthChoices(path)
    with pytest.raises(StoreError, match="not understood"):
        choices.of(A)
    with pytest.raises(StoreError, match="not understood"):
        await choices.choose(A, True)
    with pytest.raises(StoreError, match="not understood"):
        await choices.note_told()
    assert path.read_bytes() == held

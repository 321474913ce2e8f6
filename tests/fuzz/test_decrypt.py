"""One round of damaged payloads; `make fuzz KIND=decrypt` plays more."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz import decrypt


async def test_nothing_comes_of_damage_but_an_error_that_says_so(tmp_path: Path) -> None:
    await decrypt.play("decrypt", tmp_path)

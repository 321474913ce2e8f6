"""Ids that are not fetched again, across runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.net import rejected_ids
from nostr_client.net.rejected_ids import RejectedIds

IDS = [bytes([n]) * 32 for n in range(10)]


async def test_they_are_remembered_across_runs(tmp_path: Path) -> None:
    path = tmp_path / "events.unwanted"
    first = RejectedIds(path)
    await first.save()
    assert not path.exists()
    first.add(IDS[:3])
    await first.save()
    again = RejectedIds(path)
    assert [id in again for id in IDS[:4]] == [True, True, True, False]
    again.add(IDS[:1])
    assert len(again) == 3
    assert path.stat().st_mode & 0o077 == 0


async def test_the_oldest_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejected_ids, "MOST", 4)
    some = RejectedIds(tmp_path / "file")
    some.add(IDS)
    assert len(some) == 4
    await some.save()
    assert IDS[-1] in RejectedIds(tmp_path / "file")
    assert IDS[0] not in RejectedIds(tmp_path / "file")


async def test_a_damaged_file_and_one_that_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"x" * 40)
    assert len(RejectedIds(damaged)) == 1
    nowhere = RejectedIds(tmp_path / "no" / "such" / "folder")
    nowhere.add(IDS)
    await nowhere.save()
    assert "fetched again" in caplog.text
    assert IDS[0] in nowhere

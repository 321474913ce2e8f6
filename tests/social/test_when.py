"""Times as people type them."""

from __future__ import annotations

from datetime import datetime

import pytest

from nostr_client.errors import InvalidData
from nostr_client.social.when import parse_when

NOW = datetime(2026, 11, 30, 14, 33, 20)  # a Monday


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("18:30", "2026-11-30 18:30"),
        ("9:00", "2026-12-01 09:00"),
        ("14.33", "2026-12-01 14:33"),
        ("tomorrow 9:00", "2026-12-01 09:00"),
        ("Tomorrow at 09:00", "2026-12-01 09:00"),
        ("today 23:59", "2026-11-30 23:59"),
        ("mon 15:00", "2026-11-30 15:00"),
        ("monday 9:00", "2026-12-07 09:00"),
        ("fri 9:00", "2026-12-04 09:00"),
        ("thurs 9:00", "2026-12-03 09:00"),
        ("2026-12-24 18:30", "2026-12-24 18:30"),
        ("  in  2h ", "2026-11-30 16:33:20"),
        ("in 2 hours 30 min", "2026-11-30 17:03:20"),
        ("in 1 week", "2026-12-07 14:33:20"),
    ],
)
def test_a_time_is_understood(typed: str, meant: str) -> None:
    at = datetime.fromtimestamp(parse_when(typed, NOW.timestamp()))
    assert at == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", "a time is typed as: 18:30"),
        ("soon", "a time is typed as"),
        ("tomorrow", "a time is typed as"),
        ("in 2 moons", "a time is typed as"),
        ("monsoon 9:00x", "a time is typed as"),
        ("monkey 9:00", "a time is typed as"),
        ("su 9:00", "a time is typed as"),
        ("0001-01-01 9:00", "no time that a clock here shows|is over"),
        ("9999-12-31 23:59", "no time that a clock here shows|more than a year"),
        ("25:00", "25:00 is no time of a day"),
        ("today 9:00", "today 9:00 is over"),
        ("2025-01-01 9:00", "is over"),
        ("in 0h", "is over"),
        ("in 400d", "more than a year"),
        ("in 99999w", "more than a year"),
        ("\x1b[2J 9:00", "a time is typed as"),
    ],
)
def test_what_is_no_time_is_said(typed: str, problem: str) -> None:
    with pytest.raises(InvalidData, match=problem):
        parse_when(typed, NOW.timestamp())

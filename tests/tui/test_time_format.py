"""Times as people say them."""

from __future__ import annotations

import pytest

from nostr_client.tui.time_format import ago, date, latency, minute

NOW = 1_700_000_000


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        *((0, "now"), (59, "now"), (60, "1m"), (3_599, "59m"), (3_600, "1h"), (86_399, "23h")),
        *((86_400, "1d"), (6 * 86_400, "6d"), (-30, "now"), (-300, "in 5m")),
    ],
)
def test_relative_times(passed: int, words: str) -> None:
    assert ago(NOW - passed, NOW) == words


def test_dates() -> None:
    assert ago(NOW - 30 * 86_400, NOW) == "15 Oct"
    assert date(0) == "1 Jan 1970"
    assert date(2**63 - 1) == "after the year 9999"
    assert ago(2**63 - 1, NOW) == "dated after the year 9999"
    assert minute(2**63 - 1) == "after the year 9999"
    assert latency(None) == "–"
    assert latency(0.0824) == "82 ms"
    assert latency(1.94) == "1.9 s"

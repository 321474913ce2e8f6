"""The packaged starter relays."""

from __future__ import annotations

from datetime import date

import pytest

from nostr_client.errors import ConfigError
from nostr_client.protocol.urls import host_of, is_private_host
from nostr_client.routing.starter import parse_starters, starter_relays


def test_the_list_is_short_dated_and_diverse() -> None:
    starters = starter_relays()
    assert isinstance(starters.date, date)
    assert starters.date >= date(2026, 1, 1)
    assert 8 <= len(starters.relays) <= 10
    assert len(starters.urls("general")) >= 5
    assert starters.urls("indexer")
    assert len({relay.operator for relay in starters.relays}) == len(starters.relays)
    for relay in starters.relays:
        assert relay.url.startswith("wss://")
        assert not is_private_host(host_of(relay.url))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "date = 2026-01-01\n[[relay]]\nurl = 'wss://a.example'\nrole = 'general'",
        "date = 2026-01-01\n[[relay]]\nurl = 'wss://A.example/'\nrole = 'general'\noperator = 'a'",
        "date = 2026-01-01\n[[relay]]\nurl = 'wss://a.example'\nrole = 'x'\noperator = 'a'",
        "date = 'soon'\n[[relay]]\nurl = 'wss://a.example'\nrole = 'general'\noperator = 'a'",
        "relay = 1",
        "= broken",
    ],
)
def test_a_damaged_list_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="starter relays"):
        parse_starters(text)

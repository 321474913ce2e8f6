"""The packaged starter relays."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from nostr_client.errors import ConfigError
from nostr_client.protocol.urls import host_of, is_private_host
from nostr_client.routing.starter_relays import compared_with, parse_starters, starter_relays


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


def test_a_relay_that_is_gone_is_not_offered_and_whoever_names_it_is_told() -> None:
    starters = starter_relays()
    for known in starters.gone:
        words = f"its operator announced its end for {known.since}"
        assert starters.end_of(known.url.replace("wss", "WSS") + "/") == words
    assert not any(starters.end_of(relay.url) for relay in starters.relays)
    assert not starters.end_of("not a url")
    offered = "[[relay]]\nurl = 'wss://a.example'\nrole = 'general'\noperator = 'a'\n"
    gone = "[[gone]]\nurl = 'wss://a.example'\nsince = 'May 2026'\n"
    assert parse_starters(f"date = 2026-01-02\nrelay = []\n{gone}").day == "2 January 2026"
    with pytest.raises(ConfigError, match="cannot be gone"):
        parse_starters(f"date = 2026-01-02\n{offered}{gone}")


def test_a_relay_is_compared_with_the_persons_own_or_else_with_those_of_the_list() -> None:
    general = starter_relays().urls("general")
    assert compared_with("wss://a.example", ["wss://a.example", "wss://b.example"]) == (
        ("wss://b.example",)
    )
    assert compared_with("wss://a.example", ["wss://a.example"]) == general
    assert compared_with(general[0], None) == general[1:]


_SOURCES = ("*.md", "docs/*.md", "nostr_client/**/*.py", "relays/**/*.py", "benchmarks/**/*.py")
_URL = re.compile(r"\bwss?://([\w.-]+)")
_NOBODYS = re.compile(r"\.?(example|invalid|test|onion|localhost|local)$|example\.(com|org|net)$")
"""Names that are kept free for examples, and those that lead to no public relay."""


@pytest.mark.tree
def test_no_example_names_a_real_relay() -> None:
    project = Path(__file__).parents[2]
    listed = {host_of(r.url) for r in (*starter_relays().relays, *starter_relays().gone)}
    for path in (path for glob in _SOURCES for path in project.glob(glob)):
        text = path.read_text("utf-8")
        assert not [host for host in listed if host in text], path
        named = {host.rstrip(".") for host in _URL.findall(text)}
        named = {host for host in named if "." in host and not host[-1].isdigit()}
        assert not {host for host in named if not _NOBODYS.search(host)}, path


_WHOLE = ("*", "packaging/**/*", "docs/**/*", "nostr_client/**/*", "relays/**/*", "tests/**/*.py")


@pytest.mark.tree
def test_a_relay_that_is_gone_is_named_by_the_list_alone() -> None:
    """No example, check or help text has it, no test, and nothing else in the package."""
    project = Path(__file__).parents[2]
    gone = [host_of(relay.url).encode() for relay in starter_relays().gone]
    assert gone
    paths = {path for glob in _WHOLE for path in project.glob(glob) if path.is_file()}
    sources = [path for path in paths if "__pycache__" not in path.parts]
    naming = {path.name for path in sources if any(host in path.read_bytes() for host in gone)}
    assert naming == {"starter_relays.toml"}

"""Whatever comes, each profile has an answer to it, with a prefix and a reason."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nostr_client.protocol.event import Draft
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.store.opening import open_store
from relays.config.relay_config import assemble
from relays.config.sub_relays import sub_relays
from relays.policies.chain import open_policies
from relays.policies.ruleset import Rules
from relays.policies.verdict import IncomingEvent, IncomingQuery, SourceType
from tests.relays.talk import KEY, NOW, OTHER

PREFIXES = ("invalid", "blocked", "restricted", "auth-required", "pow", "rate-limited", "error")
is_reason = re.compile(rf"({'|'.join(PREFIXES)}): [a-z0-9].{{5,}}").fullmatch
EVERYTHING = {
    "profile": "public",
    "pubkey": KEY.public_key.hex,
    "access": {"write": "trusted", "read": "trusted", "scans": False},
    "events": {
        "words": ["x", "*y*"],
        "kinds": [0, 1, 3, 5, 62, 1059, 30023],
        "to": [KEY.public_key.hex],
        "rules": [{"kinds": [1, 0], "content_length": 50, "tags": 3, "work": 4}],
        "work_of": "everyone",
    },
    "rates": {
        name: {"address": "5/minute", "key": "9/minute", "connection": "9/minute"}
        for name in ("events", "queries", "bytes")
    },
}
TABLES = [
    {"profile": profile, "pubkey": KEY.public_key.hex}
    for profile in ("open", "public", "community", "archive", "personal")
]
KEYS = [KEY, OTHER, SecretKey(b"\x33" * 32)]

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=40)
names = st.sampled_from(["p", "e", "-", "expiration", "nonce", "relay", "t", "title", "d", ""])
values = st.one_of(text, st.sampled_from([key.public_key.hex for key in KEYS]), st.just("99" * 40))
tags = st.lists(
    st.builds(lambda name, rest: (name, *rest), names, st.lists(values, max_size=3)), max_size=4
)
events = st.builds(
    lambda kind, content, marks, at, key: Draft(kind, content, tuple(marks), at).sign(key, NOW),
    st.sampled_from([0, 1, 3, 5, 6, 16, 62, 1059, 21059, 22242, 28934, 28936, 30023, 65535]),
    text | st.just("again and again the same text"),
    tags,
    st.sampled_from([0, NOW - 10**6, NOW, NOW + 10**6, 2**62]),
    st.sampled_from(KEYS),
)
offers = st.builds(
    IncomingEvent,
    events,
    st.sampled_from([float(NOW), NOW + 61.5, 0.0]),
    st.sampled_from(["", "127.0.0.1", "::1", "203.0.113.1", "2001:db8::1%x", "junk"]),
    st.frozensets(st.sampled_from([key.public_key.hex for key in KEYS])),
    st.integers(0, 3),
    st.sampled_from(SourceType),
)
filters = st.builds(
    Filter,
    kinds=st.none() | st.frozensets(st.integers(0, 9)),
    authors=st.none() | st.frozensets(st.sampled_from([key.public_key.hex for key in KEYS])),
    limit=st.none() | st.integers(0, 9),
    search=st.none() | text,
)


@pytest.fixture
async def every(tmp_path: Path) -> AsyncIterator[list[Rules]]:
    """The rules of all profiles and rooms, and of one that sets everything."""
    found: list[Rules] = []
    async with open_store(tmp_path / "events.db") as store:
        for table in (*TABLES, EVERYTHING):
            made, problems = assemble(table)
            assert not problems
            for room in sub_relays(made):
                async with open_policies(
                    store, urls=frozenset({"wss://a.example"}), clock=lambda: NOW
                ) as policies:
                    found.append(policies.rules(room.config))
        yield found


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(offer=offers, asked=st.lists(filters, max_size=3), size=st.integers(0, 10**7))
async def test_everything_has_an_answer(
    every: list[Rules], offer: IncomingEvent, asked: list[Filter], size: int
) -> None:
    question = IncomingQuery(
        "REQ", tuple(asked), offer.now, offer.address, offer.keys, offer.connection
    )
    for rules in every:
        verdicts = [rules.check(offer), rules.check_import(offer)]
        if rules.check_query is not None:
            verdicts.append(rules.check_query(question))
        if rules.on_served is not None:
            rules.on_served(question, size)
        for verdict in verdicts:
            assert verdict.accepted or is_reason(verdict.reason), verdict.reason

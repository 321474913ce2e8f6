"""What a program may do at once, and how often."""

from __future__ import annotations

import pytest

from nostr_client.cli.mcp.permissions import HOUR, HourlyLimit, Permissions
from nostr_client.exits import CommandError, Exit


def test_nothing_private_beside_a_verb_that_asks_nobody() -> None:
    assert Permissions.of(["post"], [], ["messages"]).verbs == {"post"}
    assert Permissions.of([], ["post"], []).verbs == {"post"}
    with pytest.raises(CommandError, match="--private drafts and --unasked post") as refused:
        Permissions.of(["reply"], ["post"], ["drafts"])
    assert refused.value.code is Exit.USAGE


def test_the_key_is_wanted_where_it_is_needed_alone() -> None:
    assert not Permissions().needs_key
    assert not Permissions.of([], [], ["drafts"]).needs_key
    assert Permissions.of([], [], ["lists"]).needs_key
    assert Permissions.of(["post"], [], []).needs_key


def test_so_many_in_any_hour() -> None:
    now = 0.0
    limit = HourlyLimit(2, lambda: now)
    assert limit.take()
    now = HOUR / 2
    assert limit.take()
    assert not limit.take()
    now = HOUR
    assert limit.take()
    assert not limit.take()

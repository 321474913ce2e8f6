"""`nostr-client history`."""

from __future__ import annotations

import time

import pytest

from nostr_client.cli.times import since
from nostr_client.exits import CommandError, Exit
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from tests.cli.conftest import DEAD, Home
from tests.net.scripted import ScriptedRelay, honest


async def test_what_relays_have_comes_back(home: Home, key: SecretKey) -> None:
    now = int(time.time())
    notes = [Draft(1, f"note {n}").sign(key, now - 1000 * n) for n in range(6)]
    async with (
        ScriptedRelay(honest(notes[:4], most=500)) as one,
        ScriptedRelay(honest(notes[2:])) as other,
    ):
        home.configure([one.url])
        await home.run("account", "watch", key.public_key.hex)
        seen = await home.run("history", "compare", "--json")
        assert (seen.code, len(seen.record["only_there"])) == (Exit.DONE, 4)
        brought = await home.run("history", "fetch", one.url, other.url, DEAD, "--json")
        assert brought.code == Exit.INCOMPLETE, brought.err
        assert [record["new"] for record in brought.records] == [4, 2, 0]
        assert [record["road"] for record in brought.records][:2] == ["negentropy", "pages"]
        own, mentions = (await home.run("history", "status", "--json")).records
        assert (own["set"], own["complete_since"] >= now) == ("own", True)
        assert own["relays"][one.url]["how"] == "answered"
        assert (mentions["set"], mentions["complete_since"]) == ("mentions", None)
        shown = (await home.run("history", "status")).out
        assert "own history: complete since 20" in shown
        assert f"mentions: not complete yet\n  {one.url}: not asked yet" in shown
        again = await home.run("history", "compare", one.url)
        assert again.code == Exit.DONE
        assert "4 in both, 2 only here, 0 there" in again.out
    gone = await home.run("history", "fetch", DEAD)
    assert gone.code == Exit.NO_ANSWER
    assert DEAD in gone.err


def test_beginnings() -> None:
    assert since("", 100.0) is None
    assert since("2d", 200_000.0) == 27_200
    assert since("2026-01-31", 0.0) == 1_769_817_600
    assert since("2026-01-31T01:00", 0.0) == 1_769_821_200
    assert since("2026-01-31T01:00+01:00", 0.0) == 1_769_817_600
    assert since("1769817600", 0.0) == 1_769_817_600
    assert since("now", 12.9) == 12
    for wrong in ("yesterday", "0d", "2026-13-01"):
        with pytest.raises(CommandError):
            since(wrong, 0.0)

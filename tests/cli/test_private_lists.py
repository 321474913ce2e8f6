"""`nostr-client mute`, `bookmark`: what only their owner can read."""

from __future__ import annotations

import pytest

from nostr_client.exits import Exit
from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.keys import SecretKey
from tests.cli.conftest import Home
from tests.cli.test_notes import stored_at
from tests.conftest import RelayProcess, StartRelay

BEN = SecretKey(b"\x02" * 32).public_key.hex


async def test_private_relays_are_nobodys_business(
    home: Home, key: SecretKey, relay: RelayProcess
) -> None:
    home.configure([relay.url])
    await home.import_key(key)
    added = await home.run("private-relay", "add", "wss://A.example/", "--start-empty", "--json")
    assert added.code == 0, added.err
    event = await stored_at(relay.url, added.record["id"])
    assert event is not None
    assert (event["kind"], event["tags"]) == (kinds.PRIVATE_RELAYS, [])
    (listed,) = (await home.run("private-relay", "list", "--json")).records
    assert listed == {"public": False, "entry": ["relay", "wss://a.example"]}
    assert (await home.run("private-relay", "remove", "wss://a.example")).code == 0
    assert (await home.run("private-relay", "add", "a.example")).code == Exit.USAGE
    searches = await home.run("search-relay", "add", "wss://b.example", "--start-empty", "--public")
    assert searches.code == 0, searches.err
    (listed,) = (await home.run("search-relay", "list", "--json")).records
    assert listed == {"public": True, "entry": ["relay", "wss://b.example"]}


async def test_mutes_are_private_unless_said(
    home: Home, key: SecretKey, relay: RelayProcess
) -> None:
    home.configure([relay.url])
    await home.import_key(key)
    assert (await home.run("mute", "list")).code == Exit.NOT_FOUND
    refused = await home.run("mute", "add", nip19.encode_npub(BEN))
    assert refused.code == Exit.NOT_READ, "a list that was never read is not begun unasked"
    assert "--start-empty begins it" in refused.err
    added = await home.run("mute", "add", nip19.encode_npub(BEN), "--start-empty", "--json")
    assert added.code == 0, added.err
    public = await home.run("mute", "add", "#Spam", "--public", "--json")
    assert public.code == 0, public.err
    event = await stored_at(relay.url, public.record["id"])
    assert event is not None
    assert event["kind"] == kinds.MUTES
    assert event["tags"] == [["t", "spam"]]
    assert BEN not in event["content"]
    listed = (await home.run("mute", "list", "--json")).records
    assert [(each["public"], each["entry"]) for each in listed] == [
        (True, ["t", "spam"]),
        (False, ["p", BEN]),
    ]
    assert (await home.run("mute", "remove", nip19.encode_npub(BEN))).code == 0
    assert BEN not in (await home.run("mute", "list", "--json")).out


@pytest.mark.slow
async def test_a_blocked_relay_is_not_checked_and_not_written_to(
    home: Home, key: SecretKey, relay: RelayProcess, start_relay: StartRelay
) -> None:
    bad = await start_relay()
    home.configure([relay.url, bad.url])
    await home.import_key(key)
    blocked = await home.run("relays", "block", bad.url, "--start-empty")
    assert blocked.code == 0, blocked.err
    assert bad.url in (await home.run("relays", "blocked")).out
    checked = await home.run("relays", "check", bad.url)
    assert checked.code == Exit.USAGE
    assert "you blocked this relay" in checked.err
    posted = await home.run("post", "hi", "--json")
    assert posted.record["accepted"] == [relay.url]
    assert (await home.run("relays", "unblock", bad.url)).code == 0
    assert (await home.run("relays", "check", bad.url)).code == 0

"""`relays` and `own-relay`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import segno

from nostr_client.exits import Exit
from nostr_client.nips import nip19
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.starter_relays import starter_relays
from nostr_client.store.opening import open_store
from tests.cli.conftest import DEAD, Home
from tests.conftest import StartRelay
from tests.routing.moody import Relay
from tests.routing.rooms import BEN, relay_list, signed


async def test_the_list_is_kept(home: Home, key: SecretKey, start_relay: StartRelay) -> None:
    first, second = await start_relay(), await start_relay()
    home.configure([first.url])
    await home.import_key(key)
    before = (await home.run("relays", "--json")).records
    assert [(row["relay"], row["fallback"]) for row in before] == [(first.url, True)]
    added = await home.run("relays", "add", second.url, "--read-only", "--start-empty")
    assert added.code == 0, added.err
    rows = {r["relay"]: r for r in (await home.run("relays", "list", "--json")).records}
    assert (rows[second.url]["read"], rows[second.url]["write"]) == (True, False)
    assert second.url in (await home.run("relays", "list")).out
    removed = await home.run("relays", "remove", second.url)
    assert removed.code == 0, removed.err
    rows = {r["relay"]: r for r in (await home.run("relays", "list", "--json")).records}
    assert second.url not in rows
    again = await home.run("relays", "remove", second.url, "--json")
    assert (again.code, again.record["changed"]) == (0, False)
    assert (await home.run("relays", "add", "http://nonsense")).code == Exit.USAGE
    both = await home.run("relays", "add", first.url, "--read-only", "--write-only")
    assert both.code == Exit.USAGE


async def test_whoever_lists_a_relay_that_has_ended_is_told(home: Home, key: SecretKey) -> None:
    """By every command that is done as the account, but not by the one that leaves it."""
    ended = starter_relays().gone[0].url
    await home.import_key(key)
    async with open_store(home.paths.data / "events.db") as store:
        await store.save([relay_list(key, DEAD, ended, at=1_700_000_000)])
    said = await home.run("relays")
    assert f"`nostr-client relays retire {ended}` takes you away there" in said.err
    assert said.err.count("takes you away") == 1
    told = [json.loads(line) for line in (await home.run("relays", "--json")).err.splitlines()]
    assert ended in [record.get("ended_relay") for record in told]
    assert "takes you away" not in (await home.run("relays", "retire", ended, "--dry-run")).err


async def test_which_relays_may_know_who_asks(home: Home, key: SecretKey) -> None:
    """Said beforehand, and kept; the line of the relay that refused says how."""
    home.configure()
    await home.import_key(key)
    url = "wss://members.example.com"
    for command, words in (("allow", "is told that"), ("deny", "is never told")):
        said = await home.run("relays", "auth", command, "WSS://Members.Example.com/")
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith(f"{url} {words}")
        listed = (await home.run("relays", "auth", "--json")).records
        assert listed == [{"relay": url, "allowed": command == "allow"}]
    assert (await home.run("relays", "auth", "forget", url)).out == "taken back\n"
    assert (await home.run("relays", "auth", "list")).out == ""
    assert (await home.run("relays", "auth", "allow", "http://nonsense")).code == Exit.USAGE
    [file] = home.paths.data.glob("auth-*.json")
    file.write_text('{"from a later version": true}')
    failed = await home.run("relays", "auth", "allow", url)
    assert failed.code != 0
    assert "not understood" in failed.err
    assert file.read_text() == '{"from a later version": true}'


async def test_a_relay_behind_a_wall_says_how_it_is_opened(home: Home, key: SecretKey) -> None:
    async with Relay() as mine, Relay(signed(BEN, 0, '{"name":"ben"}')) as wall:
        wall.challenge, wall.words = "prove it", "auth-required: who are you?"
        for event in (relay_list(key, mine.url), relay_list(BEN, wall.url)):
            mine.keep(event)
        home.configure([mine.url])
        await home.import_key(key)
        asked = ("profile", BEN.public_key.hex)
        refused = await home.run(*asked)
        assert refused.code != 0
        assert wall.guests == []
        assert f"`nostr-client relays auth allow {wall.url}`" in refused.err
        await home.run("relays", "auth", "allow", wall.url)
        found = await home.run(*asked)
        assert (found.code, found.err) == (0, "")
        assert "ben" in found.out
        assert [guest.pubkey for guest in wall.guests] == [key.public_key.hex]


async def test_check_says_each_step(home: Home, start_relay: StartRelay) -> None:
    relay = await start_relay()
    done = await home.run("relays", "check", relay.url, "--json")
    steps = {record["step"]: record["ok"] for record in done.records}
    assert done.code == 0, done.out
    assert len(steps) >= 5
    await relay.kill()
    down = await home.run("relays", "check", relay.url)
    assert down.code == Exit.ERROR
    assert "x " in down.out


async def test_the_own_relay_by_hand(home: Home) -> None:
    assert (await home.run("own-relay")).code == Exit.NOT_FOUND
    try:
        started = (await home.run("own-relay", "start", "--json")).record
        assert started["running"]
        again = (await home.run("own-relay", "start", "--json")).record
        assert again["pid"] == started["pid"]
        assert started["url"] in (await home.run("own-relay", "status")).out
    finally:
        assert (await home.run("own-relay", "stop")).out == "stopped\n"
    assert (await home.run("own-relay", "stop")).out == "it was not running\n"


async def test_when_no_relay_answers_others_are_found_and_stand_in(
    home: Home, key: SecretKey, start_relay: StartRelay, tmp_path: Path
) -> None:
    home.configure([DEAD])
    await home.import_key(key)
    posted = await home.run("post", "--json", "nobody hears this")
    assert posted.code == Exit.NOT_ACCEPTED, posted.err
    relay = await start_relay()
    nobody = await home.run("relays", "find", "ws://127.0.0.1:10")
    assert nobody.code == Exit.NO_ANSWER
    assert "nobody was reached" in nobody.err
    named = tmp_path / "from-a-friend.txt"
    named.write_text(f"try nostr:{nip19.encode_nprofile(key.public_key.hex, [relay.url])} then\n")
    found = await home.run("relays", "find", "--json", str(named))
    assert found.code == 0, found.err
    assert {"rung": "given", "relay": relay.url, "reached": True} in found.records
    sent = await home.run("send", "--json")
    assert sent.code == 0, sent.err
    again = await home.run("post", "--json", "somebody does")
    assert again.record["accepted"] == [relay.url]


async def test_a_friends_picture_leads_to_relays(
    home: Home, key: SecretKey, start_relay: StartRelay, tmp_path: Path
) -> None:
    """One shows a code, the other gives a picture of it to `relays find`."""
    pytest.importorskip("zxingcpp", reason="the extra `pictures` is not installed")
    pytest.importorskip("PIL", reason="the extra `pictures` is not installed")
    relay = await start_relay()
    home.configure([DEAD])
    await home.import_key(key)
    shared = await home.run("relays", "share", relay.url, "--qr")
    assert "█" in shared.err
    code = shared.out.strip()
    assert nip19.relays_in(code) == (relay.url,)
    picture = tmp_path / "from-a-friend.png"
    segno.make(f"nostr:{code}").save(str(picture), scale=4)
    found = await home.run("relays", "find", "--json", str(picture))
    assert found.code == 0, found.err
    assert {"rung": "given", "relay": relay.url, "reached": True} in found.records
    picture.write_bytes(picture.read_bytes()[:40])
    broken = await home.run("relays", "find", str(picture))
    assert broken.code == Exit.USAGE
    assert "this picture cannot be read" in broken.err

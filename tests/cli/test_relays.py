"""`relays` and `own-relay`."""

from __future__ import annotations

from nostr_client.exits import Exit
from nostr_client.protocol.keys import SecretKey
from tests.cli.conftest import Home
from tests.conftest import StartRelay


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

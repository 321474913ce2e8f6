"""An account in a bunker, by commands: both ways in, used as any other, and out."""

from __future__ import annotations

import asyncio
import json

from nostr_client.exits import Exit
from nostr_client.nips.nip19 import encode_npub
from tests.accounts.bunkers import ACCOUNT, FakeBunker, Switchboard
from tests.cli.conftest import LIMIT, Home

NPUB = encode_npub(ACCOUNT.public_key.hex)


async def test_added_by_the_bunkers_code_used_and_removed(home: Home) -> None:
    async with Switchboard(wants_auth=True) as relay:
        bunker = FakeBunker(relay)
        added = await home.run("account", "add", "--bunker", given=bunker.uri.format() + "\n")
        assert (added.code, added.out.strip()) == (0, NPUB)
        assert "its key stays in the bunker" in added.err
        assert "bunker" in (await home.run("account", "list")).out
        posted = await home.run("post", "by way of a bunker", "--json")
        assert json.loads(posted.out)["pubkey"] == ACCOUNT.public_key.hex
        assert [event.content for event in bunker.signed] == ["by way of a bunker"]
        assert (await home.run("account", "export")).code != 0
        asked = await home.run("account", "remove", NPUB)
        assert "Its key stays in the bunker" in asked.err
        removed = await home.run("account", "remove", NPUB, "--yes")
        assert removed.code == 0
        assert len(bunker.of("logout")) == 1
        assert not bunker.clients
    assert not [text for text in home.said if bunker.secret in text]


async def test_what_is_no_code_or_no_bunker_is_said_plainly(home: Home) -> None:
    wrong = await home.run("account", "add", "--bunker", given="bunker://hush")
    assert "64 hex digits" in wrong.err
    assert "hush" not in wrong.err
    assert (await home.run("account", "add", given="x")).code == Exit.USAGE


async def test_connected_by_our_code(home: Home) -> None:
    async with asyncio.timeout(LIMIT), Switchboard() as relay:
        bunker = FakeBunker(relay)
        process = await home.start("account", "connect", "--relay", relay.url, "--json")
        assert process.stdout is not None
        line = json.loads(await process.stdout.readline())
        await relay.until(lambda: relay.hears(line["uri"].partition("//")[2][:64]))
        await bunker.scan(line["uri"])
        account = json.loads(await process.stdout.readline())
        assert (account["npub"], account["protection"]) == (NPUB, "bunker")
        assert account["relays"] == [relay.url]
        await process.communicate()
        assert process.returncode == 0

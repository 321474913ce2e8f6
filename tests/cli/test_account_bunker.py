"""An account in a bunker, by commands: both ways in, used as any other, and out."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nostr_client.accounts.bunker_meeting import pair
from nostr_client.accounts.remote_signer import RemoteSigner
from nostr_client.exits import Exit
from nostr_client.nips.nip19 import encode_npub
from nostr_client.nips.nip46 import BunkerUri
from nostr_client.protocol.event import Draft, Event
from nostr_client.signing.gated import gated
from tests.accounts.bunkers import ACCOUNT, OTHER, FakeBunker, Switchboard
from tests.cli.conftest import LIMIT, Home
from tests.conftest import StartRelay

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


@pytest.mark.slow
async def test_our_bunker_and_our_client_over_a_relay_that_is_killed(
    tmp_path: Path, home: Home, start_relay: StartRelay
) -> None:
    config = tmp_path / "relay.toml"
    config.write_text("[access]\nauthenticated = true\n")
    relay = await start_relay("--config", str(config))
    await home.import_key(ACCOUNT)
    permitted = "sign_event,nip44_encrypt,nip44_decrypt"
    keeper = await home.start(
        *("bunker", "run", "--relay", relay.url, "--invite", "--perms", permitted, "--json")
    )
    try:
        assert keeper.stdout is not None
        async with asyncio.timeout(LIMIT):
            while "uri" not in (line := json.loads(await keeper.stdout.readline())):
                continue
        pairing = await pair(BunkerUri.parse(line["uri"]))
        assert pairing.account == ACCOUNT.public_key.hex
        async with RemoteSigner(pairing) as remote:
            drafts = [
                Draft(1, f"note {number}", created_at=1_700_000_000 + number)
                for number in range(100)
            ]
            asking = asyncio.ensure_future(gated(remote).sign_many(drafts))
            await remote.sign(Draft(1, "it has begun"))
            await relay.kill()
            port = urlsplit(relay.url).port or 0
            await start_relay("--config", str(config), data=relay.data, port=port)
            signed = await asking
            assert [event.content for event in signed if isinstance(event, Event)] == [
                draft.content for draft in drafts
            ], signed
            payload = await remote.nip44_encrypt(OTHER.public_key.hex, "hello")
            assert await remote.nip44_decrypt(OTHER.public_key.hex, payload) == "hello"
    finally:
        keeper.terminate()
        await keeper.communicate()
    log = (await home.run("bunker", "log", "--limit", "1000", "--json")).records
    asked = [entry for entry in log if entry["method"] == "sign_event"]
    signed_there = [entry["event"] for entry in asked if "event" in entry]
    assert len(signed_there) == len(set(signed_there)) == 101
    assert {entry["outcome"] for entry in asked} <= {"done", "again"}  # asked again, signed once

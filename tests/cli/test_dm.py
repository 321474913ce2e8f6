"""`nostr-client dm`: two people, each with a home, and a relay between them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nostr_client.exits import Exit
from nostr_client.nips import nip19
from nostr_client.protocol.keys import SecretKey
from tests.cli.conftest import Home
from tests.conftest import RelayProcess
from tests.warm import Warm

ANA, BEN = SecretKey(b"\x01" * 32), SecretKey(b"\x02" * 32)
ana_npub, ben_npub = (nip19.encode_npub(key.public_key.hex) for key in (ANA, BEN))


@pytest.fixture
async def homes(tmp_path: Path, warm: Warm, relay: RelayProcess) -> tuple[Home, Home]:
    """Ana's and Ben's; Ben reads private messages at the relay, and Ana not yet."""
    ana, ben = Home(tmp_path / "ana", warm=warm), Home(tmp_path / "ben", warm=warm)
    for home, key in ((ana, ANA), (ben, BEN)):
        home.configure([relay.url])
        await home.import_key(key)
    done = await ben.run("dm", "relays", "--set", relay.url, "--start-empty")
    assert done.code == 0, done.err
    return ana, ben


async def test_a_conversation(homes: tuple[Home, Home], relay: RelayProcess) -> None:
    ana, ben = homes
    assert (await ana.run("dm", "relays", "--set", relay.url, "--start-empty")).code == 0
    assert relay.url in (await ana.run("dm", "relays")).out
    waiting = asyncio.create_task(ben.run("dm", "await", ana_npub, "--timeout", "60", "--json"))
    sent = await ana.run("dm", "send", ben_npub, "-", "--json", given="hello, \x1b[31mBen\n")
    assert sent.code == 0, sent.err
    assert sent.record["delivery"] == "sent"
    heard = await waiting
    assert heard.code == 0, heard.err
    assert heard.record["id"] == sent.record["id"]
    assert heard.record["text"] == "hello, \x1b[31mBen"
    (asked,) = (await ben.run("dm", "list", "--requests", "--json")).records
    assert asked["request"], "ana is nobody that ben knows"
    none = await ben.run("dm", "list")
    assert none.code == Exit.NOT_FOUND
    assert "--requests" in none.err, "that a stranger wrote is said"
    answer = await ben.run("dm", "send", ana_npub, "hi", "--reply-to", sent.record["id"])
    assert answer.code == 0, answer.err
    assert (await ben.run("dm", "react", sent.record["id"], "+")).code == 0
    shown = await ana.run("dm", "list", ben_npub)
    assert shown.code == 0, shown.err
    assert "hi" in shown.out
    assert "\x1b" not in shown.out
    (room,) = (await ana.run("dm", "list", "--json")).records
    assert room["last"]["text"] == "hi"
    assert room["last"]["reply_to"] == sent.record["id"]
    (found,) = (await ana.run("dm", "search", "hello", "--json", "--offline")).records
    assert found["reactions"] == [{"pubkey": BEN.public_key.hex, "content": "+"}]
    await ben.run("dm", "send", ana_npub, "again")
    (room,) = (await ana.run("dm", "list", "--json")).records
    assert room["last"]["text"] == "again", "it is here, so that nothing is waited for"
    awaited = await ana.run("dm", "await", "--count", "3", "--timeout", "3", "--json")
    assert [one["text"] for one in awaited.records] == ["hi", "again"], "also what came before"
    assert awaited.code == Exit.INCOMPLETE
    assert (await ana.run("dm", "await", "--timeout", "1")).code == Exit.NOT_FOUND, "it was read"
    no_file = await ana.run("dm", "save", sent.record["id"], str(ana.folder / "file"))
    assert "no file" in no_file.err
    assert no_file.code
    for home in homes:
        for file in home.folder.rglob("*"):
            assert not file.is_file() or b"hello" not in file.read_bytes(), file


async def test_who_names_no_relays_is_not_written_to(homes: tuple[Home, Home]) -> None:
    _, ben = homes
    done = await ben.run("dm", "send", ana_npub, "are you there?", "--json")
    assert done.code == Exit.NOT_FOUND
    assert "10050" in done.err
    assert (await ben.run("dm", "list", "--offline")).code == Exit.NOT_FOUND, "nothing was written"
    waited = await ben.run("dm", "await", "--timeout", "1")
    assert waited.code == Exit.NOT_FOUND
    assert (await ben.run("dm", "send", ana_npub, "x", "--expires", "soon")).code == Exit.USAGE

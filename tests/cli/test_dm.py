"""`nostr-client dm`: two people, each with a home, and a relay between them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from websockets.sync.client import connect

from nostr_client.cli.message_output import conversation_line
from nostr_client.exits import Exit
from nostr_client.nips import nip19
from nostr_client.protocol.keys import SecretKey
from nostr_client.social.messages.views import Conversation
from tests.cli.conftest import LIMIT, Home
from tests.conftest import RelayProcess, StartRelay
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


@pytest.mark.slow
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
    nobody = await ben.run("dm", "await", "--timeout", "1")
    assert "1 of strangers" in nobody.err, "and to who waits, too"
    assert (await ben.run("dm", "dismiss")).code == Exit.USAGE, "all at once is asked for by name"
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


def test_a_room_of_very_many_is_one_short_line() -> None:
    crowd = frozenset(SecretKey.generate().public_key.hex for _ in range(300))
    room = Conversation(members=crowd, subject="", last=None, unread=1, request=True)
    line = conversation_line(room, {}, "")
    assert "and 290 more" in line
    assert len(line) < 1_000


async def test_who_names_no_relays_is_not_written_to(homes: tuple[Home, Home]) -> None:
    _, ben = homes
    done = await ben.run("dm", "send", ana_npub, "are you there?", "--json")
    assert done.code == Exit.NOT_FOUND
    assert "10050" in done.err
    assert (await ben.run("dm", "list", "--offline")).code == Exit.NOT_FOUND, "nothing was written"
    waited = await ben.run("dm", "await", "--timeout", "1")
    assert waited.code == Exit.NOT_FOUND
    assert (await ben.run("dm", "send", ana_npub, "x", "--expires", "soon")).code == Exit.USAGE


async def test_message_relays_that_ask_who_it_is(
    tmp_path: Path, warm: Warm, start_relay: StartRelay
) -> None:
    guarded = tmp_path / "inbox.toml"
    guarded.write_text("[access]\nauthenticated_wraps = true\n")
    inbox, public = await start_relay("--config", str(guarded)), await start_relay()
    ana, ben = Home(tmp_path / "ana", warm=warm), Home(tmp_path / "ben", warm=warm)
    for home, key in ((ana, ANA), (ben, BEN)):
        home.configure([public.url])
        await home.import_key(key)
    done = await ben.run("dm", "relays", "--set", inbox.url, "--start-empty")
    assert done.code == 0, done.err
    sent = await ana.run("dm", "send", ben_npub, "who goes there?", "--json")
    assert (sent.code, sent.record["delivery"]) == (0, "sent"), sent.err
    assert json.loads(sent.err) == {"told_who_you_are": inbox.url}
    again = await ana.run("dm", "send", ben_npub, "again", "--json")
    assert (again.code, again.record["delivery"]) == (0, "sent"), again.err
    assert again.err == "", "once"
    nobody = await asyncio.to_thread(wraps_at, inbox.url)
    assert nobody == [], "its recipient alone is given a wrap, once it is known who asks"
    heard = await ben.run("dm", "await", ana_npub, "--count", "2", "--timeout", "60", "--json")
    assert heard.code == 0, heard.err
    assert [each["text"] for each in heard.records] == ["who goes there?", "again"]
    assert heard.err == "", "it is his own relay"


async def test_a_relay_that_takes_nothing_from_us_is_named(
    tmp_path: Path, warm: Warm, start_relay: StartRelay
) -> None:
    closed = tmp_path / "closed.toml"
    ben_only = f'write = "listed"\nwriters = ["{BEN.public_key.hex}"]\nauthenticated = true\n'
    closed.write_text(f"[access]\n{ben_only}")
    inbox, public = await start_relay("--config", str(closed)), await start_relay()
    ana, ben = Home(tmp_path / "ana", warm=warm), Home(tmp_path / "ben", warm=warm)
    for home, key in ((ana, ANA), (ben, BEN)):
        home.configure([public.url])
        await home.import_key(key)
    done = await ben.run("dm", "relays", "--set", inbox.url, "--start-empty")
    assert done.code == 0, done.err
    sent = await ana.run("dm", "send", ben_npub, "let me in")
    assert sent.code == Exit.NOT_ACCEPTED
    assert "refused by every relay" in sent.out
    assert f"{inbox.url}: restricted: " in sent.err
    assert (await ana.run("relays", "auth", "deny", inbox.url)).code == 0
    denied = await ana.run("dm", "send", ben_npub, "without a name")
    assert denied.code == Exit.NOT_ACCEPTED
    assert f"{inbox.url}: auth-required" in denied.err


def wraps_at(url: str) -> list[list[object]]:
    """The gift wraps that somebody is given who does not say who it is."""
    with connect(url, compression=None) as relay:
        relay.send(json.dumps(["REQ", "all", {"kinds": [1059]}]))
        found: list[list[object]] = []
        while (message := json.loads(relay.recv(timeout=LIMIT)))[0] not in ("EOSE", "CLOSED"):
            found += [message] if message[0] == "EVENT" else []
        return found

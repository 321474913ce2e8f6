"""`post`, `reply`, `react`, `repost`, `delete`, with real relays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets

from nostr_client.cli.context import ClientContext
from nostr_client.cli.note_refs import NoteRef, find_note, note_ref
from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import InvalidCode
from nostr_client.exits import CommandError, Exit
from nostr_client.nips import nip19
from nostr_client.paths import Paths
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.messages import PublishEvent
from nostr_client.resilience.own_relay import OwnRelay
from nostr_client.store.opening import open_store
from tests.cli.conftest import DEAD, Home
from tests.conftest import StartRelay


@asynccontextmanager
async def refusing(words: str) -> AsyncIterator[str]:
    """A relay that takes nothing, and says so in `words`."""

    async def answer(socket: websockets.ServerConnection) -> None:
        async for frame in socket:
            message: Any = json.loads(frame)
            if message[0] == "EVENT":
                await socket.send(json.dumps(["OK", message[1]["id"], False, words]))
            elif message[0] == "REQ":
                await socket.send(json.dumps(["EOSE", message[1]]))

    async with websockets.serve(answer, "127.0.0.1", 0) as server:
        (socket,) = server.sockets
        yield f"ws://127.0.0.1:{socket.getsockname()[1]}"


async def stored_at(
    url: str, note_id: str, headers: Mapping[str, str] | None = None
) -> dict[str, Any] | None:
    connecting = websockets.connect(url, additional_headers=headers)
    async with asyncio.timeout(60), connecting as socket:
        await socket.send(json.dumps(["REQ", "s", {"ids": [note_id]}]))
        while True:
            message = json.loads(await socket.recv())
            if message[0] == "EVENT":
                return dict(message[2])
            if message[0] == "EOSE":
                return None


async def put(url: str, draft: Draft, key: SecretKey) -> str:
    event = draft.sign(key, 1_700_000_000)
    async with asyncio.timeout(60), websockets.connect(url) as socket:
        await socket.send(PublishEvent(event).encode().decode())
        assert json.loads(await socket.recv())[2] is True
    return event.id


async def test_post_says_what_each_relay_said(
    home: Home, key: SecretKey, start_relay: StartRelay
) -> None:
    good = [(await start_relay()).url for _ in range(2)]
    async with refusing("blocked: \x1b[31mnot on our list\u202e") as bad:
        home.configure([*good, bad, DEAD])
        await home.import_key(key)
        plain = await home.run("post", "hello, world")
        assert plain.code == 0, plain.err
        assert "2 of 4, and the copy here" in plain.out
        assert "not on our list" in plain.out
        assert "\x1b" not in plain.out
        assert "\u202e" not in plain.out
        done = await home.run("post", "--json", "-", given="from a pipe\n")
        record = done.record
        assert done.code == 0
        assert set(record["accepted"]) == set(good)
        assert [(r["relay"], r["prefix"]) for r in record["refused"]] == [(bad, "blocked")]
        assert [r["relay"] for r in record["unanswered"]] == [DEAD]
        event = await stored_at(good[0], record["id"])
        assert event is not None
        assert event["content"] == "from a pipe"
        assert event["pubkey"] == key.public_key.hex
        code = nip19.decode(record["nevent"])
        assert isinstance(code, nip19.Nevent)
        assert code.id == record["id"]


async def test_nobody_accepted_is_3_and_loses_nothing(
    home: Home, key: SecretKey, start_relay: StartRelay
) -> None:
    relay = await start_relay()
    port = int(relay.url.rpartition(":")[2])
    home.configure([relay.url])
    await home.import_key(key)
    await relay.kill()
    done = await home.run("post", "into the dark", "--json")
    assert done.code == Exit.NOT_ACCEPTED
    note = done.record["id"]
    assert done.record["accepted"] == []
    again = await start_relay(data=relay.data, port=port)
    async with open_store(home.paths.data / "events.db") as store:
        for copy in await store.ledger.copies(note):  # the time of the next try has come
            await store.ledger.refuse(
                note, copy.url, copy.prefix, copy.reason, final=False, next_try=0
            )
    assert (await home.run("post", "daylight")).code == 0
    assert await stored_at(again.url, note) is not None, "the next command takes it along"


async def test_no_relays_at_all_is_3(home: Home, key: SecretKey) -> None:
    home.configure([DEAD])
    await home.import_key(key)
    done = await home.run("post", "hello")
    assert done.code == Exit.NOT_ACCEPTED
    assert "0 of 1, and the copy here" in done.out


async def test_the_own_relay_alone_is_3_and_holds_it(home: Home, key: SecretKey) -> None:
    home.configure([DEAD], own_relay=True)
    await home.import_key(key)
    try:
        done = await home.run("post", "at home", "--json")
        assert (done.code, done.record["own_relay"]) == (Exit.NOT_ACCEPTED, True), done.err
        status = (await home.run("own-relay", "status", "--json")).record
        assert status["running"], "it outlives the command"
        url = status["url"]
        headers = OwnRelay(home.paths).folder.headers(url)
        assert await stored_at(url, done.record["id"], headers) is not None
    finally:
        stopped = await home.run("own-relay", "stop", "--json")
    assert stopped.record == {"stopped": True}
    gone = await home.run("own-relay", "status")
    assert gone.code == Exit.NOT_FOUND


async def test_an_empty_note_is_not_sent(home: Home, key: SecretKey) -> None:
    home.configure([DEAD])
    await home.import_key(key)
    for text, given in ((" ", ""), ("-", "\n\n")):
        done = await home.run("post", text, given=given)
        assert (done.code, done.out) == (Exit.USAGE, "")
    assert (await home.run("post", nip19.encode_nsec(key))).code == Exit.USAGE


async def test_answering_reacting_reposting_deleting(
    home: Home, key: SecretKey, start_relay: StartRelay
) -> None:
    relay = await start_relay()
    home.configure([relay.url])
    await home.import_key(key)
    author = SecretKey.generate()
    theirs = await put(relay.url, Draft(1, "who is there?"), author)
    done = await home.run("reply", nip19.encode_note(theirs), "me", "--json")
    assert done.code == 0, done.err
    answer = await stored_at(relay.url, done.record["id"])
    assert answer is not None
    assert any(t[:2] == ["e", theirs] and t[3] == "root" for t in answer["tags"])
    for command, kind in ((("react", theirs, "🤙"), 7), (("repost", theirs), 6)):
        done = await home.run(*command, "--json")
        assert (done.code, done.record["kind"]) == (0, kind)
    mine = (await home.run("post", "oops", "--json")).record["id"]
    assert (await home.run("delete", mine)).code == 0
    assert await stored_at(relay.url, mine) is None
    assert (await home.run("delete", theirs)).code == Exit.USAGE
    assert (await home.run("reply", "f" * 64, "hello?")).code == Exit.NOT_FOUND


def test_notes_are_named_as_people_name_them(key: SecretKey) -> None:
    note, npub = "ab" * 32, nip19.encode_npub(key.public_key.hex)
    code = nip19.encode_note(note)
    for text in (note, note.upper(), code, f"nostr:{code}", f" {code}\n"):
        assert note_ref(text) == NoteRef(note, ())
    where = ("wss://relay.example",)
    assert note_ref(nip19.encode_nevent(note, where)) == NoteRef(note, where)
    for text in ("", "note1nonsense", npub, note[:-1], nip19.encode_nsec(key)):
        with pytest.raises(InvalidCode):
            note_ref(text)


async def test_a_code_opens_no_private_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever made the code chose its relays: they are a stranger's word."""
    monkeypatch.setattr("nostr_client.cli.context.keep_log", lambda path: None)
    knocks: list[object] = []

    async def knock(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks.append(writer.get_extra_info("peername"))
        writer.close()

    server = await asyncio.start_server(knock, "127.0.0.1", 0)
    async with server:
        inside = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/admin?reboot=1"
        outside = "wss://relay.invalid"  # it may lead to a private address, once it is looked up
        ref = note_ref(nip19.encode_nevent("ab" * 32, (inside, outside)))
        async with NostrClient.open(
            paths=Paths(tmp_path / "c", tmp_path / "d", tmp_path / "s"),
            config=ClientConfig(relays=(), own_relay=False),
        ) as client:
            with pytest.raises(CommandError):
                await find_note(ClientContext(), client, ref)
            policy = client.book.policy
            assert not any(policy.allows_private(url) for url in (inside, outside))
    assert knocks == []


async def test_two_posts_at_once_and_a_client_beside_them(
    home: Home, key: SecretKey, start_relay: StartRelay
) -> None:
    relay = await start_relay()
    home.configure([relay.url])
    await home.import_key(key)
    follow = await home.start("feed", "--follow", "--json")
    assert follow.stdout is not None
    try:
        done = await asyncio.gather(*(home.run("post", f"note {n}", "--json") for n in range(2)))
        ids = {result.record["id"] for result in done}
        assert [result.code for result in done] == [0, 0]
        seen: set[str] = set()
        async with asyncio.timeout(60):
            while not ids <= seen:
                seen.add(json.loads(await follow.stdout.readline())["id"])
    finally:
        follow.terminate()
        await asyncio.wait_for(follow.communicate(), 60)
    assert follow.returncode == 128 + 15


async def test_what_waits_is_sent_by_hand_and_by_whatever_reads(
    home: Home, key: SecretKey, start_relay: StartRelay
) -> None:
    relay = await start_relay()
    home.configure([relay.url])
    await home.import_key(key)
    nothing = await home.run("send")
    assert (nothing.code, nothing.out) == (Exit.DONE, "nothing waits to be sent\n")
    port = int(relay.url.rpartition(":")[2])
    await relay.stop()
    first = (await home.run("post", "one", "--json")).record["id"]
    still = await home.run("send")
    assert still.code == Exit.NOT_ACCEPTED
    assert still.out.startswith("0 sent, 1 kept here and tried again\n"), still.out
    assert relay.url in still.out
    again = await start_relay(data=relay.data, port=port)
    sent = await home.run("send", "--json")
    assert (sent.code, sent.record) == (Exit.DONE, {"sent": 1, "unsent": 0, "waiting": []})
    assert await stored_at(relay.url, first) is not None

    await again.stop()
    second = (await home.run("post", "two", "--json")).record["id"]
    await start_relay(data=relay.data, port=port)
    async with open_store(home.paths.data / "events.db") as store:
        await store.ledger.hurry()  # instead of waiting until it is due
    assert (await home.run("thread", second)).code == Exit.DONE
    assert await stored_at(relay.url, second) is not None

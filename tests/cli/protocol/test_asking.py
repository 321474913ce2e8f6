"""`fetch`, `outbox`, `relays info|watch`, `curl`, `admin`, `status`."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nostr_client.cli.protocol import signed_http
from nostr_client.exits import Exit
from nostr_client.nips import nip19, nip98
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from tests.cli.conftest import DEAD, PASSWORD, Home
from tests.conftest import StartRelay
from tests.net.scripted import ALICE, ScriptedRelay, honest, note

NPUB = nip19.encode_npub(ALICE.public_key.hex)


async def test_codes_lead_to_events_wherever_they_are(home: Home) -> None:
    profile = Draft(0, '{"name":"alice"}').sign(ALICE, 1_700_000_000)
    article = Draft(30023, "long", (("d", "x"),)).sign(ALICE, 1_700_000_000)
    held = [profile, article, note("hello")]
    async with ScriptedRelay(honest(held, hints=True)) as theirs:
        listed = Draft(10002, "", (("r", theirs.url),)).sign(ALICE, 1_700_000_000)
        async with ScriptedRelay(honest([listed])) as ours:
            home.configure([ours.url])
            place = nip19.encode_naddr(30023, ALICE.public_key.hex, "x")
            hello = nip19.encode_nevent(note("hello").id, (), ALICE.public_key.hex)
            found = await home.run("fetch", NPUB, place, f"nostr:{hello}")
            assert found.code == Exit.DONE, found.err
            assert {event["id"] for event in found.records} == {
                event.id for event in (profile, article, note("hello"))
            }
            lines = f"{nip19.encode_note('ab' * 32)}\n\n{NPUB}\nnonsense\n"
            some = await home.run("fetch", given=lines)
            assert (some.code, some.record["id"]) == (Exit.INCOMPLETE, profile.id)
            assert "1: not found" in some.err
            assert "4: " in some.err
            told = await home.run("fetch", "--json", "--quiet", given=f"{NPUB}\nnonsense\n")
            assert told.code == Exit.INCOMPLETE
            assert {*json.loads(told.err)} == {"line", "error"}
            assert json.loads(told.err)["line"] == 2
            held.append(note("later", at=1_700_000_100))
            fewer = await home.run("fetch", NPUB, "-k", "1", "-l", "1")
            assert (fewer.code, len(fewer.records)) == (Exit.DONE, 1), fewer.err

            where = await home.run("outbox", NPUB, "--json")
            assert set(where.record) == {
                *("pubkey", "npub", "source", "write", "read", "messages", "hints"),
                *("list", "list_at", "list_from"),
            }
            assert where.record["write"] == [theirs.url]
            assert where.record["source"] == "list"
            assert where.record["list_from"] == [ours.url]
            assert theirs.url in (await home.run("outbox", NPUB)).out
    other = nip19.encode_npub(SecretKey.generate().public_key.hex)
    assert (await home.run("outbox", other)).code == Exit.NO_ANSWER
    nsec = nip19.encode_nsec(SecretKey.generate())
    wrong = await home.run("fetch", "zzz")
    assert (wrong.code, wrong.err.count("\n")) == (Exit.USAGE, 1), wrong.err
    refused = await home.run("fetch", nsec)
    assert refused.code == Exit.USAGE
    assert nsec not in refused.err + refused.out


@pytest.mark.slow
async def test_a_relay_is_asked_about_and_watched(home: Home, start_relay: StartRelay) -> None:
    relay = await start_relay()
    told = await home.run("relays", "info", relay.url, "--json")
    assert told.record["relay"] == relay.url
    assert 1 in told.record["info"]["supported_nips"]
    assert "supported_nips: 1, " in (await home.run("relays", "info", relay.url)).out
    watched = await home.run("relays", "watch", relay.url, DEAD, "--count", "2", "--json")
    assert watched.code == Exit.DONE, watched.err
    assert {line["relay"]: line["state"] for line in watched.records} == {
        relay.url: "up",
        DEAD: "down",
    }
    assert set(watched.records[0]) == {
        *("relay", "state", "at", "latency", "problem", "last_word"),
    }
    late = await home.run("relays", "watch", relay.url, "--count", "2", "--timeout", "0.5")
    assert late.code == Exit.TIMED_OUT
    assert (await home.run("relays", "info", DEAD)).code == Exit.NO_ANSWER


@asynccontextmanager
async def web_server(answers: dict[bytes, bytes]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that answers by the path, and keeps what it was sent."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        heard.append(head + await reader.readexactly(int(fields.get(b"content-length", b"0"))))
        writer.write(answers[head.split()[1]])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heard


def answer(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


async def test_a_request_is_signed(home: Home, key: SecretKey) -> None:
    given = {"NOSTR_CLIENT_KEY": nip19.encode_nsec(key)}
    answers = {
        b"/a": answer(b"200 OK", b'{"b":1}'),
        b"/no": answer(b"403 Forbidden", b"go away"),
        b"/bin": answer(b"200 OK", b"\xff\x00"),
    }
    async with web_server(answers) as (url, heard):
        done = await home.run("curl", f"{url}/a", "-d", "-", given="body", **given)
        assert (done.code, done.out) == (Exit.DONE, '{"b":1}')
        head, _, body = heard[0].partition(b"\r\n\r\n")
        [field] = [line for line in head.split(b"\r\n") if line.startswith(b"Authorization: ")]
        value = field.partition(b": ")[2].decode()
        event = json.loads(base64.b64decode(value.removeprefix("Nostr ")))
        assert event["pubkey"] == key.public_key.hex
        now = float(event["created_at"])
        nip98.check(value, urls=[f"{url}/a"], method="POST", now=now, body=b"body")
        assert body == b"body"

        refused = await home.run("curl", f"{url}/no", "--json", **given)
        assert (refused.code, refused.record["body"]) == (Exit.NOT_ALLOWED, "go away")
        raw = await home.run("curl", f"{url}/bin", "--json", **given)
        assert (raw.record["base64"], raw.record["body"]) == (True, "/wA=")
        shown = await home.run("curl", f"{url}/a", "--header", "-X", "put", **given)
        assert shown.out.startswith("Authorization: Nostr ")
    gone = await home.run("curl", f"{url}/a", **given)
    assert (gone.code, f"{url}/a: tcp: " in gone.err) == (Exit.NO_ANSWER, True)
    assert (await home.run("curl", f"{url}/a")).code == Exit.LOCKED
    for command in (("curl", "http://relay.example.com/"), ("admin", "ws://relay.example.com")):
        clear = await home.run(*command, **given)
        assert clear.code == Exit.USAGE
        assert "anybody on the way" in clear.err


@pytest.mark.slow
async def test_a_relay_is_managed(
    home: Home, key: SecretKey, start_relay: StartRelay, tmp_path: Path
) -> None:
    settings = tmp_path / "relay.toml"
    npub = nip19.encode_npub(key.public_key.hex)
    settings.write_text(f'[moderation]\nadmins = {{ana = "{npub}"}}\n')
    relay = await start_relay("--config", str(settings))
    given = {"NOSTR_CLIENT_KEY": nip19.encode_nsec(key)}
    methods = await home.run("admin", relay.url, **given)
    assert "banpubkey" in methods.out.splitlines(), methods.err
    banned = await home.run("admin", relay.url, "banpubkey", NPUB, "spam", **given)
    assert banned.code == Exit.DONE, banned.err
    listed = await home.run("admin", relay.url, "listbannedpubkeys", "--json", **given)
    assert listed.record["result"][0]["pubkey"] == ALICE.public_key.hex
    wrong = await home.run("admin", relay.url, "nosuch", **given)
    assert wrong.code == Exit.NOT_ACCEPTED
    stranger = {"NOSTR_CLIENT_KEY": nip19.encode_nsec(SecretKey.generate())}
    assert (await home.run("admin", relay.url, **stranger)).code == Exit.NOT_ALLOWED


async def test_a_person_nobody_knows_is_unknown_the_second_time_too(home: Home) -> None:
    async with ScriptedRelay(honest([])) as ours:
        home.configure([ours.url])
        first = await home.run("outbox", NPUB, "--json")
        again = await home.run("outbox", NPUB, "--json")
    assert first.code == again.code == Exit.NOT_FOUND
    assert (first.out, first.err) == (again.out, again.err)


def test_a_body_ends_its_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for body in (b"two\nlines", b"two\nlines\n"):
        out = io.StringIO()
        monkeypatch.setattr(out, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdout", out)
        signed_http._write(body)
        assert out.getvalue() == "two\nlines\n"


async def test_the_status_says_whose_key_was_given(home: Home) -> None:
    given = {"NOSTR_CLIENT_KEY": nip19.encode_nsec(ALICE)}
    account, _ = (await home.run("status", "--json", **given)).records
    assert (account["npub"], account["current"]) == (NPUB, True)
    assert (account["protection"], account["key_from"]) == ("given", "$NOSTR_CLIENT_KEY")
    assert "given by $NOSTR_CLIENT_KEY, not kept" in (await home.run("status", **given)).out


async def test_the_status_needs_no_network(home: Home, key: SecretKey) -> None:
    empty = await home.run("status", "--json")
    assert (empty.code, empty.record["used"]) == (Exit.NOT_FOUND, 0)
    await home.import_key(key)
    assert (await home.run("post", "hello", NOSTR_CLIENT_PASSWORD=PASSWORD)).code != Exit.DONE
    account, store = (await home.run("status", "--json")).records
    assert (account["npub"], account["unsent"]) == (nip19.encode_npub(key.public_key.hex), 1)
    assert (account["queued"], account["relays"]) == (1, [DEAD])
    assert set(account) == {
        *("npub", "pubkey", "name", "protection", "current", "backed_up"),
        *("unsent", "queued", "relays"),
    }
    assert store["used"] > 0
    assert set(store) == {"store", "used", "allocated"}
    assert "1 events unsent" in (await home.run("status")).out

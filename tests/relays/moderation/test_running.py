"""Moderation of a relay that runs: what its clients see of it, at once."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nostr_client.errors import InvalidData
from nostr_client.nips.nip19 import encode_npub
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from relays.config.relay_config import Membership, Moderation, RelayConfig, Web
from relays.web.nip86 import MEDIA_TYPE
from tests.relays.conftest import Serve, Served
from tests.relays.talk import KEY, LIMIT, OTHER, Wire, authorization, note, wire
from tests.waiting import until

ADMIN, VICTIM = OTHER, KEY
MODERATION = Moderation(admins={"olga": encode_npub(ADMIN.public_key.hex)})
OPEN = RelayConfig(moderation=MODERATION)
COMMUNITY = RelayConfig(moderation=MODERATION, members=Membership(enabled=True))


def now() -> int:
    return int(time.time())


async def call(
    served: Served, method: str, *params: Any, key: SecretKey = ADMIN, header: str = ""
) -> tuple[int, dict[str, Any]]:
    """A POST as a client sends it; its status and answer."""
    body = json.dumps({"method": method, "params": params}).encode()
    if not header:
        header = authorization(served.url, key, time.time(), body)
    place = served.url.removeprefix("ws://")

    def post() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(place, timeout=LIMIT)
        headers = {"Content-Type": MEDIA_TYPE, "Authorization": header}
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        found = response.status, response.read()
        connection.close()
        return found

    status, answer = await asyncio.to_thread(post)
    return status, json.loads(answer)


async def command(folder: Path, *arguments: str) -> str:
    """A command of the keeper's, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relays", *arguments, "--data", str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def gone(client: Wire, *filters: dict[str, Any]) -> None:
    """Returns when the relay holds nothing more that matches."""

    async def is_gone() -> bool:
        return not await client.stored(*filters)

    await until(is_gone)


class Person:
    """Somebody at a connection, who remembers the challenge."""

    def __init__(self, client: Wire, served: Served, key: SecretKey) -> None:
        self._client = client
        self._served = served
        self._key = key
        self._challenge = ""

    async def until(self, *start: str) -> list[Any]:
        """The next frame that begins so."""
        while True:
            frame = await self._client.recv()
            if frame[0] == "AUTH":
                self._challenge = frame[1]
            elif frame[: len(start)] == list(start):
                return frame

    async def login(self) -> None:
        """Answer the challenge that came."""
        tags = (("relay", self._served.url), ("challenge", self._challenge))
        event = Draft(22242, tags=tags).sign(self._key, now())
        await self._client.raw(b'["AUTH",' + event.json + b"]")
        assert (await self.until("OK", event.id))[2] is True

    async def say(self, kind: int, *tags: tuple[str, ...]) -> list[Any]:
        """Publish; whether it was taken, and why."""
        event = note("", kind=kind, at=now(), tags=tags, key=self._key)
        await self._client.offer(event)
        return (await self.until("OK", event.id))[2:]

    async def ask(self, kind: int) -> list[dict[str, Any]]:
        """The events of a kind; none where the question is refused."""
        await self._client.send("REQ", "asked", {"kinds": [kind]})
        found: list[dict[str, Any]] = []
        while True:
            frame = await self.until()
            if frame[:2] == ["EVENT", "asked"]:
                found.append(frame[2])
            elif frame[:2] in (["EOSE", "asked"], ["CLOSED", "asked"]):
                return found


async def test_a_ban_from_afar(serve: Serve) -> None:
    served = await serve(OPEN)
    async with wire(served.url) as writer, wire(served.url) as reader:
        mine, other = note("mine", at=now()), note("other", key=ADMIN, at=now())
        for event in (mine, other):
            assert (await writer.publish(event))[2] is True
        await reader.req("live", {"limit": 0})
        status, answer = await call(served, "banpubkey", mine.pubkey, "spam")
        assert (status, answer) == (200, {"result": True})
        assert await writer.stored({"kinds": [1]}) == [other.id]
        refused = await writer.publish(note("again", at=now()))
        assert refused[2:] == [False, "blocked: spam"]
        assert await reader.silent()
        assert (await call(served, "unbanpubkey", mine.pubkey))[1] == {"result": True}
        assert (await writer.publish(mine))[2] is True


async def test_who_may_call(serve: Serve) -> None:
    served = await serve(OPEN)
    assert (await call(served, "supportedmethods", key=VICTIM))[0] == 403
    assert (await call(served, "supportedmethods", header="Nostr x"))[0] == 401
    body = json.dumps({"method": "supportedmethods", "params": []}).encode()
    header = authorization(served.url, ADMIN, time.time(), body)
    for _ in range(2):  # to read twice does no harm
        assert (await call(served, "supportedmethods", header=header))[0] == 200
    body = json.dumps({"method": "banpubkey", "params": [VICTIM.public_key.hex]}).encode()
    header = authorization(served.url, ADMIN, time.time(), body)
    ban = ("banpubkey", VICTIM.public_key.hex)
    assert (await call(served, *ban, header=header))[0] == 200
    assert (await call(served, *ban, header=header))[0] == 401


async def test_what_the_relay_says_of_itself(serve: Serve) -> None:
    served = await serve(OPEN)
    assert (await call(served, "changerelayname", "A new name"))[0] == 200

    def get() -> dict[str, Any]:
        connection = http.client.HTTPConnection(served.url.removeprefix("ws://"), timeout=LIMIT)
        connection.request("GET", "/", headers={"Accept": "application/nostr+json"})
        document = json.loads(connection.getresponse().read())
        connection.close()
        assert isinstance(document, dict)
        return document

    document = await asyncio.to_thread(get)
    assert document["name"] == "A new name"
    assert document["self"] == served.rooms.state.pubkey
    assert 86 in document["supported_nips"]


async def test_commands_work_beside_the_relay_and_through_it(serve: Serve, tmp_path: Path) -> None:
    served = await serve(OPEN)
    npub = encode_npub(VICTIM.public_key.hex)
    async with wire(served.url) as writer:
        mine = note("mine", at=now())
        assert (await writer.publish(mine))[2] is True
        banned = json.loads(await command(tmp_path, "ban", "pubkey", npub, "--json", "--yes"))
        assert banned["removed"] == 1
        assert await writer.stored({"kinds": [1]}) == []

        async def refused() -> bool:
            return (await writer.publish(note("again", at=now())))[2] is False

        await until(refused)
        await gone(writer, {"kinds": [1]})  # what came before the relay heard of it


async def test_connections_of_a_banned_address_are_closed(serve: Serve) -> None:
    served = await serve(RelayConfig(web=Web(trusted_proxies=("127.0.0.1",))))
    from_afar = {"X-Forwarded-For": "203.0.113.9"}
    async with (
        wire(served.url, additional_headers=from_afar) as client,
        wire(served.url, additional_headers={"X-Forwarded-For": "203.0.114.9"}) as other,
    ):
        assert await client.silent()
        await served.rooms.actions.ban_address("203.0.113.0/24", by="k", reason="floods")
        async with asyncio.timeout(LIMIT):
            await client.socket.wait_closed()
        assert client.socket.close_code == 1008
        assert "floods" in (client.socket.close_reason or "")
        assert await other.silent()
    with pytest.raises(Exception, match=r"403|rejected|did not receive"):
        async with wire(served.url, additional_headers=from_afar):
            pass


async def test_where_an_admin_is_connected_from_is_not_banned(serve: Serve) -> None:
    proxied = msgspec.structs.replace(OPEN, web=Web(trusted_proxies=("127.0.0.1",)))
    served = await serve(proxied)
    async with wire(served.url, additional_headers={"X-Forwarded-For": "203.0.113.9"}) as client:
        await client.send("REQ", "mail", {"kinds": [1059]})
        [_, challenge] = await client.recv()
        await client.recv()
        tags = (("relay", served.url), ("challenge", challenge))
        answer = note("", kind=22242, tags=tags, at=now(), key=ADMIN)
        await client.raw(b'["AUTH",' + answer.json + b"]")
        assert (await client.recv())[2] is True
        with pytest.raises(InvalidData, match="somebody who runs this relay"):
            await served.rooms.actions.ban_address("203.0.113.0/24", by="k")
    assert await served.rooms.actions.ban_address("203.0.114.0/24", by="k")


async def test_what_is_stored_in_spite_of_a_ban_is_sent_to_nobody(serve: Serve) -> None:
    served = await serve(OPEN)
    vanish = note("bye", kind=62, at=now(), tags=(("relay", served.url),))
    async with wire(served.url) as writer, wire(served.url) as reader:
        await reader.req("live", {"limit": 0})
        await served.rooms.actions.ban_pubkey(vanish.pubkey, by="k")
        assert (await writer.publish(vanish))[2] is True
        assert await reader.silent()
        await gone(writer, {"kinds": [62]})


async def test_joining_inviting_and_leaving(serve: Serve) -> None:
    served = await serve(COMMUNITY)
    listed = ["member", VICTIM.public_key.hex]
    async with wire(served.url) as one, wire(served.url) as two:
        admin, person = Person(one, served, ADMIN), Person(two, served, VICTIM)
        assert await admin.ask(28935) == []
        await admin.login()
        [invite] = await admin.ask(28935)
        assert (invite["pubkey"], invite["kind"]) == (served.rooms.state.pubkey, 28935)
        [code] = [tag[1] for tag in invite["tags"] if tag[0] == "claim"]
        claim = ("-",), ("claim", code)

        assert (await person.say(1))[0] is False
        assert (await person.say(28934, *claim))[1].startswith("auth-required:")
        await person.login()
        assert await person.say(28934, *claim) == [True, "info: welcome"]
        assert (await person.say(1))[0] is True
        assert listed in (await person.ask(13534))[0]["tags"]
        assert await person.ask(28935) == []

        assert (await person.say(28936, ("-",)))[0] is True
        assert (await person.say(1))[0] is False
        assert listed not in (await person.ask(13534))[0]["tags"]
        assert await admin.ask(28934) == []


async def test_who_is_no_member_any_more_reads_nothing_more(serve: Serve) -> None:
    members = Membership(enabled=True, read=True)
    served = await serve(RelayConfig(moderation=MODERATION, members=members))
    actions = served.rooms.actions
    await actions.allow_pubkey(VICTIM.public_key.hex, by="k")
    async with wire(served.url) as one, wire(served.url) as two:
        admin, person = Person(one, served, ADMIN), Person(two, served, VICTIM)
        for reader, client in ((admin, one), (person, two)):
            assert await reader.ask(1) == []
            await reader.login()
            await client.send("REQ", "live", {"kinds": [1]})
            assert (await reader.until())[:2] == ["EOSE", "live"]
        await actions.unallow_pubkey(VICTIM.public_key.hex, by="k")
        assert await person.until() == ["CLOSED", "live", "restricted: only members read here"]
        await one.offer(note("hello", key=ADMIN, at=now()))
        assert (await admin.until("EVENT", "live"))[2]["content"] == "hello"
        assert await person.ask(1) == []


async def test_a_ban_in_the_middle_of_a_flood(serve: Serve, tmp_path: Path) -> None:
    """Events are in the verifier, in the store's queue and in the socket when the ban comes."""
    served = await serve(OPEN)
    accepted: list[bool] = []
    async with wire(served.url) as writer, wire(served.url) as asker:

        async def flood() -> None:
            for start in range(0, 100_000, 50):
                for n in range(start, start + 50):
                    await writer.offer(note(f"{n}", at=now()))
                accepted.extend([(await writer.recv())[2] for _ in range(50)])
                if not accepted[-1]:
                    return

        flooding = asyncio.create_task(flood())
        try:
            await until(lambda: accepted)
            await command(tmp_path, "ban", "pubkey", encode_npub(VICTIM.public_key.hex), "--yes")
            async with asyncio.timeout(3 * LIMIT):
                await flooding
            await gone(asker, {"authors": [VICTIM.public_key.hex], "limit": 1})
        finally:
            flooding.cancel()
        assert accepted[0] is True
        assert await asker.stored({"authors": [VICTIM.public_key.hex]}) == []

"""Managing a relay from afar: every method of NIP-86, and who may call it."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import msgspec
import pytest

from nostr_client.errors import ConfigError, StoreError
from nostr_client.nips.nip19 import (
    encode_nevent,
    encode_note,
    encode_nprofile,
    encode_npub,
    encode_nsec,
    event_of,
)
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from relays.config.relay_config import Moderation, RelayConfig
from relays.moderation import audit_log
from relays.moderation.admins import admins_of
from relays.web.http_types import HttpRequest, HttpResponse
from relays.web.nip86 import METHODS, READING, Admin
from tests.relays.desk import URL, Desk, OpenDesk
from tests.relays.talk import KEY, NOW, OTHER, authorization, note

VICTIM = KEY.public_key.hex


def request(
    body: bytes, *, key: SecretKey = OTHER, url: str = URL, at: float = NOW, **changes: Any
) -> HttpRequest:
    headers = {"authorization": authorization(url, key, at, body)}
    fields = {"method": "POST", "path": "/", "headers": headers, "body": body} | changes
    return HttpRequest(**fields)


class Caller:
    """Olga at her desk; each call is a second later, and so has a header of its own."""

    def __init__(self, desk: Desk, clock: list[float]) -> None:
        self.desk = desk
        self.clock = clock
        self.admin = Admin(desk.actions)

    async def raw(self, request: HttpRequest) -> tuple[HTTPStatus, dict[str, Any]]:
        response: HttpResponse = await self.admin.answer(request)
        assert response.media_type == "application/json"
        answer = json.loads(response.body)
        assert isinstance(answer, dict)
        return response.status, answer

    async def ask(self, method: str, *params: Any) -> dict[str, Any]:
        self.clock[0] += 1
        body = json.dumps({"method": method, "params": params}).encode()
        status, answer = await self.raw(request(body, at=self.clock[0]))
        assert status == HTTPStatus.OK
        return answer

    async def call(self, method: str, *params: Any) -> Any:
        answer = await self.ask(method, *params)
        assert "error" not in answer, answer
        return answer["result"]

    async def error(self, method: str, *params: Any) -> str:
        answer = await self.ask(method, *params)
        assert answer["result"] is None
        return str(answer["error"])


@pytest.fixture
async def olga(open_desk: OpenDesk) -> Caller:
    clock = [float(NOW)]
    return Caller(await open_desk(clock=lambda: clock[0]), clock)


async def test_the_methods_are_those_of_the_nip(olga: Caller) -> None:
    named = set(await olga.call("supportedmethods"))
    assert named == METHODS.keys() - {"supportedmethods"}
    assert named == {
        *("banpubkey", "unbanpubkey", "listbannedpubkeys"),
        *("allowpubkey", "unallowpubkey", "listallowedpubkeys"),
        *("createrole", "editrole", "deleterole", "assignrole", "unassignrole"),
        *("listeventsneedingmoderation", "allowevent", "banevent", "listbannedevents"),
        *("changerelayname", "changerelaydescription", "changerelayicon"),
        *("allowkind", "disallowkind", "listallowedkinds"),
        *("blockip", "unblockip", "listblockedips"),
        *("listallowedevents", "listdisallowedkinds"),
    }


async def test_keys(olga: Caller) -> None:
    await olga.desk.store.save([note(), note("two")])
    assert await olga.call("banpubkey", VICTIM, "spam") is True
    assert await olga.desk.store.query([Filter()]) == []
    assert await olga.call("listbannedpubkeys") == [{"pubkey": VICTIM, "reason": "spam"}]
    assert await olga.call("unbanpubkey", VICTIM) is True
    assert await olga.call("listbannedpubkeys") == []
    assert await olga.call("allowpubkey", VICTIM, None) is True
    assert await olga.call("listallowedpubkeys") == [{"pubkey": VICTIM}]
    assert await olga.call("unallowpubkey", VICTIM, "gone") is True
    assert await olga.call("listallowedpubkeys") == []


async def test_roles(olga: Caller) -> None:
    members = olga.desk.actions.members
    assert await olga.call("createrole", "king", "King", "rules", 37, 1) is True
    assert await olga.call("editrole", "king", "Queen", None, "40", "") is True
    role = olga.desk.state.roster.roles["king"]
    assert (role.label, role.description, role.color, role.place) == ("Queen", "", 40, None)
    await olga.call("allowpubkey", VICTIM)
    assert await olga.call("assignrole", VICTIM, "king") is True
    assert (await members.listed())[0].roles == ("king",)
    assert await olga.call("unassignrole", VICTIM, "king") is True
    assert await olga.call("deleterole", "king") is True
    assert olga.desk.state.roster.roles == {}
    for wrong in (["", "x"], ["a\nb"], ["x" * 65], ["r", "", "", 361], ["r", "", "", -1], [7]):
        assert (await olga.error("createrole", *wrong)).startswith("invalid:")


async def test_events(olga: Caller) -> None:
    bad, fine = note("bad"), note("fine")
    said = [
        note("", kind=1984, tags=(("e", event.id, "spam"), ("p", VICTIM)), key=OTHER)
        for event in (bad, fine)
    ]
    await olga.desk.store.save([bad, fine, *said])
    waiting = await olga.call("listeventsneedingmoderation")
    assert {case["id"] for case in waiting} == {bad.id, fine.id}
    assert waiting[0]["reason"] == "spam (1)"
    assert await olga.call("banevent", bad.id, "bad taste") is True
    assert await olga.desk.store.get(bad.id) is None
    assert await olga.call("allowevent", fine.id) is True
    assert await olga.call("listeventsneedingmoderation") == []
    assert await olga.call("listbannedevents") == [{"id": bad.id, "reason": "bad taste"}]
    assert await olga.call("allowevent", bad.id) is True
    assert await olga.call("listbannedevents") == []
    assert {entry["id"] for entry in await olga.call("listallowedevents")} == {bad.id, fine.id}


async def test_what_the_relay_says_of_itself(olga: Caller) -> None:
    assert await olga.call("changerelayname", "A\nname") is True
    assert await olga.call("changerelaydescription", "Two\nlines") is True
    assert await olga.call("changerelayicon", "https://example.com/i.png") is True
    said = olga.desk.state.info
    assert (said.name, said.description) == ("A name", "Two\nlines")
    assert said.icon == "https://example.com/i.png"
    assert (await olga.error("changerelayicon", "javascript:alert(1)")).startswith("invalid:")
    assert (await olga.error("changerelayname", "x" * 5000)).startswith("invalid:")


async def test_kinds_and_addresses(olga: Caller) -> None:
    assert await olga.call("listallowedkinds") == []
    for kind in (7, 1):
        assert await olga.call("allowkind", kind) is True
    assert await olga.call("listallowedkinds") == [1, 7]
    assert await olga.call("disallowkind", 1) is True
    assert await olga.call("listallowedkinds") == [7]
    assert await olga.call("listdisallowedkinds") == [1]
    assert await olga.call("blockip", "203.0.113.7", "floods") is True
    assert await olga.call("blockip", "2001:db8::/32") is True
    assert {entry["ip"] for entry in await olga.call("listblockedips")} == {
        *("203.0.113.7", "2001:db8::/32")
    }
    assert await olga.call("unblockip", "203.0.113.7") is True
    assert await olga.call("listblockedips") == [{"ip": "2001:db8::/32"}]


async def test_each_act_is_logged_with_the_name(olga: Caller) -> None:
    await olga.call("banpubkey", VICTIM, "spam")
    await olga.call("listbannedpubkeys")
    await olga.call("disallowkind", 4)
    await olga.call("blockip", "203.0.113.7")
    lines = [line async for line in olga.desk.actions.log()]
    entries = [audit_log.read_entry(event) for event in audit_log.verified(lines)]
    assert [(entry.action, entry.by) for entry in entries] == [
        *(("ban-pubkey", "olga"), ("disallow-kind", "olga"), ("ban-ip", "olga"))
    ]


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("stopserver", [], "unsupported: stopserver"),
        ("banpubkey", [], "parameter 1, pubkey"),
        ("banpubkey", ["xyz"], "64 lowercase hex"),
        ("banpubkey", [VICTIM, 5], "parameter 2, reason"),
        ("banevent", ["XYZ"], "64 lowercase hex"),
        ("allowkind", ["1"], "parameter 1, kind"),
        ("allowkind", [True], "parameter 1, kind"),
        ("allowkind", [70000], "a kind is"),
        ("blockip", ["example.com"], "not an IP address"),
        ("assignrole", [VICTIM, "none"], "no member"),
        ("supportedmethods", [0] * 11, "too many"),
    ],
)
async def test_calls_that_make_no_sense(
    olga: Caller, method: str, params: list[Any], words: str
) -> None:
    assert words in await olga.error(method, *params)


BODY = b'{"method":"supportedmethods","params":[]}'


async def test_who_may_call(olga: Caller) -> None:
    good = request(BODY)
    for wrong, words in (
        (msgspec.structs.replace(good, headers={}), "auth-required"),
        (msgspec.structs.replace(good, headers={"authorization": "Basic x"}), "form"),
        (msgspec.structs.replace(good, body=BODY + b" "), "payload"),
        (request(BODY, url="wss://other.example"), "another URL"),
        (request(BODY, at=NOW - 100), "created_at"),
    ):
        status, answer = await olga.raw(wrong)
        assert status == HTTPStatus.UNAUTHORIZED
        assert words in answer["error"]
    status, answer = await olga.raw(request(BODY, key=KEY))
    assert status == HTTPStatus.FORBIDDEN
    assert answer["error"].startswith("restricted:")


async def test_the_same_question_may_be_asked_again(olga: Caller) -> None:
    for method in READING:
        body = json.dumps({"method": method, "params": []}).encode()
        answers = [await olga.raw(request(body)) for _ in range(2)]
        assert answers[0] == answers[1]
        assert answers[0][0] == HTTPStatus.OK
        assert "error" not in answers[0][1]


async def test_a_header_serves_once_also_after_a_restart(olga: Caller, open_desk: OpenDesk) -> None:
    ahead = request(b'{"method":"allowkind","params":[1]}', at=NOW + 60)
    assert (await olga.raw(ahead))[0] == HTTPStatus.OK
    restarted = Caller(await open_desk(clock=lambda: olga.clock[0]), olga.clock)
    for seconds in (0, 60, 120):
        olga.clock[0] = NOW + seconds
        for caller in (olga, restarted):
            status, answer = await caller.raw(ahead)
            assert status == HTTPStatus.UNAUTHORIZED
            assert "used before" in answer["error"]


async def test_an_admin_keeps_himself_in(olga: Caller) -> None:
    own = OTHER.public_key.hex
    assert "the key of olga" in await olga.error("banpubkey", own)
    assert "this machine's own" in await olga.error("blockip", "127.0.0.1")
    body = json.dumps({"method": "blockip", "params": ["203.0.113.0/24"]}).encode()
    _, answer = await olga.raw(request(body, address="203.0.113.9"))
    assert "somebody who runs this relay" in answer["error"]


@pytest.mark.parametrize(
    "url", [URL, URL + "/", "https://relay.example.com", "https://relay.example.com/"]
)
async def test_as_clients_write_the_url(olga: Caller, url: str) -> None:
    assert (await olga.raw(request(BODY, url=url)))[0] == HTTPStatus.OK


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"params":[]}', b"[" * 5000, b"\xff"])
async def test_bodies_that_are_no_call(olga: Caller, body: bytes) -> None:
    status, answer = await olga.raw(request(body))
    assert status == HTTPStatus.BAD_REQUEST
    assert answer["error"].startswith("invalid:")


async def test_a_failing_disk_is_said(olga: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_: object) -> int:
        raise StoreError("secret/path: the disk is full")

    monkeypatch.setattr(olga.desk.store, "remove", fails)
    error = await olga.error("banpubkey", VICTIM)
    assert error.startswith("error:")
    assert "path" not in error
    assert VICTIM in olga.desk.state.bans.pubkeys
    monkeypatch.setattr(olga.desk.state.records, "write", fails)
    status, _ = await olga.raw(request(b'{"method":"allowkind","params":[1]}'))
    assert status == HTTPStatus.SERVICE_UNAVAILABLE


def test_admins_of_the_configuration() -> None:
    names = {
        "olga": encode_npub(VICTIM),
        "max": OTHER.public_key.hex,
        "ida": encode_nprofile(SecretKey(b"\x05" * 32).public_key.hex),
    }
    own = SecretKey(b"\x06" * 32).public_key.hex
    found = admins_of(RelayConfig(pubkey=own, moderation=Moderation(admins=names)))
    assert sorted(found.values()) == ["ida", "keeper", "max", "olga"]
    assert found[own] == "keeper"
    assert found[VICTIM] == "olga"
    secret = encode_nsec(KEY)
    for bad in (secret, "", "npub1x", "00" * 32):
        with pytest.raises(ConfigError, match=r"moderation\.admins: bad") as error:
            admins_of(RelayConfig(moderation=Moderation(admins={"bad": bad})))
        assert secret not in str(error.value)


def test_ids_as_people_write_them() -> None:
    event: Event = note()
    for text in (event.id, event.id.upper(), encode_note(event.id), encode_nevent(event.id)):
        assert event_of(f" {text} ").id == event.id

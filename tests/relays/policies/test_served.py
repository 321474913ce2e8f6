"""Policies over the wire: what a client is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from nostr_client.nips.nip13 import mine
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from relays.config.relay_config import RelayConfig, RetentionRule, RetentionRules, assemble
from tests.relays.conftest import Serve
from tests.relays.talk import KEY, NOW, OTHER, Wire, note, wire
from tests.waiting import until

ME, OTHERS = KEY.public_key.hex, OTHER.public_key.hex
DAY = 86_400
STRANGER = SecretKey(b"\x33" * 32)
WRAP = note("sealed", kind=1059, key=STRANGER, tags=(("p", ME),))


def config(**table: Any) -> RelayConfig:
    made, problems = assemble(table)
    assert not problems
    return made


async def answered(client: Wire, event: Event) -> str:
    """What is said of an event, after a challenge if there is one; empty when it is taken."""
    await client.offer(event)
    frame = await client.recv()
    if frame[0] == "AUTH":
        frame = await client.recv()
    assert frame[:2] == ["OK", event.id]
    assert frame[2] is not bool(frame[3])
    return str(frame[3])


async def log_in(client: Wire, url: str, key: SecretKey, challenge: str) -> None:
    tags = (("relay", url), ("challenge", challenge))
    await client.raw(b'["AUTH",' + note("", kind=22242, tags=tags, key=key).json + b"]")
    assert (await client.recv())[2] is True


async def test_the_rooms_of_one_person(serve: Serve) -> None:
    served = await serve(config(profile="personal", pubkey=ME), clock=lambda: NOW)
    mention = note("hello you", key=OTHER, tags=(("p", ME),))
    async with wire(served.url) as outbox, wire(served.url + "/inbox") as inbox:
        assert await answered(inbox, mention) == (
            "restricted: only people in this relay's web of trust may write here"
        )
        assert await answered(outbox, note("", kind=3, tags=(("p", OTHERS),))) == ""
        assert (await answered(outbox, note(key=OTHER))).startswith("restricted: ")

        async def taken() -> bool:
            return await answered(inbox, mention) == ""

        await until(taken)
        assert await inbox.stored({}) == [mention.id]
        assert len(await outbox.stored({})) == 1


async def test_private_messages_of_one_person(serve: Serve) -> None:
    served = await serve(config(profile="personal", pubkey=ME), clock=lambda: NOW)
    url = served.url + "/chat"
    async with wire(url) as sender, wire(url) as reader:
        assert await answered(sender, WRAP) == ""
        await reader.send("REQ", "mail", {"kinds": [1059]})
        label, challenge = await reader.recv()
        assert label == "AUTH"
        assert (await reader.recv())[:2] == ["CLOSED", "mail"]
        await log_in(reader, url, KEY, challenge)
        assert await reader.stored({"kinds": [1059]}) == [WRAP.id]


async def test_the_archive_of_one_person(serve: Serve) -> None:
    served = await serve(config(profile="personal", pubkey=ME), clock=lambda: NOW)
    url = served.url + "/private"
    for key, refusal in ((KEY, ""), (OTHER, "restricted: ")):
        async with wire(url) as client:
            label, challenge = await client.recv()
            assert label == "AUTH", "it asks at once"
            assert (await answered(client, note())).startswith("auth-required: ")
            await log_in(client, url, key, challenge)
            assert (await answered(client, note()))[: len(refusal)] == refusal


async def test_strangers_show_work(serve: Serve) -> None:
    served = await serve(config(profile="public", events={"work": 8}), clock=lambda: NOW)
    mined = mine(Draft(1, "worked for", (), NOW), ME, 8)
    assert mined is not None
    async with wire(served.url) as client:
        refusal = await answered(client, note())
        assert refusal == 'pow: 8 bits of work are wanted, named in a "nonce" tag'
        assert await answered(client, mined.sign(KEY, NOW)) == ""


async def test_rates_of_a_connection(serve: Serve) -> None:
    rates = {
        "events": {"connection": "2/hour"},
        "queries": {"connection": "2/hour"},
    }
    served = await serve(config(rates=rates), clock=lambda: NOW)
    async with wire(served.url) as client:
        reasons = [await answered(client, note(f"number {n}")) for n in range(3)]
        assert reasons[:2] == ["", ""]
        assert reasons[2].startswith("rate-limited: too many events on one connection")
        for _ in range(2):
            await client.stored({"kinds": [1]})
        _, end = await client.req("once more", {"kinds": [1]})
        assert end[0] == "CLOSED"
        assert end[2].startswith("rate-limited: too many queries on one connection")


async def test_bytes_served(serve: Serve) -> None:
    rates = {"bytes": {"connection": "1000/hour"}}
    served = await serve(config(rates=rates), clock=lambda: NOW)
    async with wire(served.url) as client:
        assert await answered(client, note("x" * 3000)) == ""
        assert len(await client.stored({"kinds": [1]})) == 1
        _, end = await client.req("more", {"kinds": [1]})
        assert end[2].startswith("rate-limited: too many bytes on one connection")


async def test_the_same_again(serve: Serve) -> None:
    table = {"events": {"duplicates": {"by_one": 2}}}
    served = await serve(config(**table), clock=lambda: NOW)
    text = "the same thing, again and again"
    async with wire(served.url) as client:
        reasons = [await answered(client, note(text, at=NOW - n)) for n in range(3)]
        assert reasons == ["", "", "blocked: you have said the same 2 times of late"]


PLUGIN = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    event = asked["event"]
    assert asked["type"] == "new" and asked["sourceType"] == "IP4"
    action = {"no": "reject", "psst": "shadowReject"}.get(event["content"], "accept")
    print(json.dumps({"id": event["id"], "action": action, "msg": "blocked: no"}), flush=True)
"""
PYTHON = """
import asyncio
from relays.policies.verdict import ACCEPTED, refused

def judge(offer):
    return refused("blocked: I said so") if "rude" in offer.event.content else ACCEPTED

async def consult(offer):
    await asyncio.sleep(0)
    return refused("blocked: on second thought") if "slow" in offer.event.content else ACCEPTED

def ask(asking):
    return refused("blocked: not today") if asking.verb == "COUNT" else ACCEPTED
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the plugin is a script")
async def test_policies_of_the_keepers_own(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    (tmp_path / "own.py").write_text(PYTHON)
    policies = {
        "folder": str(tmp_path),
        "plugins": [f"{sys.executable} plugin.py"],
        "python": ["own.py:judge", "own.py:consult"],
        "questions": ["own.py:ask"],
    }
    served = await serve(config(policies=policies), clock=lambda: NOW)
    async with wire(served.url) as client:
        expected = {
            "fine": "",
            "rude": "blocked: I said so",
            "slow": "blocked: on second thought",
            "no": "blocked: no",
            "psst": "blocked: this relay's policy does not take this event",
        }
        assert {text: await answered(client, note(text)) for text in expected} == expected
        other, event = note("other"), note("no")
        forged = event.json.replace(event.sig.encode(), other.sig.encode())
        await client.raw(b'["EVENT",' + forged + b"]")
        assert (await client.recv())[3] == "invalid: the signature is wrong"
        burst = [note(f"fine {number}") for number in range(300)]
        for event in burst:
            await client.offer(event)
        assert all([(await client.recv())[2] for _ in burst])
        await client.send("COUNT", "n", {"kinds": [1]})
        assert (await client.recv())[2] == "blocked: not today"


async def test_a_reload_holds_for_those_who_are_connected(serve: Serve) -> None:
    def rated(**events: object) -> RelayConfig:
        return config(rates={"events": {"connection": "3/hour"}}, events=events)

    served = await serve(rated(), clock=lambda: NOW)
    async with wire(served.url) as client:
        assert [await answered(client, note(f"n {n}")) for n in range(2)] == ["", ""]
        await served.rooms.reconfigure(rated(words=["rude"]))
        assert (
            await answered(client, note("rude")) == "blocked: it has words that are not wanted here"
        )
        assert await answered(client, note("fine")) == ""
        assert (await answered(client, note("n 3"))).startswith("rate-limited: ")
        await served.rooms.reconfigure(RelayConfig())
        assert await answered(client, note("rude")) == ""


async def test_what_would_be_taken_out_again_is_refused(serve: Serve) -> None:
    rules = (RetentionRule(kinds=(7,), days=1),)
    served = await serve(RelayConfig(retention=RetentionRules(rules=rules)), clock=lambda: NOW)
    async with wire(served.url) as client:
        refusal = await client.publish(note(kind=7, at=NOW - 2 * DAY))
        assert refusal[2:] == [False, "invalid: such events are kept for 1 days here"]
        assert (await client.publish(note(kind=7, at=NOW)))[2] is True
        assert (await client.publish(note(at=NOW - 2 * DAY)))[2] is True

"""`req` and `await`: what relays have, as JSON lines."""

from __future__ import annotations

import asyncio
import json

import pytest

from nostr_client.exits import Exit
from nostr_client.nips import nip19
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from tests.cli.conftest import DEAD, LIMIT, Home
from tests.net.scripted import ALICE, Peer, ScriptedRelay, honest, note
from tests.routing.moody import Relay

NOTES = [note(f"note {n}", at=1_700_000_000 + n) for n in range(6)]


async def test_what_relays_have_is_printed_once(home: Home) -> None:
    async with ScriptedRelay(honest(NOTES[:4])) as one, ScriptedRelay(honest(NOTES[2:])) as other:
        every = await home.run("req", "-k", "1", one.url, other.url)
        assert (every.code, every.err) == (Exit.DONE, "")
        assert {event["id"] for event in every.records} == {event.id for event in NOTES}
        assert len(every.records) == len(NOTES)

        npub = nip19.encode_npub(ALICE.public_key.hex)
        newest = await home.run("req", "-a", npub, "-l", "2", one.url, other.url, DEAD)
        assert [event["content"] for event in newest.records] == ["note 5", "note 4"]
        assert newest.code == Exit.DONE
        assert DEAD in newest.err
        quiet = await home.run("req", "-a", npub, "-l", "1", one.url, DEAD, "--quiet")
        assert (len(quiet.records), quiet.err) == (1, "")

        none = await home.run("req", "-k", "7", one.url)
        assert (none.code, none.out) == (Exit.NOT_FOUND, "")
    gone = await home.run("req", "-k", "7", DEAD, "--json")
    assert (gone.code, gone.out) == (Exit.NO_ANSWER, "")
    assert json.loads(gone.err)["outcome"] == "nobody answered"


async def test_filters_come_on_standard_input(home: Home) -> None:
    async with ScriptedRelay(honest(NOTES)) as relay:
        wanted = "\n".join(json.dumps({"ids": [event.id]}) for event in NOTES[:3])
        done = await home.run("req", relay.url, given=f"\n{wanted}\nbroken\n")
        assert {event["id"] for event in done.records} == {event.id for event in NOTES[:3]}
        assert done.code == Exit.INCOMPLETE
        assert "line 5" in done.err
        narrowed = await home.run(
            "req", "--stdin", "-u", str(1_700_000_001), relay.url, given=wanted
        )
        assert {event["content"] for event in narrowed.records} == {"note 0", "note 1"}
        nothing = await home.run("req", relay.url)
        assert nothing.code == Exit.USAGE
        shown = await home.run("req", "--print", "-k", "1", "-l", "3", given="")
        assert shown.record == ["REQ", "1", {"kinds": [1], "limit": 3}]


async def test_without_relays_the_authors_are_asked_where_they_write(home: Home) -> None:
    async with ScriptedRelay(honest(NOTES)) as theirs:
        listed = Draft(10002, "", (("r", theirs.url),)).sign(ALICE, 1_700_000_000)
        async with ScriptedRelay(honest([listed])) as ours:
            home.configure([ours.url])
            npub = nip19.encode_npub(ALICE.public_key.hex)
            found = await home.run("req", "-a", npub, "-k", "1", "--limit", "1")
            assert [event["content"] for event in found.records] == ["note 5"], found.err
            stored = await home.run("req", "-k", "10002", "--offline")
            assert stored.record["id"] == listed.id
            assert (await home.run("req", "-k", "1", "--offline")).code == Exit.NOT_FOUND


async def test_a_relay_is_told_who_asks_where_the_person_says_so(home: Home) -> None:
    given = {"NOSTR_CLIENT_KEY": nip19.encode_nsec(ALICE)}
    async with Relay(NOTES[0]) as wall:
        wall.challenge, wall.words = "prove it", "auth-required: who are you?"
        refused = await home.run("req", "-k", "1", wall.url, **given)
        assert refused.code == Exit.NOT_ALLOWED, refused.err
        assert wall.guests == []
        told = await home.run("req", "-k", "1", "--auth", wall.url, **given)
        assert (told.code, told.record["id"]) == (Exit.DONE, NOTES[0].id)
        assert [guest.pubkey for guest in wall.guests] == [ALICE.public_key.hex]


async def test_pages_are_read_to_the_end(home: Home) -> None:
    many = [note(f"note {n}", at=1_700_000_000 + n) for n in range(250)]
    async with ScriptedRelay(honest(many, cap=60, hints=True)) as relay:
        one = await home.run("req", "-k", "1", relay.url)
        assert (len(one.records), one.code) == (60, Exit.INCOMPLETE)
        assert "--paginate reads on" in one.err
        some = await home.run("req", "-k", "1", "-l", "5", relay.url)
        assert (len(some.records), some.code, some.err) == (5, Exit.DONE, "")
        every = await home.run("req", "-k", "1", "--paginate", relay.url)
        assert len(every.records) == 250, every.err


async def test_what_is_waited_for_comes_or_not(home: Home) -> None:
    async with ScriptedRelay(honest(NOTES)) as relay:
        found = await home.run("await", "-i", NOTES[0].id, relay.url)
        assert (found.code, found.record["id"]) == (Exit.DONE, NOTES[0].id)
        arguments = ("await", "-k", "1", "--new", "--timeout", "0.2", relay.url, "--json")
        late = await home.run(*arguments)
        assert (late.code, late.out) == (Exit.TIMED_OUT, "")
        assert json.loads(late.err)["outcome"] == "nothing there"


@pytest.mark.slow
async def test_a_stream_outlasts_the_time_for_what_is_stored(home: Home) -> None:
    async def late(peer: Peer) -> None:
        _, wire, *_ = await peer.next("REQ")
        await peer.send("EOSE", wire)
        await asyncio.sleep(0.15)  # longer than the relay has for what it stores
        await peer.event(wire, NOTES[0])
        await peer.hang()

    async with ScriptedRelay(late) as relay:
        process = await home.start("req", "-k", "1", "--stream", "--timeout", "0.01", relay.url)
        assert process.stdout
        try:
            line = await asyncio.wait_for(process.stdout.readline(), LIMIT)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.communicate()
        assert NOTES[0].id.encode() in line


async def test_a_key_in_an_argument_is_refused_and_not_said_back(home: Home) -> None:
    nsec = nip19.encode_nsec(SecretKey.generate())
    for arguments in (("req", "-a", nsec), ("req", nsec), ("await", "-p", nsec)):
        refused = await home.run(*arguments)
        assert refused.code == Exit.USAGE
        assert nsec not in refused.err


@pytest.mark.parametrize("words", ["auth-required: who are you?", "blocked: go away"])
async def test_nobody_is_waited_for_who_refuses_for_good(home: Home, words: str) -> None:
    """What goes on for ever ends where every relay has said no, and says which no it was."""
    async with Relay() as wall, asyncio.timeout(LIMIT):
        wall.challenge, wall.words = "prove it", words
        streamed, awaited = await asyncio.gather(
            home.run("req", "-k", "1", "--stream", "--quiet", wall.url),
            home.run("await", "-k", "1", "--timeout", "80", wall.url),
        )
        for done in (streamed, awaited):
            assert (done.code, done.out) == (Exit.NOT_ALLOWED, "")
            assert f"it may not be read: {wall.url}: not allowed ({words})" in done.err
    gone = await home.run("await", "-k", "1", "--timeout", "1", DEAD, "--json")
    assert gone.code == Exit.TIMED_OUT
    lost, end = map(json.loads, gone.err.splitlines())
    assert (lost["relay"], lost["how"]) == (DEAD, "cannot be reached")
    assert "nobody answered" in end["error"]
    assert end["outcome"] == "nobody answered"

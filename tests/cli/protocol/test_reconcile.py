"""`count` and `reconcile`: how many there are, and who lacks which."""

from __future__ import annotations

import json
from pathlib import Path

import nostr_sdk
import pytest

from nostr_client.exits import Exit
from nostr_client.nips import nip19
from nostr_client.protocol.event import Event
from tests.cli.conftest import DEAD, Home
from tests.conftest import StartRelay
from tests.net.scripted import ALICE, ScriptedRelay, honest, note
from tests.routing.moody import Relay
from tests.test_foreign_relay import foreign_relay

NPUB = nip19.encode_npub(ALICE.public_key.hex)
NOTES = [note(f"note {n}", at=1_700_000_000 + n) for n in range(10)]


def lines(events: list[Event]) -> str:
    return "".join(event.json.decode() + "\n" for event in events)


@pytest.mark.slow
async def test_relays_count(home: Home, start_relay: StartRelay) -> None:
    relay = await start_relay()
    sent = await home.run("publish", relay.url, given=lines(NOTES))
    assert sent.code == Exit.DONE, sent.err
    one = await home.run("count", "-k", "1", relay.url)
    assert (one.code, one.out) == (Exit.DONE, "10\n")
    some = await home.run("count", relay.url, "--json", given='{"kinds":[1]}\n{"kinds":[7]}\n')
    assert [record["count"] for record in some.records] == [10, 0]
    record = some.records[0]
    assert record["filter"] == {"kinds": [1]}
    assert record["precision"] == "exact"
    assert set(record) == {"filter", "count", "precision", "authors", "relays"}
    assert set(record["relays"][0]) == {
        *("relay", "count", "approximate", "hll", "how", "problem"),
    }
    assert record["relays"][0]["relay"] == relay.url
    more = await home.run("count", "-k", "1", relay.url, DEAD)
    assert (more.code, more.out) == (Exit.DONE, "at least 10\n")
    assert DEAD in more.err
    assert (await home.run("count", "-k", "1", DEAD)).code == Exit.NO_ANSWER


async def test_who_does_not_count_is_told_in_the_same_words_as_who_does_not_send(
    home: Home,
) -> None:
    async with Relay() as one:
        one.counts = True
        some = await home.run("count", "-k", "1", one.url, DEAD, "--json")
        assert (some.code, some.record["count"]) == (Exit.DONE, 0)
        told = json.loads(some.err)
        assert (told["outcome"], [end["relay"] for end in told["missed"]]) == ("found", [DEAD])
        none = await home.run("count", "-k", "1", DEAD, "--json")
        assert (none.code, none.record["count"]) == (Exit.NO_ANSWER, None)
        told = json.loads(none.err)
        assert told["outcome"] == "nobody answered"
        assert [(end["relay"], end["how"]) for end in told["missed"]] == [
            (DEAD, "cannot be reached")
        ]


@pytest.mark.parametrize(
    "most",
    [
        pytest.param(500, id="negentropy"),
        pytest.param(None, id="pages", marks=pytest.mark.slow),
    ],
)
async def test_a_file_and_a_relay_are_made_alike(
    home: Home, tmp_path: Path, most: int | None
) -> None:
    held = NOTES[4:]
    file = tmp_path / "events.jsonl"
    file.write_text(lines(NOTES[:6]) + "\n")
    async with ScriptedRelay(honest(held, most=most)) as relay:
        told = await home.run("reconcile", relay.url, "--file", str(file), "-k", "1", "--json")
        assert (told.code, told.record) == (
            Exit.DONE,
            {"relay": relay.url, "only_here": 4, "only_there": 4, "complete": True},
        )
        both = await home.run("reconcile", relay.url, "--file", str(file), "-k", "1", "--both")
        assert both.code == Exit.DONE, both.err
        assert {event["id"] for event in both.records} == {event.id for event in NOTES[6:]}
        assert {event.id for event in held} == {event.id for event in NOTES}
    file.write_text(lines(NOTES[:2]) + "nonsense\n")
    wrong = await home.run("reconcile", DEAD, "--file", str(file))
    assert wrong.code == Exit.USAGE
    assert "line 3" in wrong.err


@pytest.mark.slow
async def test_a_relay_that_is_not_ours_is_asked_and_told(home: Home, tmp_path: Path) -> None:
    """The one that nostr-sdk carries, over which lines go in a circle."""
    file = tmp_path / "events.jsonl"
    file.write_text(lines(NOTES[8:]))
    async with foreign_relay(nostr_sdk.LocalRelayBuilder()) as url:
        sent = await home.run("publish", url, given=lines(NOTES[:8]))
        assert sent.code == Exit.DONE, sent.err
        every = await home.run("req", "-a", NPUB, "--paginate", url)
        assert {event["id"] for event in every.records} == {event.id for event in NOTES[:8]}
        again = await home.run("publish", url, given=every.out)
        assert again.code == Exit.DONE, again.err
        newest = await home.run("await", "-k", "1", "-l", "1", url)
        assert newest.record["content"] == "note 7"
        both = await home.run("reconcile", url, "--file", str(file), "-k", "1", "--both")
        assert both.code == Exit.DONE, both.err
        assert len(both.records) == 8
        assert len((await home.run("req", "-k", "1", url)).records) == 10


async def test_the_store_and_a_relay_are_made_alike(home: Home) -> None:
    held = NOTES[4:]
    async with ScriptedRelay(honest([], most=500)) as empty:
        await home.run("publish", empty.url, given=lines(NOTES[:6]))
    async with ScriptedRelay(honest(held, most=500)) as relay:
        arguments = ("reconcile", relay.url, "-a", NPUB, "-k", "1", "--json")
        told = (await home.run(*arguments)).record
        assert (told["both"], told["only_here"], told["only_there"]) == (2, 4, 4)
        assert set(told) == {
            *("relay", "how", "problem", "road", "why", "both", "only_here", "only_there"),
            *("brought", "sent", "refused", "withheld", "complete"),
        }
        done = await home.run(*arguments, "--both")
        assert done.code == Exit.DONE, done.err
        assert (done.record["brought"], done.record["sent"]) == (4, 4)
        assert {event.id for event in held} == {event.id for event in NOTES}
        shown = await home.run("reconcile", relay.url, "-a", NPUB, "-k", "1")
        assert "10 in both, 0 only here, 0 only there" in shown.out
    stored = await home.run("req", "-k", "1", "--offline")
    assert len(stored.records) == 10
    gone = await home.run("reconcile", DEAD, "-k", "1", "--json")
    assert gone.code == Exit.NO_ANSWER
    assert json.loads(gone.out)["how"] == "cannot be reached"
    assert (await home.run("reconcile", DEAD, "-l", "3")).code == Exit.USAGE

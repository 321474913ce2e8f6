"""`event` and `publish`: events made, signed, and sent, one a line."""

from __future__ import annotations

import json

from nostr_client.exits import Exit
from nostr_client.nips import nip13, nip19
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from tests.cli.conftest import DEAD, Home
from tests.cli.test_notes import refusing
from tests.net.scripted import ALICE, ScriptedRelay, honest, note

NPUB = nip19.encode_npub(ALICE.public_key.hex)
KEY = {"NOSTR_CLIENT_KEY": nip19.encode_nsec(ALICE)}


async def test_an_event_is_made_of_options(home: Home) -> None:
    options = (
        "-k",
        "7",
        "-c",
        "+",
        "-e",
        "ab" * 32,
        "-p",
        NPUB,
        "-t",
        '["r","wss://a.example","x"]',
    )
    made = await home.run("event", *options, "--created-at", "1700000000", **KEY)
    assert made.code == Exit.DONE, made.err
    found = Event.parse(made.out.strip())
    assert found.verify()
    assert (found.kind, found.content, found.created_at) == (7, "+", 1_700_000_000)
    assert found.tags == (
        ("r", "wss://a.example", "x"),
        ("e", "ab" * 32),
        ("p", ALICE.public_key.hex),
    )
    worked = Event.parse((await home.run("event", "-c", "work", "--pow", "8", **KEY)).out.strip())
    assert nip13.work(worked) >= 8
    assert worked.verify()
    assert (await home.run("event", "-c", "hello")).code == Exit.LOCKED
    assert (await home.run("event", "-t", "nothing", **KEY)).code == Exit.USAGE
    leak = await home.run("event", "-c", nip19.encode_nsec(SecretKey.generate()), **KEY)
    assert leak.code == Exit.USAGE


async def test_drafts_become_events_and_reach_relays(home: Home) -> None:
    held: list[Event] = []
    async with ScriptedRelay(honest(held)) as relay:
        drafts = '{"content":"one"}\n\n{"kind":"x"}\n{"content":"two","tags":[["t","a"]]}\n'
        made = await home.run("event", "--stdin", "-t", "t=b", relay.url, given=drafts, **KEY)
        assert made.code == Exit.INCOMPLETE
        assert "line 3: kind is a whole number" in made.err
        assert f"{relay.url}: 2 accepted" in made.err
        assert [event["tags"] for event in made.records] == [
            [["t", "b"]],
            [["t", "a"], ["t", "b"]],
        ]
        assert [event.content for event in held] == ["one", "two"]
        listed = await home.run("event", "-k", "3", relay.url, **KEY)
        assert (listed.code, len(held)) == (Exit.USAGE, 2)
        assert "`follow` and `unfollow`" in listed.err
    gone = await home.run("event", "-c", "lost", DEAD, "--json", **KEY)
    assert gone.code == Exit.NO_ANSWER
    assert gone.record["content"] == "lost"


NOT_MINE = SecretKey.from_hex("2" * 64)
REFUSED = [
    (note("theirs", key=NOT_MINE).json.decode().replace("theirs", "forged"), "id does not match"),
    (json.dumps(note("a", key=NOT_MINE).to_dict() | {"sig": "ab" * 64}), "signature is wrong"),
    (json.dumps({"content": "a", "pubkey": NOT_MINE.public_key.hex}), "another's name"),
    ('{"content":"a","created_at":5,"id":"%s"}' % ("ab" * 32), "its id is not"),
    ('{"content":"a","id":"%s"}' % ("ab" * 32), "its id is not"),
    ('{"id":"x"}', "an empty event"),
    ("{}", "an empty event"),
    ('{"kind":14,"content":"psst"}', "`dm send`"),
    (note("psst", kind=15).json.decode(), "`gift wrap`"),
]


async def test_nobody_signs_what_is_anothers(home: Home) -> None:
    signed, mine = note("theirs", key=NOT_MINE), note("mine")
    draft = {name: value for name, value in mine.to_dict().items() if name != "sig"}
    lines = "\n".join([*(line for line, _ in REFUSED), signed.json.decode(), json.dumps(draft)])
    made = await home.run("event", "--stdin", "--json", "--quiet", given=lines, **KEY)
    assert made.code == Exit.INCOMPLETE
    told = [json.loads(line) for line in made.err.splitlines()]
    assert [one["line"] for one in told] == list(range(1, len(REFUSED) + 1))
    for one, (_, words) in zip(told, REFUSED, strict=True):
        assert words in one["error"], one
    assert made.records[0] == signed.to_dict()
    assert made.records[1]["id"] == mine.id
    sent = await home.run("publish", DEAD, "--timeout", "1", given=lines, **KEY)
    assert [one["line"] for one in sent.records] == list(range(1, len(REFUSED) + 3))
    assert [bool(one["error"]) for one in sent.records] == [True] * len(REFUSED) + [False] * 2
    changed = await home.run("event", "--stdin", "-c", "x", given=signed.json.decode(), **KEY)
    assert (changed.out, "it is signed" in changed.err) == ("", True)
    private = await home.run("event", "-k", "14", "-c", "psst", **KEY)
    assert (private.code, private.out) == (Exit.USAGE, "")


async def test_lines_are_sent_in_order_and_reported_by_relay(home: Home) -> None:
    held: list[Event] = []
    notes = [note(f"note {n}", at=1_700_000_000 + n) for n in range(30)]
    forged = notes[0].json.decode().replace("note 0", "note x")
    lines = "\n".join([*(event.json.decode() for event in notes), "", forged, "[]"])
    async with ScriptedRelay(honest(held)) as relay, refusing("blocked: no") as bad:
        done = await home.run("publish", relay.url, bad, DEAD, given=lines)
        assert done.code == Exit.INCOMPLETE, done.err  # two lines were no events
        assert [record["id"] for record in done.records[:30]] == [event.id for event in notes]
        assert [record["line"] for record in done.records] == [*range(1, 31), 32, 33]
        assert all(record["error"] for record in done.records[30:])
        assert {event.id for event in held} == {event.id for event in notes}
        first = done.records[0]
        assert first["accepted"] == [relay.url]
        assert first["refused"][0] | {"problem": ""} == {
            "relay": bad,
            "prefix": "blocked",
            "reason": "no",
            "problem": "",
        }
        assert [one["relay"] for one in first["unanswered"]] == [DEAD]
        assert f"{relay.url}: 30 accepted" in done.err
        assert f"{bad}: 0 accepted, 30 refused" in done.err
        assert "line 32: " in done.err

        never = await home.run("publish", bad, given=notes[0].json.decode())
        assert never.code == Exit.NOT_ACCEPTED
        draft = await home.run("publish", relay.url, given='{"content":"by me"}', **KEY)
        assert (draft.code, held[-1].content) == (Exit.DONE, "by me")
        nobody = await home.run("publish", relay.url, "--quiet", given='{"content":"by whom"}')
        assert (nobody.code, nobody.err.count("\n")) == (Exit.LOCKED, 1)
        assert "no account" in nobody.record["error"]
        await home.import_key(ALICE)
        home.password = None
        both = '{"content":"locked"}\n' + notes[0].json.decode()
        locked = await home.run("publish", relay.url, given=both)
        assert locked.code == Exit.LOCKED
        assert [record["line"] for record in locked.records] == [1, 2]
        assert "a password is needed" in locked.records[0]["error"]
        assert locked.records[1]["accepted"] == [relay.url]
        assert (await home.run("publish", relay.url, given="")).code == Exit.DONE
        mutes = await home.run("publish", relay.url, given='{"kind":10000}', **KEY)
        assert (mutes.code, "`mute`" in mutes.err) == (Exit.USAGE, True)
    lost = await home.run("publish", DEAD, "--json", given=note("lost").json.decode())
    assert lost.code == Exit.NO_ANSWER
    assert set(lost.record) == {"line", "id", "accepted", "refused", "unanswered", "error"}

"""`nostr-client drafts`, `schedule`, `post --at`: what is kept here and not sent."""

from __future__ import annotations

import json
import time

import pytest

from nostr_client.exits import Exit
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.drafts import NEW_NOTE, POLL, DraftFile, name_of, private_room
from nostr_client.social.scheduled import LATE
from tests.cli.conftest import Home
from tests.cli.test_notes import stored_at
from tests.conftest import RelayProcess

BEN = "cd" * 32


@pytest.mark.slow
async def test_drafts_are_listed_shown_published_and_thrown_away(
    home: Home, key: SecretKey, relay: RelayProcess
) -> None:
    home.configure([relay.url])
    await home.import_key(key)
    me = key.public_key.hex
    assert (await home.run("drafts", "--json")).out == ""
    DraftFile(home.paths, me, NEW_NOTE).write("Content-Warning: loud\n\nhalf a \x1b[2Jthought")
    DraftFile(home.paths, me, name_of(BEN)).write("to ben")
    room = private_room([me, BEN])
    async with LocalSigner(key) as signer:
        DraftFile(home.paths, me, room).write(await signer.nip44_encrypt(me, "a secret"))
    listed = {one["draft"]: one for one in (await home.run("drafts", "list", "--json")).records}
    assert listed.keys() == {NEW_NOTE, name_of(BEN), room}
    assert (listed[NEW_NOTE]["text"], listed[NEW_NOTE]["warning"]) == (
        "half a \x1b[2Jthought",
        "loud",
    )
    assert (listed[name_of(BEN)]["reply_to"], listed[room]["encrypted"]) == (BEN, True)
    plain = await home.run("drafts")
    assert "\x1b" not in plain.out
    assert "a secret" not in plain.out
    assert (await home.run("drafts", "show", "private", "--json")).record["text"] == "a secret"
    assert (await home.run("drafts", "show", "reply")).out == "to ben\n"
    assert (await home.run("drafts", "publish", "private")).code == Exit.USAGE
    DraftFile(home.paths, me, POLL).write("Tea?\n- yes")
    assert (await home.run("drafts", "publish", POLL)).code == Exit.USAGE
    assert (await home.run("drafts", "delete", POLL)).code == 0
    deleted = await home.run("drafts", "delete", "reply-", "--json")
    assert deleted.record == {"draft": name_of(BEN), "deleted": True}
    assert (await home.run("drafts", "show", "reply")).code == Exit.NOT_FOUND
    DraftFile(home.paths, me, NEW_NOTE).write("Content-Warning: loud\n\na whole thought")
    posted = await home.run("drafts", "publish", NEW_NOTE, "--json")
    assert posted.code == 0, posted.err
    event = await stored_at(relay.url, posted.record["id"])
    assert event is not None
    assert (event["content"], event["tags"]) == ("a whole thought", [["content-warning", "loud"]])
    assert [one["draft"] for one in (await home.run("drafts", "--json")).records] == [room]


@pytest.mark.slow
async def test_notes_are_scheduled_moved_edited_cancelled_and_sent(
    home: Home, key: SecretKey, relay: RelayProcess
) -> None:
    home.configure([relay.url])
    await home.import_key(key)
    me = key.public_key.hex
    added = await home.run("post", "see you", "--at", "in 2h", "--warning", "x", "--json")
    assert added.code == 0, added.err
    note = added.record
    assert abs(note["at"] - time.time() - 7200) < 300
    assert (await home.run("post", "too late", "--at", "in 0m")).code == Exit.USAGE
    first = note["scheduled"][:8]
    assert "which must be on then" in (await home.run("schedule", "move", first, "in 1h")).err
    moved = await home.run("schedule", "move", first, "in 3h", "--json")
    assert moved.record["at"] - note["at"] > 3000
    edited = await home.run("schedule", "edit", first, "-", "--json", given="see you all\n")
    assert (edited.record["text"], edited.record["warning"]) == ("see you all", "x")
    DraftFile(home.paths, me, NEW_NOTE).write("another")
    second = (await home.run("drafts", "publish", NEW_NOTE, "--at", "in 1d", "--json")).record
    assert (await home.run("drafts", "--json")).out == ""
    listed = (await home.run("schedule", "--json")).records
    assert [one["scheduled"] for one in listed] == [note["scheduled"], second["scheduled"]]
    taken = await home.run("schedule", "cancel", second["scheduled"], "--draft", "--json")
    assert (taken.record["cancelled"], taken.record["draft"]) == (True, NEW_NOTE)
    assert DraftFile(home.paths, me, NEW_NOTE).read() == "another"
    assert (await home.run("schedule", "cancel", second["scheduled"])).code == Exit.NOT_FOUND
    file = home.paths.data / "scheduled" / me / f"{note['scheduled']}.json"
    kept = json.loads(file.read_bytes())
    file.write_text(json.dumps({**kept, "at": int(time.time()) - LATE - 60}))
    asked = await home.run("schedule", "send", "--json")
    assert (asked.code, asked.out) == (0, "")
    assert json.loads(asked.err) == {"scheduled": note["scheduled"], "late": True}
    file.write_text(json.dumps({**kept, "at": int(time.time()) - 5}))
    sent = await home.run("schedule", "send", "--json")
    assert sent.code == 0, sent.err
    event = await stored_at(relay.url, sent.record["id"])
    assert event is not None
    assert event["content"] == "see you all"
    assert (await home.run("schedule", "--json")).out == ""

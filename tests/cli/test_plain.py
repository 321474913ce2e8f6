"""`--plain`: reading and writing by lines."""

from __future__ import annotations

import re

from nostr_client.protocol.event import Draft
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.store.opening import open_store
from tests.cli.conftest import Home
from tests.conftest import StartRelay

_harmful = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


async def test_a_person_reads_and_writes_by_lines(
    home: Home, key: SecretKey, start_relay: StartRelay
) -> None:
    relay = await start_relay()
    home.configure([relay.url])
    await home.import_key(key)
    ben = SecretKey.generate()
    follows = Draft(3, "", (("p", ben.public_key.hex),)).sign(key, 1_700_000_000)
    notes = [Draft(1, f"note {n}.").sign(ben, 1_700_000_000 + n) for n in range(12)]
    bad = Draft(1, "bad \x1b[2J\x1b]0;t\x07 \u202egnp", ()).sign(ben, 1_700_000_100)
    home.paths.data.mkdir(parents=True, exist_ok=True)
    async with open_store(home.paths.data / "events.db") as store:
        await store.save([follows, *notes, bad])

    lines = ("n", "o 2", "r 1", "My answer.", "f 7", "f", "w", "", "/ note 3", "s", "x", "h", "q")
    done = await home.run("--plain", given="\n".join(lines) + "\n")

    assert done.code == 0, done.err
    assert _harmful.sub("", done.out) == done.out
    heads = re.findall(r"^(\d+)\. ", done.out, re.MULTILINE)
    assert heads[:13] == [str(number) for number in range(1, 14)], "n goes on counting"
    assert heads[13:] == ["1", "1"], "the thread, then what was found"
    assert done.out.index("note 11.") < done.out.index("note 0.")
    assert "My answer." not in done.out, "nobody reads aloud what was just typed"
    assert "1 of 1 relays are up" in done.out
    assert "f wants the number of a note" in done.out
    assert "No such command" in done.out
    async with open_store(home.paths.data / "events.db") as store:
        (answer,) = await store.query([Filter.of(kinds=[1], authors=[key.public_key.hex])])
    assert answer.content == "My answer."

"""`copies`: where notes are, as the ledger has it."""

from __future__ import annotations

from nostr_client.exits import Exit
from nostr_client.protocol.keys import SecretKey
from tests.cli.conftest import DEAD, Home
from tests.conftest import StartRelay


async def test_copies_are_told_relay_by_relay_without_asking_any(
    home: Home, key: SecretKey, start_relay: StartRelay
) -> None:
    relay = await start_relay()
    home.configure([relay.url, DEAD])
    await home.import_key(key)
    empty = await home.run("copies")
    assert (empty.code, empty.out) == (0, "nothing of yours is to last so far\n")
    posted = await home.run("post", "--json", "hello")
    code = posted.record["nevent"]
    await relay.kill()
    told = await home.run("copies", code)
    assert told.code == 0, told.err
    assert f"{relay.url}  there: it said so" in told.out
    assert f"{DEAD}  " in told.out
    assert "1 of 7 confirmed, 1 operator, 1 where readers look" in told.out
    *copies, last = (await home.run("copies", "--json", code)).records
    known = {c["relay"]: (c["state"], c["grade"]) for c in copies}
    assert known[relay.url] == ("confirmed", "said")
    assert known[DEAD] in (("failed", "none"), ("wanted", "none")), "tried, or known to be down"
    assert (last["confirmed"], last["wanted"], last["survives"]) == (1, 7, 0)
    why = (await home.run("why", code, "--json")).record
    assert [one["ground"] for one in why["because"]] == ["own"]
    assert (why["from"][0]["url"], why["checked"]) == (relay.url, True)
    why = await home.run("why", relay.url)
    assert "0 of 0 people you follow write there" in why.out
    *relays, last = (await home.run("copies", "--json")).records
    assert {(r["relay"], r["role"], r["said"], r["waiting"]) for r in relays} == {
        (relay.url, "list", 1, 0),
        (DEAD, "list", 0, 1),
    }
    assert (last["events"], last["short"], last["worst"]["confirmed"]) == (1, 1, 1)
    drill = (await home.run("drill", "--mine", "--json")).record
    assert (drill["events"], drill["relays"], drill["falls"][-1]["unheld"]) == (1, 1, 1)
    assert "nostr-client backup FILE" in [one["command"] for one in drill["advice"]]
    unknown = await home.run("copies", "f" * 64)
    assert unknown.code == Exit.NOT_FOUND
    assert "no copy of it is known" in unknown.err

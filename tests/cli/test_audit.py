"""`nostr-client audit`."""

from __future__ import annotations

import time

from nostr_client.exits import Exit
from nostr_client.nips.nip19 import encode_nsec
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from tests.cli.conftest import DEAD, Home
from tests.routing.moody import Relay
from tests.routing.rooms import relay_list

DAY = 86_400
CONTROLS = [SecretKey.from_hex(f"{n}" * 64) for n in (5, 6, 7)]


def diary(key: SecretKey, now: int) -> list[Event]:
    return [Draft(1, f"{n}").sign(key, now - (n + 1) * DAY // 2) for n in range(16)]


async def test_what_one_relay_holds_back_is_found_reported_and_asked_again(
    home: Home, key: SecretKey
) -> None:
    now = int(time.time())
    notes = [note for one in (key, *CONTROLS) for note in diary(one, now)]
    me, fresh = key.public_key.hex, now - 4 * DAY
    kept = [note for note in notes if note.pubkey != me or note.created_at < fresh]
    async with Relay(*notes) as one, Relay(*notes) as other, Relay(*kept) as hiding:
        urls = [one.url, other.url, hiding.url]
        listed = relay_list(key, *urls, at=now - 30 * DAY)
        for relay in (one, other, hiding):
            relay.keep(listed)
        home.configure([one.url])
        await home.run("account", "watch", key.public_key.hex)
        file = home.folder / "report.json"

        well = await home.run("audit", "--author", CONTROLS[0].public_key.hex, *urls, "--json")
        assert well.code == Exit.DONE, well.err
        assert [record["kind"] for record in well.records] == [None] * 3

        assert (await home.run("audit", "--report", str(file))).code == Exit.LOCKED
        secret = {"NOSTR_CLIENT_KEY": encode_nsec(key)}
        found = await home.run("audit", "--json", "--report", str(file), **secret)
        assert found.code == Exit.ERROR, found.err
        [targeting] = [record for record in found.records if record["accuses"]]
        assert (targeting["kind"], targeting["relay"]) == ("targeting", hiding.url)
        assert set(targeting["held_by"]) == {one.url, other.url}
        assert not any(relay.sent("EVENT") for relay in (one, other)), "nobody is told"

        again = await home.run("audit", "--repeat", str(file))
        assert again.code == Exit.ERROR, again.err
        assert f"{hiding.url} (reported for targeting): has 0 of " in again.out
        there = await home.run("audit", "--report", str(file))
        assert (there.code, "already" in there.err) == (Exit.USAGE, True)
        for note in notes:
            hiding.keep(note)
        assert (await home.run("audit", "--repeat", str(file), "--json")).code == Exit.DONE
    file.write_text(file.read_text().replace("targeting", "retention"))
    assert (await home.run("audit", "--repeat", str(file))).code == Exit.USAGE
    assert (await home.run("audit", DEAD)).code == Exit.NO_ANSWER

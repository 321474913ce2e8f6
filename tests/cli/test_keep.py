"""`nostr-client keep`, as a script meets it."""

from __future__ import annotations

from nostr_client.cli.keep import proof_line
from nostr_client.nips.nip19 import encode_npub
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.resilience.kept_people import KeptPerson, Proof
from nostr_client.store.opening import open_store
from tests.cli.conftest import DEAD, Home
from tests.net.scripted import ScriptedRelay, honest


def test_they_may_name_any_time() -> None:
    """What somebody says to keep is a stranger's word, and stays on the disk."""
    proof = Proof(at=1_700_000_000, asked=1, proven=1, missing=0, events=9, size=1, since=2**62)
    line = proof_line(KeptPerson("ab" * 32, 0, proof=proof))
    assert f"9 of yours since {2**62}, " in line


async def test_a_copy_is_kept_exported_published_and_taken_in(home: Home, key: SecretKey) -> None:
    ana = SecretKey.generate()
    npub = encode_npub(ana.public_key.hex)
    notes = [Draft(1, f"note {n}").sign(ana, 1_700_000_000 + n) for n in range(4)]
    await home.import_key(key, "ben")
    file = home.folder / "ana.jsonl"
    async with ScriptedRelay(honest(notes)) as relay, ScriptedRelay(honest([])) as spare:
        home.configure([relay.url])
        added = await home.run("keep", "add", npub, "--events", "3", "--json")
        assert (added.code, added.record["new"], added.record["events"]) == (0, 4, 3), added.err
        listed = await home.run("copies")
        assert f"kept of {npub}  3 events, 1.0 kB since 2023-11-14: the quota is full" in listed.out
        assert "of others: 3 events, 1.0 kB; 3 have fewer copies than wanted" in listed.out
        written = await home.run("keep", "export", npub, str(file), "--json")
        assert written.record["events"] == 3
        sent = await home.run("keep", "publish", npub, spare.url, "--json")
        assert (sent.code, sent.record["confirmed"]) == (0, 3), sent.err
        assert {f[1]["id"] for f in spare.log if f[0] == "EVENT"} == {e.id for e in notes[1:]}
    new = Home(home.folder / "new", warm=home.warm)
    new.configure([DEAD])
    await new.import_key(ana)
    taken = await new.run("history", "import", str(file), "--json")
    assert (taken.code, taken.record["new"]) == (0, 3), taken.err
    assert await _own(new, ana) == notes[:0:-1]


async def _own(home: Home, key: SecretKey) -> list[Event]:
    async with open_store(home.paths.data / "events.db") as store:
        return await store.query([Filter.of(authors=[key.public_key.hex])])

"""`nostr-client lists`: versions, compared and taken back."""

from __future__ import annotations

import pytest

from nostr_client.cli.list_lines import version_line
from nostr_client.exits import Exit
from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.social.list_words import size_of
from tests.cli.conftest import Home
from tests.conftest import RelayProcess

BEN, CY = (SecretKey(bytes([n]) * 32).public_key.hex for n in (2, 3))


def test_one_entry_is_none_of_several() -> None:
    key = SecretKey(bytes([2]) * 32)
    for people, words in (((BEN,), "  1 entry  +1"), ((BEN, CY), "  2 entries  +2")):
        follows = Draft(kinds.FOLLOWS, "", tuple(("p", who) for who in people)).sign(key, 1)
        assert version_line(1, follows, size_of(follows, None)).endswith(words)


@pytest.mark.slow
async def test_a_follow_is_seen_and_taken_back(
    home: Home, key: SecretKey, relay: RelayProcess
) -> None:
    home.configure([relay.url])
    await home.import_key(key)
    assert (await home.run("lists", "versions", "nonsense")).code == Exit.USAGE
    assert (await home.run("lists", "versions", "follows")).code == Exit.NOT_FOUND
    for who in (BEN, CY):
        done = await home.run("follow", nip19.encode_npub(who), "--start-empty")
        assert done.code == 0, done.err
    versions = (await home.run("lists", "versions", "follows", "--json")).records
    assert [(v["version"], v["entries"], v["added"]) for v in versions] == [(1, 2, 1), (2, 1, 1)]
    assert nip19.encode_npub(CY) in (await home.run("lists", "show", "follows")).out
    changed = await home.run("lists", "diff", "3")
    assert changed.out.startswith("+ public")
    assert nip19.encode_npub(CY) in changed.out
    refused = await home.run("lists", "undo", "follows")
    assert refused.code == Exit.USAGE
    assert "--yes-really follows --without-backup" in refused.err
    undone = await home.run(
        "lists", "undo", "follows", "--yes-really", "follows", "--without-backup", "--json"
    )
    assert undone.code == 0, undone.err
    shown = (await home.run("lists", "show", "follows", "--json")).records
    assert [each["entry"][:2] for each in shown] == [["p", BEN]]
    merged = await home.run("lists", "merge", "follows", "1", "2", "--base", "3", "--json")
    assert merged.code == 0, merged.err
    back = (await home.run("lists", "versions", "follows", "--json")).records
    assert [v["entries"] for v in back] == [2, 1, 2, 1]

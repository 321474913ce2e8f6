"""Texts and gift wraps between two keys, with a key that is given for one run."""

from __future__ import annotations

import json

import pytest

from nostr_client.exits import Exit
from nostr_client.nips import nip04, nip19, nip59
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from tests.cli.protocol.in_process import Said, said

ANA, BEN = SecretKey.from_hex("1" * 64), SecretKey.from_hex("2" * 64)
TEXT = "see you\nat noon ü"


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOSTR_CLIENT_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setattr("nostr_client.cli.context.keep_log", lambda path: None)


def by(key: SecretKey, *words: str, given: str = "") -> Said:
    """A command whose key is in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOSTR_CLIENT_KEY", nip19.encode_nsec(key))
        return said(*words, given=given)


def npub(key: SecretKey) -> str:
    return nip19.encode_npub(key.public_key.hex)


def test_a_text_is_encrypted_and_read_by_the_other() -> None:
    sealed = by(ANA, "encrypt", npub(BEN), given=f"{TEXT}\n")
    assert (sealed.code, sealed.err) == (0, "")
    assert by(BEN, "decrypt", npub(ANA), given=sealed.out).out == f"{TEXT}\n"
    told = by(BEN, "decrypt", npub(ANA), "--json", given=sealed.out).records
    assert told == [{"text": TEXT, "cipher": "nip44", "pubkey": ANA.public_key.hex}]
    wrong = by(BEN, "decrypt", npub(BEN), given=sealed.out)
    assert (wrong.code, wrong.out) == (Exit.LOCKED, "")
    assert by(ANA, "encrypt", npub(BEN), given="\n").code == Exit.USAGE
    leak = by(ANA, "encrypt", npub(BEN), given=nip19.encode_nsec(ANA))
    assert (leak.code, leak.out) == (Exit.USAGE, "")


def test_what_was_encrypted_of_old_is_read() -> None:
    old = nip04.encrypt(TEXT, nip04.shared_key(ANA, BEN.public_key.hex))
    told = by(BEN, "decrypt", npub(ANA), "--json", given=old).records
    assert told == [{"text": TEXT, "cipher": "nip04", "pubkey": ANA.public_key.hex}]


def test_an_event_is_wrapped_and_opened() -> None:
    lines = (
        '{"kind":14,"content":"hi","tags":[["t","x"]]}\n\n{"kind":14,"content":"","created_at":5}\n'
    )
    wrapped = by(ANA, "gift", "wrap", npub(BEN), npub(ANA), given=lines)
    assert (wrapped.code, wrapped.err) == (0, "")
    assert [one["kind"] for one in wrapped.records] == [1059] * 4
    assert ANA.public_key.hex not in {one["pubkey"] for one in wrapped.records}
    for key in (ANA, BEN):
        mine = "\n".join(
            json.dumps(one) for one in wrapped.records if one["tags"][0][1] == key.public_key.hex
        )
        first, second = by(key, "gift", "unwrap", given=mine).records
        assert list(first) == ["id", "pubkey", "created_at", "kind", "tags", "content"]
        assert (first["pubkey"], first["content"]) == (ANA.public_key.hex, "hi")
        assert (first["tags"], second["created_at"]) == ([["t", "x"]], 5)


def test_what_cannot_be_wrapped_or_opened_is_told() -> None:
    lines = ['{"kind":14,"sig":"ab"}', f'{{"kind":14,"pubkey":"{BEN.public_key.hex}"}}', "{}", "x"]
    done = by(ANA, "gift", "wrap", "--json", npub(BEN), given="\n".join(lines))
    assert [one["line"] for one in done.faults] == [1, 2, 3, 4]
    assert (done.code, done.out) == (Exit.INCOMPLETE, "")
    note = Draft(1, "hi").sign(ANA, 1000)
    seal = nip59.seal_draft("x" * 200, 1000).sign(ANA, 1000)
    wrap = nip59.wrap(seal, BEN.public_key.hex, 1000)
    forged = json.dumps(json.loads(wrap.json) | {"sig": note.sig})
    given = "\n".join([note.json.decode(), forged, wrap.json.decode()])
    for key, lines_told in ((BEN, [1, 2, 3]), (ANA, [1, 2, 3])):
        opened = by(key, "gift", "unwrap", "--json", given=given)
        assert [one["line"] for one in opened.faults] == lines_told
        assert (opened.code, opened.out) == (Exit.INCOMPLETE, "")

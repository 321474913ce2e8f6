"""Keys at rest."""

from __future__ import annotations

import json
import threading
import time
import unicodedata

import nostr_sdk  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import DecryptionFailed, InvalidCode, SignerUnavailable
from nostr_client.nips import nip49
from nostr_client.nips.nip49 import decrypt, encrypt
from nostr_client.protocol.bech32 import decode_bech32, encode_bech32
from nostr_client.protocol.keys import SecretKey
from tests.vectors import VECTORS, needs_vectors

KEY = SecretKey(b"\x31" * 32)
QUICK = 4
LOCKED = encrypt(KEY, "words", QUICK)


@needs_vectors
def test_the_vectors_of_the_nip() -> None:
    assert VECTORS is not None
    vectors = json.loads((VECTORS / "nip49" / "nip49.json").read_text())
    for vector in vectors["decrypt"]:
        key = decrypt(vector["ncryptsec"], vector["password"])
        assert bytes(key).hex() == vector["private_key"]
        assert decode_bech32(vector["ncryptsec"])[1][1] == vector["log_n"]
    for vector in vectors["nfkc"]:
        typed = bytes.fromhex(vector["input_utf8"]).decode()
        normal = bytes.fromhex(vector["normalized_utf8"]).decode()
        assert typed != normal
        assert decrypt(encrypt(KEY, typed, QUICK), normal) == KEY
        assert decrypt(encrypt(KEY, normal, QUICK), typed) == KEY


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from([0, 1, 2]))
def test_a_key_comes_back_with_its_password_only(password: str, security: int) -> None:
    code = encrypt(KEY, password, QUICK, security)
    assert code.startswith("ncryptsec1")
    assert len(code) == 162
    assert decrypt(f" {code}\n", password) == KEY
    assert decrypt(code.upper(), unicodedata.normalize("NFKD", password)) == KEY
    with pytest.raises(DecryptionFailed):
        decrypt(code, password + "x")
    data = decode_bech32(code)[1]
    assert (len(data), data[0], data[1], data[42]) == (91, 2, QUICK, security)


def test_no_two_are_alike() -> None:
    assert encrypt(KEY, "words", QUICK) != LOCKED


def test_another_library_unlocks_ours_and_we_theirs() -> None:
    theirs = nostr_sdk.EncryptedSecretKey.from_bech32(encrypt(KEY, "pässwörd", QUICK))
    assert theirs.decrypt("pässwörd").to_hex() == bytes(KEY).hex()
    secret = nostr_sdk.SecretKey.parse(bytes(KEY).hex())
    assert decrypt(secret.encrypt("Ŵörds").to_bech32(), "Ŵörds") == KEY


def test_every_damage_is_seen() -> None:
    data = bytearray(decode_bech32(LOCKED)[1])
    for place in range(2, 91):
        data[place] ^= 1
        with pytest.raises(DecryptionFailed):
            decrypt(encode_bech32("ncryptsec", bytes(data)), "words")
        data[place] ^= 1
    assert decrypt(encode_bech32("ncryptsec", bytes(data)), "words") == KEY


def changed(place: int, value: int) -> str:
    data = bytearray(decode_bech32(LOCKED)[1])
    data[place] = value
    return encode_bech32("ncryptsec", bytes(data))


@pytest.mark.parametrize(
    "code",
    [
        "",
        "ncryptsec1",
        LOCKED[:-1],
        LOCKED[:-1] + ("q" if LOCKED[-1] != "q" else "p"),
        encode_bech32("nsec", bytes(KEY)),
        encode_bech32("ncryptsec", b"\2" * 90),
        encode_bech32("ncryptsec", b"\2" * 92),
        encode_bech32("ncryptsecx", decode_bech32(LOCKED)[1]),
        changed(0, 1),
        changed(0, 3),
        changed(1, 0),
        changed(1, 23),
        changed(1, 255),
        "ncryptsec1" + "q" * 1_000_000,
    ],
)
def test_what_is_no_code_is_refused_before_any_work(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nip49, "_derive", None)
    started = time.process_time()
    with pytest.raises(InvalidCode):
        decrypt(code, "words")
    assert time.process_time() - started < 2


def test_what_cannot_be_asked_for() -> None:
    for log_n in (-1, 0, 23, 64):
        with pytest.raises(ValueError, match="log_n"):
            encrypt(KEY, "words", log_n)
    for security in (-1, 3, 256):
        with pytest.raises(ValueError, match="security"):
            encrypt(KEY, "words", QUICK, security)


def test_more_memory_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SignerUnavailable, match="4096 MiB"):
        decrypt(changed(1, 22), "words", max_memory=1 << 30)
    with pytest.raises(SignerUnavailable, match="2048 MiB"):
        encrypt(KEY, "words", 21, max_memory=1 << 30)

    class TooLittle:
        def __init__(self, **_: object) -> None:
            raise MemoryError

    monkeypatch.setattr("cryptography.hazmat.primitives.kdf.scrypt.Scrypt", TooLittle)
    with pytest.raises(SignerUnavailable, match="memory"):
        decrypt(LOCKED, "words")


def test_secrets_are_not_in_errors() -> None:
    with pytest.raises(DecryptionFailed) as caught:
        decrypt(LOCKED, "hunter2")
    assert "hunter2" not in str(caught.value)
    assert LOCKED[20:40] not in str(caught.value)
    with pytest.raises(DecryptionFailed) as caught:
        decrypt(LOCKED, "hunter2\ud800")
    with pytest.raises(ValueError, match="whole characters") as refused:
        encrypt(KEY, "hunter2\ud800", QUICK)
    assert "hunter2" not in repr(refused.value)


def test_the_loop_goes_on_meanwhile() -> None:
    """The lock of the interpreter is free while scrypt works."""

    def turns_of_the_other_thread() -> int:
        turns = 0
        worker = threading.Thread(target=encrypt, args=(KEY, "words", 15))
        worker.start()
        while worker.is_alive():
            turns += 1
            time.sleep(0.001)
        return turns

    # With the lock held there are one or two. A busy machine gives few, but not always.
    assert any(turns_of_the_other_thread() > 5 for _ in range(100))

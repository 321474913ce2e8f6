"""Keys out of words (NIP-06)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nostr_sdk import Keys

from nostr_client.errors import InvalidKey
from nostr_client.nips import nip06

VECTORS = Path(__file__).parents[3] / "shared/vectors"
WORDS = "leader monkey parrot ring guide accident before fence cannon height naive bean"
HEX = "7f7ff03d123792d6ac594bfa67bf6d0c0ab55b6b1fdb6249303fe861f1ccba9a"


def test_the_example_of_the_nip() -> None:
    assert bytes(nip06.secret_key(WORDS)).hex() == HEX
    assert bytes(nip06.secret_key(f"\n  {WORDS.upper().replace(' ', '  ')} ")).hex() == HEX


@pytest.mark.parametrize(
    ("passphrase", "account"), [("", 1), ("a pass phrase", 0), ("x", 2**31 - 1)]
)
def test_as_another_implementation_derives_it(passphrase: str, account: int) -> None:
    theirs = Keys.from_mnemonic(WORDS, passphrase or None, account or None)
    assert bytes(nip06.secret_key(WORDS, passphrase, account)).hex() == theirs.secret_key().to_hex()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", "12, 15"),
        (WORDS + " bean", "12, 15"),
        (WORDS.replace("parrot", "carrrot"), "word 3 is not"),
        (WORDS.replace("parrot", "xx").replace("bean", "yy"), "words 3, 12 are not"),
        (WORDS.replace("parrot", "ring"), "belong together"),
        (" ".join(["xyz"] * 12), "any language"),
    ],
)
def test_what_is_wrong_is_said_without_a_word_of_it(words: str, reason: str) -> None:
    with pytest.raises(InvalidKey, match=reason) as caught:
        nip06.secret_key(words)
    assert not any(word in str(caught.value) for word in ("carrrot", "leader", "xyz"))


def test_other_languages() -> None:
    from mnemonic import Mnemonic

    for language in ("french", "japanese", "spanish", "korean"):
        words = Mnemonic(language).to_mnemonic(bytes(range(16)))
        assert nip06.secret_key(words) == nip06.secret_key(words.replace(" ", "\u3000"))


def test_the_vectors() -> None:
    if not (VECTORS / "nip06/nip06.json").exists():
        pytest.skip("no test vectors here (nip06.json)")
    from mnemonic import Mnemonic

    for each in json.loads((VECTORS / "nip06/nip06.json").read_text()):
        assert bytes(nip06.secret_key(each["mnemonic"])).hex() == each["private_key"]
    for _, words, seed, *_ in json.loads((VECTORS / "bip39/bip39.vectors.json").read_text())[
        "english"
    ]:
        assert Mnemonic.to_seed(words, "TREZOR").hex() == seed
        nip06.secret_key(words, "TREZOR")

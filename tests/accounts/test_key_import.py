"""Keys as people and other programs keep them."""

from __future__ import annotations

import json
import time

import pytest

from nostr_client.accounts.key_import import ImportedKey, is_encrypted, read_key
from nostr_client.errors import DecryptionFailed, InvalidKey, NostrError, SignerUnavailable
from nostr_client.nips import nip06, nip19, nip49
from nostr_client.protocol.keys import SecretKey

QUICK = 4
WORDS = "correct horse battery"
KEY = SecretKey(b"\x2a" * 32)
PHRASE = "leader monkey parrot ring guide accident before fence cannon height naive bean"


def test_each_form_says_how_well_the_key_was_handled() -> None:
    for text in (bytes(KEY).hex(), nip19.encode_nsec(KEY), f" {nip19.encode_nsec(KEY)}\n"):
        assert read_key(text) == ImportedKey(KEY, nip49.HANDLED_INSECURELY)
        assert not is_encrypted(text)
    for byte in (nip49.HANDLED_SECURELY, nip49.HANDLED_INSECURELY, nip49.UNTRACKED):
        code = nip49.encrypt(KEY, WORDS, QUICK, byte)
        assert is_encrypted(code)
        assert read_key(code, WORDS) == ImportedKey(KEY, byte)
    with pytest.raises(SignerUnavailable):
        read_key(code)
    with pytest.raises(DecryptionFailed):
        read_key(code, "wrong")


def test_words() -> None:
    assert read_key(f" {PHRASE}\n").key == nip06.secret_key(PHRASE)
    assert read_key(PHRASE, passphrase="x").key == nip06.secret_key(PHRASE, "x")
    with pytest.raises(InvalidKey, match="word 3"):
        read_key(PHRASE.replace("parrot", "parot"))


@pytest.mark.parametrize(
    "text",
    [
        "npub: {npub}\nnsec: {nsec}\n",
        "# my key\n\n{nsec}\n",
        "Keep this safe!\nPublic key: {public}\nPrivate key (hex): {hex}\n",
        '{{"pubkey": "{public}", "privateKey": "{hex}"}}',
        '{{"npub": "{npub}", "nsec": "{nsec}", "sec": "{hex}"}}',
        "NOSTR_SECRET_KEY={hex}\n",
        "{ncryptsec}\n{npub}\n",
        '{{"key": "{hex}"}}',
        '{{"type":"nsec","pubkey":"{public}","signer":{{"key":"{hex}"}}}}',  # noStrudel
        '[{{"method": "nip01", "pubkey": "{public}", "secret": "{hex}"}}]',  # Coracle
        '{{"pub": "{public}", "priv": "{hex}"}}',  # Iris
        '{{\n  "private_key":\n    "{hex}",\n  "public_key": "{npub}"\n}}',
        '"{{\\"seckey\\":\\"{hex}\\"}}"',
        "{bytes}",
        "Uint8Array(32) {bytes}",
        '{{"secretKey": {bytes}, "publicKey": "{public}"}}',
        "{indexed}",
        '{{"sk": {indexed}, "pk": "{public}"}}',
        "{npub}\n{hex}\n",
        "{hex},{public}\n",
        "npub,hex\n{npub},{HEX}\n",
        '["{public}", "{hex}"]',
    ],
)
def test_the_exports_of_other_clients(text: str) -> None:
    numbers = list(bytes(KEY))
    forms = {
        "bytes": json.dumps(numbers),
        "indexed": json.dumps({str(place): number for place, number in enumerate(numbers)}),
        "HEX": bytes(KEY).hex().upper(),
        "nsec": nip19.encode_nsec(KEY),
        "hex": bytes(KEY).hex(),
        "ncryptsec": nip49.encrypt(KEY, WORDS, QUICK),
        "public": KEY.public_key.hex,
        "npub": nip19.encode_npub(KEY.public_key.hex),
    }
    assert read_key(text.format(**forms), WORDS).key == KEY


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{npub}\n{other}\n", "nothing says whether"),
        ("# my key\n{hex}\n", "nothing says whether"),
        ("{hex}\n{other}\n", "nothing says whether"),
        ("{npub}\nsecret: {other}\n", "is another's"),
        ("{npub}\n{other_nsec}\n", "is another's"),
        # The secret of a session with a bunker is not that of the account.
        ('{{"method": "nip46", "pubkey": "{public}", "secret": "{other}"}}', "is another's"),
        ('{{"a": {{"key": "{hex}"}}, "b": {{"key": "{other}"}}}}', "several keys"),
        ("{hex} {public} {other_nsec}", "several keys"),
        ('{{"pubkey": "{public}", "id": "{other}"}}', "nothing says whether"),
        ('{{"pubkey": "{public}"}}', "neither an nsec"),
        ("{bytes}", "neither an nsec"),
        ("{places}", "neither an nsec"),
        ("[1, 2, 3]", "neither an nsec"),
    ],
)
def test_what_is_not_one_key_for_certain_is_refused(text: str, words: str) -> None:
    other = SecretKey(b"\x2b" * 32)
    forms = {
        "hex": bytes(KEY).hex(),
        "public": KEY.public_key.hex,
        "npub": nip19.encode_npub(KEY.public_key.hex),
        "other": bytes(other).hex(),
        "other_nsec": nip19.encode_nsec(other),
        "bytes": json.dumps([*bytes(KEY)[1:], 256]),
        "places": json.dumps({str(place): 42 for place in range(1, 33)}),
    }
    with pytest.raises(InvalidKey, match=words) as caught:
        read_key(text.format(**forms))
    assert not any(form[8:20] in str(caught.value) for form in forms.values())


def test_a_long_text_is_searched_at_once() -> None:
    began = time.thread_time()
    for text in ("[" * 60_000, "[ " + " " * 60_000, "1," * 30_000, "key:" * 15_000, "a=" * 30_000):
        with pytest.raises(InvalidKey):
            read_key(text)
    assert time.thread_time() - began < 2


def test_of_several_keys_none_is_chosen() -> None:
    other = nip19.encode_nsec(SecretKey(b"\x2b" * 32))
    for read in (read_key, is_encrypted):
        with pytest.raises(InvalidKey, match="several") as caught:
            read(f"{nip19.encode_nsec(KEY)} {other}")
        assert other[5:20] not in str(caught.value)
    with pytest.raises(InvalidKey, match="too long"):
        read_key("x" * 100_000)


def test_what_is_no_key_is_never_quoted() -> None:
    key = SecretKey.generate()
    nsec = nip19.encode_nsec(key)
    other = "p" if nsec.endswith("q") else "q"
    for text in (nsec[:-1], nsec[:-1] + other, bytes(key).hex()[:-1], "", "\x00"):
        with pytest.raises(NostrError) as caught:
            read_key(text)
        shown = f"{caught.value!r} {caught.value.__cause__!r}"
        assert not text.strip() or text.strip()[:20] not in shown
    with pytest.raises(InvalidKey, match="public key"):
        read_key(nip19.encode_npub(key.public_key.hex))
    with pytest.raises(InvalidKey):
        read_key("00" * 32)


@pytest.mark.parametrize("form", ["nsec", "ncryptsec", "hex"])
def test_a_key_is_read_however_people_keep_it(form: str) -> None:
    key = SecretKey(b"\x2a" * 32)
    codes = {
        "nsec": nip19.encode_nsec(key),
        "ncryptsec": nip49.encrypt(key, WORDS, QUICK),
        "hex": bytes(key).hex(),
    }
    code = codes[form]
    folded = "\n".join(code[i : i + 20] for i in range(0, len(code), 20))
    for text in (
        code.upper(),
        f"\ufeff{code}\r\n",
        f'"{code}"',
        f"\u201c{code}\u201d",
        f"`{code.upper()}`",
        folded,
        f"NOSTR:{code.upper()}",
        f" {code[:9]} {code[9:]}",
    ):
        assert read_key(text, WORDS).key == key

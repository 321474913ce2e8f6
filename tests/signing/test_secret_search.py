"""The one search for secret keys, by any key and any list."""

from __future__ import annotations

import functools
import json
import unicodedata
from collections.abc import Callable
from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from nostr_client.nips import nip19
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing import gate, secret_search
from nostr_client.signing.leaks import leaked_by
from nostr_client.signing.secret_search import SoughtKeys, owners_of_keys, trace_of
from tests.signing.test_gate import full_width

KEYS = st.binary(min_size=32, max_size=32).map(lambda data: SecretKey(sha256(data).digest()))
ME = SecretKey(b"\x09" * 32).public_key.hex
FORMS = st.sampled_from(
    [
        lambda code: code,
        lambda code: code.upper(),
        full_width,
        "\u200b".join,
        lambda code: " ".join(code[i : i + 4] for i in range(0, len(code), 4)),
        lambda code: f"{code[:33]}\r\n> {code[33:]}",
        lambda code: json.dumps({"about": f"{code[:9]}\n{code[9:]}"}),
        lambda code: json.dumps({"content": json.dumps({code: 1})}),
        lambda code: f"C:\\{code}",  # the first letter looks as if it were escaped
        lambda code: json.dumps({"path": f"\\{code[:5]}\n{code[5:]}"}),
        lambda code: "".join(f"\\u{ord(c):04x}" for c in code),
        lambda code: "".join(chr(0x1D7EC + int(c)) if c.isdigit() else c for c in code),  # bold
        lambda code: f"{code[:9]}\u2026{full_width(code[9:])}",
        lambda code: f"https://files.example/{code}.jpg?x={code}",
        lambda code: f"https://files.example/{ME}.jp" + "\u200b".join(code),
    ]
)
AROUND = st.text(alphabet="xyz é.,-\n😀\u00ad", max_size=40)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": ")])


@settings(max_examples=60, deadline=None)
@given(KEYS, FORMS, st.booleans(), AROUND, AROUND, st.booleans())
def test_a_key_is_found_in_every_form(
    key: SecretKey, form: object, as_hex: bool, before: str, after: str, known: bool
) -> None:
    code = bytes(key).hex() if as_hex else nip19.encode_nsec(key)
    text = f"{before} {form(code)} {after}"  # type: ignore[operator]
    sought = SoughtKeys({key.public_key.hex: trace_of(bytes(key)) if known else ""})
    assert owners_of_keys([text], sought) == {key.public_key.hex}
    for draft in (Draft(1, text), Draft(1, "", (("alt", text),))):
        assert leaked_by(draft.sign(SecretKey(b"\x07" * 32), 1), sought) == {key.public_key.hex}


@settings(max_examples=60, deadline=None)
@given(
    KEYS,
    st.lists(FORMS, min_size=1, max_size=3),
    st.text(alphabet="nsec1\\rtbfu0aé…", max_size=9),
    st.sampled_from(["e", "p", "a", "alt", "d"]),
)
def test_the_quick_look_never_hides_what_the_full_search_finds(
    key: SecretKey, forms: list[Callable[[str], str]], within: str, name: str
) -> None:
    code, digits = nip19.encode_nsec(key), bytes(key).hex()
    sought = SoughtKeys({key.public_key.hex: trace_of(bytes(key))})
    stranger = SecretKey(b"\x07" * 32)
    for bare in (
        f"{within}{code}",
        f"{code[:3]}{within}{code[3:]}",
        f"{code[:30]}{within}{code[30:]}",
        f"{within}{digits}",
        f"{digits[:5]}{within}{digits[5:]}",
    ):
        text = functools.reduce(lambda held, form: form(held), forms, bare)
        if "\x7f" not in text and owners_of_keys([text], sought):
            for draft in (
                Draft(1, text),
                Draft(1, "", ((name, ME, text), (name, text, ME, "", ME))),
            ):
                event = draft.sign(stranger, 1)
                assert leaked_by(event, sought) == {key.public_key.hex}


def test_all_that_stands_for_a_letter_or_digit_is_taken_for_a_disguise() -> None:
    for block in range(0x80, 0x20000, 64):
        chars = "".join(
            c for c in map(chr, range(block, block + 64)) if not "\ud800" <= c < "\ue000"
        )
        for char in chars if _plain_letters(chars) else "":
            assert not _plain_letters(char) or secret_search.disguised(char), hex(ord(char))


def _plain_letters(text: str) -> bool:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return any(char.isascii() and char.isalnum() for char in folded)


@settings(max_examples=30, deadline=None)
@given(
    st.binary(max_size=8),
    st.lists(st.sampled_from(["e", "p", "a", "t", "r", "d", "c"]), max_size=600),
    SEPARATORS,
)
def test_no_list_is_refused(seed: bytes, names: list[str], separators: tuple[str, str]) -> None:
    tags = [
        (name, sha256(seed + bytes([n % 256, n // 256])).hexdigest())
        for n, name in enumerate(names)
    ]
    own = {SecretKey(b"\x08" * 32).public_key.hex: ""}
    gate.refuse_secret_texts([json.dumps(tags, separators=separators)], lambda: own)
    gate.refuse_secrets(Draft(30_003, "", tuple(tags)), lambda: own)

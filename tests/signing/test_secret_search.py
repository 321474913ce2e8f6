"""The one search for secret keys, by any key and any list."""

from __future__ import annotations

import json
from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from nostr_client.nips import nip19
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing import gate
from nostr_client.signing.secret_search import SoughtKeys, leaked_by, owners_of_keys, trace_of
from tests.signing.test_gate import full_width

KEYS = st.binary(min_size=32, max_size=32).map(lambda data: SecretKey(sha256(data).digest()))
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

"""What relays say of themselves."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import InvalidData
from nostr_client.nips.nip11 import MAX_SIZE, Fee, Fees, Limitation, RelayInfo, parse
from tests.vectors import VECTORS, needs_vectors

KEY = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
FULL: dict[str, Any] = {
    "name": "nostr.example",
    "description": "two\n\nparagraphs",
    "banner": "https://a.example/b.png",
    "icon": "https://a.example/i.png",
    "pubkey": KEY,
    "self": KEY[::-1],
    "contact": "mailto:x@a.example",
    "supported_nips": [1, 9, 11],
    "software": "https://a.example",
    "version": "1.2",
    "terms_of_service": "https://a.example/t",
    "payments_url": "https://a.example/p",
    "limitation": {
        "max_message_length": 16384,
        "max_subscriptions": 300,
        "max_limit": 5000,
        "max_subid_length": 100,
        "max_event_tags": 100,
        "max_content_length": 8196,
        "min_pow_difficulty": 30,
        "auth_required": True,
        "payment_required": True,
        "restricted_writes": True,
        "created_at_lower_limit": 31536000,
        "created_at_upper_limit": 3,
        "default_limit": 500,
    },
    "fees": {
        "admission": [{"amount": 1000000, "unit": "msats"}],
        "subscription": [{"amount": 5000000, "unit": "msats", "period": 2592000}],
        "publication": [{"kinds": [4], "amount": 100, "unit": "msats"}],
    },
}


def parsed(document: object) -> RelayInfo:
    return parse(json.dumps(document).encode())


def test_every_field_is_read_and_written() -> None:
    info = parsed(FULL)
    assert (info.name, info.supported_nips, info.self) == ("nostr.example", (1, 9, 11), KEY[::-1])
    assert info.limitation.max_message_length == 16384
    assert info.limitation.auth_required is True
    assert info.fees.publication == (Fee(amount=100, unit="msats", kinds=(4,)),)
    assert json.loads(info.encode()) == FULL
    assert parse(info.encode()) == info


def test_what_is_not_said_is_not_written() -> None:
    assert parse(b"{}") == RelayInfo()
    assert RelayInfo().encode() == b"{}"
    assert RelayInfo(limitation=Limitation(auth_required=False)).encode() == (
        b'{"limitation":{"auth_required":false}}'
    )


@needs_vectors
def test_the_document_of_another_library() -> None:
    assert VECTORS is not None
    text = (VECTORS / "wire" / "relay_info.json").read_text()
    with pytest.raises(InvalidData):
        parse(text.encode())  # it has a comma too many, as it stands
    info = parse(text.replace("],\n    }", "]\n    }").encode())
    assert info.name == "nostr.test"
    assert info.pubkey is None, "test-pubkey is none"
    assert info.supported_nips == (1, 2, 4, 9)
    assert info.limitation.max_filters == 2500
    assert info.limitation.payment_required is True
    assert info.fees.subscription[0].period == 2592000


WRONG: list[object] = [None, True, -1, 1.5, "text", [], [1], {}, {"a": 1}, 2**70, [[]]]


@pytest.mark.parametrize("name", FULL)
def test_a_field_of_a_wrong_type_spoils_no_other(name: str) -> None:
    for value in WRONG:
        if type(value) is type(FULL[name]) and name not in ("pubkey", "self"):
            continue
        info = parsed(FULL | {name: value})
        for other in FULL:
            if other != name:
                assert getattr(info, other) == getattr(parsed(FULL), other)
        assert getattr(info, name) == getattr(RelayInfo(), name)


@pytest.mark.parametrize("name", FULL["limitation"])
def test_nor_does_a_wrong_limit(name: str) -> None:
    wrong: tuple[object, ...] = ("1", -1, 1.5, [], {}, None, 2**70)
    for value in wrong:
        limitation = parsed(FULL | {"limitation": FULL["limitation"] | {name: value}}).limitation
        kept = {other: n for other, n in FULL["limitation"].items() if other != name}
        assert limitation == Limitation(**kept)


def test_what_is_wrong_within_a_list_is_left_out() -> None:
    info = parsed({"supported_nips": [1, "2", None, -3, 4.0, [5], 2**70, 11]})
    assert info.supported_nips == (1, 11)
    fees = parsed(
        {
            "fees": {
                "admission": [{"amount": 1}, {"amount": 2, "unit": "sats", "period": "x"}, 3],
                "subscription": {"amount": 1, "unit": "sats"},
            }
        }
    ).fees
    assert fees == Fees(admission=(Fee(amount=2, unit="sats"),))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"<html>",
        b'{"name": "\xff"}',
        b'{"name":' + b"[" * 100_000,
        b'{"name":"' + b"x" * MAX_SIZE + b'"}',
    ],
)
def test_what_is_no_document(data: bytes) -> None:
    with pytest.raises(InvalidData):
        parse(data)


def test_long_lists_are_cut() -> None:
    assert len(parsed({"supported_nips": list(range(10_000))}).supported_nips) == 1000
    fee = {"amount": 1, "unit": "sats", "kinds": [1] * 1500}
    assert len(parsed({"fees": {"admission": [fee] * 5}}).fees.admission[0].kinds) == 1000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*FULL, "amount"]), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*FULL, *FULL["limitation"], "x"]), JSON))
def test_any_object_is_a_document(document: dict[str, Any]) -> None:
    data = json.dumps(document, allow_nan=False, default=str) if _finite(document) else "{}"
    info = parse(data.encode())
    assert parse(info.encode()) == info


def _finite(document: object) -> bool:
    return "NaN" not in json.dumps(document) and "Infinity" not in json.dumps(document)


@given(st.binary() | st.text().map(str.encode))
def test_nothing_but_invalid_data_comes_out(data: bytes) -> None:
    with contextlib.suppress(InvalidData):
        parse(data)

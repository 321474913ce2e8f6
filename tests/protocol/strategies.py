"""What the property tests of this floor are made of."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st

from nostr_client.protocol.event import MAX_TIMESTAMP, Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey

KEYS = [SecretKey(bytes([number]) * 32) for number in range(1, 5)]
"""A few people, always the same: filters must have a chance to meet their events."""

hex64 = st.binary(min_size=32, max_size=32).map(bytes.hex)
awkward = st.sampled_from(
    ["", '"', "\\", "/", "\x00", "\x1f", "\b\t\n\f\r", "\x80", "\u2028\u2029", "é", "𝒳", "🤙\u200d"]
)
text = st.lists(awkward | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)).map(
    "".join
)
own_text = text.map(lambda value: value.replace("\x7f", ""))
"""Text as our own notes may carry it."""

timestamps = st.integers(0, 20) | st.integers(0, 2**33) | st.integers(0, MAX_TIMESTAMP)
kinds = st.sampled_from([0, 1, 3, 5, 7, 1059, 10002, 20001, 30023, 65535]) | st.integers(0, 65535)
tag_values = st.sampled_from(["", "a", "b", "ab", KEYS[0].public_key.hex, "1" * 64, "2" * 64])
tags = st.lists(
    st.tuples(st.sampled_from("ptEd"), tag_values)
    | st.lists(own_text, min_size=1, max_size=4).map(tuple),
    max_size=6,
).map(tuple)

drafts = st.builds(Draft, kind=kinds, content=own_text, tags=tags, created_at=timestamps)


@st.composite
def events(draw: st.DrawFn, draft: st.SearchStrategy[Draft] = drafts) -> Event:
    """A signed event of one of `KEYS`."""
    return draw(draft).sign(draw(st.sampled_from(KEYS)), now=1_700_000_000)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def filters(draw: st.DrawFn, near: Event | None = None, smallest: int = 0) -> Filter:
    """A filter, and one that has a good chance to meet `near`."""
    ids = hex64 if near is None else st.sampled_from([near.id]) | hex64
    kind = kinds if near is None else st.sampled_from([near.kind]) | kinds
    moment = timestamps if near is None else st.sampled_from([near.created_at]) | timestamps
    author = st.sampled_from([key.public_key.hex for key in KEYS])
    names = st.sampled_from("tEd")

    def some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(strategy, min_size=smallest, max_size=3)

    asked = draw(st.dictionaries(names, some(tag_values), max_size=2))
    if draw(st.booleans()):
        asked["p"] = draw(some(tag_values.filter(lambda value: len(value) == 64) | hex64))
    return Filter.of(
        ids=draw(maybe(some(ids))),
        authors=draw(maybe(some(author))),
        kinds=draw(maybe(some(kind))),
        since=draw(maybe(moment)),
        until=draw(maybe(moment)),
        limit=draw(maybe(st.integers(0, 500))),
        **asked,
    )


def expected_id(pubkey: str, created_at: int, kind: int, tags: Any, content: str) -> str:
    """An event's id by Python's own JSON encoder."""
    signed = [0, pubkey, created_at, kind, tags, content]
    data = json.dumps(signed, separators=(",", ":"), ensure_ascii=False).encode()
    return sha256(data).hexdigest()


def signed_form(event: Event, **changes: Any) -> dict[str, Any]:
    """The event as a JSON object, with changes, and with the id that these give it."""
    value = json.loads(event.json) | changes
    fields = (value[name] for name in ("pubkey", "created_at", "kind", "tags", "content"))
    if "id" not in changes:
        value["id"] = expected_id(*fields)
    return value

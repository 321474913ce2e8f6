"""`nostr-sdk` (rust-nostr), an implementation not ours, judges our work, and we judge its."""

from __future__ import annotations

import json

import nostr_sdk
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nostr_client.errors import InvalidData, InvalidEvent
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.messages import decode_client_message, decode_relay_message
from nostr_client.protocol.urls import host_of, is_onion, is_private_host, normalize_relay_url
from tests.protocol.strategies import KEYS, drafts, events, filters, signed_form, text
from tests.vectors import VECTORS, needs_vectors, real_events


@given(events())
@example(Draft(1, "".join(map(chr, range(0x7F))) + "\x80é𝒳").sign(KEYS[0], 5))
def test_our_events_are_theirs(event: Event) -> None:
    theirs = nostr_sdk.Event.from_json(event.json.decode())
    assert theirs.verify_id()
    assert theirs.verify_signature()
    assert theirs.id().to_hex() == event.id
    assert json.loads(theirs.as_json()) == json.loads(event.json)
    assert Event.parse(theirs.as_json()) == event


@given(drafts, text, st.sampled_from(range(1, 5)))
def test_their_events_are_ours(draft: Draft, content: str, number: int) -> None:
    """Theirs may carry U+007F, which ours never do."""
    keys = nostr_sdk.Keys.parse(f"{number:02x}" * 32)
    builder = nostr_sdk.EventBuilder(nostr_sdk.Kind(draft.kind), content)
    builder = builder.tags([nostr_sdk.Tag.parse(list(tag)) for tag in draft.tags])
    at = nostr_sdk.Timestamp.from_secs(draft.created_at or 0)
    theirs = builder.custom_created_at(at).finalize(keys)
    event = Event.parse(theirs.as_json())
    assert event.verify()
    assert (event.id, event.content) == (theirs.id().to_hex(), content)
    assert event.pubkey == KEYS[number - 1].public_key.hex
    assert [list(tag) for tag in event.tags] == [tag.to_vec() for tag in theirs.tags()]


@given(events(), st.sampled_from(["content", "tags", "created_at", "kind", "pubkey", "sig"]))
def test_both_refuse_what_was_changed_after_signing(event: Event, field: str) -> None:
    other = {
        "content": event.content + "!",
        "tags": [*event.tags, ["x"]],
        "created_at": event.created_at ^ 1,
        "kind": event.kind ^ 1,
        "pubkey": next(key.public_key.hex for key in KEYS if key.public_key.hex != event.pubkey),
        "sig": "0" * 128,
    }[field]
    kept = json.dumps(signed_form(event) | {field: other})
    assert not nostr_sdk.Event.from_json(kept).verify()
    if field == "sig":
        assert not Event.parse(kept).verify()
    else:
        with pytest.raises(InvalidEvent):
            Event.parse(kept)
    renamed = json.dumps(signed_form(event, **{field: other}))
    assert not nostr_sdk.Event.from_json(renamed).verify()
    assert not Event.parse(renamed).verify()


@given(st.data())
def test_both_match_alike(data: st.DataObject) -> None:
    """But for empty lists, which NIP-01 does not know: theirs always hold, ours never do."""
    event: Event = data.draw(events())
    one: Filter = data.draw(filters(near=event, smallest=1))
    theirs = nostr_sdk.Filter.from_json(json.dumps(one.to_dict()))
    assert theirs.match_event(nostr_sdk.Event.from_json(event.json.decode())) is one.matches(event)
    assert Filter.parse(theirs.as_json()) == one


@needs_vectors
def test_both_match_real_events_alike() -> None:
    some = [Event.parse(line) for line in list(real_events())[::40]]
    theirs = [nostr_sdk.Event.from_json(event.json.decode()) for event in some]
    asked = [Filter.of(kinds=[event.kind], authors=[event.pubkey]) for event in some[::3]]
    asked += [Filter.of(p=[value]) for event in some for value in list(event.values("p"))[:1]]
    met = 0
    for one in asked:
        other = nostr_sdk.Filter.from_json(json.dumps(one.to_dict()))
        for mine, their in zip(some, theirs, strict=True):
            assert one.matches(mine) is other.match_event(their)
            met += one.matches(mine)
    assert met > len(asked) / 2


@given(events(), filters(smallest=1))
def test_frames_are_understood_on_both_sides(event: Event, one: Filter) -> None:
    for ours in (f'["EVENT",{event.json.decode()}]', f'["REQ","s",{json.dumps(one.to_dict())}]'):
        theirs = nostr_sdk.ClientMessage.from_json(ours).as_json()
        assert decode_client_message(theirs) == decode_client_message(ours)
    answers = [f'["EVENT","s",{event.json.decode()}]', '["EOSE","s"]', '["NOTICE","x"]']
    answers += [f'["OK","{event.id}",false,"pow: x"]', '["CLOSED","s","error: x"]', '["AUTH","x"]']
    answers += ['["COUNT","s",{"count":5}]', '["NEG-MSG","s","61"]']
    for ours in answers:
        theirs = nostr_sdk.RelayMessage.from_json(ours).as_json()
        assert decode_relay_message(theirs) == decode_relay_message(ours)


# Addresses of relays


def their_spelling(url: str) -> str | None:
    """Theirs keeps a slash, a dot and a fragment where they stand; ours has one spelling."""
    try:
        spelling = str(nostr_sdk.RelayUrl.parse(url))
    except nostr_sdk.NostrSdkError:
        return None
    scheme, _, rest = spelling.partition("#")[0].partition("://")
    host, slash, path = rest.partition("/")
    name, colon, port = host.rpartition(":") if "]" not in host else (host, "", "")
    name = name.removesuffix(".") if colon else host.removesuffix(".")
    tail = "" if path in ("", "?") else slash + path
    return f"{scheme}://{name}{colon}{port}{tail}" if colon else f"{scheme}://{name}{tail}"


@needs_vectors
def test_the_relays_of_the_network_have_the_spelling_that_others_give_them() -> None:
    assert VECTORS is not None
    urls = (VECTORS / "misc" / "bigbrotr-seed_relays.txt").read_text().split()
    assert len(urls) == 8865
    # One of them is no address: 484 does not fit into a byte.
    typo = "wss://100.127.36.484/8:4848"
    urls.remove(typo)
    with pytest.raises(InvalidData):
        normalize_relay_url(typo)
    assert their_spelling(typo) is None
    private = 0
    for url in urls:
        ours, theirs = normalize_relay_url(url), nostr_sdk.RelayUrl.parse(url)
        assert ours == str(theirs).removesuffix("/")
        assert normalize_relay_url(ours) == ours
        assert is_onion(ours) is theirs.is_onion()
        if theirs.is_local_addr():
            assert is_private_host(host_of(ours)), ours
            private += 1
    assert private > 100


host_texts = st.from_regex(r"[a-zA-Z0-9.\-_é:\[\]x]{1,20}", fullmatch=True) | st.sampled_from(
    ["Relay.Example", "127.1", "0x7f.0.0.1", "[::1]", "[0:0::0:2]", "bücher.example", "1.2.3"]
)
url_texts = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["ws", "wss", "WSS", "http", "w"]),
    host_texts,
    st.sampled_from(["", ":80", ":443", ":", ":07777", ":0", ":99999", ":x"]),
    st.sampled_from(["", "/", "//", "/a", "/a/", "/a/../b", "/./", "?x=1", "/?", "#f", "/{é}?'ü'"]),
)


@given(url_texts)
def test_a_url_that_we_take_has_the_spelling_that_others_give_it(url: str) -> None:
    theirs = their_spelling(url)
    try:
        ours = normalize_relay_url(url)
    except InvalidData:
        return  # ours is stricter
    if theirs is None:
        assert url.count("://") > 1, "theirs takes a second `://` for a mistake, nothing else"
    else:
        assert ours == theirs
    assert normalize_relay_url(ours) == ours

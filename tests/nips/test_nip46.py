"""Signing from afar: codes, requests and answers, of friends and of strangers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import DecryptionFailed, InvalidCode, InvalidData, InvalidMessage
from nostr_client.nips import nip04, nip44, nip46
from nostr_client.nips.nip46 import (
    BunkerFault,
    BunkerRequest,
    BunkerResponse,
    BunkerUri,
    ClientMetadata,
    ConnectParams,
    NostrConnectUri,
    Permission,
    fault_of,
    parse_permissions,
)
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.kinds import NOSTR_CONNECT

CLIENT, BUNKER = SecretKey(b"\x21" * 32), SecretKey(b"\x22" * 32)
PUBKEY = BUNKER.public_key.hex

# The example of the NIP.
EXAMPLE = (
    "nostrconnect://83f3b2ae6aa368e8275397b9c26cf550101d63ebaab900d19dd4a4429f5ad8f5?relay=wss%3A"
    "%2F%2Frelay1.example.com&perms=nip44_encrypt%2Cnip44_decrypt%2Csign_event%3A13%2Csign_event"
    "%3A14%2Csign_event%3A1059&name=My+Client&secret=0s8j2djs&relay=wss%3A%2F%2Frelay2.example2.com"
)


def test_the_example_of_the_nip_is_read_and_written_again() -> None:
    code = NostrConnectUri.parse(EXAMPLE)
    assert code.pubkey.startswith("83f3b2ae")
    assert code.relays == ("wss://relay1.example.com", "wss://relay2.example2.com")
    assert code.secret == "0s8j2djs"
    assert [each.kind for each in code.permissions] == [None, None, 13, 14, 1059]
    assert code.metadata == ClientMetadata("My Client")
    assert NostrConnectUri.parse(code.format()) == code
    assert code.is_answered_by("0s8j2djs")
    assert not any(map(code.is_answered_by, ("ack", "0s8j2dj", "", None)))


def test_a_client_is_described_in_one_parameter_as_it_was_once() -> None:
    metadata = "%7B%22name%22%3A%22Old%22%2C%22url%22%3A7%7D"
    code = NostrConnectUri.parse(
        f"nostrconnect://{PUBKEY}?relay=wss://r.example&secret=x&metadata={metadata}"
    )
    assert code.metadata == ClientMetadata("Old", "7")


def test_a_bunker_code_is_read_however_it_was_kept() -> None:
    uri = BunkerUri(PUBKEY, ("wss://a.example", "ws://b.example/x"), "s ü&=")
    assert BunkerUri.parse(uri.format()) == uri
    kept = (
        f' "bunker://{PUBKEY.upper()}/?relay=WSS://A.example:443/&relay=x&relay=wss://a.example"\n'
    )
    assert BunkerUri.parse(kept) == BunkerUri(PUBKEY, ("wss://a.example",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "begins with bunker://"),
        (PUBKEY, "begins with bunker://"),
        (f"bunker://{PUBKEY}", "no relay"),
        (f"bunker://{PUBKEY}?relay=http://x.example&secret=hush", "no relay"),
        ("bunker://hush?relay=wss://r.example", "64 hex digits"),
        (f"bunker://{PUBKEY}?relay=wss://r.example&secret={'hush' * 100}", "at most 256"),
        (f"bunker://{PUBKEY}?{'&'.join(['relay=wss://r.example'] * 101)}&hush=1", "64 hex digits"),
        (f"bunker://{PUBKEY}?hush={'x' * 9000}", "at most 8192"),
    ],
)
def test_what_is_no_bunker_code_is_refused_and_not_quoted(text: str, words: str) -> None:
    with pytest.raises(InvalidCode, match=words) as caught:
        BunkerUri.parse(text)
    assert "hush" not in str(caught.value)


def test_a_nostrconnect_code_without_a_secret_is_refused() -> None:
    with pytest.raises(InvalidCode, match="no secret"):
        NostrConnectUri.parse(f"nostrconnect://{PUBKEY}?relay=wss://r.example")


def test_no_secret_shows_itself() -> None:
    shown = [
        repr(BunkerUri(PUBKEY, ("wss://r.example",), "hush")),
        repr(NostrConnectUri(PUBKEY, ("wss://r.example",), "hush")),
        repr(ConnectParams(PUBKEY, "hush")),
        repr(BunkerRequest("1", "connect", (PUBKEY, "hush"))),
        repr(BunkerResponse("1", "hush", "hush")),
    ]
    assert not [text for text in shown if "hush" in text]


def test_permissions_permit_what_they_say_and_no_more() -> None:
    text = "nip44_encrypt, sign_event:1,sign_event:99999,sign_event:x,,:1,ping:,nip04_decrypt:2"
    found = parse_permissions(text)
    assert found == (
        Permission("nip44_encrypt"),
        Permission("sign_event", "1"),
        Permission("nip04_decrypt", "2"),
    )
    assert nip46.format_permissions(found) == "nip44_encrypt,sign_event:1,nip04_decrypt:2"
    one = Permission("sign_event", "1")
    assert one.covers("sign_event", 1)
    assert not one.covers("sign_event", 3)
    assert not one.covers("sign_event")
    assert not one.covers("ping")
    assert Permission("sign_event").covers("sign_event", 30023)
    assert not Permission("nip04_decrypt", "2").covers("nip04_decrypt")  # what 2 is, nobody said
    assert len(parse_permissions(",".join(f"sign_event:{kind}" for kind in range(1000)))) == 256


def test_requests_are_read_as_clients_write_them() -> None:
    ours = BunkerRequest("a1", "ping", ("x", "ü"))
    assert BunkerRequest.parse(ours.encode()) == ours
    theirs = '{"id":7,"method":"sign_event","params":[{"kind":1},null,3],"more":[]}'
    assert BunkerRequest.parse(theirs) == BunkerRequest("7", "sign_event", ('{"kind":1}', "", "3"))
    assert BunkerRequest.parse('{"id":"1","method":"?"}').param(0) == ""


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", "null", '{"id":"1"}', '{"method":"ping"}', '{"id":"","method":"ping"}'),
        '{"id":"1","method":"ping","params":{"hush":1}}',
        json.dumps({"id": "1", "method": "hush" * 20}),
        json.dumps({"id": "hush" * 50, "method": "ping"}),
        json.dumps({"id": "1", "method": "ping", "params": ["hush"] * 9}),
        '{"id":"1","method":"ping","params":' + "[" * 100_000,
        '{"id":"\\ud800","method":"ping"}',
        '"' + "x" * 1024 * 1024 + '"',
    ],
)
def test_what_is_no_request_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        BunkerRequest.parse(text)
    assert "hush" not in str(caught.value)


def test_answers_are_read_as_bunkers_write_them() -> None:
    for each in (BunkerResponse("1", "pong"), BunkerResponse("1", None, "denied")):
        assert BunkerResponse.parse(each.encode()) == each
    assert "error" not in BunkerResponse("1", "pong").encode()
    theirs = '{"id":"1","result":{"kind":1},"error":""}'
    assert BunkerResponse.parse(theirs) == BunkerResponse("1", '{"kind":1}')
    assert BunkerResponse.parse('{"id":"1","error":{"code":-1}}').error == '{"code":-1}'


def test_a_visit_is_asked_for_at_an_https_address_alone() -> None:
    asked = BunkerResponse("1", "auth_url", "https://bunker.example/ok?x=1")
    assert asked.asks_for_visit
    assert asked.auth_url == "https://bunker.example/ok?x=1"
    assert not BunkerResponse("1", "auth_url").asks_for_visit
    bad = ("http://x.example", "javascript:alert(1)", "file:///etc", "https://", "https://a b")
    for url in (*bad, "https://x.example/\x1b[2J", "https://" + "x" * 3000):
        with pytest.raises(InvalidMessage):
            _ = BunkerResponse("1", "auth_url", url).auth_url


def test_connect_names_the_client_in_its_fourth_place() -> None:
    named = ConnectParams(PUBKEY, metadata=ClientMetadata("ours", "https://ours.example"))
    assert named.encode() == (PUBKEY, "", "", '{"name":"ours","url":"https://ours.example"}')
    full = ConnectParams(PUBKEY, "s", (Permission("ping"),), ClientMetadata("ours"))
    for each in (named, full, ConnectParams(PUBKEY)):
        assert ConnectParams.of(BunkerRequest("1", "connect", each.encode())) == each
    assert ConnectParams(PUBKEY).encode() == (PUBKEY,)
    odd = BunkerRequest("1", "connect", (PUBKEY, "", "", "[1]"))
    assert ConnectParams.of(odd).metadata == ClientMetadata()
    long = BunkerRequest("1", "connect", (PUBKEY, "", "", json.dumps({"name": "x" * 9999})))
    assert ConnectParams.of(long).metadata == ClientMetadata()
    with pytest.raises(InvalidMessage):
        ConnectParams.of(BunkerRequest("1", "connect", (PUBKEY, "x" * 257)))


def test_a_connection_is_acknowledged_by_ack_or_by_the_secret() -> None:
    assert nip46.is_acknowledged("ack", "s")
    assert nip46.is_acknowledged("s", "s")
    assert not nip46.is_acknowledged("", "")
    assert not nip46.is_acknowledged(None, "")
    assert not nip46.is_acknowledged("t", "s")


def test_relays_to_switch_to() -> None:
    assert nip46.relays_of('["wss://A.example/",7,"x","wss://b.example"]') == (
        "wss://a.example",
        "wss://b.example",
    )
    for nothing in (None, "null", "", "[]", '["http://x.example"]'):
        assert nip46.relays_of(nothing) is None
    for odd in ("{}", "wss://a.example", "["):
        with pytest.raises(InvalidMessage):
            nip46.relays_of(odd)
    assert len(nip46.relays_of(json.dumps([f"wss://r{n}.example" for n in range(50)])) or ()) == 8


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        *((fault.said("for a reason"), fault) for fault in BunkerFault),
        *((fault.value, fault) for fault in BunkerFault),
        ("User rejected the request", BunkerFault.DENIED),
        ("Not authorized", BunkerFault.DENIED),
        ("no permission", BunkerFault.DENIED),
        ("Unsupported method: nip04_encrypt", BunkerFault.UNKNOWN_METHOD),
        ("invalid secret", BunkerFault.NOT_CONNECTED),
        ("failed to decrypt: invalid hmac", BunkerFault.CANNOT_DECRYPT),
        ("invalid MAC", BunkerFault.CANNOT_DECRYPT),
        ("key is locked", BunkerFault.LATER),
        ("¿?", BunkerFault.OTHER),
    ],
)
def test_what_an_error_means(words: str, fault: BunkerFault) -> None:
    assert fault_of(words) is fault


def test_a_message_travels_encrypted_and_addressed() -> None:
    ours = nip44.conversation_key(CLIENT, PUBKEY)
    theirs = nip44.conversation_key(BUNKER, CLIENT.public_key.hex)
    request = BunkerRequest("1", "connect", (PUBKEY, "hush"))
    event = nip46.sealed(request, CLIENT, PUBKEY, ours, 1_700_000_000)
    assert event.kind == NOSTR_CONNECT == 24133
    assert event.tags == (("p", PUBKEY),)
    assert event.verify()
    assert "hush" not in event.content
    assert BunkerRequest.parse(nip46.opened(event, theirs)) == request


def test_the_encryption_of_old_is_named() -> None:
    content = nip04.encrypt("{}", nip04.shared_key(BUNKER, CLIENT.public_key.hex))
    event = Draft(NOSTR_CONNECT, content).sign(BUNKER, 1)
    with pytest.raises(DecryptionFailed, match="its encryption is old"):
        nip46.opened(event, nip44.conversation_key(CLIENT, PUBKEY))


@given(st.text(max_size=60), st.sampled_from(["", f"bunker://{PUBKEY}?", EXAMPLE + "&"]))
def test_hostile_texts_end_in_our_errors(text: str, before: str) -> None:
    parsers = (BunkerUri.parse, NostrConnectUri.parse, BunkerRequest.parse, BunkerResponse.parse)
    for parse in (*parsers, nip46.relays_of):
        try:
            parse(before + text)
        except InvalidData:
            continue
    parse_permissions(text)
    ClientMetadata.parse(text)
    assert fault_of(text) in BunkerFault

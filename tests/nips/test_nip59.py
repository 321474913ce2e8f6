"""Rumors, seals and gift wraps (NIP-59), against the NIPs' own examples and nostr-sdk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nostr_sdk import Event as SdkEvent
from nostr_sdk import Keys, UnwrappedGift, nip17_make_private_msg
from nostr_sdk import PublicKey as SdkPublicKey
from nostr_sdk import Tag as SdkTag

from nostr_client.errors import AuthorsDisagree, InvalidEvent
from nostr_client.nips import nip59
from nostr_client.nips.nip59 import Rumor
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.gift_wraps import Opened, Unopened, Why, unwrap, unwrap_many
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import PeerText

ANA, BEN, EVE = (SecretKey(bytes([n]) * 32) for n in (1, 2, 3))
ana, ben, eve = LocalSigner(ANA), LocalSigner(BEN), LocalSigner(EVE)
NOW = 1_800_000_000
DOCS = Path(__file__).parents[3] / "shared/vectors/misc/nip-doc-events.json"


def _rumor(text: str = "hello", by: LocalSigner = ana) -> Rumor:
    tags = (("p", ben.pubkey),)
    return Rumor.of(Draft(kinds.CHAT_MESSAGE, text, tags), by.pubkey, NOW)


async def _wrapped(text: str, by: LocalSigner = ana, expiration: int | None = None) -> Event:
    payload = await by.nip44_encrypt(ben.pubkey, text)
    seal = await by.sign(nip59.seal_draft(payload, NOW, expiration=expiration))
    return nip59.wrap(seal, ben.pubkey, NOW, expiration=expiration, relay="wss://dm.example")


async def test_what_is_wrapped_is_opened_by_its_recipient_alone() -> None:
    rumor = _rumor()
    wrap = await _wrapped(rumor.json, expiration=NOW + 60)
    assert wrap.verify()
    assert wrap.pubkey not in (ana.pubkey, ben.pubkey)
    assert wrap.expiration == NOW + 60
    assert wrap.tags[0] == ("p", ben.pubkey, "wss://dm.example")
    opened = await unwrap(ben, wrap)
    assert isinstance(opened, Opened)
    assert opened.rumor == rumor
    assert opened.seal.expiration == NOW + 60
    other = await unwrap(eve, wrap)
    assert isinstance(other, Unopened)
    assert other.why is Why.UNREADABLE


async def test_every_layer_has_a_time_of_its_own_up_to_two_days_back() -> None:
    times = set()
    for _ in range(20):
        wrap = await _wrapped(_rumor().json)
        opened = await unwrap(ben, wrap)
        assert isinstance(opened, Opened)
        times |= {wrap.created_at, opened.seal.created_at}
    assert all(NOW - nip59.TWO_DAYS < time <= NOW for time in times)
    assert len(times) > 30


async def test_nobody_speaks_in_anothers_name() -> None:
    opened = await unwrap(ben, await _wrapped(_rumor(by=ana).json, by=eve))
    assert isinstance(opened, Unopened)
    assert opened.why is Why.AUTHORS_DISAGREE
    seal = await eve.sign(nip59.seal_draft("x", NOW))
    with pytest.raises(AuthorsDisagree):
        nip59.open_seal(seal, _rumor(by=ana).json)


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        "{}",
        json.dumps({**json.loads(_rumor().json), "id": "0" * 64}),
        json.dumps({**json.loads(_rumor().json), "sig": "0" * 128}),
        json.dumps({**json.loads(_rumor().json), "tags": [[]]}),
        json.dumps({**json.loads(_rumor().json), "pubkey": "é" * 64}),
        json.dumps({**json.loads(_rumor().json), "kind": 1_000_000}),
        json.dumps({**json.loads(_rumor().json), "created_at": 1.5}),
        "[" * 100_000,
    ],
)
async def test_what_is_no_rumor_is_dropped(text: str) -> None:
    with pytest.raises(InvalidEvent):
        Rumor.parse(text)


async def test_one_that_is_bad_costs_no_other() -> None:
    good = await _wrapped(_rumor().json)
    bad = await _wrapped("not json")
    bare = nip59.wrap(await ana.sign(Draft(1, "a note")), ben.pubkey, NOW)
    results = await unwrap_many(ben, [bad, good, bare, good])
    assert [type(each) for each in results] == [Unopened, Opened, Unopened, Opened]


async def test_a_seal_with_a_forged_signature_is_dropped() -> None:
    seal = await ana.sign(nip59.seal_draft(await ana.nip44_encrypt(ben.pubkey, "x"), NOW))
    forged = Event.from_dict({**json.loads(seal.json), "sig": "1" * 128})
    opened = await unwrap(ben, nip59.wrap(forged, ben.pubkey, NOW))
    assert isinstance(opened, Unopened)
    assert "signature" in opened.reason


async def test_a_message_for_a_separate_encryption_key_is_said_to_be_that() -> None:
    payload = await eve.nip44_encrypt(ben.pubkey, _rumor().json)  # eve has ana's second key
    draft = nip59.seal_draft(payload, NOW)
    seal = await ana.sign(Draft(draft.kind, draft.content, (("n", eve.pubkey),), NOW))
    dan = LocalSigner(SecretKey(b"\x04" * 32))
    opened = await unwrap(dan, nip59.wrap(seal, dan.pubkey, NOW))
    assert isinstance(opened, Unopened)
    assert opened.why is Why.ANOTHER_KEY
    assert opened.encryption_key == eve.pubkey
    brought = await unwrap(dan, nip59.wrap(seal, ben.pubkey, NOW), encryption=ben)
    assert isinstance(brought, Opened)


async def test_a_signer_that_does_not_answer_is_no_verdict() -> None:
    class Away(LocalSigner):
        async def decrypt_many(self, payloads: object) -> list[object]:  # type: ignore[override]
            return []

    opened = await unwrap(Away(BEN), await _wrapped(_rumor().json))
    assert isinstance(opened, Unopened)
    assert opened.why is Why.LATER


async def test_messages_of_nostr_sdk_and_back() -> None:
    keys = Keys.parse(bytes(BEN).hex())
    wrap = await _wrapped(_rumor("to the other side").json)
    gift = UnwrappedGift.from_gift_wrap(keys, SdkEvent.from_json(wrap.json.decode()))
    assert gift.sender().to_hex() == ana.pubkey
    assert gift.rumor().content() == "to the other side"
    answer = nip17_make_private_msg(
        keys, SdkPublicKey.parse(ana.pubkey), "and back", None, [SdkTag.parse(["subject", "tea"])]
    )
    opened = await unwrap(ana, Event.parse(answer.as_json()))
    assert isinstance(opened, Opened)
    assert opened.rumor.content == "and back"
    assert opened.rumor.pubkey == ben.pubkey
    assert opened.rumor.value("subject") == "tea"


@pytest.mark.parametrize(
    "nsec",
    [
        "nsec1w8udu59ydjvedgs3yv5qccshcj8k05fh3l60k9x57asjrqdpa00qkmr89m",
        "nsec12ywtkplvyq5t6twdqwwygavp5lm4fhuang89c943nf2z92eez43szvn4dt",
    ],
)
async def test_the_wraps_that_the_nip_shows(nsec: str) -> None:
    if not DOCS.exists():
        pytest.skip("no events of the NIPs' texts here (nip-doc-events.json)")
    signer = LocalSigner(SecretKey.parse(nsec))
    wraps = [
        Event.from_dict(each["event"])
        for each in json.loads(DOCS.read_text())
        if each["event"].get("kind") == kinds.GIFT_WRAP and each["status"] == "ok"
    ]
    mine = [wrap for wrap in wraps if wrap.value("p") == signer.pubkey]
    opened = [await unwrap(signer, wrap) for wrap in mine]
    assert [each.rumor.content for each in opened if isinstance(each, Opened)] == ["Hola, que tal?"]


async def test_the_batches_of_a_signer_keep_their_order() -> None:
    payloads = await ana.encrypt_many([PeerText(ben.pubkey, str(n)) for n in range(5)])
    texts = await ben.decrypt_many([PeerText(ana.pubkey, str(each)) for each in payloads])
    assert texts == ["0", "1", "2", "3", "4"]

"""Zap receipts: what agrees with itself is read, whatever does not is refused with its reason."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import InvalidCode, InvalidData, InvalidEvent
from nostr_client.nips import nip57
from nostr_client.protocol.bech32 import encode_bech32
from nostr_client.protocol.event import Draft, Event, Tags
from nostr_client.protocol.keys import SecretKey
from tests.nips.zaps import ANA, LNURL, PAYER, PROVIDER, invoice, receipt, request

SPEC = (
    "lnbc20m1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyq"
    "cyq5rqwzqfqqqsyqcyq5rqwzqfqypqhp58yjmdan79s6qqdhdzgynm4zwqd5d7xmw5fk98klysy043l2ahrqs9qrsgq7ea97"
    "6txfraylvgzuxs8kgcw23ezlrszfnh8r6qtfpr6cxga50aj6txm9rxrydzd06dfeawfk6swupvz4erwnyutnjq7x39ymw6j3"
    "8gp7ynn44"
)
"""An invoice of BOLT 11 itself."""


def test_the_invoice_of_the_standard_is_read() -> None:
    read = nip57.parse_invoice(SPEC)
    assert read.msat == 2_000_000_000
    assert read.description_hash.hex() == (
        "3925b6f67e2c340036ed12093dd44e0368df1b6ea26c53dbe4811f58fd5db8c1"
    )
    assert nip57.parse_invoice(f" {SPEC.upper()}\n") == read


@pytest.mark.parametrize(
    ("amount", "msat"),
    [("1", 10**11), ("20m", 2 * 10**9), ("2500u", 250_000_000), ("1n", 100), ("10p", 1)],
)
def test_amounts_are_read_to_the_millisatoshi(amount: str, msat: int) -> None:
    assert nip57.parse_invoice(invoice(amount, b"")).msat == msat


@pytest.mark.parametrize(
    "amount", ["", "0", "01u", "1p", "5p", "99999999", "-1u", "1x", "1e3", "١u"]
)
def test_an_amount_that_there_is_not_is_refused(amount: str) -> None:
    with pytest.raises(InvalidCode):
        nip57.parse_invoice(invoice(amount, b""))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lnbc",
        "lnbc1",
        SPEC[:60],
        SPEC.replace("lnbc", "lntb"),
        SPEC.replace("lnbc", "LNBC"),
        SPEC[:300] + "b" + SPEC[301:],
        "lnbc20m1" + "q" * 20_000,
        invoice("1u", b"", hashes=0),
        invoice("1u", b"", hashes=2),
        invoice("1u", b"", cut=True),
    ],
)
def test_what_is_no_invoice_is_refused(text: str) -> None:
    with pytest.raises(InvalidCode):
        nip57.parse_invoice(text)


@given(st.text(max_size=300))
def test_nothing_but_its_error_comes_of_any_text(text: str) -> None:
    for read in (nip57.parse_invoice, nip57.provider_url):
        for given_text in (text, f"lnbc1m1{text}", f"{text}@example.com"):
            with suppress(InvalidCode):
                read(given_text)
    with suppress(InvalidData):
        nip57.read_provider("https://x.example", text.encode("utf-8", "surrogatepass"))


def test_a_receipt_that_agrees_is_read() -> None:
    note = "ab" * 32
    zap = nip57.read_receipt(receipt(request(21_000, e=note, content="thanks"), "210n"))
    assert (zap.sender, zap.recipient) == (PAYER.public_key.hex, ANA.public_key.hex)
    assert (zap.msat, zap.target, zap.comment) == (21_000, note, "thanks")
    address = f"30023:{ANA.public_key.hex}:roof"
    assert nip57.read_receipt(receipt(request(None, a=address), "210n")).target == address
    assert nip57.read_receipt(receipt(request(21_000), "210n")).target == ""


def _other_description(good: Event) -> Tags:
    described = request(21_000, e="ab" * 32, content="something else").json.decode()
    return tuple(("description", described) if t[0] == "description" else t for t in good.tags)


def _tags(good: Event, name: str, *values: str) -> Tags:
    kept = tuple(tag for tag in good.tags if tag[0] != name)
    return (*kept, *((name, value) for value in values))


GOOD = receipt(request(21_000, e="ab" * 32), "210n")


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        (_other_description(GOOD), "for something else"),
        (_tags(GOOD, "bolt11", invoice("2100n", GOOD.value("description") or "")), "amount"),
        (_tags(GOOD, "bolt11"), "no bolt11"),
        (_tags(GOOD, "bolt11", "lnbc1", "lnbc1"), "2 bolt11"),
        (_tags(GOOD, "bolt11", "no invoice"), "not an invoice"),
        (_tags(GOOD, "description"), "no description"),
        (_tags(GOOD, "description", "{}"), "does not hold"),
        (_tags(GOOD, "description", "[" * 5_000), "does not hold"),
        (_tags(GOOD, "description", GOOD.json.decode()), "no zap request"),
        (_tags(GOOD, "p", PAYER.public_key.hex), "name the same"),
        (_tags(GOOD, "p"), "name the same"),
        (_tags(GOOD, "e", "cd" * 32), "name the same"),
        (_tags(GOOD, "e"), "name the same"),
        (_tags(GOOD, "e", "ab" * 32, "cd" * 32), "name the same"),
        (_tags(GOOD, "a", f"30023:{ANA.public_key.hex}:x"), "name the same"),
        (_tags(GOOD, "P", ANA.public_key.hex), "another sender"),
    ],
)
def test_a_receipt_whose_parts_do_not_agree_says_nothing(tags: Tags, words: str) -> None:
    with pytest.raises(InvalidEvent, match=words):
        nip57.read_receipt(Draft(9735, "", tags).sign(PROVIDER, 5))


def test_a_request_that_is_not_signed_by_whom_it_names_says_nothing() -> None:
    signed = request(21_000)
    other = Draft(9734, "", signed.tags).sign(SecretKey.generate(), 6)
    forged = signed.json.replace(signed.sig.encode(), other.sig.encode())
    assert Event.parse(forged).id == signed.id
    with pytest.raises(InvalidEvent, match="not signed"):
        nip57.read_receipt(receipt(Event.parse(forged), "210n"))


def test_the_provider_is_the_one_that_the_request_names() -> None:
    url = nip57.provider_url("Ana@Roof.example")
    assert url == "https://roof.example/.well-known/lnurlp/ana"
    body = b'{"allowsNostr":true,"nostrPubkey":"%s"}' % PROVIDER.public_key.hex.encode()
    provider = nip57.read_provider(url, body)
    read = nip57.read_receipt
    assert nip57.is_of_provider(read(receipt(request(21_000), "210n")), provider)
    assert nip57.is_of_provider(read(receipt(request(21_000, lnurl=LNURL), "210n")), provider)
    elsewhere = encode_bech32("lnurl", b"https://roof.example/.well-known/lnurlp/mo")
    for lnurl in (elsewhere, "lnurl1", "x" * 5_000):
        zap = read(receipt(request(21_000, lnurl=lnurl), "210n"))
        assert not nip57.is_of_provider(zap, provider)
    liar = read(receipt(request(21_000), "210n", by=SecretKey.generate()))
    assert not nip57.is_of_provider(liar, provider)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"allowsNostr":true}',
        b'{"allowsNostr":1,"nostrPubkey":"%s"}' % (b"ab" * 32),
        b'{"allowsNostr":true,"nostrPubkey":"AB"}',
        b'{"allowsNostr":true,"nostrPubkey":7}',
        b'{"status":"ERROR","reason":"no such user"}',
    ],
)
def test_a_provider_that_signs_no_receipts_is_none(body: bytes) -> None:
    with pytest.raises(InvalidData):
        nip57.read_provider("https://roof.example/x", body)


def test_a_provider_may_be_named_by_a_code() -> None:
    for text in (LNURL, f" {LNURL.upper()}", f"lightning:{LNURL}"):
        assert nip57.lnurl_provider_url(text) == nip57.provider_url("ana@roof.example")
    for url in (b"http://roof.example/x", b"https://roof.example/\x1b[2J", b"\xff"):
        with pytest.raises(InvalidCode):
            nip57.lnurl_provider_url(encode_bech32("lnurl", url))
    for text in ("", "ana@roof.example", encode_bech32("npub", b"https://x.example")):
        with pytest.raises(InvalidCode):
            nip57.lnurl_provider_url(text)


@pytest.mark.parametrize(
    ("weights", "parts"),
    [
        (("7", "3"), (0.7, 0.3)),
        ((None, None), (0.5, 0.5)),
        (("1", None), (1.0, 0.0)),
        (("0.5", "1.5"), (0.25, 0.75)),
        (("0", "0"), (0.0, 0.0)),
        (("-1", "1"), (0.0, 1.0)),
        (("inf", "nan"), (0.5, 0.5)),
    ],
)
def test_how_zaps_are_split(weights: tuple[str | None, ...], parts: tuple[float, ...]) -> None:
    people = ("a" * 64, "b" * 64)
    tags = [
        ("zap", who, "wss://relay.example", *([weight] if weight is not None else []))
        for who, weight in zip(people, weights, strict=True)
    ]
    note = Draft(1, "", (*tags, ("zap", "nobody"), ("zap",))).sign(ANA, 1)
    shares = {share.pubkey: share.part for share in nip57.zap_shares(note)}
    assert shares == {who: part for who, part in zip(people, parts, strict=True) if part}
    crowd = tuple(("zap", f"{n:064x}", "", "1") for n in range(500))
    assert len(nip57.zap_shares(Draft(1, "", crowd).sign(ANA, 1))) == nip57.MOST_SHARES


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ana",
        "@roof.example",
        "ana@",
        "ana@localhost",
        "ana@a.example/x",
        "a na@a.example",
        "ana@a.example?x",
        "ana@a.example#x",
        "../x@a.example",
        "ana@b@a.example",
        "ana@[::1]",
    ],
)
def test_what_is_no_lightning_address_is_asked_nothing(address: str) -> None:
    with pytest.raises(InvalidCode):
        nip57.provider_url(address)

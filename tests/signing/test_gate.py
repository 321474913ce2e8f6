"""No secret key passes to a signature, wherever and however it stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256

import pytest

from nostr_client.errors import SecretFound, SignerError
from nostr_client.nips import nip19, nip49, nip98
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing import gate, secret_search
from nostr_client.signing.gated import Gated, gated
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.secret_search import trace_of
from nostr_client.signing.signer import WatchOnly

MINE = SecretKey(bytes.fromhex("3c" * 31 + "01"))
SECOND = SecretKey(bytes.fromhex("a7" * 31 + "02"))
STRANGER = SecretKey(bytes.fromhex("59" * 31 + "03"))
HEX, NSEC = bytes(MINE).hex(), nip19.encode_nsec(MINE)
LOCKED = nip49.encrypt(MINE, "eight characters", 4)


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) for c in text)


SPELLINGS = {
    "nsec": NSEC,
    "in a sentence": f"my key is {NSEC}, hello",
    "a URI": f"nostr:{NSEC}",
    "capitals": NSEC.upper(),
    "two lines": f"{NSEC[:30]}\n{NSEC[30:]}",
    "folded by a mailer": f"> {NSEC[:30]}\r\n> {NSEC[30:]}",
    "groups of four": " ".join(NSEC[i : i + 4] for i in range(0, len(NSEC), 4)),
    "invisible characters": "\u200b".join(NSEC),
    "full width": full_width(NSEC),
    "hex": HEX,
    "hex in capitals": f"oops {HEX.upper()}",
    "hex after letters that are digits": f"a bad face {HEX} fade",
    "hex in bytes": ":".join(HEX[i : i + 2] for i in range(0, 64, 2)),
    "in a JSON value": json.dumps({"about": f"{NSEC[:9]}\n{NSEC[9:]}"}),
    "in a JSON name": json.dumps({HEX: 1}),
    "escaped": "".join(f"\\u{ord(c):04x}" for c in NSEC),
    "JSON in JSON": json.dumps({"content": json.dumps({"about": f"{NSEC[:9]}\n{NSEC[9:]}"})}),
    "encrypted, with its password": f"{LOCKED} eight characters",
}
FORMS = pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS.keys())


@FORMS
async def test_the_own_key_is_found_in_any_field(text: str) -> None:
    signer = LocalSigner(MINE)
    for draft in (
        Draft(kinds.NOTE, text),
        Draft(kinds.METADATA, json.dumps({"about": text})),
        Draft(kinds.NOTE, "x", (("content-warning", text),)),
        Draft(kinds.FOLLOWS, "", (("p", "0" * 64, "", text),)),
        Draft(kinds.AUTH, "", (("relay", "wss://relay.example"), ("challenge", text))),
        Draft(30078, "", ((text, "x"),)),
        nip98.request(f"https://api.example.com/?q={text}", "GET"),
    ):
        with pytest.raises(SecretFound) as refusal:
            await signer.sign(draft)
        assert HEX not in str(refusal.value)
        assert NSEC not in str(refusal.value)


async def test_a_key_broken_over_two_tags_is_found() -> None:
    with pytest.raises(SecretFound):
        await LocalSigner(MINE).sign(Draft(1, "", (("x", HEX[:30], HEX[30:]),)))


@FORMS
async def test_a_signer_elsewhere_stands_behind_the_gate(text: str) -> None:
    """Nobody here has its key: what is its own is told by its public key."""

    class Bunker:
        pubkey = MINE.public_key.hex

        async def sign(self, draft: Draft) -> Event:
            return draft.sign(MINE, 1_000)

    signer = gated(Bunker())
    assert (await signer.sign(Draft(1, "hello"))).verify()
    with pytest.raises(SecretFound):
        await signer.sign(Draft(1, text))


@pytest.mark.parametrize(
    "signed",
    [
        lambda draft: Draft(draft.kind, draft.content + "!", draft.tags, 1_000).sign(MINE, 0),
        lambda draft: Draft(draft.kind, draft.content, (("client", "x"),), 1_000).sign(MINE, 0),
        lambda draft: Draft(draft.kind, draft.content, draft.tags, 2_000).sign(MINE, 0),
        lambda draft: draft.sign(SECOND, 1_000),
        lambda draft: _with_signature_of(Draft(1).sign(MINE, 1), draft.sign(MINE, 1_000)),
    ],
    ids=["content", "tags", "date", "key", "signature"],
)
async def test_what_a_signer_elsewhere_gives_back_is_looked_at(
    signed: Callable[[Draft], Event],
) -> None:
    """What else it made of the draft would be published in somebody's name."""

    class Liar:
        pubkey = MINE.public_key.hex

        async def sign(self, draft: Draft) -> Event:
            return signed(draft)

    with pytest.raises(SignerError, match="did not sign what it was given"):
        await gated(Liar()).sign(Draft(1, "hello", created_at=1_000))


def _with_signature_of(one: Event, other: Event) -> Event:
    data = other.json.replace(other.sig.encode(), one.sig.encode())
    return Event.from_trusted(data)


@pytest.mark.parametrize("form", ["nsec", "hex", "two lines"])
async def test_the_key_of_another_account_is_found_though_it_is_locked(form: str) -> None:
    nsec, digits = nip19.encode_nsec(SECOND), bytes(SECOND).hex()
    text = {"nsec": nsec, "hex": f"be {digits.upper()}", "two lines": f"{nsec[:9]}\n{nsec[9:]}"}
    both = {MINE.public_key.hex, SECOND.public_key.hex}
    signer = LocalSigner(MINE, own=lambda: both)
    with pytest.raises(SecretFound, match="an account of yours"):
        await signer.sign(Draft(1, text[form]))
    with pytest.raises(SecretFound, match="an account of yours"):
        await signer.sign(Draft(1, text[form] + " " + "words " * 5_000))  # searched off the loop
    assert (await LocalSigner(MINE).sign(Draft(1, text[form]))).verify()


async def test_what_is_no_secret_passes() -> None:
    both = {MINE.public_key.hex, SECOND.public_key.hex}
    signer = LocalSigner(MINE, own=lambda: both)
    people = tuple(("p", SecretKey(bytes([n]) * 32).public_key.hex) for n in range(1, 200))
    for draft in (
        Draft(kinds.FOLLOWS, "", (*people, ("p", MINE.public_key.hex))),
        Draft(1, f"{SECOND.public_key.hex} {nip19.encode_npub(MINE.public_key.hex)}"),
        Draft(1, "an nsec1 is no nsec1qqqq, an ncryptsec1 no ncryptsec1qqqq"),
        Draft(kinds.REPOST, f"as in NIP-19: {nip19.encode_nsec(STRANGER)}"),
    ):
        assert (await signer.sign(draft)).verify()


IDS = [sha256(str(n).encode()).hexdigest() for n in range(5_000)]
LISTS = {
    "events": [("e", id) for id in IDS[:1_000]],
    "people": [("p", id, "wss://relay.example", "a friend") for id in IDS[:2_000]],
    "both, with capitals": [("e", id.upper()) for id in IDS[:1_000]] + [("p", i) for i in IDS[:99]],
}


@pytest.mark.parametrize("known", [True, False], ids=["trace known", "never unlocked"])
@pytest.mark.parametrize("tags", LISTS.values(), ids=LISTS.keys())
def test_a_long_list_passes_beside_a_second_account(
    tags: list[tuple[str, ...]], known: bool
) -> None:
    """Public, and as the private part that is encrypted: a list in JSON, `e` before each id."""
    own = {SECOND.public_key.hex: trace_of(bytes(SECOND)) if known else ""}
    gate.refuse_secrets(Draft(30_003, "", tuple(tags)), lambda: own, MINE)
    for separators in ((",", ":"), (", ", ": ")):
        private = json.dumps(tags, separators=separators)
        gate.refuse_secret_texts([private], lambda: own, MINE)
        hidden = [*tags[:500], ("e", bytes(SECOND).hex()), *tags[500:]]
        with pytest.raises(SecretFound, match="an account of yours"):
            gate.refuse_secret_texts([json.dumps(hidden, separators=separators)], lambda: own)
    with pytest.raises(SecretFound, match="an account of yours"):
        gate.refuse_secrets(Draft(30_003, "", tuple(hidden)), lambda: own, MINE)


@pytest.mark.parametrize("broken", [False, True], ids=["in one run", "in lines"])
def test_hex_digits_without_end_hide_no_key_whose_trace_is_known(broken: bool) -> None:
    own = {SECOND.public_key.hex: trace_of(bytes(SECOND))}
    digits = "".join(IDS[:1_000])
    for place in (0, 1, 31_999, len(digits)):
        text = digits[:place] + bytes(SECOND).hex() + digits[place:]
        text = "\n".join(text[i : i + 64] for i in range(0, len(text), 64)) if broken else text
        with pytest.raises(SecretFound, match="an account of yours"):
            gate.refuse_secrets(Draft(1, text), lambda: own, MINE)
    gate.refuse_secrets(Draft(1, digits), lambda: own, MINE)


async def test_more_digits_than_can_be_searched_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only where the trace of another account's key is not known."""
    monkeypatch.setattr(secret_search, "MOST_TRIES", 500)
    assert (await LocalSigner(MINE).sign(Draft(1, "".join(IDS[:9])))).verify()
    signer = LocalSigner(MINE, own=lambda: {SECOND.public_key.hex: ""})
    assert (await signer.sign(Draft(1, "".join(IDS[:8])))).verify()
    with pytest.raises(SecretFound, match="more hex digits"):
        await signer.sign(Draft(1, "".join(IDS[:9])))


def test_what_is_sought_again_and_again_is_derived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events name the same ids: to look whose key one is takes a derivation each."""
    derived: list[bytes] = []
    owner_of = secret_search._owner_of

    def counted(candidate: bytes) -> str:
        derived.append(candidate)
        return owner_of(candidate)

    monkeypatch.setattr(secret_search, "_owner_of", counted)
    sought = secret_search.SoughtKeys((SECOND.public_key.hex,))
    replies = [Draft(1, f"reply {n}", (("e", IDS[0]), ("p", IDS[1]))) for n in range(3)]
    for reply in replies:
        gate.refuse_secrets(reply, lambda: sought)
    assert derived == [bytes.fromhex(IDS[0]), bytes.fromhex(IDS[1])]
    for _ in range(2):
        with pytest.raises(SecretFound, match="an account of yours"):
            gate.refuse_secrets(Draft(1, bytes(SECOND).hex()), lambda: sought)
    gate.refuse_secrets(replies[0], lambda: sought, MINE)


def test_a_trace_that_another_text_shares_is_no_key() -> None:
    """Four bytes say where to look, and nothing more."""
    other = {SECOND.public_key.hex: trace_of(bytes(STRANGER))}
    gate.refuse_secrets(Draft(1, bytes(STRANGER).hex()), lambda: other, MINE)


def test_anybody_s_nsec_is_refused_where_a_person_writes() -> None:
    nsec = nip19.encode_nsec(STRANGER)
    mistyped = nsec[:-1] + ("q" if nsec[-1] != "q" else "p")
    for text in (nsec, nsec.upper(), f"{nsec[:9]} {nsec[9:]}", LOCKED, mistyped):
        with pytest.raises(SecretFound) as refusal:
            gate.refuse_codes("harmless", text)
        assert text not in str(refusal.value)
    gate.refuse_codes("", "nsec1 is how it begins", "0" * 64, nip19.encode_npub("0" * 64))


def test_it_is_put_before_a_signer_once() -> None:
    local, watch = LocalSigner(MINE), WatchOnly(MINE.public_key.hex)
    assert gated(local) is local
    assert gated(watch) is watch
    behind = Gated(local)
    assert gated(behind) is behind
    assert HEX not in repr(behind)

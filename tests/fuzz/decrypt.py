"""Damaged payloads for whatever decrypts: NIP-44, NIP-04, and gift wraps whose layers are damaged.

Nothing comes of them but DecryptionFailed, or an error as a value; and what was not touched opens.
"""

from __future__ import annotations

import contextlib
import hmac
import random
from base64 import b64decode, b64encode
from pathlib import Path

from nostr_client.errors import DecryptionFailed
from nostr_client.nips import nip04, nip44, nip59
from nostr_client.nips.nip59 import Rumor
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.gift_wraps import Opened, Unopened, unwrap_many
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import Cipher, PeerText
from tests.fuzz.world import key_of

PAYLOADS = 200
"""Of each kind in one round."""
NOW = 1_800_000_000
_ODD = 'A=?#iv\x00\n {}[]":,\\é\ud800\U0001f600'


async def play(seed: str, folder: Path) -> int:
    """One round; how many payloads were tried. Raises AssertionError, and what must not come."""
    rng = random.Random(seed)
    me, peer = key_of(0), key_of(1)
    await _payloads(rng, me, peer)
    await _wraps(rng, me, peer)
    return 3 * PAYLOADS


async def _payloads(rng: random.Random, me: SecretKey, peer: SecretKey) -> None:
    """Straight, and through the signer, which gives the error as a value."""
    key44 = nip44.conversation_key(me, peer.public_key.hex)
    key04 = nip04.shared_key(me, peer.public_key.hex)
    asked = []
    for _ in range(PAYLOADS):
        text = "x" * rng.choice((1, 31, 32, 33, 1_000, 65_535))
        bad44 = _damaged(rng, nip44.encrypt(text, key44))
        bad04 = _damaged(rng, nip04.encrypt(text, key04))
        for payload, decrypt, key in ((bad44, nip44.decrypt, key44), (bad04, nip04.decrypt, key04)):
            with contextlib.suppress(DecryptionFailed):
                decrypt(payload, key)
        # A MAC that is right over what is wrong inside: whoever has the key can send that.
        _forged(rng, key44)
        who = rng.choice((peer.public_key.hex, "f" * 64, "", _junk(rng)))
        asked.append(PeerText(who, bad44, once=rng.random() < 0.5))
        asked.append(PeerText(who, bad04, Cipher.NIP04))
    for told in await LocalSigner(me).decrypt_many(asked):
        assert isinstance(told, str | DecryptionFailed), repr(told)


def _forged(rng: random.Random, key: bytes) -> None:
    """A payload that authenticates, around padding of any kind."""
    nonce, padded = rng.randbytes(32), rng.randbytes(rng.choice((0, 1, 2, 34, 66, 98)))
    padded = rng.choice((b"", b"\0\0", b"\0\x01", b"\0\0\0\x01\0\0", b"\xff\xff")) + padded
    chacha_key, chacha_nonce, hmac_key = nip44._message_keys(key, nonce)
    sealed = nip44._chacha20(chacha_key, chacha_nonce, padded)
    mac = hmac.digest(hmac_key, nonce + sealed, "sha256")
    with contextlib.suppress(DecryptionFailed):
        nip44.decrypt(b64encode(b"\x02" + nonce + sealed + mac).decode(), key)


async def _wraps(rng: random.Random, me: SecretKey, peer: SecretKey) -> None:
    """Each layer as it should be, or damaged before it was encrypted."""
    key = nip44.conversation_key(peer, me.public_key.hex)
    wraps, whole = [], []
    for number in range(PAYLOADS):
        draft = Draft(kinds.CHAT_MESSAGE, f"message {number}", (("p", me.public_key.hex),))
        rumor = Rumor.of(draft, peer.public_key.hex, NOW).json
        layer = rng.choice(("none", "rumor", "seal", "wrap"))
        if layer == "rumor":
            rumor = _damaged(rng, rumor)
        payload = nip44.encrypt(_sendable(rumor), key)
        seal = nip59.seal_draft(payload, NOW).sign(peer, NOW)
        inside = seal.json.decode()
        if layer == "seal":
            inside = _damaged(rng, inside)
        once = SecretKey.generate()
        outer = nip44.encrypt(_sendable(inside), nip44.conversation_key(once, me.public_key.hex))
        if layer == "wrap":
            outer = _sendable(_damaged(rng, outer)).replace("\x7f", "")
        wraps.append(_wrap(outer, once, me))
        whole.append(layer == "none")
    told = await unwrap_many(LocalSigner(me), wraps)
    assert len(told) == len(wraps)
    for each, untouched in zip(told, whole, strict=True):
        assert isinstance(each, Opened if untouched else Opened | Unopened), each
        if isinstance(each, Opened):
            assert each.seal.pubkey == each.rumor.pubkey
            assert each.seal.verify()


def _wrap(content: str, once: SecretKey, me: SecretKey) -> Event:
    return Draft(kinds.GIFT_WRAP, content, (("p", me.public_key.hex),), NOW).sign(once, NOW)


def _sendable(text: str) -> str:
    """What can be encrypted at all: some Unicode, and not too much of it."""
    return text.encode(errors="replace").decode()[:60_000] or "x"


def _damaged(rng: random.Random, text: str) -> str:
    """`text`, changed somewhere."""
    at, end = sorted((rng.randrange(len(text)), rng.randrange(len(text))))
    match rng.randrange(7):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + rng.choice(_ODD) + text[at + 1 :]
        case 2:
            return text[:at] + text[end:]
        case 3:
            return text[:end] + text[at:]
        case 4:
            return _junk(rng)
        case 5:
            return text[:at] + _junk(rng) + text[at:]
        case _:
            return _flipped(rng, text)


def _flipped(rng: random.Random, text: str) -> str:
    """One bit of what base64 says; of other texts, one character."""
    try:
        data = bytearray(b64decode(text, validate=True))
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    except ValueError:
        at = rng.randrange(len(text))
        return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
    return b64encode(data).decode()


def _junk(rng: random.Random) -> str:
    letters = _ODD if rng.random() < 0.5 else "abcdefABCDEF0123456789+/="
    return "".join(rng.choices(letters, k=rng.choice((0, 1, 40, 64, 132, 200))))

"""Who signs, and who does not."""

from __future__ import annotations

import pytest

from nostr_client.errors import DecryptionFailed, InvalidKey, SigningRefused
from nostr_client.nips import nip44
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing import local_signer
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import PeerText, Signer, WatchOnly

KEY = SecretKey(b"\x05" * 32)


async def test_a_local_signer_signs_at_the_present_second() -> None:
    signer: Signer = LocalSigner(KEY, clock=lambda: 1234.9)
    event = await signer.sign(Draft(1, "hello"))
    assert event.pubkey == signer.pubkey == KEY.public_key.hex
    assert event.created_at == 1234
    assert event.verify()
    assert (await signer.sign(Draft(1, created_at=7))).created_at == 7


def test_it_does_not_show_its_key() -> None:
    assert bytes(KEY).hex() not in repr(LocalSigner(KEY))
    assert "0505" not in repr(vars(LocalSigner(KEY)))


async def test_who_only_watches_signs_nothing() -> None:
    signer: Signer = WatchOnly(KEY.public_key.hex)
    assert signer.pubkey == KEY.public_key.hex
    with pytest.raises(SigningRefused, match="only watches"):
        await signer.sign(Draft(1))
    with pytest.raises(InvalidKey):
        WatchOnly("f" * 64)


async def test_keys_used_once_push_out_nobody_who_writes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local_signer, "MOST_KEYS", 1)
    made = []
    real = nip44.conversation_key

    def counted(secret: SecretKey, peer: str) -> bytes:
        made.append(peer)
        return real(secret, peer)

    signer, friend = LocalSigner(KEY), LocalSigner(SecretKey(b"\x06" * 32))
    again = PeerText(friend.pubkey, await friend.nip44_encrypt(signer.pubkey, "again"))
    once = again._replace(once=True)
    monkeypatch.setattr(nip44, "conversation_key", counted)
    stranger = PeerText(SecretKey(b"\x07" * 32).public_key.hex, again.text, once=True)
    texts = await signer.decrypt_many([again, stranger, once, again])
    assert [texts[0], texts[2], texts[3]] == ["again"] * 3
    assert isinstance(texts[1], DecryptionFailed)
    assert made == [friend.pubkey, stranger.peer, friend.pubkey]

"""Who signs, and who does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nostr_client.errors import DecryptionFailed, InvalidKey, SignerUnavailable, SigningRefused
from nostr_client.nips import nip44
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing import local_signer
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import Cipher, PeerText, Signer, WatchOnly

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


async def test_a_locked_signer_refuses_and_holds_no_key() -> None:
    key, friend = SecretKey(b"\x05" * 32), LocalSigner(SecretKey(b"\x06" * 32))
    signer = LocalSigner(key, owns_key=True)
    payload = await signer.nip44_encrypt(friend.pubkey, "for a friend")
    derived = list(signer._conversation_keys._held.values())
    old = await signer.nip04_encrypt(friend.pubkey, "as of old")
    signer.lock()
    assert key.is_wiped
    assert derived == [bytes(32)]
    assert signer.pubkey == KEY.public_key.hex
    for asked in (
        signer.sign(Draft(1, "hello")),
        signer.sign(Draft(1, "long " * local_signer.LONG)),
        signer.nip44_encrypt(friend.pubkey, "more"),
        signer.nip44_decrypt(friend.pubkey, payload),
        signer.nip04_encrypt(friend.pubkey, "more"),
        signer.nip04_decrypt(friend.pubkey, old),
    ):
        with pytest.raises(SignerUnavailable, match="locked"):
            await asked
    many = [PeerText(friend.pubkey, payload), PeerText(friend.pubkey, payload, once=True)]
    for answers in (
        await signer.sign_many([Draft(1)]),
        await signer.encrypt_many(many),
        await signer.decrypt_many(many),
    ):
        assert {type(answer) for answer in answers} == {SignerUnavailable}


async def test_a_signer_that_is_left_wipes_the_key_that_is_its_own() -> None:
    key = SecretKey(b"\x05" * 32)
    for _ in range(2):  # somebody else's key: it may be entered again
        async with LocalSigner(key) as signer:
            await signer.nip44_encrypt(signer.pubkey, "to myself")
        assert not signer._conversation_keys._held
        assert not key.is_wiped
    async with LocalSigner(key, owns_key=True) as signer:
        assert (await signer.sign(Draft(1))).verify()
    assert key.is_wiped


@pytest.mark.parametrize("cipher", Cipher)
@pytest.mark.parametrize("once", [False, True])
async def test_what_a_lock_interrupts_neither_leaves_nor_counts_as_damaged(
    cipher: Cipher, once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wiped under a thread's hands, a key encrypts for everybody, and opens nothing."""
    module = nip44 if cipher is Cipher.NIP44 else local_signer.nip04
    friend = LocalSigner(SecretKey(b"\x06" * 32))
    for name in ("encrypt", "decrypt"):
        signer = LocalSigner(SecretKey(b"\x05" * 32), owns_key=True)
        text = PeerText(friend.pubkey, "words", cipher, once)
        if name == "decrypt":
            text = text._replace(text=str((await signer.encrypt_many([text]))[0]))
        real = getattr(module, name)

        def locked_meanwhile(
            words: str,
            key: bytearray,
            signer: LocalSigner = signer,
            real: Callable[[str, bytearray], str] = real,
        ) -> str:
            signer.lock()
            return real(words, key)

        with monkeypatch.context() as patched:
            patched.setattr(module, name, locked_meanwhile)
            asked = signer.encrypt_many if name == "encrypt" else signer.decrypt_many
            assert type((await asked([text]))[0]) is SignerUnavailable
        assert not signer._conversation_keys._held

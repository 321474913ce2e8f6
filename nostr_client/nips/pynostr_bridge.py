"""The only import of pynostr: its bech32, and its objects, so that its users' scripts can move.

Only `pynostr.bech32` is loaded before somebody converts: pynostr's events and keys bring its
network code along. `pynostr.utils.bech32_decode` is not used: it loses a zero byte at the end, and
asks for no prefix. Nor are the ids of pynostr's events taken over: every one is computed anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynostr import bech32

from nostr_client.errors import InvalidCode, InvalidEvent
from nostr_client.protocol.event import Draft, Event, event_digest
from nostr_client.protocol.keys import PublicKey, SecretKey

if TYPE_CHECKING:
    from pynostr.event import Event as PynostrEvent
    from pynostr.key import PrivateKey as PynostrPrivateKey
    from pynostr.key import PublicKey as PynostrPublicKey


def encode_bech32(prefix: str, data: bytes) -> str:
    """`data` as bech32 (BIP-173, not its later form bech32m), with `prefix`, in lower case."""
    return str(bech32.bech32_encode(prefix, bech32.convertbits(data, 8, 5), bech32.Encoding.BECH32))


def decode_bech32(text: str) -> tuple[str, bytes]:
    """The prefix in lower case and the data. Raises InvalidCode, which never quotes `text`."""
    prefix, words, encoding = bech32.bech32_decode(text)
    if encoding is not bech32.Encoding.BECH32:
        raise InvalidCode("a character is wrong or missing: the checksum does not fit")
    data = bech32.convertbits(words, 5, 8, False)
    if data is None:
        raise InvalidCode("the code does not hold whole bytes")
    return prefix, bytes(data)


def event_from_pynostr(event: PynostrEvent) -> Event:
    """A signed event of pynostr's as ours; its signature is not checked. Raises InvalidEvent.

    pynostr computes an id only when asked, so that what it holds may be an older one; the
    signature tells which of the two was signed.
    """
    if event.sig is None:
        raise InvalidEvent("this event is not signed: use draft_from_pynostr")
    return Event.from_dict(event.to_dict() | {"id": _id_of(event)})


def draft_from_pynostr(event: PynostrEvent) -> Draft:
    """What a pynostr event is to say, without author, id and signature. Raises InvalidEvent."""
    if event.content is None or event.kind is None:
        raise InvalidEvent("this event is not complete: it has no content or no kind")
    tags = tuple(tuple(tag) for tag in event.tags)
    return Draft(int(event.kind), event.content, tags, event.created_at)


def event_to_pynostr(event: Event) -> PynostrEvent:
    """The same event as pynostr's object."""
    from pynostr.event import Event as PynostrEvent

    return PynostrEvent(
        content=event.content,
        pubkey=event.pubkey,
        created_at=event.created_at,
        kind=event.kind,
        tags=[list(tag) for tag in event.tags],
        id=event.id,
        sig=event.sig,
    )


def key_from_pynostr(key: PynostrPrivateKey) -> SecretKey:
    """Raises InvalidKey."""
    return SecretKey(bytes(key.raw_secret))


def key_to_pynostr(key: SecretKey) -> PynostrPrivateKey:
    """Mind that pynostr's object shows the secret where it is printed."""
    from pynostr.key import PrivateKey as PynostrPrivateKey

    return PynostrPrivateKey(bytes(key))


def public_key_from_pynostr(key: PynostrPublicKey) -> PublicKey:
    """Raises InvalidKey."""
    return PublicKey(bytes(key.raw_bytes).hex())


def public_key_to_pynostr(key: PublicKey) -> PynostrPublicKey:
    from pynostr.key import PublicKey as PynostrPublicKey

    return PynostrPublicKey(bytes(key))


def _id_of(event: PynostrEvent) -> str:
    try:
        return event_digest(
            event.pubkey, event.created_at, int(event.kind), event.tags, event.content
        ).hex()
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidEvent(f"not a complete event: {error}") from None

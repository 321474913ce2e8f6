"""The private part of a list (NIP-51): tags in JSON, encrypted by the account to itself.

A list is changed as it is read, opened: its content is then the JSON of the private tags. What goes
out is encrypted again, as NIP-44 has it, if it was changed; else it is what it was, byte for byte,
in NIP-04 too. What cannot be decrypted stays as it is: it is carried along, and never edited.
"""

from __future__ import annotations

from typing import Final

import msgspec

from nostr_client.errors import DecryptionFailed, PlaintextTooLong, SigningRefused
from nostr_client.nips import nip04, nip44
from nostr_client.protocol import kinds
from nostr_client.protocol.event import MALFORMED, Draft, Event, Tags
from nostr_client.signing.signer import Signer

_decode = msgspec.json.Decoder(Tags).decode
_encode = msgspec.json.Encoder().encode
LISTS: Final = {
    kinds.MUTES: "the list of mutes",
    kinds.BOOKMARKS: "the list of bookmarks",
    kinds.BLOCKED_RELAYS: "the list of blocked relays",
    kinds.PRIVATE_RELAYS: "the list of private relays",
    kinds.FOLLOW_SET: "the list of people",
    kinds.INTEREST_SET: "the list of topics",
    kinds.INTERESTS: "the list of topics",
}
LARGEST: Final = nip44.EXTENDED_LENGTH - 1
"""Bytes of private tags, in JSON, that every program can read once they are encrypted."""


def tags_of(content: str) -> Tags | None:
    """The tags in an opened content; None where it is something else."""
    if not content:
        return ()
    try:
        tags = _decode(content)
    except MALFORMED:
        return None
    return tags if all(tags) else None


def content_of(tags: Tags, kind: int) -> str:
    """Private tags as they are encrypted in a list of this kind. Raises PlaintextTooLong."""
    content = _encode(tags) if tags else b""
    _check_size(len(content), kind)
    return content.decode()


def _check_size(size: int, kind: int) -> None:
    if size > LARGEST:
        name = LISTS.get(kind, f"this list (kind {kind})")
        raise PlaintextTooLong(size, LARGEST, f"the private part of {name}")


class PrivatePart:
    """Opens and closes the private part of one account's lists through its `signer`."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._closed: dict[str, str] = {}

    async def open(self, version: Event) -> Event:
        """`version` with what its content says; as it is where that cannot be told.

        Raises SignerUnavailable: whoever asks again may be told.
        """
        content = version.content
        if not content:
            return version
        text = await self.text_of(content)
        self._closed[text] = content
        if text == content or tags_of(text) is None:
            self._closed[content] = content
            return version
        return version.read_as(content=text)

    async def text_of(self, content: str) -> str:
        """What a content says; the content itself where that cannot be told.

        Raises SignerUnavailable.
        """
        me, signer = self._signer.pubkey, self._signer
        decrypt = signer.nip04_decrypt if nip04.is_payload(content) else signer.nip44_decrypt
        try:
            return await decrypt(me, content) if content else ""
        except (DecryptionFailed, SigningRefused):
            return content

    def tags(self, version: Event | None) -> Tags | None:
        """The private tags of a version that was opened; None where they could not be."""
        if version is None or not version.content:
            return ()
        opened = self._closed.get(version.content, version.content) != version.content
        return tags_of(version.content) if opened else None

    async def close(self, draft: Draft) -> Draft:
        """`draft`, made of what was opened, as it goes out.

        Raises SignerError, PlaintextTooLong.
        """
        content = draft.content
        if content in self._closed:
            content = self._closed[content]
        elif content and tags_of(content) is not None:
            _check_size(len(content.encode()), draft.kind)
            content = await self._signer.nip44_encrypt(self._signer.pubkey, content)
        return msgspec.structs.replace(draft, content=content)

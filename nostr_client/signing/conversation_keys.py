"""The keys that one secret key shares with those whom it writes to again and again (NIP-44)."""

from __future__ import annotations

from nostr_client.nips import nip44
from nostr_client.protocol.keys import SecretKey, wipe


class ConversationKeys:
    """Of `key`, at most `most`: the one used least goes first. Any thread may ask."""

    def __init__(self, key: SecretKey, most: int) -> None:
        self._key = key
        self._most = most
        self._held: dict[str, bytearray] = {}

    def of(self, peer: str) -> bytearray:
        """What is shared with `peer` (hex). Raises InvalidKey, SignerUnavailable."""
        key = self._held.pop(peer, None)
        if key is None:
            key = nip44.conversation_key(self._key, peer)
            while len(self._held) >= self._most:
                self._held.pop(next(iter(self._held)), None)
        self._held[peer] = key  # behind the others
        return key

    def forget(self, peer: str) -> None:
        self._held.pop(peer, None)

    def drop(self) -> None:
        """Forget them all; who works with one just now ends his work."""
        self._held = {}

    def wipe(self) -> None:
        """Overwrite them all: what a thread makes with one just now is worth nothing."""
        held, self._held = self._held, {}
        for key in held.values():
            wipe(key)

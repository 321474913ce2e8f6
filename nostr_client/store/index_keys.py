"""Short keys for indexes: 64-bit integers instead of long texts.

Authors, tags and addresses are hashed with a secret of the store, so that nobody can prepare two
that meet. The key of an id is its own first half-line, so that it sorts as the id does; ids that
meet can be prepared, so whoever looks one up compares the whole id too.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from nostr_client.protocol.event import Event

MAX: Final = 2**63 - 1
_CACHED: Final = 50_000
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


_ID_AT: Final = len('{"id":"')
_ID_END: Final = _ID_AT + 64
_CREATED_AT: Final = _ID_END + len('","pubkey":"') + 64 + len('","created_at":')


def id_of(data: bytes) -> str:
    """The id, read from the place where `Event.json` has it."""
    return data[_ID_AT:_ID_END].decode()


def created_at_of(data: bytes) -> int:
    """The time, read likewise."""
    return int(data[_CREATED_AT : data.index(b",", _CREATED_AT)])


def place_of(data: bytes) -> tuple[int, bytes]:
    """`Event.order`, read from the places where `Event.json` has its parts."""
    return -created_at_of(data), data[_ID_AT:_ID_END]


def id_key(event_id: str) -> int:
    """A signed 64-bit integer that is greater the lower the id is."""
    return MAX - int(event_id[:16], 16)


class IndexKeys:
    """The keys of one store, which knows its `secret` (32 bytes)."""

    def __init__(self, secret: bytes) -> None:
        self._begun = blake2b(digest_size=8, key=secret)
        self._authors: dict[str, int] = {}
        self._people: dict[str, int] = {}

    def _hash(self, text: str) -> int:
        digest = self._begun.copy()
        try:
            digest.update(text.encode())
        except UnicodeEncodeError:  # half a character: in no event, but somebody may ask for it
            digest.update(text.encode("utf-8", "surrogatepass"))
        return int.from_bytes(digest.digest(), "little", signed=True)

    def author(self, pubkey: str) -> int:
        return self._cached(self._authors, "\0", pubkey)

    def address(self, address: str) -> int:
        return self._hash("\1" + address)

    def tag(self, letter: str, value: str) -> int:
        if letter == "p":  # the same few are mentioned over and over
            return self._cached(self._people, "p", value)
        return self._hash(letter + value)

    def _cached(self, cache: dict[str, int], prefix: str, text: str) -> int:
        key = cache.get(text)
        if key is None:
            key = self._hash(prefix + text)
            if len(text) == 64:
                if len(cache) >= _CACHED:
                    cache.clear()
                cache[text] = key
        return key

    def tags(self, event: Event) -> list[int]:
        """The keys under which `event` is found: its single-letter tags and its address."""
        pairs = {(tag[0], tag[1]) for tag in event.tags if len(tag) > 1 and tag[0] in _LETTERS}
        keys = [self.tag(letter, value) for letter, value in pairs]
        address = event.address
        if address is not None:
            keys.append(self.address(address))
        return keys

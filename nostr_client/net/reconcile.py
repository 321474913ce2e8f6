"""How our set differs from a relay's (NIP-77): a whole comparison, with limits on everything."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from nostr_client.errors import InvalidData, Refused, RelayTimeout
from nostr_client.net.connection import RelayConnection
from nostr_client.net.waiters import NegentropyWaiter
from nostr_client.nips.nip11 import RelayInfo
from nostr_client.nips.nip77 import LEAST_FRAME, Items, NegentropyClient
from nostr_client.protocol.filters import Filter

FRAME: Final = 60_000
"""Bytes of a message of ours: twice that in hex is below 128 KiB, which every relay takes."""
NIP: Final = 77
QUICK: Final = 5.0
"""Seconds for the first answer of a relay that does not say that it compares."""
UNTOLD: Final = 20.0
"""The same, for one that says nothing of itself."""
_sounds_large: Final = re.compile(
    r"too (many|big|large|broad)|blocked: .*(many|big|large)", re.IGNORECASE
).search
ROUNDS: Final = 2_000
"""Answers in one comparison. With frames of 60,000 bytes, 100,000 differences take some hundred."""


class NotCompared(Refused):
    """The relay does not compare this: `most` is how many events it would, if it said so."""

    def __init__(self, url: str, prefix: str, message: str, most: int | None) -> None:
        super().__init__(url, prefix, message)
        self.most = most

    @property
    def too_large(self) -> bool:
        """Would it compare a smaller set? Too many comparisons at once are none too large."""
        said = self.prefix != "rate-limited" and _sounds_large(self.message)
        return self.most is not None or bool(said)


class ReconcileLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds for the first answer (the relay reads its set), for each further one and for all;
    the most differences, past which a comparison is left; and the bytes of a message of ours."""

    first: float = 60.0
    answer: float = 30.0
    whole: float = 900.0
    differences: int = 250_000
    frame: int = FRAME


def limits_for(info: RelayInfo | None) -> ReconcileLimits:
    """How long to wait for a relay, and how much to say at once, by what it says of itself
    (NIP-11); None: it says nothing."""
    if info is None:
        return ReconcileLimits(first=UNTOLD)
    frame = frame_for(info.limitation.max_message_length)
    first = ReconcileLimits().first if NIP in info.supported_nips else QUICK
    return ReconcileLimits(first=first, frame=frame)


def frame_for(most: int | None) -> int:
    """Bytes of a message of ours for a relay that takes so many in all, if it says so."""
    return FRAME if not most else max(LEAST_FRAME, min(FRAME, (most - 1000) // 2))


class Differences(msgspec.Struct, frozen=True):
    """Raw ids: `have` are only here, `need` only at the relay. `complete`: there are no others.
    `messages`: how many of ours it took."""

    have: set[bytes]
    need: set[bytes]
    complete: bool = True
    messages: int = 1


@contextmanager
def _reconciliation(
    connection: RelayConnection, filter: Filter, first: bytes
) -> Iterator[tuple[int, NegentropyWaiter]]:
    key, waiter = connection.reconcile(filter, first)
    try:
        yield key, waiter
    finally:
        connection.end_reconcile(key)


async def reconcile(
    connection: RelayConnection,
    filter: Filter,
    items: Items,
    limits: ReconcileLimits,
    *,
    alike: bool = False,
) -> Differences:
    """Compare `items`, which is our set of `filter`, with the relay's; `alike`: it is thought to be
    the same.

    Raises NotCompared, RelayTimeout, ConnectFailed, ConnectionLost; InvalidData for a relay that
    does not speak the protocol, or comes to no end.
    """
    client = NegentropyClient(items, limits.frame)
    found = Differences(set(), set())
    try:
        async with asyncio.timeout(limits.whole):
            with _reconciliation(connection, filter, client.first(alike=alike)) as (key, opened):
                answer = await _answer(connection, opened, limits.first)
                for messages in range(1, ROUNDS + 1):
                    said = await asyncio.to_thread(client.answer, answer)
                    found.have.update(said.have)
                    found.need.update(said.need)
                    too_many = len(found.have) + len(found.need) >= limits.differences
                    if said.message is None or too_many:
                        ended = said.message is None
                        return msgspec.structs.replace(found, complete=ended, messages=messages)
                    waiter = connection.negentropy(key, said.message)
                    answer = await _answer(connection, waiter, limits.answer)
    except TimeoutError:
        words = f"timeout: no end of a comparison within {limits.whole:g} s"
        raise RelayTimeout(connection.url, words) from None
    raise InvalidData(f"negentropy: {connection.url} comes to no end")


async def _answer(connection: RelayConnection, waiter: NegentropyWaiter, limit: float) -> bytes:
    try:
        async with asyncio.timeout(limit):
            said = await waiter
    except TimeoutError:
        raise connection.silence("answer to a comparison", limit).error(connection.url) from None
    if said.message is not None:
        return said.message
    if not said.cause.spoke:
        raise said.cause.error(connection.url)
    raise NotCompared(connection.url, said.cause.prefix, said.cause.words, said.most)

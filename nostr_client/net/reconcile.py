"""How our set differs from a relay's (NIP-77): a whole comparison, with limits on everything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from nostr_client.errors import InvalidData, Refused, RelayTimeout
from nostr_client.net.connection import RelayConnection
from nostr_client.net.waiters import NegentropyWaiter
from nostr_client.nips.nip77 import Items, NegentropyClient
from nostr_client.protocol.filters import Filter

FRAME: Final = 60_000
"""Bytes of a message of ours: twice that in hex is below 128 KiB, which every relay takes."""
ROUNDS: Final = 2_000
"""Answers in one comparison. With frames of 60,000 bytes, 100,000 differences take some hundred."""


class NotCompared(Refused):
    """The relay does not compare this: `most` is how many events it would, if it said so."""

    def __init__(self, url: str, prefix: str, message: str, most: int | None) -> None:
        super().__init__(url, prefix, message)
        self.most = most


class ReconcileLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds for the first answer (the relay reads its set), for each further one and for all;
    the most differences, past which a comparison is left; and the bytes of a message of ours."""

    first: float = 60.0
    answer: float = 30.0
    whole: float = 900.0
    differences: int = 250_000
    frame: int = FRAME


class Differences(msgspec.Struct, frozen=True):
    """Raw ids: `have` are only here, `need` only at the relay. `complete`: there are no others."""

    have: set[bytes]
    need: set[bytes]
    complete: bool = True


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
    connection: RelayConnection, filter: Filter, items: Items, limits: ReconcileLimits
) -> Differences:
    """Compare `items`, which is our set of `filter`, with the relay's.

    Raises NotCompared, RelayTimeout, ConnectFailed, ConnectionLost; InvalidData for a relay that
    does not speak the protocol, or comes to no end.
    """
    client = NegentropyClient(items, limits.frame)
    found = Differences(set(), set())
    try:
        async with asyncio.timeout(limits.whole):
            with _reconciliation(connection, filter, client.first()) as (key, opened):
                answer = await _answer(connection, opened, limits.first)
                for _ in range(ROUNDS):
                    said = await asyncio.to_thread(client.answer, answer)
                    found.have.update(said.have)
                    found.need.update(said.need)
                    if said.message is None:
                        return found
                    if len(found.have) + len(found.need) >= limits.differences:
                        return msgspec.structs.replace(found, complete=False)
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

"""The bunker's letters: opened with its own key, and answered until a relay took the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from nostr_client.errors import PlaintextTooLong
from nostr_client.net.pool import RelayPool
from nostr_client.nips import nip44
from nostr_client.nips.nip46 import BunkerFault, BunkerResponse, opened, sealed
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.conversation_keys import ConversationKeys

PUBLISH_LIMIT: Final = 10.0
"""Seconds for a relay's OK."""
DELIVERY_LIMIT: Final = 60.0
"""Seconds in which an answer is worth sending: whoever asked has given up by then."""
AGAIN: Final = 1.0
"""Seconds before an answer that no relay took is sent again."""
MOST_SENDING: Final = 2048
"""Answers under way at the same time. What is beyond is asked for again."""
MOST_KEYS: Final = 1024
TOO_LONG: Final = (
    "the answer is longer than NIP-44 takes in its first form, in which this was asked"
)


class BunkerMailbox:
    """Of the bunker with the secret `key`, at the relays of `pool`."""

    def __init__(self, key: SecretKey, pool: RelayPool, clock: Callable[[], float]) -> None:
        self._key = key
        self._pool = pool
        self._clock = clock
        self._conversation_keys = ConversationKeys(key, MOST_KEYS)
        self._sending = 0

    async def opened(self, event: Event) -> str:
        """What a request says. Raises DecryptionFailed, InvalidKey."""
        key = self._conversation_keys.of(event.pubkey)
        if len(event.content) > nip44.EXTENDED_LENGTH:
            return await asyncio.to_thread(opened, event, key)
        return opened(event, key)

    async def answer(
        self, client: str, response: BunkerResponse, urls: Sequence[str], *, long: bool = False
    ) -> bool:
        """Send it; did a relay take it? `long`: the client can read what is long.

        It is sealed anew each time, since relays drop an event that they have seen.
        """
        if self._sending >= MOST_SENDING:
            return False
        self._sending += 1
        try:
            async with asyncio.timeout(DELIVERY_LIMIT):
                await self._send(self._sealed(client, response, long), tuple(dict.fromkeys(urls)))
            return True
        except TimeoutError:
            return False
        finally:
            self._sending -= 1

    def forget(self, client: str) -> None:
        """The client is gone."""
        self._conversation_keys.forget(client)

    def close(self) -> None:
        """The bunker ends: nothing that was derived from its key stays in memory."""
        self._conversation_keys.wipe()

    async def _send(self, event: Event, urls: Sequence[str]) -> None:
        while not (await self._pool.publish(event, urls, timeout=PUBLISH_LIMIT)).ok:
            await asyncio.sleep(AGAIN)
            self._pool.retry_now(urls)

    def _sealed(self, client: str, response: BunkerResponse, long: bool) -> Event:
        key, now = self._conversation_keys.of(client), int(self._clock())
        limit = nip44.MAX_PLAINTEXT if long else nip44.EXTENDED_LENGTH - 1
        try:
            return sealed(response, self._key, client, key, now, limit=limit)
        except PlaintextTooLong:
            short = BunkerResponse(response.id, error=BunkerFault.INVALID.said(TOO_LONG))
            return sealed(short, self._key, client, key, now)

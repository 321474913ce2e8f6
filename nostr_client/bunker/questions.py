"""Questions to the person behind a bunker: one at a time, a bounded number waiting, each with a
limit that runs from when it is seen."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final

import msgspec

from nostr_client.bunker.state import BunkerClient
from nostr_client.nips.nip46 import Permission
from nostr_client.protocol.event import Draft
from nostr_client.signing.guards import Objection

ANSWER_LIMIT: Final = 120.0
"""Seconds for an answer, from when the question is shown."""
MOST_WAITING: Final = 32
MOST_OF_ONE: Final = 8
"""Questions of one client that may wait."""
HOUR: Final = 3600


class Consented(Enum):
    """What the person said, or why nothing."""

    YES = "yes"
    NO = "no"
    ALWAYS = "always"
    HOUR = "for an hour"
    NEVER = "never"
    SILENT = "nobody answered in time"
    NOBODY = "nobody is there to be asked"
    BUSY = "too many questions wait for an answer"

    @property
    def is_yes(self) -> bool:
        return self in (Consented.YES, Consented.ALWAYS, Consented.HOUR)


class Question(msgspec.Struct, frozen=True):
    """May `client` do what `permissions` say?

    `draft` is what it wants signed, `peer` whose texts (a key in hex), `text` what it wants
    encrypted; `objection` what speaks against it, which is asked about each time. `connecting`: it
    asks for all of it at once, when it connects. All but `objection` came from the client.
    """

    client: BunkerClient
    permissions: tuple[Permission, ...]
    draft: Draft | None = None
    peer: str = ""
    text: str = ""
    objection: Objection | None = None
    connecting: bool = False


Ask = Callable[[Question], Awaitable[Consented]]
"""Shows a question and waits for the answer; cancelled when the limit is over."""


Keep = Callable[[Question, Consented], Awaitable[None]]
"""Writes down what an answer means for later."""


class Questions:
    """Where they wait. Without `ask` nobody is there."""

    def __init__(self, ask: Ask | None = None, limit: float = ANSWER_LIMIT) -> None:
        self._ask = ask
        self._limit = limit
        self._turn = asyncio.Lock()
        self._waiting: Counter[str] = Counter()

    async def put(
        self,
        question: Question,
        settled: Callable[[], Consented | None] = lambda: None,
        keep: Keep | None = None,
    ) -> Consented:
        """What the person says. `settled` is asked when its turn has come: the answer to an earlier
        one may have answered this one, too; so `keep` is given each before the next has its turn.
        """
        if self._ask is None:
            return Consented.NOBODY
        who = question.client.pubkey
        if self._waiting[who] >= MOST_OF_ONE or self._waiting.total() >= MOST_WAITING:
            return Consented.BUSY
        self._waiting[who] += 1
        try:
            async with self._turn:
                answer = settled()
                if answer is None:
                    answer = await self._shown(self._ask, question)
                    if keep is not None:
                        await keep(question, answer)
                return answer
        finally:
            self._waiting[who] -= 1
            self._waiting += Counter()  # without those that are zero

    async def _shown(self, ask: Ask, question: Question) -> Consented:
        try:
            async with asyncio.timeout(self._limit):
                return await ask(question)
        except TimeoutError:
            return Consented.SILENT

"""What is under way: one event is sent to one relay by one sender at a time, whoever that is.

Many parts send the same events to the same relays: a publication, the relay list that goes before
it, the replication, a probe. Each looks into the ledger first. Whoever looks while another sends,
or between a relay's answer and the moment when it is written down, would send it once more, and to
a relay that has just refused it for good. So a sender takes the copy before it looks, and leaves it
when the answer is in the ledger; who finds it taken lets it be, or waits for the same answer.

For one process. Between processes the ledger's fresh rows belong to whoever made them, for the
replication's grace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

from nostr_client.net.outcome import Cause, How
from nostr_client.net.report import Answer

Coming = asyncio.Future[Answer | None]
_NO_ANSWER: Final = "it was being sent there already, and no answer came"


class UnderWay:
    """The copies, as (event id, URL), that somebody sends just now."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], Coming] = {}

    def __contains__(self, pair: tuple[str, str]) -> bool:
        return pair in self._taken

    @contextmanager
    def sending(self) -> Iterator[TakenCopies]:
        """For one sender; whatever it still holds at the end is left."""
        sender = TakenCopies(self._taken)
        try:
            yield sender
        finally:
            sender.leave_all()


class TakenCopies:
    """What one sender has taken."""

    def __init__(self, taken: dict[tuple[str, str], Coming]) -> None:
        self._taken = taken
        self._mine: set[tuple[str, str]] = set()

    def take(self, event_id: str, urls: Collection[str]) -> dict[str, Coming]:
        """From now on these copies are this sender's, but for those that are another's: by URL,
        what comes of them."""
        others = {u: coming for u in urls if (coming := self._taken.get((event_id, u)))}
        for url in set(urls).difference(others):
            self._taken[event_id, url] = asyncio.get_running_loop().create_future()
            self._mine.add((event_id, url))
        return others

    def leave(self, event_id: str, url: str, answer: Answer | None = None) -> None:
        """The ledger knows what came of it; whoever waits is told `answer`."""
        if (event_id, url) in self._mine:
            self._mine.discard((event_id, url))
            self._taken.pop((event_id, url)).set_result(answer)

    def leave_all(self) -> None:
        for event_id, url in tuple(self._mine):
            self.leave(event_id, url)


async def answer_of(url: str, coming: Coming, limit: float) -> Answer:
    """What comes of what another sends, within `limit` seconds."""
    await asyncio.wait([coming], timeout=limit)
    answer = coming.result() if coming.done() else None
    return answer or Answer.missing(url, Cause(How.SILENT, _NO_ANSWER))

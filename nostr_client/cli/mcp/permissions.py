"""What the person allowed a program to do: reading of what is public, and besides what was said.

Texts that strangers wrote may hold orders for the program that reads them. So whoever can see what
is private must have no way to hand it on that the person does not see: with anything private
allowed, whatever is written is asked about, each time, and nothing that the program chooses (words
to search for, names at domains, relays in codes) leaves this machine.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Literal, NamedTuple, get_args

from nostr_client.exits import CommandError, Exit

WritingVerb = Literal["post", "reply", "react", "repost", "follow", "unfollow", "delete", "message"]
PrivatePartName = Literal["messages", "drafts", "lists"]
VERBS: Final[tuple[str, ...]] = get_args(WritingVerb)
HOUR: Final = 3600.0
"""Seconds."""


class Permissions(NamedTuple):
    """`asked` are verbs that the person says yes to each time, `unasked` those that just happen;
    `private` is what may be read besides what is public."""

    asked: frozenset[str] = frozenset()
    unasked: frozenset[str] = frozenset()
    private: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, asked: Iterable[str], unasked: Iterable[str], private: Iterable[str]
    ) -> Permissions:
        """Raises CommandError for what must not come together."""
        made = cls(frozenset(asked) - frozenset(unasked), frozenset(unasked), frozenset(private))
        if made.private and made.unasked:
            raise CommandError(
                f"--private {min(made.private)} and --unasked {min(made.unasked)} together would"
                " let a stranger's text hand on what is private: take --allow, which asks you",
                Exit.USAGE,
            )
        return made

    @property
    def verbs(self) -> frozenset[str]:
        """All that may be written."""
        return self.asked | self.unasked

    @property
    def needs_key(self) -> bool:
        return bool(self.verbs or self.private & {"messages", "lists"})

    @property
    def is_offline(self) -> bool:
        """Is everything answered from what is stored here?"""
        return bool(self.private)


class HourlyLimit:
    """So many acts in any hour, by a clock that only goes forward."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._taken: deque[float] = deque(maxlen=most)

    def take(self) -> bool:
        """Count one more; False if there were enough."""
        now = self._clock()
        if len(self._taken) == self._most and now - self._taken[0] < HOUR:
            return False
        self._taken.append(now)
        return True

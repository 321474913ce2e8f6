"""The same text again and again."""

from __future__ import annotations

import re
from collections import OrderedDict
from hashlib import blake2b
from typing import Final, TypeVar

from nostr_client.protocol.event import Event
from relays.config.sections import Duplicates
from relays.policies.banned_words import looked_at
from relays.policies.verdict import ACCEPTED, IncomingEvent, Verdict, refused

K = TypeVar("K")

MOST_TEXTS: Final = 20_000
"""That are remembered; past it the one that has not come for longest is forgotten."""
_MOST_CHARACTERS: Final = 4096
"""Of a text that are compared: who repeats a long one repeats its beginning."""
_MARKED: Final = re.compile(r"nostr:[a-z0-9]+|https?://\S+|[\W_]+")
"""What is changed so that copies differ: whom it names, where it leads, blanks and signs."""


class DuplicateTexts:
    """Which texts came, from which keys. Bounded, and kept when the settings change.

    What was stored counts for all (`on_stored`); what is on its way to the store counts for its own
    connection alone. So whoever makes events up, without the signature, keeps nobody else from
    saying the same.
    """

    def __init__(self, settings: Duplicates) -> None:
        self.settings = settings
        self._stored: OrderedDict[bytes, dict[str, tuple[str, int]]] = OrderedDict()
        self._offered: OrderedDict[tuple[int, bytes], dict[str, tuple[str, int]]] = OrderedDict()

    @property
    def is_on(self) -> bool:
        """Does it refuse anything?"""
        return bool(self.settings.by_one or self.settings.by_many)

    def check(self, incoming: IncomingEvent) -> Verdict:
        """The policy."""
        event = incoming.event
        mark = self._mark(event)
        if mark is None:
            return ACCEPTED
        held = self._offered.get((incoming.connection, mark), {}) | self._stored.get(mark, {})
        if event.id in held:
            return ACCEPTED
        since = incoming.now - self.settings.seconds
        recent = [author for author, at in held.values() if at > since]
        own = recent.count(event.pubkey)
        if 0 < self.settings.by_one <= own:
            return refused(f"blocked: you have said the same {own} times of late")
        others = len(set(recent) - {event.pubkey})
        if 0 < self.settings.by_many <= others and not own:
            return refused(f"blocked: {others} others have said the same of late")
        self._note(self._offered, (incoming.connection, mark), event, incoming.now)
        return ACCEPTED

    def on_stored(self, event: Event, now: float) -> None:
        """`event` was stored at `now`, in seconds."""
        mark = self._mark(event)
        if mark is not None:
            self._note(self._stored, mark, event, now)

    def _note(
        self, table: OrderedDict[K, dict[str, tuple[str, int]]], key: K, event: Event, now: float
    ) -> None:
        held = table.setdefault(key, {})
        table.move_to_end(key)
        if len(table) > MOST_TEXTS:
            table.popitem(last=False)
        held[event.id] = event.pubkey, int(now)
        # The newest alone decide, since older ones leave the window first.
        while len(held) > self.settings.by_one + self.settings.by_many:
            del held[next(iter(held))]

    def _mark(self, event: Event) -> bytes | None:
        """What all copies of a text have in common; None for what is not looked at."""
        settings = self.settings
        if event.kind not in settings.kinds or len(event.content) < settings.shortest:
            return None
        bare = _MARKED.sub("", looked_at(event.content[:_MOST_CHARACTERS]))
        if len(bare) < settings.shortest:
            return None
        return blake2b(bare.encode(), digest_size=16).digest()

    def __len__(self) -> int:
        return len(self._stored) + len(self._offered)

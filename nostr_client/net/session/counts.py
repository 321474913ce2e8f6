"""COUNTs under way at one relay (NIP-45; pure): asked when the connection opens, and once more
after each loss, until the answer came."""

from __future__ import annotations

from collections.abc import Iterable

from nostr_client.net.outcome import Cause
from nostr_client.net.session.effects import CountReceived, Effects, Send
from nostr_client.net.session.pending import PendingCount, SubscriptionIds
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.messages import Close, Count, CountResult


class Counts:
    """Every COUNT, by key."""

    def __init__(self, ids: SubscriptionIds) -> None:
        self._ids = ids
        self._by_key: dict[int, PendingCount] = {}
        self._open = False

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def begin(self, key: int, filters: Iterable[Filter]) -> Effects:
        """Ask, now or when the connection is open."""
        count = self._by_key[key] = PendingCount(key, tuple(filters))
        effects: Effects = []
        if self._open:
            self.again(count, effects)
        return effects

    def end(self, key: int) -> Effects:
        """Nobody waits for it any more."""
        count = self._by_key.pop(key, None)
        if count is None or count.sub_id not in self._ids.open:
            return []
        self._ids.forget(count.sub_id)
        return [Send(Close(count.sub_id).encode())]

    # What happens

    def opened(self, effects: Effects) -> None:
        """The connection is open."""
        self._open = True
        for count in self._by_key.values():
            self.again(count, effects)

    def lost(self) -> None:
        """There is no connection, or none could be made."""
        self._open = False
        for count in self._by_key.values():
            count.auth_tried = False

    def again(self, count: PendingCount, effects: Effects) -> None:
        """Ask, also for a second time."""
        if self._by_key.get(count.key) is count:
            count.sub_id = self._ids.new(count)
            effects.append(Send(Count(count.sub_id, count.filters).encode()))

    def answered(self, result: CountResult, effects: Effects) -> bool:
        """A result came; False if nobody asked."""
        count = self._ids.open.get(result.subscription_id)
        if not isinstance(count, PendingCount):
            return False
        self._ids.forget(count.sub_id)
        del self._by_key[count.key]
        effects.append(CountReceived(count.key, result.count, result.approximate, result.hll))
        return True

    def refused(self, count: PendingCount, cause: Cause, effects: Effects) -> None:
        """It is off the wire already."""
        if self._by_key.pop(count.key, None) is not None:
            effects.append(CountReceived(count.key, None, cause=cause))

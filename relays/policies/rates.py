"""How much may be done in how much time: token buckets, by address, key and connection.

A bucket is kept as one number, the second at which it will be full again; a bucket that is full
says nothing, and is not kept. What costs more than is left puts the bucket in debt, up to its own
size: so what cannot be weighed before it is done (bytes of an answer) is paid for afterwards.

Addresses and connections pay when they ask. A key pays for its events when they are stored, and not
before: whoever makes events up, without the signature, uses up nobody's share.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Final, Literal

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from relays.config.sections import Rated, Rates
from relays.config.values import Rate
from relays.networks import network_of
from relays.policies.verdict import ACCEPTED, IncomingEvent, IncomingQuery, Verdict, refused

MOST_BUCKETS: Final = 100_000
"""In one table; past it the one that was not used for longest is forgotten."""
SCAN: Final = 5
"""Queries that a filter counts as which names neither ids nor authors nor kinds nor tags."""
_LOOKED_AT: Final = 2
"""Buckets, of those not used for longest, that are looked at whenever a new one is made."""


class Buckets:
    """One bucket for each key of the table `name`. Times are in seconds."""

    def __init__(self, rate: Rate, name: str = "") -> None:
        self.name = name
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()
        self.set(rate)

    def set(self, rate: Rate) -> None:
        """From now on this rate holds; what was used up stays used up."""
        self.rate = rate
        self._each = rate.seconds / rate.amount
        self._depth = rate.burst * self._each
        """Seconds that an empty bucket takes to fill."""

    def wait(self, key: Hashable, cost: float, now: float) -> float:
        """Seconds until `cost` may be taken; 0: now. What a full bucket cannot give, it gives."""
        # Where the clock was set back, the bucket is in debt at most.
        full_at = min(self._full_at.get(key, 0.0), now + 2 * self._depth)
        room = self._depth - min(cost * self._each, self._depth)
        return max(0.0, full_at - now - room)

    def take(self, key: Hashable, cost: float, now: float) -> None:
        """Take `cost` out, whatever is left."""
        full_at = self._full_at.pop(key, 0.0)
        if full_at <= now:
            full_at = now
            self._forget(now)
        self._full_at[key] = min(full_at + cost * self._each, now + 2 * self._depth)

    def _forget(self, now: float) -> None:
        """Drop buckets that are full; and the one longest unused, where there are too many."""
        for _ in range(_LOOKED_AT):
            oldest = next(iter(self._full_at), None)
            if oldest is None:
                return
            if self._full_at[oldest] > now and len(self._full_at) < MOST_BUCKETS:
                return
            del self._full_at[oldest]

    def __len__(self) -> int:
        return len(self._full_at)


Loopback = Literal["exempt", "shared", "each"]
"""Who comes from this machine: its own programs; those whose addresses a proxy did not name, who
share one; or visitors of an onion service, of whom each connection counts as an address."""
Share = tuple[Buckets, str, Hashable]
"""A bucket: its table, the words for whose it is, and its key."""


class RateLimiter:
    """One thing that is rated: how much one address, key or connection may do of it."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._tables: dict[str, Buckets] = {}
        self._loopback: Loopback = "exempt"
        self.tell_others: Callable[[str, str, float], None] | None = None
        """Called with table, key and cost of what an address or a key has paid here, where other
        processes answer the same people."""

    def set(self, rated: Rated, loopback: Loopback = "exempt") -> None:
        """From now on these rates hold; tables that go on keep their buckets."""
        self._loopback = loopback
        for name in ("address", "key", "connection"):
            rate: Rate | None = getattr(rated, name)
            if rate is None:
                self._tables.pop(name, None)
            elif name in self._tables:
                self._tables[name].set(rate)
            else:
                self._tables[name] = Buckets(rate, name)

    def __bool__(self) -> bool:
        return bool(self._tables)

    def has(self, name: str) -> bool:
        """Is there a rate for `address`, `key` or `connection`?"""
        return name in self._tables

    def shares(self, address: str, keys: Iterable[Hashable], connection: int) -> list[Share]:
        """The buckets of one who asks."""
        found: list[Share] = []
        if (table := self._tables.get("address")) is not None:
            network = network_of(address)
            if network or self._loopback == "shared":
                found.append((table, "from one address", network))
            elif self._loopback == "each":
                found.append((table, "on one connection", connection))
        for key in keys:
            found += self.share_of_key(key)
        if (table := self._tables.get("connection")) is not None:
            found.append((table, "on one connection", connection))
        return found

    def share_of_key(self, key: Hashable) -> list[Share]:
        """The bucket of a key, where there is one."""
        table = self._tables.get("key")
        return [] if table is None else [(table, "by one key", key)]

    def verdict(self, shares: Iterable[Share], cost: float, now: float) -> Verdict:
        """May `cost` be taken from all of `shares`?"""
        for table, whose, key in shares:
            wait = table.wait(key, cost, now)
            if wait > 0:
                return refused(
                    f"rate-limited: too many {self._what} {whose} (allowed: {table.rate}),"
                    f" try again in {math.ceil(wait)} seconds"
                )
        return ACCEPTED

    def pay(self, shares: Iterable[Share], cost: float, now: float) -> None:
        """Take `cost` from all of `shares`."""
        for table, _, key in shares:
            table.take(key, cost, now)
            # A connection is here alone, and so is what it offers in an author's name.
            if self.tell_others is not None and isinstance(key, str):
                self.tell_others(table.name, key, cost)

    def paid_elsewhere(self, name: str, key: str, cost: float, now: float) -> None:
        """Another process has told so."""
        if (table := self._tables.get(name)) is not None:
            table.take(key, cost, now)


class RateLimiters:
    """All rates of a relay: policies, and what they are told. Kept when the settings change."""

    def __init__(self) -> None:
        self.events = RateLimiter("events")
        self.queries = RateLimiter("queries")
        self.bytes = RateLimiter("bytes")

    def set(self, rates: Rates, loopback: Loopback = "exempt") -> None:
        """From now on these rates hold."""
        self.events.set(rates.events, loopback)
        self.queries.set(rates.queries, loopback)
        self.bytes.set(rates.bytes, loopback)

    def check(self, incoming: IncomingEvent) -> Verdict:
        """The policy for events: address and connection pay now, the author once it is stored.

        Until then what a connection has offered in an author's name counts for that connection.
        """
        author = incoming.event.pubkey
        now_paid: tuple[Hashable, ...] = ((incoming.connection, author),)
        shares = self.events.shares(incoming.address, now_paid, incoming.connection)
        later_paid = self.events.share_of_key(author)
        verdict = self.events.verdict((*shares, *later_paid), 1, incoming.now)
        if verdict.accepted:
            self.events.pay(shares, 1, incoming.now)
        return verdict

    def on_stored(self, event: Event, now: float) -> None:
        """An event was stored, here or by another process: its author pays."""
        for table, _, key in self.events.share_of_key(event.pubkey):
            table.take(key, 1, now)

    def check_query(self, query: IncomingQuery) -> Verdict:
        """The policy for queries: each pays for itself, and the answers before must be paid."""
        paid = self.bytes.shares(query.address, query.keys, query.connection)
        verdict = self.bytes.verdict(paid, 1, query.now)
        if not verdict.accepted:
            return verdict
        cost = sum(cost_of(one) for one in query.filters)
        shares = self.queries.shares(query.address, query.keys, query.connection)
        verdict = self.queries.verdict(shares, cost, query.now)
        if verdict.accepted:
            self.queries.pay(shares, cost, query.now)
        return verdict

    def on_served(self, query: IncomingQuery, size: int) -> None:
        """`size` bytes answered a query."""
        shares = self.bytes.shares(query.address, query.keys, query.connection)
        self.bytes.pay(shares, size, query.now)


def cost_of(one: Filter) -> int:
    """How many queries a filter counts as."""
    named: Collection[object] = (one.ids, one.authors, one.kinds, one.search)
    return 1 if one.tags or any(part is not None for part in named) else SCAN

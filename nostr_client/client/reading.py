"""What a client asks of relays: what is stored, page by page or counted, and what is new."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Final

from nostr_client.client.former_names import warn_of
from nostr_client.client.publishing import ClientPublishing
from nostr_client.errors import ConfigError
from nostr_client.net.session.paging import Paging
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing.fetch_results import FetchResult

if TYPE_CHECKING:
    from nostr_client.client.counting import EventCount
    from nostr_client.client.feed import EventFeed
    from nostr_client.client.history import PagedHistory
    from nostr_client.client.reconciling import Direction, Reconciled
    from nostr_client.social.views import SyncStatus

EXHAUSTIVE: Final = Paging(exhaustive=True, most=20_000)
"""A fetch reads on until a page brings nothing new, so many events of one relay at most."""
PAGE: Final = 500
"""Events of a page of history, unless somebody says otherwise."""


class ClientReading(ClientPublishing):
    """The part of `NostrClient` that reads."""

    async def fetch(
        self,
        *filters: Filter,
        relays: Sequence[str] | None = None,
        timeout: float = 10.0,  # noqa: ASYNC109 - it ends in an answer, not in an error
    ) -> FetchResult:
        """Ask relays and the store: what is known then, newest first. `outcome` of the answer says
        what it came to, `missed` which relays did not send all they have, and why, and `ends` for
        each relay what it did.

        Without `relays` the filters' authors are asked for where they write, and all else at
        the client's own relays. `relays` count as given by the person and are dialled wherever
        they lead: hand on a stranger's only through `book.policy.from_stranger`. Takes at most
        `timeout` seconds; offline it is what the store has. It holds all it found in memory:
        `history` does not. Raises TypeError for what is no Filter (`Filter.of(kinds=[1])`,
        `Filter.from_dict({...})`), StoreError; ConfigError for one of `relays` that is no URL.
        """
        _check_filters(filters)
        urls = self._given(relays)
        asked = await self.courier.fetch(filters, urls, timeout=timeout, paging=EXHAUSTIVE)
        return FetchResult(await self.store.query(filters), asked.ends)

    def history(
        self,
        *filters: Filter,
        relays: Sequence[str] | None = None,
        timeout: float = 30.0,
        page: int = PAGE,
    ) -> PagedHistory:
        """All that relays hold of `filters`, from the newest back to the oldest, page by page; in
        constant memory, however much it is.

            history = client.history(Filter.of(authors=[pubkey]), relays=[url])
            async for found in history:
                for event in found:
                    ...
            if not history.complete:
                print(history.missed)

        The pages go back in time over all relays together, and no event comes twice. Relays are
        read by NIP-67's hints and by `until`, and no event is passed over because others were
        made in the same second; where a relay has more of one second than it shows, that second is
        compared (NIP-77), or named in `ends[url].crowded_at`. What comes is verified and stored, as
        far as what strangers may take up has room for it; what its author deleted (NIP-09), as far
        as that is known here, is left out. A page has about `page` events of each
        relay, which has `timeout` seconds for it; one that is lost is asked again, a few times.

        At the end `history.complete` says whether every relay sent all it has, as far as can be
        told, `missed` and `ends` which did not and why, `outcome` what it came to. A `limit` in a
        filter is left out. `relays`, and what it raises, are as for `fetch`; ConfigError for a
        filter with a `search`, whose answer has no order of time.
        """
        _check_filters(filters)
        if any(filter.search is not None for filter in filters):
            raise ConfigError("what is searched has no order of time: `fetch` it")
        from nostr_client.client.history import PagedHistory

        return PagedHistory(
            self.courier, self.comparisons, filters, self._given(relays), page=page, limit=timeout
        )

    async def count(
        self,
        *filters: Filter,
        relays: Sequence[str] | None = None,
        timeout: float = 10.0,  # noqa: ASYNC109
    ) -> EventCount:
        """How many events match, as relays count them (NIP-45): nothing is fetched.

            found = await client.count(Filter.of(kinds=[3], p=[pubkey]))
            print(found, found.precision)

        One relay's number is exact for that relay. Of several the greatest is a lower bound, for
        they hold the same events in part; where they send HyperLogLog values these are merged, and
        the number is an estimate of how many there are on all of them. `answers` has what each
        said, or why it did not, within `timeout` seconds. Nothing of it can be checked.

        Without `relays` those are asked that `fetch` would ask, and each for all of it. What it
        raises is as for `fetch`.
        """
        from nostr_client.client.counting import together

        _check_filters(filters)
        urls = self._given(relays)
        if urls is None:
            urls = list(await self._routes(filters))
        return together(filters, await self.pool.count(filters, urls, timeout=timeout))

    async def reconcile(
        self,
        filter: Filter,
        *,
        relays: Sequence[str],
        direction: Direction | str = "down",
        timeout: float = 900.0,  # noqa: ASYNC109
    ) -> AsyncGenerator[Reconciled, None]:
        """Make the set of events here and that of each of `relays` alike, as far as `filter` goes
        (NIP-77, negentropy); yields what became of each relay, one after the other.

        `direction` (a `Direction`, or its value): "down" brings here what only the relay has, "up"
        sends it what only we have, "both" does both, "none" only says how they differ. A relay that
        does not compare is read page by page instead. What comes is verified and stored; what goes
        is sent as `publish` sends it to `relays`: never what is protected (NIP-70) and not ours,
        and gift wraps and drafts only where the filter names their kinds.

        A relay has `timeout` seconds for the comparison; what was compared by then counts, and its
        `compared.end` says that it is not all. Raises TypeError, ValueError for another direction,
        StoreError, and ConfigError for a filter with a `limit` or a `search`, or for one of
        `relays` that is not the URL of a relay.
        """
        from nostr_client.client.reconciling import Direction, reconciled

        _check_filters([filter])
        way, urls = Direction(direction), self._given(relays) or []
        sets, courier = self.comparisons, self.courier
        async for done in reconciled(sets, courier, filter, urls, direction=way, limit=timeout):
            yield done

    def feed(self, *filters: Filter, relays: Sequence[str] | None = None) -> EventFeed:
        """Events that match, as they arrive; without filters, the home timeline's.

            async for event in client.feed(Filter.of(kinds=[1])):
                ...

        Each comes once, verified and stored. They are those created from now on, so that a bot does
        not answer yesterday's; a filter with a `since` begins there: first comes what the store
        has since then, oldest first, then what relays have, page by page, and what is new. A
        `limit` is left out.

        A relay that is lost is dialled again for as long as this runs, and asked for what it got
        meanwhile, and fifteen minutes before; page by page, so that its own limit cuts nothing out
        of the middle; where it has more of one second than it shows, that second is compared
        (NIP-77), or named in `ends[url].crowded_at`. `ends` and `missed` say meanwhile how each
        relay's part stands.

        Ends when the iteration is left or the client closes. Raises FeedRefused, with the `ends`,
        once every relay has refused it for good; of those that cannot be reached nobody knows that.
        `relays` and other errors are as for `fetch`.
        """
        from nostr_client.client.feed import EventFeed

        _check_filters(filters)
        now = int(self._clock())

        async def wanted() -> Sequence[Filter]:
            asked = filters or (await self.timeline.home_filter(),)
            return [f.changed(since=now if f.since is None else f.since, limit=None) for f in asked]

        return EventFeed(
            self.courier,
            self.comparisons,
            wanted,
            [f for f in filters if f.since is not None],
            self._given(relays),
            tasks=self._tasks,
            asks=self.authenticator is not None and self.authenticator.asks,
        )

    async def relays_of(self, event: Event | str) -> tuple[str, ...]:
        """The relays that an event, or the one with this id (64 hex digits), is known to be on:
        those that sent it here, whether by `fetch`, `history`, `feed` or the background reading,
        and those that said that they took it. It is asked of the store, and no relay; relays that
        were not asked may have it too. Raises StoreError.
        """
        from nostr_client.store.contract import CopyState

        copies = await self.copies.copies(event if isinstance(event, str) else event.id)
        return tuple(copy.url for copy in copies if copy.state is CopyState.CONFIRMED)

    def start_reading(self) -> SyncStatus:
        """Start the background reading (home, mentions, own lists), if it does not run already;
        once that is complete, all of the own history follows (`own_history`)."""
        self.own_history.start()
        return self.feed_sync.start()

    def sync(self) -> SyncStatus:
        """The former name of `start_reading`."""
        warn_of("client.sync", "client.start_reading")
        return self.start_reading()

    async def _routes(self, filters: Sequence[Filter]) -> dict[str, list[Filter]]:
        """Which relays are asked, and for what, where nobody says it."""
        await self.courier.fetch_lists(frozenset().union(*(f.authors or () for f in filters)))
        return await self.courier.route(filters)


def _check_filters(filters: Sequence[object]) -> None:
    for item in filters:
        if not isinstance(item, Filter):
            raise TypeError(
                f"a filter is a Filter, as Filter.of(kinds=[1]) or Filter.from_dict(...) make it,"
                f" and not a {type(item).__name__}; several are several arguments"
            )

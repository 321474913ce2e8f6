"""The relay itself: what sessions ask for is done, and what is new reaches who subscribed to it.

All of it runs on one loop and knows no socket: a `ClientSocket` is what it needs of one. Every
client is bounded: what it has under way (then its socket is not read), what it has not taken yet
(then it is closed), what its subscriptions hold. So are all clients together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.filter_index import FilterIndex
from nostr_client.store.contract import EventStore, Stored
from relays.config.sections import Limits, Negentropy
from relays.engine.actions import (
    UNSTORED,
    Action,
    ClientSubscription,
    CountQuery,
    Ingest,
    OpenNegentropy,
    Reply,
    ReqState,
    Session,
    Subscribe,
    Unsubscribe,
)
from relays.engine.backpressure import PendingEvents, close_if_slow
from relays.engine.client import HIGH_WATER, ClientSocket, ConnectedClient
from relays.engine.frames import event_frame, ok_frame
from relays.engine.ingest import IngestPipeline, Verify
from relays.engine.negentropy import Reconciler
from relays.engine.negentropy_reads import NegentropyReads
from relays.engine.passing import PassingOn
from relays.engine.queries import ClientQueries, QueryScheduler, StoredQuery
from relays.engine.session import RelaySession
from relays.policies.ruleset import Rules
from relays.policies.verdict import IncomingEvent, Verb

EXPIRY: Final = 10.0
"""Seconds between two looks for comparisons of which nothing is heard."""
DRAIN_LIMIT: Final = 2.0
"""Seconds in which what was offered before the end is to be stored."""

_log = logging.getLogger(__name__)


class Relay:
    """Sockets call `connect`, `receive`, `pause_writing`, `resume_writing` and `disconnect`, and
    `flush` after each burst."""

    def __init__(
        self,
        store: EventStore,
        verify: Verify,
        rules: Rules,
        clock: Callable[[], float],
        negentropy: Negentropy,
    ) -> None:
        self.rules = rules
        self._clock = clock
        self._pipeline = IngestPipeline(store, verify, rules, self._pass_on, self._answered)
        self._others = PassingOn(store, self.hear_passing)
        self._queries = QueryScheduler(
            store,
            rules,
            self._deliver,
            flush=self.flush,
            live_seq=lambda: self.live_seq,
            clock=clock,
        )
        self._reconciler = Reconciler(negentropy, rules.limits.message_bytes)
        self._negentropy_reads = NegentropyReads(
            store, self._reconciler, self._compared, clock, rules.metrics
        )
        self._index: FilterIndex[ClientSubscription] = FilterIndex()
        self._clients: dict[Session, ConnectedClient] = {}
        self._pending = PendingEvents(rules)
        self._unflushed: dict[ConnectedClient, None] = {}
        self._overlapping: list[ClientSubscription] = []
        self.live_seq = 0
        """The last commit that `on_stored` was told of."""
        self._live_values = 0
        self._connected = 0
        self.on_unstored: Callable[[Event], None] | None = None
        """Told of events that came here and are not stored, where others have subscribers, too."""

    @property
    def limits(self) -> Limits:
        """Those that hold now."""
        return self.rules.limits

    def reconfigure(self, rules: Rules, negentropy: Negentropy) -> None:
        """Go by these from now on, with the clients that are there."""
        self.rules.reconfigure(rules)
        self._reconciler.reconfigure(negentropy, rules.limits.message_bytes)

    @property
    def clients(self) -> Collection[ConnectedClient]:
        """Those that are connected."""
        return self._clients.values()

    def gauges(self) -> dict[str, float]:
        """What rises and falls, by name."""
        waiting, broad = self._queries.waiting()
        return {
            "connections": len(self._clients),
            "subscriptions": len(self._index),
            "filter_values": self._live_values,
            "events_under_way": self._pipeline.under_way,
            "bytes_under_way": self._pending.bytes,
            "stopped_connections": len(self._pending.stopped),
            "queries_waiting": waiting,
            "broad_queries_waiting": broad,
            "comparisons_waiting": self._negentropy_reads.waiting(),
        }

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pipeline.run())
            group.create_task(self._others.run())
            group.create_task(self._queries.run())
            group.create_task(self._negentropy_reads.run())
            group.create_task(self._expire())

    async def drained(self) -> None:
        """Returns when everything that was offered is stored and answered."""
        try:
            async with asyncio.timeout(DRAIN_LIMIT):
                await self._pipeline.drained()
        except TimeoutError:
            _log.warning("some events were not stored in time")

    # What sockets call

    def connect(self, socket: ClientSocket, address: str) -> ConnectedClient:
        """A new client."""
        self._connected += 1
        self.rules.metrics.connections += 1
        session = RelaySession(self.rules, address, self._connected, self._reconciler.connect())
        client = self._clients[session] = ConnectedClient(session, socket)
        if greeting := session.greet():
            self._send(client, greeting)
        return client

    def disconnect(self, client: ConnectedClient) -> None:
        """A client is gone, for whatever reason."""
        if self._clients.pop(client.session, None) is None:
            return
        for subscription in client.session.end():
            self._unsubscribe(subscription)
        self._live_values -= client.session.count_values
        client.queries.end()
        client.take_outbox()
        self._unflushed.pop(client, None)
        self._pending.stopped.pop(client, None)

    def receive(self, client: ConnectedClient, data: bytes) -> None:
        """A message came from `client`."""
        metrics = self.rules.metrics
        metrics.messages += 1
        metrics.bytes_in += len(data)
        action = client.session.receive(data, self._clock())
        if action is None:
            return
        if isinstance(action, Ingest):
            self._ingest(client, action.incoming)
        else:
            self._perform(client, action)

    def pause_writing(self, client: ConnectedClient) -> None:
        """`client` does not take what it is sent: it gets no further answers to queries."""
        client.queries.paused = True

    def resume_writing(self, client: ConnectedClient) -> None:
        """`client` takes what it is sent again."""
        client.queries.paused = False
        client.page_bytes = 0
        self._queries.enqueue(client.queries)

    def flush(self) -> None:
        """Hand what was said since the last flush to the sockets."""
        self._queries.spent = 0.0
        while self._unflushed:
            client, _ = self._unflushed.popitem()
            if frames := client.take_outbox():
                self.rules.metrics.bytes_out += len(frames)
                client.socket.write(frames)
            close_if_slow(client, self.limits)

    def addresses_of(self, keys: Collection[str]) -> frozenset[str]:
        """From where those are connected who have authenticated as one of `keys`."""
        return frozenset(
            session.address
            for session in (client.session for client in self._clients.values())
            if not session.keys.isdisjoint(keys)
        )

    def end_reading(self, keys: Collection[str] | None, reason: str) -> None:
        """Close every subscription of those who have authenticated as one of `keys`; None: all."""
        for client in list(self._clients.values()):
            if keys is None or not client.session.keys.isdisjoint(keys):
                if client.session.negentropy is not None:
                    client.session.negentropy.end()
                for subscription in list(client.session.subscriptions.values()):
                    self._send(client, client.session.refuse(subscription, reason))
                    self._unsubscribe(subscription)
        self.flush()

    # Actions

    def _ingest(self, client: ConnectedClient, incoming: IncomingEvent) -> None:
        self._pending.offered(client, len(incoming.event.json))
        self._pipeline.offer(incoming, partial(self._on_verdict, client))

    def _on_verdict(
        self, client: ConnectedClient, event: Event, accepted: bool, reason: str
    ) -> None:
        """This became of `event`, which `client` had offered."""
        self.rules.metrics.settle(event.kind, accepted, reason)
        self._pending.answered(client, len(event.json))
        self._send(client, ok_frame(event.id, accepted, reason))

    def _perform(self, client: ConnectedClient, action: Action) -> None:
        match action:
            case Reply(frame):
                self._send(client, frame)
            case Subscribe(subscription, replaced):
                if replaced is not None:
                    self._unsubscribe(replaced)
                self._subscribe(client, subscription)
            case Unsubscribe(subscription, frame):
                self._unsubscribe(subscription)
                if frame:
                    self._send(client, frame)
            case CountQuery():
                self._count(client, action)
            case OpenNegentropy():
                self._negentropy_reads.ask(client.session, action)

    def _subscribe(self, client: ConnectedClient, subscription: ClientSubscription) -> None:
        if self._live_values + subscription.values > self.limits.all_live_values:
            reason = "rate-limited: the relay has too many subscriptions open"
            self._send(client, client.session.refuse(subscription, reason))
            return
        self._live_values += subscription.values
        # What a search finds depends on all that is stored: it looks back only.
        self._index.set(subscription, [f for f in subscription.filters if f.search is None])
        client.queries.scans[subscription.id] = subscription
        # A burst's answers leave at its end: what they come to is known only here.
        has_room = client.unsent <= HIGH_WATER
        if not (has_room and self._queries.answer_at_once(client.queries)):
            self._queries.enqueue(client.queries)

    def _count(self, client: ConnectedClient, query: CountQuery) -> None:
        if self._live_values + query.values > self.limits.all_live_values:
            reason = "rate-limited: the relay has too many questions open"
            self._send(client, client.session.refuse_count(query, reason))
            return
        self._live_values += query.values
        client.queries.counts.append(query)
        self._queries.enqueue(client.queries)

    def _unsubscribe(self, subscription: ClientSubscription) -> None:
        if subscription not in self._index:
            return
        self._index.remove(subscription)
        self._live_values -= subscription.values
        client = self._clients.get(subscription.session)
        if client is not None and client.queries.scans.get(subscription.id) is subscription:
            del client.queries.scans[subscription.id]

    def _compared(self, session: RelaySession, frames: bytes) -> None:
        client = self._clients.get(session)
        if client is not None and frames:
            self._send(client, frames)
            self.flush()

    async def _expire(self) -> None:
        """End comparisons of which nothing is heard any more."""
        while True:
            await asyncio.sleep(EXPIRY)
            told = self._reconciler.expire(self._clock())
            by_sessions = {client.session.negentropy: client for client in self._clients.values()}
            for sessions, frame in told:
                self._send(by_sessions[sessions], frame)
            self.flush()

    # What is sent

    def _send(self, client: ConnectedClient, frames: bytes) -> None:
        if client.session in self._clients:
            client.send(frames)
            self._unflushed[client] = None

    def _deliver(self, queries: ClientQueries, query: StoredQuery, frames: bytes) -> None:
        client = self._clients.get(queries.session)
        if client is None:
            return
        if self.rules.on_served is not None and frames:
            verb: Verb = "REQ" if isinstance(query, ClientSubscription) else "COUNT"
            asked = client.session.incoming_query(verb, query.filters, self._clock())
            self.rules.on_served(asked, len(frames))
        if isinstance(query, ClientSubscription):
            if query.page_ids is not None:
                self._overlapping.append(query)
            elif query.state is ReqState.ENDED:
                self._unsubscribe(query)
        else:
            self._live_values -= query.values
        if frames:
            # Another may wait still: the answer to a broad query comes when it will.
            client.page_bytes = len(frames) + min(client.page_bytes, client.unsent)
            self._send(client, frames)

    def on_stored(self, stored: Stored) -> None:
        """The next part of the order of commits."""
        is_hidden = self.rules.is_hidden
        if self._index or is_hidden is not None:
            for seq, event in stored.events:
                if is_hidden is None or not is_hidden(event):
                    self._fan_out(seq, event)
        self.live_seq = stored.after
        if self._overlapping:
            self._catch_up()
        self.flush()

    def _pass_on(self, event: Event) -> None:
        """An event that is not stored."""
        if self.on_unstored is not None:
            self.on_unstored(event)
        self._fan_out(UNSTORED, event)
        self._others.pass_on(event)

    def hear_passing(self, events: Sequence[Event]) -> None:
        """The same, from another process on this store."""
        for event in events:
            if self._pipeline.is_new(event):
                self._fan_out(UNSTORED, event)
        self.flush()

    def _fan_out(self, seq: int, event: Event) -> None:
        frames: dict[str, bytes] = {}
        for subscription in self._index.match(event):
            client = self._clients[subscription.session]
            if client.session.live(subscription, seq, event):
                frame = frames.get(subscription.id)
                if frame is None:
                    frame = event_frame(subscription.head, event.json)
                    frames[subscription.id] = frame
                client.send(frame)
                self.rules.metrics.events_sent += 1
            self._unflushed[client] = None  # also for what is held back: it counts as unread

    def _answered(self) -> None:
        """Clients have been told what became of their events."""
        if self._pending.stopped:
            self._pending.resume_reading()
        self.flush()

    def _catch_up(self) -> None:
        still: list[ClientSubscription] = []
        for subscription in self._overlapping:
            if subscription.seq <= self.live_seq:
                subscription.session.caught_up(subscription)
            elif subscription.page_ids is not None:
                still.append(subscription)
        self._overlapping = still

"""The relay itself: what sessions ask for is done, and what is new reaches who subscribed to it.

All of it runs on one loop and knows no socket: a `ClientSocket` is what it needs of one. Every
client is bounded: what it has under way (then its socket is not read), what it has not taken yet
(then it is closed), what its subscriptions hold. So are all clients together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.filter_index import FilterIndex
from nostr_client.store.contract import EventStore, Stored
from relays.config.sections import Limits, Negentropy
from relays.engine.actions import (
    UNSTORED,
    Action,
    Ingest,
    OpenNegentropy,
    PendingCount,
    RelaySubscription,
    Reply,
    Session,
    Subscribe,
    SubscriptionState,
    Unsubscribe,
)
from relays.engine.client import HIGH_WATER, ClientSocket, ConnectedClient, OwnVerdict
from relays.engine.frames import event_frame
from relays.engine.ingest import IngestPipeline, Verify
from relays.engine.negentropy import Reconciler
from relays.engine.negentropy_reads import NegentropyReads
from relays.engine.queries import ClientQueries, QueryScheduler
from relays.engine.session import RelaySession, ok_frame
from relays.policies.ruleset import Rules
from relays.policies.verdict import IncomingEvent, Verb, Verdict

TRY_AGAIN_LATER = 1013
"""The close code of one who is closed for what all clients together use up."""
POLICY = 1008
"""The close code of a client that does not keep up."""

EXPIRY: Final = 10.0
"""Seconds between two looks for comparisons of which nothing is heard."""
DRAIN_LIMIT: Final = 2.0
"""Seconds in which what was offered before the end is to be stored."""

_log = logging.getLogger(__name__)


class Relay:
    """Sockets call `connect`, `receive`, `go_on` and `disconnect`, and
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
        self._intake = IngestPipeline(store, verify, rules, self._pass_on, self._answered)
        self._queries = QueryScheduler(
            store, rules, self._deliver, flush=self.flush, news=lambda: self.news, clock=clock
        )
        self._reconciler = Reconciler(negentropy, rules.limits.message_bytes)
        self._comparing = NegentropyReads(
            store, self._reconciler, self._compared, clock, rules.metrics
        )
        self._index: FilterIndex[RelaySubscription] = FilterIndex()
        self._clients: dict[Session, ConnectedClient] = {}
        self._dirty: dict[ConnectedClient, None] = {}
        self._stopped: dict[ConnectedClient, None] = {}
        self._overlapping: list[RelaySubscription] = []
        self.news = 0
        """The last commit that `on_stored` was told of."""
        self._live_values = 0
        self._pending_bytes = 0
        self._connected = 0

    @property
    def limits(self) -> Limits:
        """Those that hold now."""
        return self.rules.limits

    def compare_within(self, bounds: Negentropy) -> None:
        """From now on let clients compare their sets within these bounds."""
        self._reconciler.bounds = bounds

    def gauges(self) -> dict[str, float]:
        """What rises and falls, by name."""
        waiting, broad = self._queries.waiting()
        return {
            "connections": len(self._clients),
            "subscriptions": len(self._index),
            "filter_values": self._live_values,
            "events_under_way": self._intake.under_way,
            "bytes_under_way": self._pending_bytes,
            "stopped_connections": len(self._stopped),
            "queries_waiting": waiting,
            "broad_queries_waiting": broad,
            "comparisons_waiting": self._comparing.waiting(),
        }

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._intake.run())
            group.create_task(self._queries.run())
            group.create_task(self._comparing.run())
            group.create_task(self._expire())

    async def drained(self) -> None:
        """Returns when everything that was offered is stored and answered."""
        try:
            async with asyncio.timeout(DRAIN_LIMIT):
                await self._intake.drained()
        except TimeoutError:
            _log.warning("some events were not stored in time")

    # What sockets call

    def connect(self, peer: ClientSocket, address: str) -> ConnectedClient:
        """A new client."""
        self._connected += 1
        self.rules.metrics.connections += 1
        session = RelaySession(self.rules, address, self._connected, self._reconciler.connect())
        client = self._clients[session] = ConnectedClient(session, peer, self._settled)
        if greeting := session.greet():
            self._say(client, greeting)
        return client

    def disconnect(self, client: ConnectedClient) -> None:
        """A client is gone, for whatever reason."""
        if self._clients.pop(client.session, None) is None:
            return
        for subscription in client.session.end():
            self._forget(subscription)
        self._live_values -= client.session.tally_values
        client.questions.end()
        client.take()
        self._dirty.pop(client, None)
        self._stopped.pop(client, None)

    def receive(self, client: ConnectedClient, data: bytes) -> None:
        """A message came from `client`."""
        metrics = self.rules.metrics
        metrics.messages += 1
        metrics.bytes_in += len(data)
        action = client.session.receive(data, self._clock())
        if action is None:
            return
        if isinstance(action, Ingest):
            self._take_in(client, action.incoming)
        else:
            self._do(client, action)

    def go_on(self, client: ConnectedClient, *, deaf: bool) -> None:
        """`client` takes what it is sent again, or no longer does (`deaf`)."""
        client.questions.deaf = deaf
        if not deaf:
            client.page = 0
        self._queries.ask(client.questions)

    def flush(self) -> None:
        """Hand what was said since the last flush to the sockets."""
        self._queries.spent = 0.0
        while self._dirty:
            client, _ = self._dirty.popitem()
            if frames := client.take():
                self.rules.metrics.bytes_out += len(frames)
                client.peer.write(frames)
            self.bound(client)

    def bound(self, client: ConnectedClient) -> None:
        """Close a client that has not taken more than it may leave."""
        waiting = client.unread + client.session.held_bytes - client.page
        if waiting > self.limits.outbox_bytes:
            client.peer.drop(POLICY, "too slow: what is sent is not read")

    def bound_all(self) -> None:
        """Close the slowest clients while all together have more unread than is allowed."""
        by_size = {client: client.unread for client in self._clients.values()}
        excess = sum(by_size.values()) - self.limits.all_outbox_bytes
        if excess <= 0:
            return
        for client in sorted(by_size, key=by_size.__getitem__, reverse=True):
            client.peer.drop(TRY_AGAIN_LATER, "the relay is short of memory")
            excess -= by_size[client]
            if excess <= 0:
                break

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
                    self._say(client, client.session.refuse(subscription, reason))
                    self._forget(subscription)
        self.flush()

    # Actions

    async def publish(self, event: Event) -> Verdict:
        """Keep and pass on an event of the relay's own; as durable as an OK when it returns."""
        answer = OwnVerdict()
        self._intake.offer(IncomingEvent(event, self._clock()), answer)
        return await answer.verdict

    def _take_in(self, client: ConnectedClient, incoming: IncomingEvent) -> None:
        size = len(incoming.event.json)
        client.events += 1
        client.bytes += size
        self._pending_bytes += size
        limits = self.limits
        if not client.stopped and (
            client.events >= limits.pending_events
            or client.bytes >= limits.pending_bytes
            or self._pending_bytes >= limits.all_pending_bytes
        ):
            client.stopped = True
            self._stopped[client] = None
            client.peer.stop_reading()
        self._intake.offer(incoming, client)

    def _settled(self, client: ConnectedClient, event: Event, verdict: Verdict) -> None:
        """This became of `event`, which `client` had offered."""
        self.rules.metrics.settle(event.kind, verdict.accepted, verdict.reason)
        size = len(event.json)
        client.events -= 1
        client.bytes -= size
        self._pending_bytes -= size
        self._say(client, ok_frame(event.id, verdict.accepted, verdict.reason))

    def _go_on_reading(self) -> None:
        limits = self.limits
        if self._pending_bytes > limits.all_pending_bytes // 2:
            return
        ready = [
            client
            for client in self._stopped
            if client.events <= limits.pending_events // 2
            and client.bytes <= limits.pending_bytes // 2
        ]
        for client in ready:
            del self._stopped[client]
            client.stopped = False
            client.peer.go_on_reading()

    def _do(self, client: ConnectedClient, action: Action) -> None:
        match action:
            case Reply(frame):
                self._say(client, frame)
            case Subscribe(subscription, replaced):
                if replaced is not None:
                    self._forget(replaced)
                self._subscribe(client, subscription)
            case Unsubscribe(subscription, frame):
                self._forget(subscription)
                if frame:
                    self._say(client, frame)
            case PendingCount():
                self._tally(client, action)
            case OpenNegentropy():
                self._comparing.ask(client.session, action)

    def _subscribe(self, client: ConnectedClient, subscription: RelaySubscription) -> None:
        if self._live_values + subscription.values > self.limits.all_live_values:
            reason = "rate-limited: the relay has too many subscriptions open"
            self._say(client, client.session.refuse(subscription, reason))
            return
        self._live_values += subscription.values
        # What a search finds depends on all that is stored: it looks back only.
        self._index.set(subscription, [f for f in subscription.filters if f.search is None])
        client.questions.scans[subscription.id] = subscription
        # A burst's answers leave at its end: what they come to is known only here.
        has_room = client.unread <= HIGH_WATER
        if not (has_room and self._queries.answer_at_once(client.questions)):
            self._queries.ask(client.questions)

    def _tally(self, client: ConnectedClient, tally: PendingCount) -> None:
        if self._live_values + tally.values > self.limits.all_live_values:
            reason = "rate-limited: the relay has too many questions open"
            self._say(client, client.session.untallied(tally, reason))
            return
        self._live_values += tally.values
        client.questions.tallies.append(tally)
        self._queries.ask(client.questions)

    def _forget(self, subscription: RelaySubscription) -> None:
        if subscription not in self._index:
            return
        self._index.remove(subscription)
        self._live_values -= subscription.values
        client = self._clients.get(subscription.session)
        if client is not None and client.questions.scans.get(subscription.id) is subscription:
            del client.questions.scans[subscription.id]

    def _compared(self, session: RelaySession, frames: bytes) -> None:
        client = self._clients.get(session)
        if client is not None and frames:
            self._say(client, frames)
            self.flush()

    async def _expire(self) -> None:
        """End comparisons of which nothing is heard any more."""
        while True:
            await asyncio.sleep(EXPIRY)
            told = self._reconciler.expire(self._clock())
            by_sessions = {client.session.negentropy: client for client in self._clients.values()}
            for sessions, frame in told:
                self._say(by_sessions[sessions], frame)
            self.flush()

    # What is sent

    def _say(self, client: ConnectedClient, frames: bytes) -> None:
        if client.session in self._clients:
            client.say(frames)
            self._dirty[client] = None

    def _deliver(
        self, questions: ClientQueries, asked: RelaySubscription | PendingCount, frames: bytes
    ) -> None:
        client = self._clients.get(questions.session)
        if client is None:
            return
        if self.rules.on_served is not None and frames:
            verb: Verb = "REQ" if isinstance(asked, RelaySubscription) else "COUNT"
            query = client.session.asking(verb, asked.filters, self._clock())
            self.rules.on_served(query, len(frames))
        if isinstance(asked, RelaySubscription):
            if asked.carried is not None:
                self._overlapping.append(asked)
            elif asked.state is SubscriptionState.ENDED:
                self._forget(asked)
        else:
            self._live_values -= asked.values
        if frames:
            # Another may wait still: the answer to a broad question comes when it will.
            client.page = len(frames) + min(client.page, client.unread)
            self._say(client, frames)

    def on_stored(self, stored: Stored) -> None:
        """The next part of the order of commits."""
        is_hidden = self.rules.is_hidden
        if self._index or is_hidden is not None:
            for seq, event in stored.events:
                if is_hidden is None or not is_hidden(event):
                    self._fan_out(seq, event)
        self.news = stored.after
        if self._overlapping:
            self._catch_up()
        self.flush()

    def _pass_on(self, event: Event) -> None:
        """An event that is not stored."""
        self._fan_out(UNSTORED, event)

    def _fan_out(self, seq: int, event: Event) -> None:
        frames: dict[str, bytes] = {}
        for subscription in self._index.match(event):
            client = self._clients[subscription.session]
            if client.session.live(subscription, seq, event):
                frame = frames.get(subscription.id)
                if frame is None:
                    frame = event_frame(subscription.head, event.json)
                    frames[subscription.id] = frame
                client.say(frame)
                self.rules.metrics.events_sent += 1
            self._dirty[client] = None  # also for what is held back: it counts as unread

    def _answered(self) -> None:
        """Clients have been told what became of their events."""
        if self._stopped:
            self._go_on_reading()
        self.flush()

    def _catch_up(self) -> None:
        still: list[RelaySubscription] = []
        for subscription in self._overlapping:
            if subscription.seq <= self.news:
                subscription.session.caught_up(subscription)
            elif subscription.carried is not None:
                still.append(subscription)
        self._overlapping = still

"""One client of the relay, without its socket: a message goes in, an action comes out.

A subscription has three states, and moves through them in this order only:

- SCANNING: it is registered as live, and its stored events are being read. What becomes live
  meanwhile is held back.
- LIVE: the stored events and EOSE were sent, then what was held back, save what the page carried.
  What becomes live is sent at once.
- ENDED: by CLOSE, by another REQ of the same id, by a refusal, or with the connection. Nothing is
  sent under it any more; a scan that comes back late is thrown away.

An event that the page carried is not sent again. Whether it did is known by commit sequence (what
was committed after the page's snapshot is not in it) and, for what the snapshot saw, by id: what
the page's limit left out is sent after EOSE. So nothing falls between, and nothing comes twice. A
page may also come before the news of events that it carries: their ids are kept until the news of
its last commit has come (`caught_up`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from nostr_client.errors import InvalidData, InvalidEvent
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.messages import (
    Auth,
    ClientMessage,
    Close,
    Closed,
    Count,
    CountResult,
    Eose,
    NegClose,
    NegErr,
    NegMsg,
    NegOpen,
    Notice,
    Ok,
    Peek,
    PublishEvent,
    Req,
    decode_client_message,
    peek,
)
from nostr_client.store.visibility import PRIVATE, Reader, may_see, needs_keys
from relays.engine.actions import (
    UNSTORED,
    Action,
    ClientSubscription,
    CountQuery,
    Ingest,
    OpenNegentropy,
    Reply,
    ReqState,
    Subscribe,
    Unsubscribe,
)
from relays.engine.auth import ConnectionAuth
from relays.engine.frames import event_frame, event_frames, ok_frame, text_frame
from relays.engine.negentropy import NegentropySessions
from relays.policies.filter_limits import check_filters, filter_values
from relays.policies.ruleset import Rules
from relays.policies.verdict import IncomingEvent, IncomingQuery, Verb

_EVENT: Final = b'["EVENT",'
_END: Final = b"]"
_ID: Final = slice(len(b'{"id":"'), len(b'{"id":"') + 64)
"""Where an event's id stands in its one encoding."""


_HINTS: Final[dict[bool | None, tuple[str, ...]]] = {True: ("finish",), False: ("more",), None: ()}


class RelaySession:
    """The relay's side of one connection.

    `address` is the client's and `number` the connection's own, for policies that look at them.
    """

    __slots__ = (
        "_connection_auth",
        "_rules",
        "address",
        "count_values",
        "held_bytes",
        "live_values",
        "negentropy",
        "number",
        "pending_counts",
        "subscriptions",
    )

    def __init__(
        self,
        rules: Rules,
        address: str = "",
        number: int = 0,
        negentropy: NegentropySessions | None = None,
    ) -> None:
        """`negentropy`: its comparisons (NIP-77); None: there are none here."""
        self._rules = rules
        self.negentropy = negentropy
        self._connection_auth = ConnectionAuth(rules)
        self.address = address
        self.number = number
        self.subscriptions: dict[str, ClientSubscription] = {}
        self.live_values = 0
        """What subscriptions and COUNTs cost together, while they are open."""
        self.pending_counts = 0
        """COUNTs asked and not answered."""
        self.count_values = 0
        """Their part of `live_values`."""
        self.held_bytes = 0
        """Bytes of the events that wait for a page."""

    @property
    def keys(self) -> frozenset[str]:
        """Public keys (hex) that the client has authenticated as (NIP-42)."""
        return self._connection_auth.keys

    @property
    def reader(self) -> Reader:
        """Who asks, for the store."""
        return Reader(self.keys, self._rules.open_kinds)

    def greet(self) -> bytes:
        """What is said before the client has said anything; mostly nothing."""
        return self._connection_auth.challenge() if self._rules.greets else b""

    def receive(self, data: bytes, now: float) -> Action | None:
        """What to do about one message; `now` in seconds. Raises nothing."""
        event = _plain_event(data)
        if event is not None:
            return self._event(event, now)
        try:
            message = decode_client_message(data)
        except InvalidData as error:
            return self._answer_unreadable(peek(data), f"invalid: {str(error)[:200]}")
        if isinstance(message, PublishEvent):
            return self._event(message.event, now)
        read = _READERS.get(type(message))
        if read is None:
            label = peek(data).label or ""
            return _notice(f"unsupported: a frame of the type {label[:32]!r}")
        return read(self, message, now)

    def _event(self, event: Event, now: float) -> Action:
        incoming = IncomingEvent(event, now, self.address, self._connection_auth.keys, self.number)
        self._rules.metrics.events_received += 1
        verdict = self._rules.check(incoming)
        if verdict.accepted:
            return Ingest(incoming)
        self._rules.metrics.refuse(verdict.reason)
        return Reply(self.refusal(ok_frame(event.id, False, verdict.reason), verdict.reason))

    def refusal(self, frame: bytes, reason: str) -> bytes:
        """`frame`, and before it the challenge if `reason` asks for an answer to it (NIP-42)."""
        if reason.startswith("auth-required:"):
            return self._connection_auth.challenge() + frame
        return frame

    def _answer_unreadable(self, seen: Peek, reason: str) -> Action:
        """The answer to a message that could not be read."""
        answer: Ok | Closed | NegErr | Notice = Notice(reason)
        if seen.id is not None:
            match seen.label:
                case "EVENT" | "AUTH":
                    self._rules.metrics.unreadable += 1
                    answer = Ok(seen.id, False, reason)
                case "REQ":
                    return self._refuse_req(seen.id, reason, self._close_subscription(seen.id))
                case "COUNT":
                    answer = Closed(seen.id, reason)
                case "NEG-OPEN" | "NEG-MSG":
                    if self.negentropy is not None:
                        self.negentropy.close(seen.id)
                    answer = NegErr(seen.id, reason)
        return Reply(text_frame(answer.encode()))

    def _close_subscription(self, subscription_id: str) -> ClientSubscription | None:
        """The subscription of this id, ended: a REQ that is refused has closed it too."""
        replaced = self.subscriptions.pop(subscription_id, None)
        if replaced is not None:
            self._end(replaced)
        return replaced

    def _refuse_req(self, id: str, reason: str, replaced: ClientSubscription | None) -> Action:
        self._rules.metrics.refuse_query(reason)
        frame = self.refusal(text_frame(Closed(id, reason).encode()), reason)
        return Reply(frame) if replaced is None else Unsubscribe(replaced, frame)

    def _query_fault(self, verb: Verb, filters: tuple[Filter, ...], now: float) -> str:
        """Why a query is not answered; empty when it is."""
        rules = self._rules
        reason = check_filters(filters, rules.limits, searches=rules.searches).reason
        if not reason and needs_keys(filters, self.reader):
            reason = "auth-required: private messages are for those whom they name"
        if not reason and rules.check_query is not None:
            reason = rules.check_query(self.incoming_query(verb, filters, now)).reason
        return reason

    def incoming_query(self, verb: Verb, filters: tuple[Filter, ...], now: float) -> IncomingQuery:
        """A query of this client, for policies to look at."""
        return IncomingQuery(verb, filters, now, self.address, self.keys, self.number)

    def _req(self, message: Req, now: float) -> Action:
        replaced = self._close_subscription(message.subscription_id)
        limits = self._rules.limits
        reason = self._query_fault("REQ", message.filters, now)
        subscription = ClientSubscription(self, message.subscription_id, message.filters)
        if not reason and len(self.subscriptions) >= limits.subscriptions:
            reason = f"rate-limited: {limits.subscriptions} subscriptions may be open"
        if not reason:
            reason = self._too_many(subscription.values)
        if reason:
            return self._refuse_req(message.subscription_id, reason, replaced)
        self.subscriptions[message.subscription_id] = subscription
        self.live_values += subscription.values
        return Subscribe(subscription, replaced)

    def _count(self, message: Count, now: float) -> Action:
        reason = self._query_fault("COUNT", message.filters, now)
        if not reason and self.pending_counts >= self._rules.limits.pending_counts:
            reason = "rate-limited: too many counts are waiting"
        values = filter_values(message.filters)
        if not reason:
            reason = self._too_many(values)
        if reason:
            self._rules.metrics.refuse_query(reason)
            frame = text_frame(Closed(message.subscription_id, reason).encode())
            return Reply(self.refusal(frame, reason))
        self.pending_counts += 1
        self.count_values += values
        self.live_values += values
        return CountQuery(message.subscription_id, message.filters, values)

    def _too_many(self, values: int) -> str:
        """Why so many further values in filters are too many; empty if they are not."""
        most = self._rules.limits.live_values
        if self.live_values + values <= most:
            return ""
        return f"rate-limited: all filters together may have {most} values"

    def _close(self, message: Close, now: float) -> Action | None:
        ended = self._close_subscription(message.subscription_id)
        return None if ended is None else Unsubscribe(ended)

    def _auth(self, message: Auth, now: float) -> Action:
        reason = self._connection_auth.answer(message.event, now)
        return Reply(ok_frame(message.event.id, not reason, reason))

    def _neg_open(self, message: NegOpen, now: float) -> Action:
        id = message.subscription_id
        if self.negentropy is None or not self.negentropy.is_on:
            return _no_comparing(id)
        self.negentropy.close(id)
        reason = self._query_fault("NEG-OPEN", (message.filter,), now)
        if not reason and message.filter.search is not None:
            reason = "unsupported: what a search finds cannot be compared"
        if reason:
            self._rules.metrics.refuse_query(reason)
            return Reply(self.refusal(text_frame(NegErr(id, reason).encode()), reason))
        begun = self.negentropy.begin(id, message.payload, now)
        return Reply(begun) if isinstance(begun, bytes) else OpenNegentropy(begun, message.filter)

    def _neg_msg(self, message: NegMsg, now: float) -> Action:
        if self.negentropy is None:
            return _no_comparing(message.subscription_id)
        return Reply(self.negentropy.message(message.subscription_id, message.payload, now))

    def _neg_close(self, message: NegClose, now: float) -> None:
        if self.negentropy is not None:
            self.negentropy.close(message.subscription_id)

    def _end(self, subscription: ClientSubscription) -> None:
        subscription.state = ReqState.ENDED
        subscription.page_ids = None
        self.live_values -= subscription.values
        self.held_bytes -= sum(len(event.json) for _, event in subscription.held)
        subscription.held.clear()

    # What the relay has for the client

    def page(
        self,
        subscription: ClientSubscription,
        events: Sequence[bytes],
        *,
        complete: bool | None,
        seq: int,
        live_seq: int,
    ) -> bytes:
        """The frames for the stored `events`, EOSE, and what became live meanwhile.

        `complete`: nothing older that matches is stored (NIP-67), None: not known; `seq`: the last
        commit that the snapshot saw; `live_seq`: the last commit of which `live` was told. Empty
        when the subscription has ended.
        """
        if subscription.state is not ReqState.SCANNING:
            return b""
        self._rules.metrics.events_sent += len(events)
        frames = [event_frames(subscription.head, events)]
        frames.append(text_frame(Eose(subscription.id, _HINTS[complete]).encode()))
        held = subscription.held
        subscription.state = ReqState.LIVE
        subscription.held = []
        subscription.seq = seq
        if held or live_seq < seq:
            subscription.page_ids = frozenset(event_json[_ID] for event_json in events)
            for held_seq, event in held:
                self.held_bytes -= len(event.json)
                if self.live(subscription, held_seq, event):
                    frames.append(event_frame(subscription.head, event.json))
            if live_seq >= seq:
                subscription.page_ids = None
        return b"".join(frames)

    def live(self, subscription: ClientSubscription, seq: int, event: Event) -> bool:
        """Is `event`, stored at commit `seq` or `UNSTORED`, to be sent under `subscription` now?"""
        if event.kind in PRIVATE and not may_see(event, self.reader):
            return False
        if subscription.state is ReqState.SCANNING:
            subscription.held.append((seq, event))
            self.held_bytes += len(event.json)
            return False
        if seq > subscription.seq or seq == UNSTORED:
            return subscription.state is ReqState.LIVE
        page_ids = subscription.page_ids
        # Without ids this is old news, of another process's commit: the page saw it.
        return page_ids is not None and event.id.encode() not in page_ids

    def caught_up(self, subscription: ClientSubscription) -> None:
        """`live` was told of every commit that the page of `subscription` saw."""
        subscription.page_ids = None

    def refuse(self, subscription: ClientSubscription, reason: str) -> bytes:
        """The relay ends a subscription: the frame that says why, or nothing if it has ended."""
        if subscription.state is ReqState.ENDED:
            return b""
        del self.subscriptions[subscription.id]
        self._end(subscription)
        return text_frame(Closed(subscription.id, reason).encode())

    def count_result(self, query: CountQuery, count: int, hll: bytes = b"") -> bytes:
        """The frame that answers a COUNT; `hll`: 256 registers of NIP-45, or nothing."""
        self._counted(query)
        return text_frame(CountResult(query.query_id, count, hll=hll).encode())

    def refuse_count(self, query: CountQuery, reason: str) -> bytes:
        """The frame that refuses a COUNT."""
        self._counted(query)
        return text_frame(Closed(query.query_id, reason).encode())

    def _counted(self, query: CountQuery) -> None:
        self.pending_counts -= 1
        self.count_values -= query.values
        self.live_values -= query.values

    def end(self) -> list[ClientSubscription]:
        """The connection is over: the subscriptions that ended with it."""
        if self.negentropy is not None:
            self.negentropy.end()
        ended = list(self.subscriptions.values())
        self.subscriptions.clear()
        for subscription in ended:
            self._end(subscription)
        return ended


_READERS: Final[dict[type[ClientMessage], Callable[[RelaySession, Any, float], Action | None]]] = {
    Req: RelaySession._req,
    Count: RelaySession._count,
    Close: RelaySession._close,
    Auth: RelaySession._auth,
    NegOpen: RelaySession._neg_open,
    NegMsg: RelaySession._neg_msg,
    NegClose: RelaySession._neg_close,
}


def _plain_event(data: bytes) -> Event | None:
    """The event of the commonest frame, without splitting the frame first; None: look closer."""
    if not (data.startswith(_EVENT) and data.endswith(b"]")):
        return None
    try:
        return Event.parse(data[len(_EVENT) : -1])
    except InvalidEvent:
        return None


def _notice(text: str) -> Reply:
    return Reply(text_frame(Notice(text).encode()))


def _no_comparing(id: str) -> Reply:
    return Reply(text_frame(NegErr(id, "unsupported: this relay compares no sets").encode()))

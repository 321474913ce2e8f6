"""The client's side of one relay, without sockets, clocks or tasks (NIP-01, 42, 45, 67, 77).

The owner calls `opened`, `receive`, `lost` and the requests (`subscribe`, `publish`, `count`, ...),
and carries out, in order, the effects that each call returns. A session outlives its connections.

Rules
- A request lasts until it is answered or withdrawn. What was asked while there was no connection,
  or was not answered when one was lost, is sent when the next one opens.
- Each REQ and COUNT has an id of its own that is never used again, so a late frame of an older one
  is known for what it is.
- A reconciliation of sets follows the rules of `negentropy.py`, and ends with the connection.
- Subscriptions follow the rules of `subscriptions.py`; `unsubscribe` and `pause` send CLOSE for
  whatever the relay still holds open.
- An event that no filter of its REQ asks for is dropped and counted.
- What is asked is cut to what the relay takes, by the rules of `limits.py`.
- What was refused as auth-required is parked and repeated once, by the rules of `auth.py`.
- Every frame counts in `Counters`. When offences (malformed, forged, unasked) are many, both in
  number and as a share of all frames, the session asks to hang up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.net.health import MAX_WORDS, RelayHealth
from nostr_client.net.large_frames import BEGINNING, LARGE_FRAME, LeftOut, subscription_of
from nostr_client.net.outcome import Cause
from nostr_client.net.session.auth import Authentication, AuthState
from nostr_client.net.session.counts import Counts
from nostr_client.net.session.effects import Effects, HangUp
from nostr_client.net.session.limits import LABEL as LIMITS
from nostr_client.net.session.limits import RelayLimits
from nostr_client.net.session.negentropy import Reconciliations
from nostr_client.net.session.paging import Paging
from nostr_client.net.session.pending import (
    OpenReq,
    Pending,
    PendingCount,
    PendingPublish,
    PendingReconciliation,
    RelaySubscription,
    SubscriptionIds,
    SubscriptionState,
)
from nostr_client.net.session.publishes import Publishes
from nostr_client.net.session.subscriptions import Subscriptions
from nostr_client.protocol import messages as m
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.refusals import Meaning, meaning_of, split_reason, wants_auth

MAX_OFFENCES: Final = 200
OFFENCE_SHARE: Final = 10
"""Hang up when more than MAX_OFFENCES frames, and more than one in so many, were offences."""


class ClientSession:
    """See the rules at the head of this file. Keys are numbers above 0 that the owner chooses."""

    def __init__(
        self,
        health: RelayHealth,
        *,
        can_authenticate: bool = False,
        own: Collection[str] = (),
    ) -> None:
        """`own`: pubkeys whose events are kept however large (`large_frames`)."""
        self._health = health
        self._n = health.counters
        self._own = frozenset(own)
        self._auth = Authentication(possible=can_authenticate)
        self._open = False
        self._ids = SubscriptionIds()
        self.limits = RelayLimits()
        """What the relay takes; `limits.document` is the owner's to set."""
        self._subscriptions = Subscriptions(self._ids, self._n, self.limits)
        self._publishes = Publishes(health)
        self._counts = Counts(self._ids)
        self.reconciliations = Reconciliations(self._ids)
        """Reconciliations of sets; what its methods return is to be carried out too."""
        self._frames = 0
        self._offences = 0
        self._hung_up = False

    @property
    def wanted(self) -> bool:
        """Is there any reason to be connected?"""
        return bool(self._subscriptions or self._publishes or self._counts or self.reconciliations)

    # The connection

    def opened(self, now: int) -> Effects:
        """A connection is open; `now` in seconds since 1970."""
        self._open = True
        self._frames = self._offences = 0
        self._hung_up = False
        effects: Effects = []
        for sub in self._subscriptions:
            if sub.state is not SubscriptionState.PAUSED:
                self._subscriptions.ask(sub, effects, now)
        self._publishes.opened(effects)
        self._counts.opened(effects)
        self.reconciliations.opened(effects)
        return effects

    def lost(self, cause: Cause) -> Effects:
        """The connection ended, or none could be made. Each subscription is told once an outage."""
        self._open = False
        self._auth.reset()
        self.limits.lost()
        self._ids.clear()
        effects: Effects = []
        self._subscriptions.lost(cause, effects)
        self.reconciliations.lost(cause, effects)
        self._publishes.lost()
        self._counts.lost()
        return effects

    # Requests

    def subscribe(
        self,
        key: int,
        filters: Iterable[Filter],
        *,
        live: bool,
        now: int,
        paging: Paging | None = None,
    ) -> Effects:
        """Ask for events from now on; without `live`, for stored ones only.

        With `paging`, stored history is read page by page; without, as far as the relay sends it.
        """
        sub = RelaySubscription(key, tuple(filters), live, paging)
        self._subscriptions.add(sub)
        effects: Effects = []
        if self._open:
            self._subscriptions.ask(sub, effects, now)
        return effects

    def unsubscribe(self, key: int) -> Effects:
        """End a subscription, in whatever state; unknown keys are over already."""
        effects: Effects = []
        self._subscriptions.end(key, effects)
        return effects

    def pause(self, key: int) -> Effects:
        """Its reader is too slow: close it until `go_on`."""
        effects: Effects = []
        self._subscriptions.pause(key, effects)
        return effects

    def go_on(self, key: int, now: int) -> Effects:
        """Ask again for what was paused."""
        sub = self._subscriptions.get(key)
        effects: Effects = []
        if sub is not None and sub.state is SubscriptionState.PAUSED:
            sub.state = SubscriptionState.IDLE
            if self._open:
                self._subscriptions.ask(sub, effects, now)
        return effects

    def publish(self, event: Event) -> Effects:
        """Send an event; an event that is on its way already is not sent twice."""
        return self._publishes.begin(event)

    def was_sent(self, event_id: str) -> bool:
        """Was this event handed to the relay, though its OK has not come?"""
        return self._publishes.was_sent(event_id)

    def withdraw(self, event_id: str) -> None:
        """Nobody waits for this OK any more; when it comes, it counts."""
        self._publishes.withdraw(event_id)

    def count(self, key: int, filters: Iterable[Filter]) -> Effects:
        """Ask for a COUNT (NIP-45)."""
        return self._counts.begin(key, filters)

    def uncount(self, key: int) -> Effects:
        """Nobody waits for this COUNT any more."""
        return self._counts.end(key)

    def authenticate(self, number: int, answer: Event | str, now: int) -> Effects:
        """The answer to `AskAuth(number)`: the signed kind 22242, or why there is none."""
        effects: Effects = []
        self._auth.answer(number, answer, effects)
        self._go_on_after_auth(effects, now)
        return effects

    def ask_again(self, now: int) -> Effects:
        """The owner may answer otherwise now: ask for all live subscriptions that are parked."""
        effects: Effects = []
        self._health.auth_refused = ""
        for sub in self._subscriptions.parked:
            if not self._auth.holds(sub):
                self._park(sub, sub.refusal, effects, now)
        return effects

    def wake(self, token: int, now: int) -> Effects:
        """The time of a `WakeLater` has come."""
        effects: Effects = []
        if token < 0:
            self._auth.expired(token)
            self._go_on_after_auth(effects, now)
        else:
            sub = self._subscriptions.get(token)
            if sub is not None and sub.state is SubscriptionState.WAITING and self._open:
                self._subscriptions.ask(sub, effects, now)
        return effects

    # What the relay says

    def receive(self, frames: Sequence[bytes], now: int) -> Effects:
        """Frames in the order of their arrival; `now` in seconds since 1970."""
        effects: Effects = []
        self._n.frames += len(frames)
        self._frames += len(frames)
        for frame in frames:
            if len(frame) > LARGE_FRAME and not self.keeps(frame[:BEGINNING]):
                frame = LeftOut(frame[:BEGINNING])  # noqa: PLW2901
            if type(frame) is LeftOut:
                self._leave_out(frame, effects)
                continue
            try:
                message = m.decode_relay_message(frame)
            except InvalidData:
                self._n.malformed += 1
                self._offence(effects)
                continue
            if type(message) is m.RelayEvent:
                self._on_event(message, effects)
            else:
                self._on_message(message, effects, now)
        return effects

    def keeps(self, beginning: bytes) -> bool:
        """Is a large message that begins so an event asked for by id, or of the account's own?"""
        part = self._ids.open.get(subscription_of(beginning))
        return isinstance(part, OpenReq) and all(
            f.ids is not None or (f.authors is not None and f.authors <= self._own)
            for f in part.filters
        )

    def _leave_out(self, frame: LeftOut, effects: Effects) -> None:
        self._n.oversized += 1
        part = self._ids.open.get(frame.subscription)
        if isinstance(part, OpenReq):
            part.sub.left_out += part.stored
        else:
            self._stray(frame.subscription, effects)

    def forged(self, number: int) -> Effects:
        """So many of the events that came turned out to carry false signatures."""
        effects: Effects = []
        self._n.forged += number
        for _ in range(number):
            self._offence(effects)
        return effects

    def _on_event(self, message: m.RelayEvent, effects: Effects) -> None:
        self._n.events += 1
        part = self._ids.open.get(message.subscription_id)
        if not isinstance(part, OpenReq):
            self._stray(message.subscription_id, effects)
        elif not self._subscriptions.event(part, message.event, effects):
            self._n.mismatched += 1
            self._offence(effects)

    def _on_message(self, message: m.RelayMessage, effects: Effects, now: int) -> None:
        match message:
            case m.Eose():
                self._on_eose(message, effects, now)
            case m.Ok():
                self._on_ok(message, effects, now)
            case m.Closed():
                self._on_closed(message, effects, now)
            case m.Notice(text):
                self._n.notices += 1
                self._health.heard(text)
                self.reconciliations.notice(text, effects)
                self._subscriptions.noticed(text, effects, now)
            case m.Challenge(challenge):
                self._n.challenges += 1
                self._auth.challenged(challenge, effects)
            case m.CountResult():
                if not self._counts.answered(message, effects):
                    self._stray(message.subscription_id, effects)
            case m.NegMsg(sub_id, payload):
                if not self.reconciliations.said(sub_id, payload, effects):
                    self._stray(sub_id, effects)
            case m.NegErr():
                self._on_closed(message, effects, now)
            case m.Unknown(label, raw) if label == LIMITS and self.limits.framed(raw):
                pass
            case _:
                self._n.unknown += 1
                self._health.heard(message.encode().decode(errors="replace"))

    def _on_eose(self, message: m.Eose, effects: Effects, now: int) -> None:
        sub_id, hints = message.subscription_id, message.hints
        part = self._ids.open.get(sub_id)
        if isinstance(part, OpenReq):
            said = True if "finish" in hints else False if "more" in hints else None
            self._subscriptions.eose(sub_id, part, said, effects, now)
        else:
            self._stray(sub_id, effects)

    def _on_ok(self, message: m.Ok, effects: Effects, now: int) -> None:
        if self._auth.answered(message.event_id, message.accepted):
            if not message.accepted:
                self._turned_away(message.reason)
            self._go_on_after_auth(effects, now)
            return
        if not self._publishes.expects(message.event_id):
            self._n.stray += 1
            return
        if not message.accepted and wants_auth(split_reason(message.reason)[0]):
            publish = self._publishes.get(message.event_id)
            if publish and self._park(publish, message.reason, effects, now):
                return
        self._publishes.answered(message, effects)

    def _on_closed(self, message: m.Closed | m.NegErr, effects: Effects, now: int) -> None:
        self._n.closed += 1
        target = self._ids.open.get(message.subscription_id)
        if target is None:
            self._stray(message.subscription_id, effects)
            return
        self._health.heard(message.reason)
        prefix, _ = split_reason(message.reason)
        pending: Pending
        if isinstance(target, OpenReq):
            reqs = self._ids.reqs
            pending = self._subscriptions.closed(message.subscription_id, target, effects)
            if self._subscriptions.complained(target, message.reason, reqs, effects, now):
                return
        else:
            pending = target
            self._ids.forget(message.subscription_id)
        if isinstance(pending, PendingReconciliation) and isinstance(message, m.NegErr):
            pending.most = message.max_records
        if wants_auth(prefix) and self._park(pending, message.reason, effects, now):
            return
        self._refuse(pending, message.reason, effects, now)

    # Authentication

    def _park(self, pending: Pending, refusal: str, effects: Effects, now: int) -> bool:
        """Can `pending`, refused as auth-required, be repeated after authentication?"""
        if self._health.auth_refused:
            pending.note = f"it did not let us in: {self._health.auth_refused}"
            return False
        if not self._auth.park(pending, refusal, effects):
            return False
        if isinstance(pending, RelaySubscription):
            self._subscriptions.park(pending)
        self._go_on_after_auth(effects, now)
        return True

    def _go_on_after_auth(self, effects: Effects, now: int) -> None:
        """Repeat, or refuse, what was parked."""
        for pending in self._auth.take_declined():
            if isinstance(pending, RelaySubscription):
                self._subscriptions.declined(pending, effects, now)
            else:
                self._refuse(pending, pending.refusal, effects, now)
        if self._auth.step in (AuthState.DONE, AuthState.ASSUMED):
            for sub in self._subscriptions.parked:
                sub.auth_tried = True
                self._subscriptions.ask(sub, effects, now)
        for pending in self._auth.take():
            if self._auth.step is AuthState.FAILED:
                refused = self._health.auth_refused
                pending.note = "" if refused else self._auth.problem
                self._refuse(pending, refused or pending.refusal, effects, now)
            elif isinstance(pending, RelaySubscription):
                continue  # asked above, unless it is over
            elif isinstance(pending, PendingPublish):
                self._publishes.again(pending, effects)
            elif isinstance(pending, PendingReconciliation):
                self.reconciliations.again(pending, effects)
            else:
                self._counts.again(pending, effects)

    def _turned_away(self, text: str) -> None:
        """The relay does not take our answer; for good, if it does not want this key."""
        self._health.heard(text)
        self._auth.problem = f"it did not let us in: {text}"
        if meaning_of(split_reason(text)[0]) is Meaning.KEY_REFUSED:
            self._health.auth_refused = text[:MAX_WORDS]

    # Steps

    def _refuse(self, pending: Pending, text: str, effects: Effects, now: int) -> None:
        """The relay's refusal, `text`, is its last word on `pending`, or the last for now."""
        if isinstance(pending, PendingPublish):
            self._publishes.refused(pending, text, effects)
        elif isinstance(pending, PendingReconciliation):
            self.reconciliations.ended(pending, Cause.refused(text, pending.note), effects)
        elif isinstance(pending, PendingCount):
            self._counts.refused(pending, Cause.refused(text, pending.note), effects)
        else:
            self._subscriptions.refused(pending, text, effects, now)

    def _stray(self, sub_id: str, effects: Effects) -> None:
        """A frame for something that is closed, or that nobody ever asked for."""
        self._n.stray += 1
        if not self._ids.was_closed(sub_id):
            self._offence(effects)

    def _offence(self, effects: Effects) -> None:
        self._offences += 1
        many = self._offences > MAX_OFFENCES and self._offences * OFFENCE_SHARE > self._frames
        if many and not self._hung_up:
            self._hung_up = True
            reason = f"{self._offences} of {self._frames} frames were malformed or unasked for"
            effects.append(HangUp(reason))

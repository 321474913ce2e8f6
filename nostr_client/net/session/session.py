"""The client's side of one relay, without sockets, clocks or tasks (NIP-01, 42, 45, 67, 77).

The owner calls `opened`, `receive`, `lost` and the wishes (`subscribe`, `publish`, `count`, ...),
and carries out, in order, the effects that each call returns. A session outlives its connections.

Rules
- A wish lasts until it is answered or withdrawn. What was wished while there was no connection,
  or was not answered when one was lost, is sent when the next one opens.
- Each REQ and COUNT has an id of its own that is never used again, so a late frame of an older one
  is known for what it is.
- A comparison of sets follows the rules of `comparing.py`, and ends with the connection.
- Subscriptions follow the rules of `asking.py`; `unsubscribe` and `pause` send CLOSE for whatever
  the relay still holds open.
- An event that no filter of its REQ asks for is dropped and counted.
- What was refused as auth-required is parked and repeated once, by the rules of `login.py`.
- Every frame counts in `Counters`. When offences (malformed, forged, unasked) are many, both in
  number and as a share of all frames, the session asks to hang up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.net.health import RelayHealth
from nostr_client.net.large_frames import BEGINNING, LARGE_FRAME, LeftOut, subscription_of
from nostr_client.net.outcome import How
from nostr_client.net.session.auth import Login, Step
from nostr_client.net.session.effects import Answered, Counted, Effects, HangUp, Send
from nostr_client.net.session.negentropy import Comparing
from nostr_client.net.session.paging import Paging
from nostr_client.net.session.pending import (
    IDS_REMEMBERED,
    Comparison,
    Count,
    Part,
    Publish,
    State,
    Sub,
    Wires,
    Wish,
)
from nostr_client.net.session.subscriptions import Asking
from nostr_client.protocol import messages as m
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter

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
        self._login = Login(possible=can_authenticate)
        self._open = False
        self._wires = Wires()
        self._asking = Asking(self._wires, self._n)
        self._publishes: dict[str, Publish] = {}
        self._late: dict[str, None] = {}
        """Events whose OK nobody waits for any more, and which may come all the same."""
        self._counts: dict[int, Count] = {}
        self.comparing = Comparing(self._wires)
        """Comparisons of sets; what its methods return is to be carried out too."""
        self._frames = 0
        self._offences = 0
        self._hung_up = False

    @property
    def wanted(self) -> bool:
        """Is there any reason to be connected?"""
        return bool(self._asking or self._publishes or self._counts or self.comparing)

    # The connection

    def opened(self, now: int) -> Effects:
        """A connection is open; `now` in seconds since 1970."""
        self._open = True
        self._frames = self._offences = 0
        self._hung_up = False
        effects: Effects = []
        for sub in self._asking:
            if sub.state is not State.PAUSED:
                self._asking.ask(sub, effects, now)
        effects += [Send(m.PublishEvent(p.event).encode()) for p in self._publishes.values()]
        for count in self._counts.values():
            self._ask_count(count, effects)
        self.comparing.opened(effects)
        return effects

    def lost(self, reason: str, how: How = How.LOST) -> Effects:
        """The connection ended, or none could be made. Each subscription is told once an outage."""
        self._open = False
        self._login.reset()
        self._wires.clear()
        self._late.clear()
        effects: Effects = []
        self._asking.lost(reason, how, effects)
        self.comparing.lost(reason, effects)
        for publish in self._publishes.values():
            publish.auth_tried = False
        for count in self._counts.values():
            count.auth_tried = False
        return effects

    # Wishes

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
        sub = Sub(key, tuple(filters), live, paging)
        self._asking.add(sub)
        effects: Effects = []
        if self._open:
            self._asking.ask(sub, effects, now)
        return effects

    def unsubscribe(self, key: int) -> Effects:
        """End a subscription, in whatever state; unknown keys are over already."""
        effects: Effects = []
        self._asking.end(key, effects)
        return effects

    def pause(self, key: int) -> Effects:
        """Its reader is too slow: close it until `go_on`."""
        effects: Effects = []
        self._asking.pause(key, effects)
        return effects

    def go_on(self, key: int, now: int) -> Effects:
        """Ask again for what was paused."""
        sub = self._asking.get(key)
        effects: Effects = []
        if sub is not None and sub.state is State.PAUSED:
            sub.state = State.IDLE
            if self._open:
                self._asking.ask(sub, effects, now)
        return effects

    def publish(self, event: Event) -> Effects:
        """Send an event; an event that is on its way already is not sent twice."""
        if event.id in self._publishes:
            return []
        self._publishes[event.id] = Publish(event)
        return [Send(m.PublishEvent(event).encode())] if self._open else []

    def withdraw(self, event_id: str) -> None:
        """Nobody waits for this OK any more; when it comes, it counts."""
        if self._publishes.pop(event_id, None) is not None and self._open:
            self._late[event_id] = None
            if len(self._late) > IDS_REMEMBERED:
                del self._late[next(iter(self._late))]

    def count(self, key: int, filters: Iterable[Filter]) -> Effects:
        """Ask for a COUNT (NIP-45)."""
        count = self._counts[key] = Count(key, tuple(filters))
        effects: Effects = []
        if self._open:
            self._ask_count(count, effects)
        return effects

    def uncount(self, key: int) -> Effects:
        """Nobody waits for this COUNT any more."""
        count = self._counts.pop(key, None)
        if count is None or count.wire not in self._wires.open:
            return []
        self._wires.forget(count.wire)
        return [Send(m.Close(count.wire).encode())]

    def authenticate(self, challenge: str, event: Event | None, now: int) -> Effects:
        """The answer to `AskAuth(challenge)`: the signed kind 22242, or None for no."""
        effects: Effects = []
        self._login.answer(challenge, event, effects)
        self._go_on_after_login(effects, now)
        return effects

    def wake(self, token: int, now: int) -> Effects:
        """The time of a `Later` has come."""
        effects: Effects = []
        if token < 0:
            self._login.expired(token)
            self._go_on_after_login(effects, now)
        else:
            sub = self._asking.get(token)
            if sub is not None and sub.state is State.WAITING and self._open:
                self._asking.ask(sub, effects, now)
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
        part = self._wires.open.get(subscription_of(beginning))
        return isinstance(part, Part) and all(
            f.ids is not None or (f.authors is not None and f.authors <= self._own)
            for f in part.filters
        )

    def _leave_out(self, frame: LeftOut, effects: Effects) -> None:
        self._n.oversized += 1
        part = self._wires.open.get(frame.subscription)
        if isinstance(part, Part):
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
        part = self._wires.open.get(message.subscription_id)
        if not isinstance(part, Part):
            self._stray(message.subscription_id, effects)
        elif not self._asking.event(part, message.event, effects):
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
                self.comparing.notice(text, effects)
            case m.Challenge(challenge):
                self._n.challenges += 1
                self._login.challenged(challenge, effects)
            case m.CountResult():
                self._on_count(message, effects)
            case m.NegMsg(wire, payload):
                if not self.comparing.said(wire, payload, effects):
                    self._stray(wire, effects)
            case m.NegErr():
                self._on_closed(message, effects, now)
            case _:
                self._n.unknown += 1
                self._health.heard(message.encode().decode(errors="replace"))

    def _on_eose(self, message: m.Eose, effects: Effects, now: int) -> None:
        wire, hints = message.subscription_id, message.hints
        part = self._wires.open.get(wire)
        if isinstance(part, Part):
            said = True if "finish" in hints else False if "more" in hints else None
            self._asking.eose(wire, part, said, effects, now)
        else:
            self._stray(wire, effects)

    def _on_ok(self, message: m.Ok, effects: Effects, now: int) -> None:
        if self._login.answered(message.event_id, message.accepted):
            if not message.accepted:
                self._health.heard(message.reason)
            self._go_on_after_login(effects, now)
            return
        publish = self._publishes.get(message.event_id)
        if publish is None and message.event_id not in self._late:
            self._n.stray += 1
            return
        prefix, _ = m.split_reason(message.reason)
        needs_auth = not message.accepted and prefix == "auth-required"
        if publish and needs_auth and self._park(publish, message.reason, effects, now):
            return
        if message.accepted:
            self._n.accepted += 1
        else:
            self._n.refused += 1
            self._health.heard(message.reason)
        self._publishes.pop(message.event_id, None)
        self._late.pop(message.event_id, None)
        effects.append(Answered(message.event_id, message.accepted, message.reason))

    def _on_closed(self, message: m.Closed | m.NegErr, effects: Effects, now: int) -> None:
        self._n.closed += 1
        target = self._wires.open.get(message.subscription_id)
        if target is None:
            self._stray(message.subscription_id, effects)
            return
        self._health.heard(message.reason)
        prefix, _ = m.split_reason(message.reason)
        wish: Wish
        if isinstance(target, Part):
            wish = self._asking.closed(message.subscription_id, target, effects)
        else:
            wish = target
            self._wires.forget(message.subscription_id)
        if isinstance(wish, Comparison) and isinstance(message, m.NegErr):
            wish.most = message.max_records
        if prefix == "auth-required" and self._park(wish, message.reason, effects, now):
            return
        self._refuse(wish, message.reason, effects, now)

    def _on_count(self, message: m.CountResult, effects: Effects) -> None:
        count = self._wires.open.get(message.subscription_id)
        if not isinstance(count, Count):
            self._stray(message.subscription_id, effects)
            return
        self._wires.forget(count.wire)
        del self._counts[count.key]
        effects.append(Counted(count.key, message.count, message.approximate, message.hll, ""))

    # Authentication

    def _park(self, wish: Wish, refusal: str, effects: Effects, now: int) -> bool:
        """Can `wish`, refused as auth-required, be repeated after authentication?"""
        if not self._login.park(wish, refusal, effects):
            return False
        if isinstance(wish, Sub):
            self._asking.park(wish)
        self._go_on_after_login(effects, now)
        return True

    def _go_on_after_login(self, effects: Effects, now: int) -> None:
        """Repeat, or refuse, what was parked."""
        for wish in self._login.take():
            if self._login.step is Step.FAILED:
                self._refuse(wish, wish.refusal, effects, now)
            elif isinstance(wish, Sub):
                if self._asking.get(wish.key) is wish and wish.state is State.PARKED:
                    self._asking.ask(wish, effects, now)
            elif isinstance(wish, Publish):
                if self._publishes.get(wish.event.id) is wish:
                    effects.append(Send(m.PublishEvent(wish.event).encode()))
            elif isinstance(wish, Comparison):
                self.comparing.again(wish, effects)
            elif self._counts.get(wish.key) is wish:
                self._ask_count(wish, effects)

    # Steps

    def _ask_count(self, count: Count, effects: Effects) -> None:
        count.wire = self._wires.new(count)
        effects.append(Send(m.Count(count.wire, count.filters).encode()))

    def _refuse(self, wish: Wish, text: str, effects: Effects, now: int) -> None:
        """The relay's refusal, `text`, is its last word on `wish`, or the last for now."""
        if isinstance(wish, Publish):
            if self._publishes.pop(wish.event.id, None) is not None:
                self._n.refused += 1
                self._health.heard(text)
                effects.append(Answered(wish.event.id, False, text))
        elif isinstance(wish, Comparison):
            self.comparing.refused(wish, text, effects)
        elif isinstance(wish, Count):
            if self._counts.pop(wish.key, None) is not None:
                effects.append(Counted(wish.key, None, False, b"", text))
        else:
            self._asking.refused(wish, text, effects, now)

    def _stray(self, wire: str, effects: Effects) -> None:
        """A frame for something that is closed, or that nobody ever asked for."""
        self._n.stray += 1
        if not self._wires.was_closed(wire):
            self._offence(effects)

    def _offence(self, effects: Effects) -> None:
        self._offences += 1
        many = self._offences > MAX_OFFENCES and self._offences * OFFENCE_SHARE > self._frames
        if many and not self._hung_up:
            self._hung_up = True
            reason = f"{self._offences} of {self._frames} frames were malformed or unasked for"
            effects.append(HangUp(reason))

"""The subscriptions of a `ClientSession` (NIP-01, 67): what is asked, and when again (pure).

Rules
- A subscription is IDLE (nothing asked), STORED (asked, history not finished), LIVE, WAITING
  (refused for now), PARKED (until authenticated), PAUSED (by its owner), or over and forgotten.
- It is asked when a connection opens, unless PAUSED, and when a WAITING, PARKED or PAUSED one goes
  on: from the beginning until its history was once read to the end, from then on from its mark
  minus an overlap, page by page. The mark moves only when nothing older can still be on its way:
  at the end of history, and while LIVE.
- EOSE ends a page. When every REQ is at its last, history ends; a subscription that is not `live`
  is then over. The next page is asked for at once, whatever is still being checked.
- CLOSED with a prefix that means "later" makes a live subscription WAITING, longer each time; any
  other ends it. Whatever the relay still holds open is closed with CLOSE.
- A REQ that was refused as too much is asked anew by what that taught (`limits.py`): in smaller
  ones, or when others are over; what only asks for what is stored waits a few times, and is then
  refused. A NOTICE names no REQ: it is taken to be about the newest that has had no answer, and,
  where one had its EOSE just now, about that too, since strfry complains of some only then.
- One that is sent more than it asked for in all is ended. So is one whose REQ brings, before its
  EOSE, far more than the limits of its filters allow: a fault of the relay's, which is counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from nostr_client.net.health import Counters
from nostr_client.net.outcome import Cause, How
from nostr_client.net.session.complaints import Complaint, complaint_in
from nostr_client.net.session.effects import (
    Effects,
    EventsReceived,
    LimitsLearned,
    Send,
    StoredEnded,
    SubscriptionStopped,
    WakeLater,
)
from nostr_client.net.session.limits import RelayLimits
from nostr_client.net.session.paging import HistoryPages, Paging
from nostr_client.net.session.pending import (
    OpenReq,
    RelaySubscription,
    SubscriptionIds,
    SubscriptionState,
)
from nostr_client.net.session.req_split import Filters, requests_for, resumed
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import matches_any
from nostr_client.protocol.messages import Close, Req
from nostr_client.protocol.refusals import RESUBSCRIBE, Meaning, meaning_of

STEADY: Final = 60
"""Seconds after which a subscription counts as healthy, and its next retry is quick again."""
TOO_MANY: Final = "more events than were wanted"
BEYOND_LIMIT: Final = "far more events than the limit that was asked for"
LIMIT_TIMES: Final = 2
LIMIT_PLUS: Final = 500
"""A REQ whose filters all have a limit may bring so many times their sum, and so many more: new
events may come in between, and careless relays send their usual number whatever is asked."""
QUEUED: Final = (1.0, 2.0)
"""Seconds that what asks only for what is stored waits each time, before it is refused."""
JUST_NOW: Final = 2
"""Seconds after an EOSE in which a NOTICE may be about its REQ."""
_RESUMING: Final = Paging(exhaustive=True)
"""How what came during an outage is read: a relay's own limit, however small and unsaid, cuts
nothing out of the middle. It costs a REQ or two more a time."""


class _Turn(NamedTuple):
    """A REQ that waits until the relay has others no more; `parts` are those of its asking."""

    sub: RelaySubscription
    part: OpenReq
    parts: dict[str, OpenReq]


class Subscriptions:
    """Every subscription at one relay, by key."""

    def __init__(self, ids: SubscriptionIds, counters: Counters, limits: RelayLimits) -> None:
        self._ids = ids
        self._n = counters
        self._limits = limits
        self._turns: deque[_Turn] = deque()
        self._subs: dict[int, RelaySubscription] = {}

    def __bool__(self) -> bool:
        return bool(self._subs)

    def __iter__(self) -> Iterator[RelaySubscription]:
        return iter(tuple(self._subs.values()))

    def get(self, key: int) -> RelaySubscription | None:
        return self._subs.get(key)

    def add(self, sub: RelaySubscription) -> None:
        self._subs[sub.key] = sub

    def end(self, key: int, effects: Effects) -> None:
        """Nobody wants it any more."""
        sub = self._subs.pop(key, None)
        if sub is not None:
            self._close(sub, effects)
            self._room_again(effects)

    def ask(self, sub: RelaySubscription, effects: Effects, now: int) -> None:
        """Send its REQs, from where it was."""
        filters, paging = sub.filters, sub.paging
        if sub.finished and sub.mark:
            filters = resumed(filters, sub.mark, now)
            paging = paging or _RESUMING
        sub.state, sub.asked_at, sub.told = SubscriptionState.STORED, now, False
        sub.parts, sub.said, sub.newest, sub.pages, sub.crowded = {}, [], 0, 0, {}
        sub.left_out, sub.no_room = 0, False
        requests = requests_for(filters, self._limits.filters, self._limits.request)
        sub.unfinished = len(requests)
        if paging is not None:
            paging = msgspec.structs.replace(paging, cut=min(paging.cut, self._limits.cut))
        for request in requests:
            self._send(
                sub,
                OpenReq(sub, request, HistoryPages(request, paging) if paging else None),
                effects,
            )
        if not requests:  # filters that can never hold
            sub.said.append(True)
            self._stored_ended(sub, effects, now)

    def lost(self, cause: Cause, effects: Effects) -> None:
        """The connection ended, or none could be made; each is told once an outage."""
        self._turns.clear()
        for sub in self._subs.values():
            if not sub.told:
                effects.append(SubscriptionStopped(sub.key, cause, final=False))
            sub.auth_tried, sub.told = False, True
            self._interrupted(
                sub,
                SubscriptionState.PAUSED
                if sub.state is SubscriptionState.PAUSED
                else SubscriptionState.IDLE,
            )

    def pause(self, key: int, effects: Effects) -> None:
        """Close it until it is asked again."""
        sub = self._subs.get(key)
        if sub is not None:
            self._close(sub, effects)
            self._interrupted(sub, SubscriptionState.PAUSED)
            self._room_again(effects)

    def event(self, part: OpenReq, event: Event, effects: Effects) -> bool:
        """An event came; False if nothing asked for it."""
        pages = part.pages
        if not (matches_any(part.filters, event) if pages is None else pages.take(event)):
            return False
        sub, part.heard = part.sub, True
        if part.stored and part.room is not None:
            part.room -= 1
            if part.room < 0:
                self._n.excessive += 1
                self._stop(sub, BEYOND_LIMIT, effects)
                return True
        sub.newest = max(sub.newest, event.created_at)
        last = effects[-1] if effects else None
        if type(last) is EventsReceived and last.key == sub.key and last.live is not part.stored:
            last.events.append(event)
        else:
            effects.append(EventsReceived(sub.key, [event], not part.stored))
        if pages is not None and pages.full:
            self._stop(sub, TOO_MANY, effects)
        return True

    def eose(
        self, sub_id: str, part: OpenReq, said: bool | None, effects: Effects, now: int
    ) -> None:
        """A page was sent to its end, and the relay `said` whether that is all."""
        if not part.stored:
            return
        sub, pages = part.sub, part.pages
        part.stored, part.pages, part.ended_at = False, None, now
        following = pages.ended(said) if pages else None
        if pages and following:
            self._send(sub, OpenReq(sub, following, pages, past=True), effects)
        if not sub.live or part.past:
            del sub.parts[sub_id]
            self._ids.forget(sub_id)
            effects.append(Send(Close(sub_id).encode()))
            self._room_again(effects)
        if following:
            return
        sub.unfinished -= 1
        sub.said.append(pages.complete if pages else said)
        sub.pages += pages.number if pages else 1
        sub.crowded.update(pages.crowded if pages else {})
        if not sub.unfinished:
            self._stored_ended(sub, effects, now)

    def closed(self, sub_id: str, part: OpenReq, effects: Effects) -> RelaySubscription:
        """The relay closed one REQ: so are the others of the subscription, which is returned."""
        del part.sub.parts[sub_id]
        self._ids.forget(sub_id)
        self._close(part.sub, effects)
        self._take_turns(effects)
        return part.sub

    def complained(self, part: OpenReq, text: str, reqs: int, effects: Effects, now: int) -> bool:
        """Was its REQ, closed now, refused as too much, with `reqs` of them open? If so it is asked
        anew, or will be."""
        sub, before = part.sub, self._limits.learned
        what = self._limits.refused(text, part.filters, reqs)
        if self._limits.learned != before:
            effects.append(LimitsLearned(self._limits.learned))
        if what is None or self._subs.get(sub.key) is not sub:
            return False
        if what in (Complaint.FILTERS, Complaint.LENGTH):
            self.ask(sub, effects, now)
            return True
        sub.no_room = what is Complaint.SUBSCRIPTIONS
        if sub.live or sub.queued == len(QUEUED):
            return False
        if sub.no_room and self._ids.passing:
            self.ask(sub, effects, now)  # what is over soon makes room for it
            return True
        self._interrupted(sub, SubscriptionState.WAITING)
        effects.append(WakeLater(QUEUED[sub.queued], sub.key))
        sub.queued += 1
        return True

    def noticed(self, text: str, effects: Effects, now: int) -> None:
        """A NOTICE came: it may be about a REQ."""
        what = complaint_in(text)
        for sub_id, part in self._suspects(what, now) if what else ():
            reqs = self._ids.reqs
            effects.append(Send(Close(sub_id).encode()))  # for it may be another one
            sub = self.closed(sub_id, part, effects)
            if not self.complained(part, text, reqs, effects, now):
                self.refused(sub, text, effects, now)

    def _suspects(self, what: Complaint, now: int) -> list[tuple[str, OpenReq]]:
        """The REQs that a NOTICE may be about."""
        opened = [item for item in self._ids.open.items() if isinstance(item[1], OpenReq)]
        reqs = [(sub_id, part) for sub_id, part in opened if isinstance(part, OpenReq)]
        found = [item for item in reqs if item[1].stored and not item[1].heard][-1:]
        if what is Complaint.SUBSCRIPTIONS:
            ended = [item for item in reqs if now - item[1].ended_at <= JUST_NOW]
            ended.sort(key=lambda item: item[1].ended_at)
            found += [item for item in ended[-1:] if not found or item[1].sub != found[0][1].sub]
        return found

    def refused(self, sub: RelaySubscription, text: str, effects: Effects, now: int) -> None:
        """`text` is the relay's last word on `sub`, or the last for now."""
        if self._subs.get(sub.key) is not sub:
            return
        cause = Cause.refused(text, sub.note)
        again = sub.live and meaning_of(cause.prefix) is Meaning.LATER
        if again:
            self._interrupted(sub, SubscriptionState.WAITING)
            retries = 0 if now - sub.asked_at >= STEADY else sub.retries
            sub.retries = retries + 1
            effects.append(WakeLater(RESUBSCRIBE.after(retries), sub.key))
        else:
            del self._subs[sub.key]
        effects.append(SubscriptionStopped(sub.key, cause, final=not again))

    def park(self, sub: RelaySubscription) -> None:
        """It waits for authentication."""
        self._interrupted(sub, SubscriptionState.PARKED)

    @property
    def parked(self) -> list[RelaySubscription]:
        """Those that wait for authentication."""
        return [sub for sub in self if sub.state is SubscriptionState.PARKED]

    def declined(self, sub: RelaySubscription, effects: Effects, now: int) -> None:
        """The relay is not told who asks. A live one stays parked: it may be told later."""
        if not sub.live:
            self.refused(sub, sub.refusal, effects, now)
        elif self._subs.get(sub.key) is sub:
            cause = Cause.refused(sub.refusal, sub.note)
            effects.append(SubscriptionStopped(sub.key, cause, final=False))

    def _stop(self, sub: RelaySubscription, reason: str, effects: Effects) -> None:
        """We have had enough of it."""
        self.end(sub.key, effects)
        effects.append(SubscriptionStopped(sub.key, Cause(How.INCOMPLETE, reason), final=True))

    def _send(self, sub: RelaySubscription, part: OpenReq, effects: Effects) -> None:
        most = self._limits.subscriptions
        if most is not None and not sub.live and self._ids.reqs >= most and self._ids.passing:
            self._turns.append(_Turn(sub, part, sub.parts))
            return
        part.room = _room(part.filters)
        sub_id = self._ids.new(part)
        sub.parts[sub_id] = part
        effects.append(Send(Req(sub_id, part.filters).encode()))

    def _take_turns(self, effects: Effects) -> None:
        """A REQ is over: others that waited may be sent."""
        for _ in range(len(self._turns)):
            sub, part, parts = self._turns.popleft()
            if self._subs.get(sub.key) is sub and sub.parts is parts:  # it was not asked anew
                self._send(sub, part, effects)

    def _room_again(self, effects: Effects) -> None:
        """We ended a REQ, so there is room for what the relay had none for. Where it closed one
        itself, there need not be: two that it refuses would wake each other without an end."""
        self._take_turns(effects)
        waiting = next((sub for sub in self._subs.values() if sub.no_room), None)
        if waiting is not None and waiting.state is SubscriptionState.WAITING:
            waiting.no_room = False
            effects.append(WakeLater(0.0, waiting.key))

    def _stored_ended(self, sub: RelaySubscription, effects: Effects, now: int) -> None:
        sub.mark = max(sub.mark, sub.newest)
        if not sub.mark and any(filter.limit == 0 for filter in sub.filters):
            sub.mark = now  # it reads no history: after an outage, what came since then
        sub.state, sub.finished = SubscriptionState.LIVE, True
        said = sub.said
        complete = False if False in said or sub.left_out else None if None in said else True
        effects.append(StoredEnded(sub.key, complete, sub.pages, sub.crowded, sub.left_out))
        if not sub.live:
            del self._subs[sub.key]

    def _interrupted(self, sub: RelaySubscription, state: SubscriptionState) -> None:
        if sub.state is SubscriptionState.LIVE:
            sub.mark = max(sub.mark, sub.newest)
        sub.state, sub.parts = state, {}

    def _close(self, sub: RelaySubscription, effects: Effects) -> None:
        for sub_id in sub.parts:
            self._ids.forget(sub_id)
            effects.append(Send(Close(sub_id).encode()))
        sub.parts = {}


def _room(filters: Filters) -> int | None:
    """The most events that a REQ may bring before its EOSE; None: as many as there are."""
    total = 0
    for filter in filters:
        if filter.limit is None:
            return None
        total += filter.limit
    return total * LIMIT_TIMES + LIMIT_PLUS

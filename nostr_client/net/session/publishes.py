"""Events on their way to one relay, and their OKs (NIP-01; pure).

Rules
- An event is sent when the connection opens, again after each loss, and until its OK came.
- Where nobody waits for an OK any more, it counts all the same when it comes on that connection.
"""

from __future__ import annotations

from nostr_client.net.health import RelayHealth
from nostr_client.net.session.effects import Effects, OkReceived, Send
from nostr_client.net.session.pending import IDS_REMEMBERED, PendingPublish
from nostr_client.protocol.event import Event
from nostr_client.protocol.messages import Ok, PublishEvent


class Publishes:
    """Every event on its way, by id."""

    def __init__(self, health: RelayHealth) -> None:
        self._health = health
        self._by_id: dict[str, PendingPublish] = {}
        self._late: dict[str, None] = {}
        """Events whose OK nobody waits for any more, and which may come all the same."""
        self._open = False

    def __bool__(self) -> bool:
        return bool(self._by_id)

    def get(self, event_id: str) -> PendingPublish | None:
        return self._by_id.get(event_id)

    def expects(self, event_id: str) -> bool:
        """Was this event sent, and its OK has not come?"""
        return event_id in self._by_id or event_id in self._late

    def was_sent(self, event_id: str) -> bool:
        """Was it handed to the relay, while somebody waits for its OK?"""
        publish = self._by_id.get(event_id)
        return publish is not None and publish.sent

    def begin(self, event: Event) -> Effects:
        """Send it, now or when the connection is open; not twice."""
        if event.id in self._by_id:
            return []
        self._by_id[event.id] = PendingPublish(event, self._open)
        return [Send(PublishEvent(event).encode())] if self._open else []

    def withdraw(self, event_id: str) -> None:
        """Nobody waits for this OK any more."""
        if self._by_id.pop(event_id, None) is not None and self._open:
            self._late[event_id] = None
            if len(self._late) > IDS_REMEMBERED:
                del self._late[next(iter(self._late))]

    # What happens

    def opened(self, effects: Effects) -> None:
        """The connection is open."""
        self._open = True
        for publish in self._by_id.values():
            self.again(publish, effects)

    def lost(self) -> None:
        """There is no connection, or none could be made."""
        self._open = False
        self._late.clear()
        for publish in self._by_id.values():
            publish.auth_tried = False

    def again(self, publish: PendingPublish, effects: Effects) -> None:
        """Send it, also for a second time."""
        if self._by_id.get(publish.event.id) is publish:
            publish.sent = True
            effects.append(Send(PublishEvent(publish.event).encode()))

    def answered(self, ok: Ok, effects: Effects, note: str = "") -> None:
        """The relay's answer to an event that `expects` one; `note` is for `OkReceived`."""
        counters = self._health.counters
        if ok.accepted:
            counters.accepted += 1
        else:
            counters.refused += 1
            self._health.heard(ok.reason)
        self._by_id.pop(ok.event_id, None)
        self._late.pop(ok.event_id, None)
        effects.append(OkReceived(ok.event_id, ok.accepted, ok.reason, note))

    def refused(self, publish: PendingPublish, text: str, effects: Effects) -> None:
        """`text` is the relay's last word on it."""
        if publish.event.id in self._by_id:
            self.answered(Ok(publish.event.id, False, text), effects, publish.note)

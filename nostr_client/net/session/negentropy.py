"""Reconciliations of sets with one relay, as a client (NIP-77): what is sent and heard (pure).

Rules
- Each has its turn: a message goes out, and one `NegentropyReceived` answers it.
- One that the relay ends (NEG-ERR, CLOSED), or that a lost connection ends, is over; what it was
  about is compared anew, by whoever wants it.
- A relay that does not know NIP-77 says so in a NOTICE, if at all. One that comes while nothing was
  answered yet and that sounds so ends what waits. For a relay that says nothing, whoever asked has
  a limit.
"""

from __future__ import annotations

import re
from typing import Final

from nostr_client.net.outcome import Cause
from nostr_client.net.session.effects import Effects, NegentropyReceived, Send
from nostr_client.net.session.pending import PendingReconciliation, SubscriptionIds
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.messages import NegClose, NegMsg, NegOpen

_refuses: Final = re.compile(
    r"neg|unknown|unrecogni[sz]ed|unsupported|not supported|invalid|bad msg|could not parse|"
    r"unexpected|parse error|not implemented",
    re.IGNORECASE,
).search
"""What relays write in a NOTICE about a message that they do not know."""


class Reconciliations:
    """Every reconciliation at one relay, by key."""

    def __init__(self, ids: SubscriptionIds) -> None:
        self._ids = ids
        self._by_key: dict[int, PendingReconciliation] = {}
        self._open = False

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def begin(self, key: int, filter: Filter, first: bytes) -> Effects:
        """NEG-OPEN, now or when the connection is open."""
        reconciliation = self._by_key[key] = PendingReconciliation(key, filter, first)
        effects: Effects = []
        if self._open:
            self.again(reconciliation, effects)
        return effects

    def say(self, key: int, message: bytes) -> Effects:
        """NEG-MSG; nothing if it has ended."""
        reconciliation = self._by_key.get(key)
        if reconciliation is None:
            return []
        return [Send(NegMsg(reconciliation.sub_id, message).encode())]

    def end(self, key: int) -> Effects:
        """Nobody wants it any more."""
        reconciliation = self._by_key.pop(key, None)
        if reconciliation is None or reconciliation.sub_id not in self._ids.open:
            return []
        self._ids.forget(reconciliation.sub_id)
        return [Send(NegClose(reconciliation.sub_id).encode())]

    # What happens

    def opened(self, effects: Effects) -> None:
        """The connection is open."""
        self._open = True
        for reconciliation in self._by_key.values():
            self.again(reconciliation, effects)

    def again(self, reconciliation: PendingReconciliation, effects: Effects) -> None:
        """Send NEG-OPEN, also for a second time."""
        if self._by_key.get(reconciliation.key) is reconciliation:
            reconciliation.sub_id = self._ids.new(reconciliation)
            message = NegOpen(reconciliation.sub_id, reconciliation.filter, reconciliation.first)
            effects.append(Send(message.encode()))

    def said(self, sub_id: str, message: bytes, effects: Effects) -> bool:
        """NEG-MSG came; False if there is no such reconciliation."""
        reconciliation = self._ids.open.get(sub_id)
        if not isinstance(reconciliation, PendingReconciliation):
            return False
        reconciliation.answered = True
        effects.append(NegentropyReceived(reconciliation.key, message))
        return True

    def ended(self, reconciliation: PendingReconciliation, cause: Cause, effects: Effects) -> None:
        """It is off the wire already."""
        if self._by_key.get(reconciliation.key) is reconciliation:
            del self._by_key[reconciliation.key]
            effects.append(NegentropyReceived(reconciliation.key, None, cause, reconciliation.most))

    def notice(self, text: str, effects: Effects) -> None:
        """NOTICE came: is it about what waits for its first answer?"""
        if not _refuses(text):
            return
        for reconciliation in list(self._by_key.values()):
            if reconciliation.sub_id in self._ids.open and not reconciliation.answered:
                self._ids.forget(reconciliation.sub_id)
                self.ended(reconciliation, Cause.refused(text), effects)

    def lost(self, cause: Cause, effects: Effects) -> None:
        """There is no connection, or none could be made."""
        self._open = False
        for reconciliation in list(self._by_key.values()):
            self.ended(reconciliation, cause, effects)

"""Comparisons of sets with one relay, as a client (NIP-77): what is sent and heard (pure).

Rules
- Each has its turn: a message goes out, and one `Compared` answers it.
- One that the relay ends (NEG-ERR, CLOSED), or that a lost connection ends, is over; what it was
  about is compared anew, by whoever wants it.
- A relay that does not know NIP-77 says so in a NOTICE, if at all. One that comes while nothing was
  answered yet and that sounds so ends what waits. For a relay that says nothing, whoever asked has
  a limit.
"""

from __future__ import annotations

import re
from typing import Final

from nostr_client.net.session.effects import Compared, Effects, Send
from nostr_client.net.session.pending import Comparison, Wires
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.messages import NegClose, NegMsg, NegOpen

_refuses: Final = re.compile(
    r"neg|unknown|unrecogni[sz]ed|unsupported|not supported|invalid|bad msg|could not parse|"
    r"unexpected|parse error|not implemented",
    re.IGNORECASE,
).search
"""What relays write in a NOTICE about a message that they do not know."""


class Comparing:
    """Every comparison at one relay, by key."""

    def __init__(self, wires: Wires) -> None:
        self._wires = wires
        self._by_key: dict[int, Comparison] = {}
        self._open = False

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def begin(self, key: int, filter: Filter, first: bytes) -> Effects:
        """NEG-OPEN, now or when the connection is open."""
        comparison = self._by_key[key] = Comparison(key, filter, first)
        effects: Effects = []
        if self._open:
            self.again(comparison, effects)
        return effects

    def say(self, key: int, message: bytes) -> Effects:
        """NEG-MSG; nothing if it has ended."""
        comparison = self._by_key.get(key)
        if comparison is None:
            return []
        return [Send(NegMsg(comparison.wire, message).encode())]

    def end(self, key: int) -> Effects:
        """Nobody wants it any more."""
        comparison = self._by_key.pop(key, None)
        if comparison is None or comparison.wire not in self._wires.open:
            return []
        self._wires.forget(comparison.wire)
        return [Send(NegClose(comparison.wire).encode())]

    # What happens

    def opened(self, effects: Effects) -> None:
        """The connection is open."""
        self._open = True
        for comparison in self._by_key.values():
            self.again(comparison, effects)

    def again(self, comparison: Comparison, effects: Effects) -> None:
        """Send NEG-OPEN, also for a second time."""
        if self._by_key.get(comparison.key) is comparison:
            comparison.wire = self._wires.new(comparison)
            message = NegOpen(comparison.wire, comparison.filter, comparison.first)
            effects.append(Send(message.encode()))

    def said(self, wire: str, message: bytes, effects: Effects) -> bool:
        """NEG-MSG came; False if there is no such comparison."""
        comparison = self._wires.open.get(wire)
        if not isinstance(comparison, Comparison):
            return False
        comparison.answered = True
        effects.append(Compared(comparison.key, message))
        return True

    def refused(self, comparison: Comparison, text: str, effects: Effects) -> None:
        """`text` is the relay's last word on it, which is off the wire already."""
        if self._by_key.get(comparison.key) is comparison:
            del self._by_key[comparison.key]
            effects.append(Compared(comparison.key, None, text, comparison.most))

    def notice(self, text: str, effects: Effects) -> None:
        """NOTICE came: is it about what waits for its first answer?"""
        if not _refuses(text):
            return
        for comparison in list(self._by_key.values()):
            if comparison.wire in self._wires.open and not comparison.answered:
                self._wires.forget(comparison.wire)
                self.refused(comparison, text, effects)

    def lost(self, reason: str, effects: Effects) -> None:
        """There is no connection, or none could be made."""
        self._open = False
        for comparison in list(self._by_key.values()):
            self.refused(comparison, reason, effects)

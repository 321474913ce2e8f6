"""NIP-42 on one connection, as a pure state machine.

Rules
- Nobody is asked to authenticate before the relay refused something as auth-required, or when the
  owner said that there is nobody to ask. A challenge alone is no demand.
- What was refused is parked. Once there is a challenge, the owner is asked for each thing by
  itself, with its purpose, and a no is a no to that thing alone.
- The first yes is sent, and no other on this connection: who we are has been said. Once the relay
  said OK to it, all that is parked is repeated, once; what is refused again stays refused.
- Some relays let in without an OK: when none has come after `OK_WAIT`, what is parked is repeated
  all the same. An OK that comes later still says how it went.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from nostr_client.net.session.effects import AskAuth, Effects, Send, WakeLater
from nostr_client.net.session.pending import Pending, purpose_of
from nostr_client.protocol.event import Event
from nostr_client.protocol.messages import Auth

AUTH_WAIT: Final = 10.0
"""Seconds for a challenge to come after an auth-required."""
OK_WAIT: Final = 2.0
"""Seconds for the OK to our answer, after which we may be in or not."""
NO_CHALLENGE: Final = "it sent no challenge that could be answered"


class AuthState(Enum):
    """How far it got."""

    NONE = "none"
    NO_CHALLENGE = "refused, but no challenge came yet"
    SENT = "answered the challenge"
    ASSUMED = "answered the challenge, and no OK came"
    DONE = "done"
    FAILED = "failed"


_OVER: Final = (AuthState.ASSUMED, AuthState.DONE, AuthState.FAILED)


class Authentication:
    """Authentication on one connection at a time; `reset` when the next one opens."""

    def __init__(self, *, possible: bool) -> None:
        self._possible = possible
        self._tokens = 0
        self._asks = 0
        self.reset()

    def reset(self) -> None:
        """A connection is gone, and all its authentication."""
        self.step = AuthState.NONE
        self.problem = ""
        """Why it is FAILED, in words of ours."""
        self._challenge: str | None = None
        self._event_id = ""
        self._parked: list[Pending] = []
        self._asked: dict[int, Pending] = {}
        self._declined: list[Pending] = []

    def park(self, pending: Pending, refusal: str, effects: Effects) -> bool:
        """Keep `pending`, refused as auth-required, to be repeated; False if it stays refused.

        When the step is DONE already, the relay refused before it had read our answer, and `take`
        gives it back at once.
        """
        if not self._possible or pending.auth_tried or self.step is AuthState.FAILED:
            return False
        pending.refusal, pending.note = refusal, ""
        if self.step is AuthState.NONE and self._challenge is not None:
            self._ask(pending, self._challenge, effects)
            return True
        self._parked.append(pending)
        if self.step is AuthState.NONE:
            self.step = AuthState.NO_CHALLENGE
            self._set_limit(effects, AUTH_WAIT)
        return True

    def holds(self, pending: Pending) -> bool:
        """Does it wait here for an answer, the owner's or the relay's?"""
        return any(pending is held for held in (*self._parked, *self._asked.values()))

    def challenged(self, challenge: str, effects: Effects) -> None:
        """The relay sent a challenge."""
        self._challenge = challenge
        if self.step is AuthState.NO_CHALLENGE:
            self.step = AuthState.NONE
            parked, self._parked = self._parked, []
            for pending in parked:
                self._ask(pending, challenge, effects)

    def answer(self, number: int, answer: Event | str, effects: Effects) -> None:
        """The owner's answer to `AskAuth(number)`: a signed kind 22242, or why there is none."""
        pending = self._asked.pop(number, None)
        if pending is None:
            return  # the connection that asked is gone
        if isinstance(answer, str):
            pending.note = answer
            self._declined.append(pending)
            return
        self._parked.append(pending)
        if self.step is AuthState.NONE:
            self.step, self._event_id = AuthState.SENT, answer.id
            effects.append(Send(Auth(answer).encode()))
            self._set_limit(effects, OK_WAIT)

    def answered(self, event_id: str, accepted: bool) -> bool:
        """An OK came: is it the one to our answer?"""
        if self.step not in (AuthState.SENT, AuthState.ASSUMED) or event_id != self._event_id:
            return False
        self.step = AuthState.DONE if accepted else AuthState.FAILED
        return True

    def expired(self, token: int) -> None:
        """The limit behind `token` ran out."""
        if token == -self._tokens and self.step is AuthState.NO_CHALLENGE:
            self.step, self.problem = AuthState.FAILED, NO_CHALLENGE
        elif token == -self._tokens and self.step is AuthState.SENT:
            self.step = AuthState.ASSUMED

    def take(self) -> list[Pending]:
        """What waited, once it is DONE, ASSUMED or FAILED; it is not parked a second time."""
        if self.step not in _OVER:
            return []
        taken = [*self._parked, *self._asked.values()]
        self._parked, self._asked = [], {}
        for pending in taken:
            pending.auth_tried = True
        return taken

    def take_declined(self) -> list[Pending]:
        """What the owner said no to; its `note` says why."""
        declined, self._declined = self._declined, []
        return declined

    def _ask(self, pending: Pending, challenge: str, effects: Effects) -> None:
        self._asks += 1
        self._asked[self._asks] = pending
        effects.append(AskAuth(self._asks, challenge, purpose_of(pending)))

    def _set_limit(self, effects: Effects, seconds: float) -> None:
        self._tokens += 1
        effects.append(WakeLater(seconds, -self._tokens))

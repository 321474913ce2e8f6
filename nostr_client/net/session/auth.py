"""NIP-42 on one connection, as a pure state machine.

Rules
- Nobody is asked to authenticate before the relay refused something as auth-required, or when the
  owner said that there is nobody to ask, or a second time on one connection.
- What was refused is parked once. It waits for a challenge, for the owner's answer and for the
  relay's OK to that, each within a limit; then all that is parked is repeated, or refused in the
  relay's own words.
- Some relays let in without an OK: when none has come after `OK_WAIT`, what is parked is repeated
  all the same. An OK that comes later still says how it went.
- An answer counts only for the challenge it was asked for.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from nostr_client.net.session.effects import AskAuth, Effects, Send, WakeLater
from nostr_client.net.session.pending import Pending
from nostr_client.protocol.event import Event
from nostr_client.protocol.messages import Auth

AUTH_WAIT: Final = 10.0
"""Seconds for a challenge to come after an auth-required."""
OK_WAIT: Final = 2.0
"""Seconds for the OK to our answer, after which we may be in or not."""


class AuthState(Enum):
    """How far it got."""

    NONE = "none"
    NO_CHALLENGE = "refused, but no challenge came yet"
    ASKING = "asking the owner of the key"
    SENT = "answered the challenge"
    ASSUMED = "answered the challenge, and no OK came"
    DONE = "done"
    FAILED = "failed"


class Authentication:
    """Authentication on one connection at a time; `reset` when the next one opens."""

    def __init__(self, *, possible: bool) -> None:
        self._possible = possible
        self._tokens = 0
        self.reset()

    def reset(self) -> None:
        """A connection is gone, and all its authentication."""
        self.step = AuthState.NONE
        self._challenge: str | None = None
        self._asked = ""
        self._event_id = ""
        self._parked: list[Pending] = []

    def park(self, pending: Pending, refusal: str, effects: Effects) -> bool:
        """Keep `pending`, refused as auth-required, to be repeated; False if it stays refused.

        When the step is DONE already, the relay refused before it had read our answer, and `take`
        gives it back at once.
        """
        if not self._possible or pending.auth_tried or self.step is AuthState.FAILED:
            return False
        pending.auth_tried, pending.refusal = True, refusal
        self._parked.append(pending)
        if self.step is AuthState.NONE:
            if self._challenge is None:
                self.step = AuthState.NO_CHALLENGE
                self._set_limit(effects, AUTH_WAIT)
            else:
                self._ask(self._challenge, effects)
        return True

    def challenged(self, challenge: str, effects: Effects) -> None:
        """The relay sent a challenge."""
        self._challenge = challenge
        if self.step is AuthState.NO_CHALLENGE:
            self._ask(challenge, effects)

    def answer(self, challenge: str, event: Event | None, effects: Effects) -> None:
        """The owner's answer to `AskAuth(challenge)`: a signed kind 22242, or None for no."""
        if self.step is not AuthState.ASKING or challenge != self._asked:
            return  # the connection that asked is gone
        if event is None:
            self.step = AuthState.FAILED
        else:
            self.step, self._event_id = AuthState.SENT, event.id
            effects.append(Send(Auth(event).encode()))
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
            self.step = AuthState.FAILED
        elif token == -self._tokens and self.step is AuthState.SENT:
            self.step = AuthState.ASSUMED

    def take(self) -> list[Pending]:
        """What was parked, once it is DONE, ASSUMED or FAILED."""
        if self.step not in (AuthState.DONE, AuthState.ASSUMED, AuthState.FAILED):
            return []
        parked, self._parked = self._parked, []
        return parked

    def _ask(self, challenge: str, effects: Effects) -> None:
        self.step, self._asked = AuthState.ASKING, challenge
        effects.append(AskAuth(challenge))

    def _set_limit(self, effects: Effects, seconds: float) -> None:
        self._tokens += 1
        effects.append(WakeLater(seconds, -self._tokens))

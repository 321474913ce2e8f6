"""A request to a bunker that is under way (NIP-46), and why it failed, in words for its person."""

from __future__ import annotations

import asyncio
from typing import Final

from nostr_client.errors import DecryptionFailed, SignerError, SignerUnavailable, SigningRefused
from nostr_client.net.outcome import How
from nostr_client.net.report import Answer
from nostr_client.nips import nip46
from nostr_client.nips.nip46 import BunkerFault, BunkerMethod, BunkerRequest, BunkerResponse
from nostr_client.protocol.event import Event
from nostr_client.safe_text import safe_line

VISIT_LIMIT: Final = 180.0
"""Seconds for an answer once the bunker wants its person to go to some address first."""
WORDS: Final = 200
"""Terminal cells that a bunker's own words take."""


class PendingRequest:
    """A request under way."""

    def __init__(
        self,
        request: BunkerRequest,
        event: Event,
        relays: tuple[str, ...],
        spare: tuple[str, ...] = (),
    ) -> None:
        self.request = request
        self.event = event
        self.relays = relays
        self.spare = spare
        """Where it goes if nothing comes of it at those."""
        self.answer: asyncio.Future[BunkerResponse] = asyncio.get_running_loop().create_future()
        self.said: dict[str, Answer] = {}
        """What each relay said to it at last."""
        self.sent: dict[str, int] = {}
        """On which of the relay's connections, counted, it went out at last."""
        self.sending: dict[str, asyncio.Task[None]] = {}
        self.limit: asyncio.Timeout | None = None
        self.visit = False

    def fail(self, error: SignerError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

    def use_spare(self) -> tuple[str, ...]:
        """It goes to the spare relays, too: which they are."""
        more, self.spare = self.spare, ()
        self.relays += more
        return more

    def end(self) -> None:
        self.answer.cancel()
        for task in self.sending.values():
            task.cancel()


def error_of(method: str, words: str) -> SignerError:
    """What a bunker's own words mean for whoever asked: whether a retry helps, and when."""
    said = safe_line(words, WORDS)
    fault = nip46.fault_of(words)
    said = said.removeprefix(f"{fault}: ")  # of a bunker of ours: what it means is said below
    match fault:
        case BunkerFault.CANNOT_DECRYPT if method.endswith("_decrypt"):
            return DecryptionFailed(f"the bunker cannot decrypt this: {said}")
        case BunkerFault.LATER:
            return SignerUnavailable(f"the bunker cannot do this now: {said}")
        case BunkerFault.NOT_CONNECTED if method == BunkerMethod.CONNECT:
            return SigningRefused(f"the bunker lets nobody in with this code: {said}")
        case BunkerFault.NOT_CONNECTED:
            return SigningRefused(f"the bunker does not know this client: connect again ({said})")
        case BunkerFault.UNKNOWN_METHOD:
            return SigningRefused(f"the bunker does not know {method}: {said}")
        case _:
            return SigningRefused(f"the bunker refused: {said}")


def is_mute(said: Answer) -> bool:
    """Did the relay say that nobody listens for such an event (NIP-01)?"""
    return said.accepted is False and said.prefix.lower() == "mute"


def is_refused(said: Answer) -> bool:
    return said.accepted is False or said.how is How.NOT_ASKED


def refusals(asked: PendingRequest) -> str:
    """Why no relay took a request."""
    if all(map(is_mute, asked.said.values())):
        return f"nobody listens at {', '.join(asked.said)}: is the bunker running?"
    return f"no relay of the bunker takes this: {'; '.join(map(str, asked.said.values()))}"


def silence(asked: PendingRequest, limit: float) -> str:
    """Why there is no answer in time."""
    if asked.visit:
        return f"the bunker waited for you at its address, and did not answer in {VISIT_LIMIT:g} s"
    answers = asked.said.values()
    if any(said.accepted or said.how is How.SILENT for said in answers):
        return f"the bunker did not answer in {limit:g} s"
    if any(map(is_refused, answers)):
        return refusals(asked)
    reasons = "; ".join(map(str, answers)) or ", ".join(asked.relays)
    return f"no relay of the bunker can be reached: {reasons}"

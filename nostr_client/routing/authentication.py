"""NIP-42: to whom it is said who we are. The rules are in `auth_policy.py`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from nostr_client.errors import SignerError, SignerUnavailable, SigningRefused, StoreError
from nostr_client.net.auth_demand import AuthDemand
from nostr_client.net.session.pending import Purpose
from nostr_client.protocol.event import Event
from nostr_client.protocol.refusals import Waits
from nostr_client.routing.auth_choices import AuthChoices
from nostr_client.routing.auth_policy import AuthFacts, AuthVerdict, judge_demand, recipients
from nostr_client.routing.auth_questions import AuthQuestion, AuthQuestions
from nostr_client.routing.planner import mentioned
from nostr_client.routing.relay_book import RelayBook
from nostr_client.signing.signer import Signer

log = logging.getLogger(__name__)

NOT_TOLD: Final = "it is not told who you are"
DENIED: Final = "it is not told who you are: you said no, or nothing"
ASKED: Final = "it is not told who you are until you say so"
LOCKED: Final = "the account is locked"
MOST_UNTOLD: Final = 200
AWAY: Final = Waits(30.0, 600.0)
"""Seconds between two tries whether a signer answers again."""


async def _nobody(url: str) -> None:
    """Nobody wants to hear of it."""


async def _nobody_either() -> None:
    """Nobody waits for the signer."""


@dataclass(eq=False, slots=True)
class _Signing:
    """The signature for one challenge: made in turn, by the first of those who wait for it."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    result: Event | SignerError | None = None


async def _signed(signer: Signer, demand: AuthDemand) -> Event | SignerError:
    try:
        return await signer.sign(demand.draft)
    except SignerError as error:
        return error


class Authenticator:
    """Answers the demands of relays, for the account that owns the `book`.

    `signer` is what signs; None while the account is locked. `choices` is what the person said.
    `asks`: a face is there that shows `questions`; else what would be asked is no.
    """

    def __init__(
        self,
        signer: Signer | None,
        book: RelayBook,
        choices: AuthChoices,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.choices = choices
        self.asks = False
        self.questions = AuthQuestions(book.owner, clock)
        self.questions.on_lapse = self._lapsed
        self.introduced: set[str] = set()
        """The relays to whom we have said who we are."""
        self.untold: dict[str, Purpose] = {}
        """Those that wanted to know and were not told, and what for; the last ones."""
        self.on_change: Callable[[str], Awaitable[None]] = _nobody
        """Told of a relay (URL) about which the person has said something else; "" for any."""
        self._signer = signer
        self._book = book
        self._disclosed = ""
        self.on_signer_back: Callable[[], Awaitable[None]] = _nobody_either
        """Told that the signer, which did not answer, does again."""
        self._signing: dict[tuple[str, str], _Signing] = {}
        self._away = asyncio.Event()
        self._back = asyncio.Event()

    async def __call__(self, demand: AuthDemand) -> Event | str:
        """The kind 22242 for the relay, or why it is not told. Raises SignerError, StoreError."""
        word = self.choices.of(demand.url)
        verdict = judge_demand(await self._facts(demand), word)
        if verdict in (AuthVerdict.NO, AuthVerdict.ASK):
            self._note_untold(demand)
        if verdict is AuthVerdict.NO:
            return NOT_TOLD if word is None else DENIED
        if verdict is AuthVerdict.ASK:
            asks = self.asks and self._signer is not None
            return ASKED if asks and self.questions.put(demand.url, demand.purpose) else NOT_TOLD
        if self._signer is None:
            raise SignerUnavailable(LOCKED)
        event = await self._sign(self._signer, demand)
        if verdict is AuthVerdict.SAID_ONCE and not self._disclosed and not self.choices.told:
            self._disclosed = demand.url
        self.introduced.add(demand.url)
        self.untold.pop(demand.url, None)
        return event

    async def logins(self) -> frozenset[str]:
        """The relays that are told who we are whenever they ask. Raises StoreError."""
        said = {choice.url: choice.allowed for choice in self.choices.all()}
        own = await self._book.account_relays()
        denied = {url for url, allowed in said.items() if not allowed}
        return (own | {url for url, allowed in said.items() if allowed}) - denied

    # The person's word

    async def answer(self, url: str, allowed: bool, *, lasting: bool) -> None:
        """May the relay at `url` (one spelling) know? `lasting`: beyond this session.

        Raises StoreError.
        """
        if lasting:
            await self.choices.choose(url, allowed)
        else:
            self.choices.choose_for_now(url, allowed)
        await self._changed(url)

    async def forget(self, url: str) -> bool:
        """Take back what was said of it; False if nothing was. Raises StoreError."""
        said = await self.choices.forget(url)
        await self._changed(url)
        return said

    def is_taken_back(self, url: str) -> bool:
        """Was the relay at `url` told who we are, and the person does not say so (any more)? That
        is then forgotten. Raises StoreError."""
        taken_back = url in self.introduced and self.choices.of(url) is not True
        if taken_back:
            self.introduced.discard(url)
        return taken_back

    @property
    def disclosed(self) -> str:
        """The message relay that has learned who we are, while the person is to hear of it: once an
        account. Empty else."""
        return self._disclosed

    async def note_disclosed(self) -> None:
        """The person has heard of it. Raises StoreError."""
        self._disclosed = ""
        await self.choices.note_told()

    # A signer that does not answer

    async def keep_trying(self) -> None:
        """Ask a signer that did not answer again, each time later, and say when it is back; until
        cancelled. One that is locked here is not asked: whoever unlocks it says so."""
        while True:
            await self._away.wait()
            attempts = 0
            try:
                while not await self._came_back(AWAY.after(attempts)):
                    attempts += 1
                    await self.on_change("")
                await self.on_signer_back()
            except StoreError as error:
                log.warning("what waited for the signer waits longer: %s", error)

    async def _came_back(self, limit: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._back.wait()
        return self._back.is_set()

    # Inside

    async def _changed(self, url: str) -> None:
        self.questions.end(url)
        self.untold.pop(url, None)
        await self.on_change(url)

    def _lapsed(self, question: AuthQuestion) -> None:
        self.choices.choose_for_now(question.url, False)

    def _note_untold(self, demand: AuthDemand) -> None:
        self.untold.pop(demand.url, None)
        self.untold[demand.url] = demand.purpose
        if len(self.untold) > MOST_UNTOLD:
            del self.untold[next(iter(self.untold))]

    async def _sign(self, signer: Signer, demand: AuthDemand) -> Event:
        """One signature a challenge, whatever waits for it: a signer may ask its owner."""
        asked = (demand.url, demand.challenge)
        signing = self._signing.setdefault(asked, _Signing())
        signing.waiting += 1
        try:
            async with signing.turn:
                if signing.result is None:
                    signing.result = await _signed(signer, demand)
        finally:
            signing.waiting -= 1
            if not signing.waiting:
                del self._signing[asked]
        if isinstance(signing.result, SignerUnavailable):
            self._away.set()
            self._back.clear()
        elif self._away.is_set():
            self._away.clear()
            self._back.set()
        if isinstance(signing.result, SigningRefused):  # the person's own no, said to the signer
            self.choices.choose_for_now(demand.url, False)
        if isinstance(signing.result, SignerError):
            raise signing.result
        return signing.result

    async def _facts(self, demand: AuthDemand) -> AuthFacts:
        url, purpose = demand.url, demand.purpose
        writes = isinstance(purpose, Event)
        return AuthFacts(
            own=url in await self._book.account_relays(),
            writes=writes,
            inbox=isinstance(purpose, Event) and await self._is_inbox(url, purpose),
            in_use=self._book.policy.in_use(url),
        )

    async def _is_inbox(self, url: str, event: Event) -> bool:
        """Does somebody read there, by a list of theirs, whom `event`, which is ours, addresses?"""
        if wrapped_for := recipients(event):
            boxes = await self._book.dm_relays(wrapped_for)
            return any(url in urls for urls in boxes.values())
        if event.pubkey != self._book.owner:
            return False
        people = await self._book.relays_of_many(mentioned(event))
        return any(p.source == "list" and url in p.read for p in people.values())

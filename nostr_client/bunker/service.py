"""A bunker at work: it hears requests on relays of its own, has the core decide, and answers.

Rules
- Known clients alone are listened for, also those that were revoked; and strangers while an
  invitation is open, or was a while ago: so a relay keeps their flood away. Listening changes
  without a gap: the new one begins before the old ends.
- Each client has a lane: so many requests of it are worked on at once, so many wait, more are
  dropped. All strangers share one, and are counted in the log, not named.
- The file of clients is looked at for each request: a revocation counts at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec

from nostr_client.bunker.answers import request_key
from nostr_client.bunker.core import OLD, AnswerNow, BunkerCore, Ignore, Perform, Welcome
from nostr_client.bunker.files import BunkerFiles, RequestLogEntry
from nostr_client.bunker.limits import LINES_A_SECOND, Bucket, StrangerCount
from nostr_client.bunker.mailbox import BunkerMailbox
from nostr_client.bunker.performing import Decided, Notice, Performer
from nostr_client.bunker.questions import Questions
from nostr_client.bunker.state import BunkerClient, BunkerState
from nostr_client.errors import DecryptionFailed, InvalidKey, InvalidMessage, StoreError
from nostr_client.net.pool import RelayPool
from nostr_client.net.subscription import Arrival, Ended, Subscription
from nostr_client.nips import nip44
from nostr_client.nips.nip46 import BunkerFault, BunkerMethod, BunkerRequest, BunkerResponse, is_old
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.kinds import NOSTR_CONNECT
from nostr_client.safe_text import safe_line
from nostr_client.signing.guards import Guarded
from nostr_client.tasks import OwnedTasks

WATCH: Final = 0.5
"""Seconds between two looks at what other processes changed."""
OVERLAP: Final = 5.0
"""Seconds that relays have to begin with a new subscription before the old one ends."""
AT_ONCE: Final = 32
"""Requests of one client that are worked on at the same time."""
WAITING: Final = 512
"""Those that wait beside them."""


class _Lane:
    """The requests of one client, or of all strangers."""

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[Arrival] = deque()


class _Place(msgspec.Struct, frozen=True):
    """Whom we listen for, and where; no clients: for everybody."""

    clients: frozenset[str]
    urls: tuple[str, ...]


class BunkerService:
    """Answers for the account of `signer` with the bunker's own `key`: `await service.run()`.

    `pool` is its own, and says that it is the bunker where it is asked (`authenticator`).
    `questions` reach the person, also about what the guards of `signer` object to; `notice` is told
    what happens, and `logged` of each request.
    """

    def __init__(
        self,
        core: BunkerCore,
        files: BunkerFiles,
        signer: Guarded,
        key: SecretKey,
        pool: RelayPool,
        *,
        questions: Questions,
        notice: Notice = lambda words: None,
        logged: Callable[[RequestLogEntry], None] = lambda entry: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._core = core
        self._files = files
        self._pool = pool
        self._notice = self._once(notice)
        self._logged = logged
        self._clock = clock
        self._mailbox = BunkerMailbox(key, pool, clock)
        self._performer = Performer(
            core,
            files,
            signer,
            questions=questions,
            notice=self._notice,
            aside=self._aside,
            clock=clock,
        )
        self._tasks = OwnedTasks()
        self._lanes: dict[str, _Lane] = {}
        self._known: frozenset[str] = frozenset()
        self._unreached: set[str] = set()
        self._greeted: set[str] = set()
        self._strangers = StrangerCount()
        self._of_old_strangers = Bucket(LINES_A_SECOND, 1)
        self.listening = asyncio.Event()
        """Set while every relay has been asked, and has answered or failed, or took too long."""

    async def run(self) -> None:
        """Until it is cancelled. Raises StoreError where its files cannot be read at the start."""
        self._files.state()
        try:
            async with self._tasks:
                await self._listen()
        finally:
            self._mailbox.close()

    # Listening

    async def _listen(self) -> None:
        heard: Subscription | None = None
        place: _Place | None = None
        while True:
            self._performer.changed.clear()
            state = self._state()
            if state is not None:
                now = int(self._clock())
                self._forget_gone(state)
                wanted = self._place(state, now)
                if wanted != place:
                    self.listening.clear()
                    ready = asyncio.Event()
                    before, heard = heard, self._subscription(wanted, now)
                    self._tasks.start(self._hear(heard, ready))
                    await _until_set(ready, OVERLAP)
                    if before is not None:
                        before.close()  # what it brought is read to its end
                    place = wanted
                    self.listening.set()
                if not all(one.heard for one in state.invitations):
                    self._aside(self._mark_heard(state))
                self._greet(state, now)
                self._log_strangers()
            await _until_set(self._performer.changed, WATCH)

    async def _mark_heard(self, state: BunkerState) -> None:
        await self._files.change(lambda held: held.all_heard(state))

    def _place(self, state: BunkerState, now: int) -> _Place:
        places = [url for client in state.clients for url in client.places(now)]
        places += state.code_relays(now)
        urls = tuple(dict.fromkeys((*self._core.relays, *places)))
        clients = frozenset((*(client.pubkey for client in state.clients), *state.revoked))
        hears_all = state.hears_strangers(now)
        return _Place(frozenset() if hears_all else clients or frozenset({self._core.bunker}), urls)

    def _subscription(self, place: _Place, now: int) -> Subscription:
        asked = Filter(
            kinds=frozenset({NOSTR_CONNECT}),
            tags={"p": frozenset({self._core.bunker})},
            authors=place.clients or None,
            since=now - OLD,
        )
        return self._pool.subscribe([asked], place.urls)

    async def _hear(self, sub: Subscription, ready: asyncio.Event) -> None:
        async with sub:
            silent = set(sub.urls)
            async for batch in sub.batches():
                for item in batch:
                    if isinstance(item, Arrival):
                        self._arrived(item)
                        continue
                    silent.discard(item.url)
                    if not silent:
                        ready.set()
                    self._reached(item.url, item.cause.problem if isinstance(item, Ended) else "")
                await asyncio.sleep(0)

    def _reached(self, url: str, problem: str) -> None:
        """Say when a relay goes, and when it is back."""
        if problem and url not in self._unreached:
            self._unreached.add(url)
            self._notice(f"{url} is away: {safe_line(problem, 120)}")
        elif not problem and url in self._unreached:
            self._unreached.discard(url)
            self._notice(f"{url} is back")

    def _forget_gone(self, state: BunkerState) -> None:
        """Those that were connected, and are no longer."""
        known = frozenset(client.pubkey for client in state.clients)
        for gone in self._known - known:
            self._core.answers.forget(gone)
            self._mailbox.forget(gone)
        self._known = known

    def _greet(self, state: BunkerState, now: int) -> None:
        """Send those their secret who showed us a code, once: now they are listened for."""
        for client in state.pruned(now).clients:
            if client.greeting and client.pubkey not in self._greeted:
                self._greeted.add(client.pubkey)
                self._aside(self._send_greeting(client))
            elif not client.greeting:
                self._greeted.discard(client.pubkey)

    async def _send_greeting(self, client: BunkerClient) -> None:
        response = BunkerResponse(f"connect-{client.pubkey[:8]}", client.greeting)
        if await self._mailbox.answer(client.pubkey, response, client.relays):
            self._notice(f"{client.label} was greeted")
        else:
            self._notice(f"{client.label} was not reached: none of its relays took the greeting")
        await self._performer.change_client(
            client.pubkey, lambda held: msgspec.structs.replace(held, greeting="")
        )

    # Requests

    def _arrived(self, arrival: Arrival) -> None:
        state = self._state()
        if state is None or not self._core.admits(arrival.event, state, self._clock()):
            return
        who = arrival.event.pubkey if state.client(arrival.event.pubkey) else ""
        lane = self._lanes.setdefault(who, _Lane())
        if lane.running < AT_ONCE:
            lane.running += 1
            self._tasks.start(self._work(who, lane, arrival))
        elif len(lane.waiting) < WAITING:
            lane.waiting.append(arrival)

    async def _work(self, who: str, lane: _Lane, arrival: Arrival) -> None:
        """One request, and then those that wait."""
        following: Arrival | None = arrival
        while following is not None:
            await self._serve(following)
            following = lane.waiting.popleft() if lane.waiting else None
        lane.running -= 1
        if not lane.running:
            self._lanes.pop(who, None)

    async def _serve(self, arrival: Arrival) -> None:
        client, now = arrival.event.pubkey, int(self._clock())
        text = await self._text_of(arrival.event)
        state = self._state()
        if state is None:
            return
        is_known = state.client(client) is not None
        request = _request(text)
        decision = self._core.decide(client, request, state, now) if request else Ignore("unread")
        if not is_known and not isinstance(decision, Welcome):
            self._strangers.add()
        if text is None or request is None or isinstance(decision, Ignore):
            return
        key = request_key(client, request)
        response: BunkerResponse | None = None
        try:
            response = await self._performer.carry_out(decision, client, request, state)
        finally:
            self._core.end(key, None if _is_passing(response) else response, state)
        if is_known or isinstance(decision, Welcome):
            self._log(client, request, decision, response)
        held = state.client(client)
        urls = (arrival.url, *(held.places(now) if held else self._core.relays))
        is_long = len(text) >= nip44.EXTENDED_LENGTH  # who asks in the long form can read it
        self._aside(self._answer(client, response, urls, is_long))

    async def _text_of(self, event: Event) -> str | None:
        try:
            return await self._mailbox.opened(event)
        except (DecryptionFailed, InvalidKey):
            if is_old(event):
                self._say_old(event.pubkey)
            return None

    def _say_old(self, client: str) -> None:
        state = self._state()
        is_known = state is not None and state.client(client) is not None
        if is_known or self._of_old_strangers.take(self._clock()):
            words = "writes as NIP-04 has it, which NIP-46 gave up: it is not understood"
            self._notice(f"{client[:12]} {words}")

    async def _answer(
        self, client: str, response: BunkerResponse, urls: Sequence[str], long: bool
    ) -> None:
        if not await self._mailbox.answer(client, response, urls, long=long):
            self._notice(f"an answer to {client[:12]} was not sent: no relay took it")

    # What is said of it

    def _log(
        self, client: str, request: BunkerRequest, decision: Decided, response: BunkerResponse
    ) -> None:
        draft = decision.draft if isinstance(decision, Perform) else None
        signed = draft is not None and response.result is not None
        again = isinstance(decision, AnswerNow) and decision.again
        entry = RequestLogEntry(
            at=int(self._clock()),
            client=client,
            method=request.method if request.method in frozenset(BunkerMethod) else "unknown",
            outcome=(response.error or "").partition(":")[0] or ("again" if again else "done"),
            kind=draft.kind if draft else None,
            event=Event.parse(response.result or "").id if signed else "",
        )
        self._add_to_log(entry)

    def _log_strangers(self) -> None:
        """A line now and then for however many."""
        if count := self._strangers.taken(self._clock()):
            at = int(self._clock())
            self._add_to_log(RequestLogEntry(at, "", "connect", "not connected", count=count))

    def _add_to_log(self, entry: RequestLogEntry) -> None:
        self._logged(entry)
        try:
            self._files.add_to_log(entry)
        except StoreError as error:
            self._notice(str(error))

    @staticmethod
    def _once(notice: Notice) -> Notice:
        """What would be said for each request again is said once."""
        last = ""

        def say(words: str) -> None:
            nonlocal last
            if words != last:
                last = words
                notice(words)

        return say

    def _state(self) -> BunkerState | None:
        """None, and said, where the file cannot be read: then nobody is answered."""
        try:
            return self._files.state()
        except StoreError as error:
            self._notice(str(error))
            return None

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.start(self._careful(work))

    async def _careful(self, work: Coroutine[Any, Any, None]) -> None:
        """A disk that is full for a while does not end a bunker."""
        try:
            await work
        except StoreError as error:
            self._notice(str(error))


async def _until_set(event: asyncio.Event, limit: float) -> None:
    try:
        async with asyncio.timeout(limit):
            await event.wait()
    except TimeoutError:
        return


def _request(text: str | None) -> BunkerRequest | None:
    """None where it is none."""
    try:
        return None if text is None else BunkerRequest.parse(text)
    except InvalidMessage:
        return None


def _is_passing(response: BunkerResponse | None) -> bool:
    """May the same request have another answer later?"""
    error = (response.error or "") if response else BunkerFault.LATER.value
    return error.startswith(BunkerFault.LATER.value)

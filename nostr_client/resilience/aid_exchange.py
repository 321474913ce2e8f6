"""Asking those who keep us, and answering those whom we keep: `aid_messages` in gift wraps.

Each message goes to its recipient's message relays (kind 10050, NIP-17) and nowhere else, expires
after a week, and is sent by the replication until a relay takes it. **A stranger gets no answer**,
and so learns nothing: answered is who is kept here, `ANSWERS_A_DAY` times at most; events are
handed to relays for him once in `HAND_EVERY` seconds. Whoever is kept here is asked once a day for
`SAMPLED` random events of ours; what he has not fetched yet, or has no room for by his own word, is
not held against him.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from nostr_client.errors import MessageNotSent, NostrError, SigningRefused
from nostr_client.nips.nip59 import Rumor
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.aid_messages import (
    KIND,
    NAME,
    AidMessage,
    AskedBack,
    AskedSample,
    GivenBack,
    GivenProof,
    encode_aid,
    parse_aid,
    proof_of,
)
from nostr_client.resilience.kept_events import FIRST
from nostr_client.resilience.kept_people import KeptPeople, KeptPerson, Proof, Sample
from nostr_client.resilience.kept_reading import KeptReading
from nostr_client.routing.courier import Courier
from nostr_client.signing.gift_wraps import wrapped_for
from nostr_client.signing.signer import Signer
from nostr_client.store.contract import Copy, CopyState

log = logging.getLogger(__name__)

SAMPLED: Final = 8
"""Events of a sample."""
ASK_EVERY: Final = 86_400
DAY: Final = 86_400
FRESH: Final = 86_400
"""Seconds after it was written in which an event need not be there yet."""
ANSWERS_A_DAY: Final = 8
HAND_EVERY: Final = 3_600
LIFE: Final = 7 * 86_400
"""Seconds until a message expires."""
MOST_WAITING: Final = 64
"""Messages that wait to be looked at; of more the last ones are dropped: they may ask again."""

HandOn = Callable[[str, Sequence[str]], Awaitable[Sequence[str]]]
"""Brings all that is kept of somebody to relays; the ids (`MutualAid.hand_on`)."""


class AidExchange:
    """Asks and answers for the account `owner`; without a `signer` it does neither.

    `hear` takes what came, `run` answers it. `given_back` has what was said by those who were asked
    for one's own events, by pubkey.
    """

    def __init__(
        self,
        courier: Courier,
        people: KeptPeople,
        reading: KeptReading,
        hand_on: HandOn,
        signer: Signer | None,
        *,
        owner: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.given_back: dict[str, GivenBack] = {}
        self._asked_back: set[str] = set()
        self._courier = courier
        self._people = people
        self._reading = reading
        self._hand_on = hand_on
        self._signer = signer
        self._owner = owner
        self._clock = clock
        self._heard: asyncio.Queue[tuple[str, AidMessage]] = asyncio.Queue(MOST_WAITING)

    # What comes

    def hear(self, rumor: Rumor) -> bool:
        """Take what was opened; False where it is nothing of ours. `run` looks at it."""
        if rumor.kind != KIND or rumor.value("d") != NAME:
            return False
        message = parse_aid(rumor.content)
        age = self._clock() - rumor.created_at
        if message is not None and -DAY < age < LIFE and not self._heard.full():
            self._heard.put_nowait((rumor.pubkey, message))
        return True

    async def run(self) -> None:
        """Answer whoever may have an answer, until cancelled."""
        while True:
            pubkey, message = await self._heard.get()
            try:
                await self._take(pubkey, message)
            except NostrError as error:
                log.warning("a message of somebody who is kept is not answered: %s", error)
            finally:
                self._heard.task_done()

    async def settled(self) -> None:
        """Until all that was heard by now is answered."""
        await self._heard.join()

    async def _take(self, pubkey: str, message: AidMessage) -> None:
        if isinstance(message, GivenBack):
            if pubkey in self._asked_back:
                self.given_back[pubkey] = message
            return
        person = await self._people.of(pubkey)
        if person is None:
            return
        if isinstance(message, GivenProof):
            await self._judge(person, message)
            return
        now = int(self._clock())
        served = tuple(at for at in person.served if 0 <= now - at < DAY)
        if len(served) >= ANSWERS_A_DAY:
            return
        if isinstance(message, AskedBack) and 0 <= now - person.handed_at < HAND_EVERY:
            return
        await self._people.note(pubkey, served=(*served, now))
        if isinstance(message, AskedSample):
            await self.send(pubkey, await self._prove(person, message))
        else:
            await self._give_back(person, message)

    # Answering

    async def _prove(self, person: KeptPerson, asked: AskedSample) -> GivenProof:
        """By what is in the store, whether or not the quota still names it."""
        wanted = Filter(ids=frozenset(asked.ids), authors=frozenset({person.pubkey}))
        held = await self._courier.store.query([wanted]) if asked.ids else []
        missing = sorted(set(asked.ids) - {event.id for event in held})
        size = await self._reading.size(person)
        return GivenProof(
            asked.nonce,
            proof_of(asked.nonce, held),
            tuple(missing),
            size.events,
            size.size,
            size.since if size.full else 0,
        )

    async def _give_back(self, person: KeptPerson, asked: AskedBack) -> None:
        policy = self._courier.book.policy
        named = (policy.from_stranger(text, asked=True) for text in asked.relays)
        urls = tuple(dict.fromkeys(url for url in named if url))
        if not urls:
            return
        await self._people.note(person.pubkey, handed_at=int(self._clock()))
        ids = await self._hand_on(person.pubkey, urls)
        await self.send(person.pubkey, GivenBack(urls, len(ids)))

    # Asking

    async def ask_if_due(self, person: KeptPerson) -> bool:
        """Ask for a sample once a day; was it?"""
        last = person.sample.at if person.sample else person.proof.at if person.proof else 0
        if self._signer is None or self._is_recent(last):
            return False
        return await self.ask(person.pubkey)

    async def ask(self, pubkey: str) -> bool:
        """Ask somebody who is kept to prove that he keeps some of ours; a question of the last day
        waits for its answer. False where there is nothing to ask for yet. Raises MessageNotSent,
        SignerError, StoreError."""
        person = await self._people.of(pubkey)
        if person is not None and person.sample is not None and self._is_recent(person.sample.at):
            return True
        ids = await self._sample()
        if not ids:
            return False
        await self._must_be_answerable()
        sample = Sample(secrets.token_hex(32), tuple(ids), int(self._clock()))
        await self._people.note(pubkey, sample=sample)
        await self.send(pubkey, AskedSample(sample.nonce, sample.ids))
        return True

    async def ask_back(self, pubkey: str, urls: Sequence[str]) -> None:
        """Ask somebody who keeps ours to bring it to these relays. Raises as `ask` does."""
        await self._must_be_answerable()
        self._asked_back.add(pubkey)
        self.given_back.pop(pubkey, None)
        await self.send(pubkey, AskedBack(tuple(urls)))

    async def _must_be_answerable(self) -> None:
        """An answer that reaches nobody is lost: the other gives few. Raises MessageNotSent."""
        await self._courier.fetch_lists({self._owner}, kind=kinds.DM_RELAYS)
        if not (await self._courier.book.dm_relays([self._owner])).get(self._owner):
            words = "you name no relays for messages, where an answer could come: "
            raise MessageNotSent(f"{words}`nostr-client dm relays --set URL`", {})

    def _is_recent(self, at: int) -> bool:
        return abs(self._clock() - at) < ASK_EVERY

    async def _sample(self) -> list[str]:
        """Own events that relays have, at random."""
        me = KeptPerson(self._owner, 0)
        ids = [event.id async for event in self._reading.events(me)]
        random.SystemRandom().shuffle(ids)
        chosen: list[str] = []
        for start in range(0, len(ids), 64):
            copies = await self._courier.ledger.copies_of(ids[start : start + 64])
            there = [id for id, each in copies.items() if any(map(_is_there, each))]
            chosen += there[: SAMPLED - len(chosen)]
            if len(chosen) == SAMPLED:
                break
        return chosen

    async def _judge(self, person: KeptPerson, given: GivenProof) -> None:
        """What an answer to the sample that waits for one shows; any other is let go."""
        sample = person.sample
        if sample is None or given.nonce != sample.nonce:
            return
        asked = frozenset(sample.ids)
        held = await self._courier.store.query([Filter(ids=asked)])
        here = {event.id: event for event in held}
        said = [event for event in held if event.id not in given.missing]
        if len(here) < len(asked):  # deleted here since: nothing can be told, and it is asked again
            await self._people.note(person.pubkey, sample=None)
            return
        wrong = given.proof != proof_of(sample.nonce, said)
        missing = [event for event in held if event not in said and self._is_due(event, given)]
        proof = Proof(
            at=int(self._clock()),
            asked=len(asked),
            proven=0 if wrong else len(said),
            missing=len(missing),
            events=given.events,
            size=given.size,
            since=given.since,
            wrong=wrong,
        )
        await self._people.note(person.pubkey, sample=None, proof=proof)

    def _is_due(self, event: Event, given: GivenProof) -> bool:
        """Should they have it by now?"""
        if self._clock() - event.created_at < FRESH:
            return False
        return event.kind in FIRST or event.created_at >= given.since

    async def send(self, pubkey: str, message: AidMessage) -> None:
        """Wrap a message and send it. Raises MessageNotSent, InvalidEvent, SignerError,
        StoreError."""
        if self._signer is None:
            raise SigningRefused("this account has no key here to write with")
        now = int(self._clock())
        draft = Draft(KIND, encode_aid(message), (("p", pubkey), ("d", NAME)))
        rumor = Rumor.of(draft, self._owner, now)
        wrap = (await wrapped_for(self._signer, rumor, [pubkey], now, wrap_ends=now + LIFE))[pubkey]
        urls = await self._courier.plan(wrap)
        if not urls:
            raise MessageNotSent("they name no relays for messages (kind 10050) that are found", {})
        await self._courier.ledger.want(wrap.id, urls)
        await self._courier.save(wrap)
        await self._courier.send(wrap, urls)


def _is_there(copy: Copy) -> bool:
    return copy.state is CopyState.CONFIRMED

"""Writing: a rumor is sealed and wrapped for each member and oneself, written down, and sent.

**Nothing is lost, and nothing is sent twice.** Which relays each wrap belongs to is written down
first (such a want without its event is of no effect), then all wraps in one commit: from there on
they are the replication's like any other event of ours, whoever ends when. What fails before that
is an error, and nothing was sent; what fails behind it is a warning, for it will be.

Wraps go to the recipient's message relays (kind 10050) and nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final
from weakref import WeakValueDictionary

from nostr_client.errors import (
    InvalidEvent,
    MessageNotSent,
    PlaintextTooLong,
    StoreError,
)
from nostr_client.nips import nip19
from nostr_client.nips.nip59 import Rumor
from nostr_client.protocol.event import Draft, Event, Tag
from nostr_client.routing.courier import Courier
from nostr_client.signing.gift_wraps import wrapped_for
from nostr_client.signing.signer import Signer
from nostr_client.social.messages.archive import MessageArchive
from nostr_client.social.messages.dm_relays import DmRelays
from nostr_client.social.messages.records import KeptRumor, Record, SentWraps
from nostr_client.social.messages.views import (
    MOST_MEMBERS,
    WORDS,
    Obstacle,
    Reachability,
)
from nostr_client.tasks import OwnedTasks, together

LONGEST_RUMOR: Final = 40_960
"""Bytes of a rumor's JSON: sealed and wrapped, every layer stays below 65,536 (NIP-44)."""
AHEAD: Final = 60
"""Seconds by which messages may be dated ahead of the clock: each is dated after what stood in the
room when it was written, and so stays behind it, however fast people write."""


class MessageSender:
    """Writes as `signer`; sends in tasks of `tasks`."""

    def __init__(
        self,
        courier: Courier,
        archive: MessageArchive,
        relays: DmRelays,
        signer: Signer,
        tasks: OwnedTasks,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.on_delivered: Callable[[str], None] = lambda rumor_id: None
        self._courier = courier
        self._archive = archive
        self._relays = relays
        self._signer = signer
        self._tasks = tasks
        self._clock = clock
        self._turns: WeakValueDictionary[frozenset[str], asyncio.Lock] = WeakValueDictionary()
        """One for each room in which something is being written: a signer may take a while."""
        self._sending: dict[str, asyncio.Task[None]] = {}

    async def send(
        self,
        members: frozenset[str],
        drafts: Sequence[Draft],
        expires_at: int | None = None,
        *,
        only_for: Collection[str] | None = None,
    ) -> list[str]:
        """Store each of these for all `members`, in one commit, and begin to send; their ids.

        `only_for`: for none of the others but these.

        A draft without a date takes the present second, or the next after the last message in
        this room. Raises MessageNotSent, PlaintextTooLong, InvalidEvent, SignerError, StoreError.
        """
        self._archive.check_room()
        await self._check(members if only_for is None else members.intersection(only_for))
        turn = self._turns.setdefault(members, asyncio.Lock())
        async with turn:  # or two of one second would change places
            now = int(self._clock())
            rumors = self._rumors(members, drafts, now, expires_at)
            others = members - {self._signer.pubkey}
            others = others if only_for is None else others.intersection(only_for)
            recipients = [*sorted(others), self._signer.pubkey]
            wrapped = [
                await wrapped_for(
                    *(self._signer, rumor, recipients, now),
                    seal_ends=expires_at,
                    wrap_ends=expires_at,
                )
                for rumor in rumors
            ]
            await self._store(rumors, wrapped, expires_at)
        for rumor, wraps in zip(rumors, wrapped, strict=True):
            self._start(rumor.id, list(wraps.values()))
        return [rumor.id for rumor in rumors]

    def is_sending(self, rumor_id: str) -> bool:
        """Have not all relays answered yet about this message, since it was written?"""
        return rumor_id in self._sending

    async def wait(self, rumor_id: str, limit: float) -> None:
        """Until every relay has answered about this message once, or `limit` seconds."""
        task = self._sending.get(rumor_id)
        if task is not None:
            await asyncio.wait([task], timeout=limit)

    async def adopt_own(self) -> int:
        """The account has message relays now: its own copies belong there. How many were not."""
        me, ledger = self._signer.pubkey, self._courier.ledger
        own = [wraps[me] for wraps in self._archive.mailbox.wraps.values() if me in wraps]
        copies = await ledger.copies_of(own)
        homeless = [id for id in own if not copies.get(id)]
        urls = await self._relays.own()
        for wrap_id in homeless if urls else ():
            await ledger.want(wrap_id, urls)
        if homeless:
            self._courier.on_planned()
        return len(homeless)

    # Inside

    async def _check(self, members: frozenset[str]) -> None:
        """Can everybody be written to? Raises MessageNotSent."""
        others = members - {self._signer.pubkey}
        if len(members) > MOST_MEMBERS:
            too_many = Obstacle.TOO_MANY
            obstacles = {p: Reachability(p, (), too_many) for p in others}
            raise MessageNotSent(WORDS[too_many], obstacles)
        reach = await self._relays.reach(others)
        obstacles = {pubkey: each for pubkey, each in reach.items() if not each}
        if obstacles:
            first = next(iter(obstacles.values()))
            who = f"{nip19.encode_npub(first.pubkey)[:16]}…"
            raise MessageNotSent(f"nothing was sent: for {who} {first.words}", obstacles)
        if others:
            self._tasks.start(self._refresh(others))

    async def _refresh(self, others: Collection[str]) -> None:
        """Lists that are old are looked for beside the sending, for the next message."""
        try:
            await self._relays.reach(others, fresh=True)
        except StoreError:
            return  # the next message looks again

    def _rumors(
        self, members: frozenset[str], drafts: Sequence[Draft], now: int, ends: int | None
    ) -> list[Rumor]:
        me, mailbox = self._signer.pubkey, self._archive.mailbox
        at = max(now, mailbox.last_before(members, now + AHEAD) + 1)
        people: tuple[Tag, ...] = tuple(("p", p) for p in sorted(members - {me}))
        people = people or (("p", me),)
        expiring: tuple[Tag, ...] = (("expiration", str(ends)),) if ends is not None else ()
        rumors: list[Rumor] = []
        for draft in drafts:
            full = Draft(
                draft.kind, draft.content, (*people, *draft.tags, *expiring), draft.created_at
            )
            rumors.append(Rumor.of(full, me, at))
            size = len(rumors[-1].json.encode())
            if size > LONGEST_RUMOR:
                raise PlaintextTooLong(size, LONGEST_RUMOR)
        return rumors

    async def _store(
        self, rumors: Sequence[Rumor], wrapped: Sequence[dict[str, Event]], ends: int | None
    ) -> None:
        me, mailbox = self._signer.pubkey, self._archive.mailbox
        events = [wrap for wraps in wrapped for wrap in wraps.values()]
        for wrap in events:
            urls = await self._courier.plan(wrap)
            if urls:
                await self._courier.ledger.want(wrap.id, urls)
        own = {wraps[me].id for wraps in wrapped}
        mailbox.sources |= own  # it need not be opened
        try:
            await self._save(events)
        except BaseException:
            mailbox.sources -= own
            raise
        kept: list[Record] = []
        for rumor, wraps in zip(rumors, wrapped, strict=True):
            kept.append(SentWraps(rumor.id, {pubkey: wrap.id for pubkey, wrap in wraps.items()}))
            kept.append(
                KeptRumor(
                    wraps[me].id,
                    rumor.id,
                    me,
                    rumor.created_at,
                    rumor.kind,
                    rumor.tags,
                    rumor.content,
                    ends or 0,
                )
            )
        await self._archive.keep_anyway(kept)  # the wraps go out: it is no failure any more

    async def _save(self, wraps: Sequence[Event]) -> None:
        """All of them in one commit, or none. Raises StoreError, InvalidEvent."""
        store = self._courier.store
        try:
            results = await store.save(wraps)
        except StoreError:  # where the answer is all that failed, they will go out
            if len(await store.known([wrap.id for wrap in wraps])) == len(wraps):
                return
            raise
        if not all(result.held for result in results):
            raise InvalidEvent("the message was not stored: it has expired, or was deleted")

    def _start(self, rumor_id: str, wraps: Sequence[Event]) -> None:
        task = self._sending[rumor_id] = self._tasks.start(self._deliver(rumor_id, wraps))
        task.add_done_callback(lambda _: self._sending.pop(rumor_id, None))

    async def _deliver(self, rumor_id: str, wraps: Sequence[Event]) -> None:
        """Send to where each wrap is wanted; what fails is the replication's."""

        async def one(wrap: Event) -> None:
            copies = await self._courier.ledger.copies(wrap.id)
            urls = [copy.url for copy in copies if copy.wanted]
            down = self._courier.pool.outages.down()
            now, resting = [u for u in urls if u not in down], [u for u in urls if u in down]
            await self._courier.send(
                wrap, now, resting, on_answer=lambda _: self.on_delivered(rumor_id)
            )
            self.on_delivered(rumor_id)

        try:
            async with together() as group:
                for wrap in wraps:
                    group.create_task(one(wrap))
        except StoreError:
            self._courier.on_planned()  # the wants are written down: replication looks again

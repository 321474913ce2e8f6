"""No list is published that was not conclusively read.

A follow list, a profile or a relay list is one event that replaces the last: whoever publishes a
new version without having seen the newest one destroys it, on every relay, for every program of the
person. So a list is changed in one way only: read conclusively (`list_reading` has the rules),
apply the change to what was read, sign, publish. When that cannot be done, `ListNotRead` says which
relay is in the way and what the person can do. Nothing is ever published instead: **offline**
therefore means refused, with the store untouched.

**The new version** keeps every tag and all content it was not asked to change, byte for byte. Its
created_at is later than the last one's: it must win on every relay. Of versions that a wrong clock
dated in the future, `list_dates` tells. The store keeps every version of the account's lists
(`keep_history_of`).

**What is lost.** A change that takes much out of a list is for the person to confirm, once, unless
the act names what goes (`list_loss`).

**Two devices at once.** Between our reading and our sending another device may publish, above all
where a signer elsewhere takes its time. So the list's relays are listened to all the while, the
list is read back once it was taken, and if another version won or was replaced unread
(`concurrent_edits`), both changes are made on the newest and published again: after a random wait,
at most `EDITS` times. The report says when that was not enough. Within one folder, processes and
tasks that change the same list take turns; other lists go on.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from nostr_client.errors import (
    InvalidEvent,
    ListNotRead,
    Outdated,
    SignerUnavailable,
    SigningRefused,
)
from nostr_client.net.report import PublishReport
from nostr_client.paths import patient_lock, private_folder
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.kinds import SETS, KindClass, kind_class
from nostr_client.routing.concurrent_edits import (
    ConcurrentEdits,
    VersionChange,
    change_between,
    listen_for_edits,
)
from nostr_client.routing.courier import OnAnswer
from nostr_client.routing.list_dates import Predecessor, next_created_at, predecessor
from nostr_client.routing.list_loss import Entry, loss
from nostr_client.routing.list_reading import NO_WAIVER, ListReader, Waiver, name_of
from nostr_client.routing.private_part import PrivatePart
from nostr_client.signing.guards import UNCONFIRMED, Confirmation, Objection
from nostr_client.signing.signer import Signer

TURN_LIMIT: Final = 30.0
"""Seconds to wait for another process that changes the same list."""
READ_BACK_LIMIT: Final = 4.0
"""Seconds that relays have to show what they have taken."""
EDITS: Final = 8
AGAIN: Final = 0.1
"""Seconds to wait at most before the second edit; twice as long before each further one."""

Change = Callable[[Event | None], Draft | None]
"""From the newest version (None: there is none) to the next; None leaves it as it is."""


@dataclass(slots=True)
class _Edit:
    """One change of one list, and how far it is: `done` is what was published last, `carried` are
    the changes of other devices that have to be made again."""

    kind: int
    identifier: str
    change: Change
    waiver: Waiver
    also: Collection[str]
    on_answer: OnAnswer | None
    private: PrivatePart | None
    removes: Collection[Entry]
    confirmed: Objection | None = None
    done: tuple[Event, PublishReport] | None = None
    carried: list[VersionChange] = field(default_factory=list)

    async def opened(self, version: Event) -> Event:
        return version if self.private is None else await self.private.open(version)


class ListGuard:
    """Changes the replaceable events of the account that `reader` reads, signed by `signer`.

    `own_urls` gives the URLs that the own relay has had; `confirmation` asks the person about what
    a change loses.
    """

    def __init__(
        self,
        reader: ListReader,
        signer: Signer | None,
        *,
        own_urls: Callable[[], Collection[str]] = lambda: (),
        confirmation: Confirmation = UNCONFIRMED,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.reader = reader
        self._courier = reader.courier
        self._signer = signer
        self._own_urls = own_urls
        self._confirmation = confirmation
        self._clock = clock
        self._lock_name = f"lists-{reader.pubkey[:16]}"
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """One for each list that is being changed: a signer may take a while."""

    async def edit(
        self,
        kind: int,
        change: Change,
        *,
        identifier: str = "",
        waiver: Waiver = NO_WAIVER,
        also: Collection[str] = (),
        on_answer: OnAnswer | None = None,
        private: PrivatePart | None = None,
        removes: Collection[Entry] = (),
    ) -> tuple[Event, PublishReport] | None:
        """Read, change, sign, publish. None when `change` leaves the list as it is.

        `identifier` is the `d` tag of an addressable kind, `waiver` what the person says where the
        list cannot be read as it must, `also` names relays that get the new version beside those of
        the plan. With `private` (`private_part`) the change is made on the content as it was
        opened, and so is that of another device. `removes` are the entries that the person named as
        what goes: see `list_loss`. The draft's created_at is set here.
        Raises ListNotRead, NotConfirmed and other SignerErrors, InvalidEvent, StoreError.
        """
        self._signs()
        if kind == kinds.FAVORITE_SETS:
            raise InvalidEvent("kind 10011 means two things (NIP-39, NIP-51): it is not written")
        edit = _Edit(kind, identifier, change, waiver, also, on_answer, private, removes)
        async with (
            self._taking_turns(kind, identifier),
            self._listening(kind, identifier) as others,
        ):
            for again in range(EDITS):
                try:
                    if await self._attempt(edit, others, first=not again):
                        return edit.done
                except SignerUnavailable:
                    if edit.done is None:
                        raise
                    break  # what was published stands, and its report says that it lacks something
                await asyncio.sleep(random.uniform(0, AGAIN * 2**again))  # noqa: S311 - no secret
        if edit.done is None:
            raise ListNotRead(
                f"the {name_of(kind)} was not changed: other devices change it all the time; "
                "try again"
            )
        event, report = edit.done
        return event, msgspec.structs.replace(report, overtaken=True)

    def private_part(self) -> PrivatePart:
        """What opens the private parts of lists in one edit. Raises SigningRefused."""
        return PrivatePart(self._signs())

    async def date_after(self, previous: Event | None) -> int:
        """The created_at of what follows `previous`, the store's current version of anything.

        A version that a wrong clock dated in the future gives way first: see `list_dates`.
        Raises InvalidEvent, SignerError, StoreError.
        """
        before = await self._predecessor(previous)
        if before.stranded:
            await self._delete(before)
        return next_created_at(before.last, self._clock())

    # Inside

    def _signs(self) -> Signer:
        if self._signer is None:
            raise SigningRefused("this account is only watched: it has no key to sign with")
        return self._signer

    async def _attempt(self, edit: _Edit, others: ConcurrentEdits, *, first: bool) -> bool:
        """Make the change, and that of others, on the newest version. True when all is done: there
        is nothing to change (any more), or what was published has won and replaced nothing unread.
        """
        base = (await self.reader.read(edit.kind, edit.identifier, edit.waiver)).version
        before = await self._predecessor(base)
        opened = await edit.opened(base) if base else None
        start = _with_changes(opened, edit.carried)
        draft = edit.change(start)
        if draft is None and start is not None and (before.stranded or start is not opened):
            draft = Draft(start.kind, start.content, start.tags)
        if draft is None or (not first and not before.stranded and _same(draft, opened)):
            return True
        await self._confirm_loss(edit, start, draft)
        if edit.private is not None:
            draft = await edit.private.close(draft)
        others.mark_known(base)
        at = next_created_at(before.last, self._clock())
        dated = Draft(draft.kind, draft.content, draft.tags, created_at=at)
        event = await self._signs().sign(dated)
        if before.stranded:
            await self._delete(before, event)
        try:
            report = await self._courier.publish(event, also=edit.also, on_answer=edit.on_answer)
        except Outdated:  # while it was signed; then it has no report
            return False
        edit.done = event, report
        others.mark_known(event)
        won = await self._has_won(event, report, edit.identifier)
        replaced = others.replaced(base, event)
        if replaced is not None:
            edit.carried.append(change_between(opened, await edit.opened(replaced)))
            others.mark_known(replaced)
        elif won and edit.kind == kinds.RELAY_LIST:
            await self.reader.settle()
        return won and replaced is None

    async def _confirm_loss(self, edit: _Edit, start: Event | None, draft: Draft) -> None:
        """Ask about what the change takes out beside what it names, once. Raises NotConfirmed."""
        objection = loss(start, draft, edit.removes) if start is not None else None
        if objection is not None and objection.word and objection != edit.confirmed:
            await self._confirmation.obtain(draft, objection)
            edit.confirmed = objection

    async def _predecessor(self, version: Event | None) -> Predecessor:
        own = {self._courier.book.policy.own_relay, *self._own_urls()}
        return await predecessor(self._courier.store, version, self._clock(), own)

    async def _delete(self, before: Predecessor, successor: Event | None = None) -> None:
        """Delete what is stranded; `successor` takes its place in the same commit."""
        deletion = await self._signs().sign(before.deletion)
        await self._courier.store.save([deletion, successor] if successor else [deletion])
        await self._courier.publish(deletion)

    @asynccontextmanager
    async def _listening(self, kind: int, identifier: str) -> AsyncIterator[ConcurrentEdits]:
        """Hear what others publish of this list, from before it is read until the block ends."""
        book, pool = self._courier.book, self._courier.pool
        latest = self.reader.filter_of(kind, identifier).changed(limit=1)
        places = self.reader.places(await book.relays_of(self.reader.pubkey))
        urls = [url for url in places if book.policy(url)]
        async with listen_for_edits(pool, [latest], urls) as others:
            yield others

    async def _has_won(self, event: Event, report: PublishReport, identifier: str) -> bool:
        """Read back: is it the newest version at the relays that answered?"""
        answered = [answer.url for answer in report.answers if answer.accepted is not None]
        if answered:
            await self.reader.ask(event.kind, identifier, answered, READ_BACK_LIMIT)
        held = await self._courier.store.get_address(event.address or "")
        return held is None or held.id == event.id

    @asynccontextmanager
    async def _taking_turns(self, kind: int, identifier: str) -> AsyncIterator[None]:
        """One change of a list after the other, in this process and beside others."""
        folder = private_folder(self.reader.folder)
        name = sha256(identifier.encode()).hexdigest()[:16] if identifier else ""
        path = folder / f"{self._lock_name}-{kind}{name and '-'}{name}.lock"
        turn = self._turns.setdefault(path.name, asyncio.Lock())
        async with turn, patient_lock(path, TURN_LIMIT):
            yield


_COMMANDS: Final = {
    kinds.METADATA: "profile set",
    kinds.FOLLOWS: "follow` and `unfollow",
    kinds.MUTES: "mute",
    kinds.RELAY_LIST: "relays",
    kinds.BOOKMARKS: "bookmark",
    kinds.BLOCKED_RELAYS: "relays block",
    kinds.SEARCH_RELAYS: "search-relay",
    kinds.PRIVATE_RELAYS: "private-relay",
    kinds.DM_RELAYS: "dm relays",
    kinds.MEDIA_SERVERS: "blossom",
}
"""What changes a list of a kind on the command line."""


def refuse_list(kind: int) -> None:
    """Raises InvalidEvent for a replaceable kind, or a list with a name (NIP-51): `ListGuard.edit`
    alone publishes these."""
    if kind_class(kind) is KindClass.REPLACEABLE or kind in SETS:
        command = _COMMANDS.get(kind)
        way = f"the command `{command}` does that, and in a program" if command else "in a program"
        raise InvalidEvent(
            f"kind {kind} is a list, which is read before it is changed: {way} guard.edit"
        )


def _with_changes(base: Event | None, carried: Sequence[VersionChange]) -> Event | None:
    """`base` with what is carried over from other devices."""
    for change in carried:
        base = change(base) if base is not None else None
    return base


def _same(draft: Draft, version: Event | None) -> bool:
    return version is not None and (draft.content, draft.tags) == (version.content, version.tags)

"""From events to what screens show: few queries for a whole page, none per note."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from nostr_client.errors import InvalidEvent
from nostr_client.nips import nip27
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.kinds import REPOSTS
from nostr_client.routing.survival import Survivals
from nostr_client.social.ancestors import answered_by
from nostr_client.social.mute_matcher import NOTHING_MUTED, MuteMatcher
from nostr_client.social.openers import openers_of
from nostr_client.social.poll_views import PollView, poll_view
from nostr_client.social.profiles import Profiles
from nostr_client.social.referenced_events import EventReference, decoded, held_of, quoted_by
from nostr_client.social.views import NO_ZAPS, NoteView, Profile, Quote, ReactionCounts
from nostr_client.social.zaps import Zaps
from nostr_client.store.contract import GONE, INSIDE, ClientStore, Copy, CopyState
from nostr_client.tasks import Turns

ANSWERS: Final = frozenset(
    {kinds.NOTE, *kinds.COMMENTS, kinds.REACTION, kinds.ZAP_RECEIPT, *REPOSTS}
)
MOST_COUNTED: Final = 5_000
"""Answers that are counted for one page, the newest; beyond that counts stay behind."""
MOST_SHOWN: Final = 20_000
"""Characters of a note that become parts of its view; the whole is in the event."""
MOST_WARNING: Final = 500
"""Characters of the reason of a content warning."""


class NoteViews:
    """Makes views for the account `owner` (hex, or empty) out of stored events."""

    def __init__(
        self,
        store: ClientStore,
        profiles: Profiles,
        owner: str = "",
        survivals: Survivals | None = None,
        mutes: Callable[[], MuteMatcher] = lambda: NOTHING_MUTED,
        *,
        zaps: Zaps | None = None,
    ) -> None:
        self._store = store
        self._zaps = zaps
        self._survivals = survivals
        self.mutes = mutes
        """What the account does not want to see at present."""
        self._profiles = profiles
        self._owner = owner

    async def of(self, entries: Sequence[Event]) -> list[NoteView]:
        """A view for each entry (a note or a repost), in their order."""
        mutes, shown = self.mutes(), await self._shown(entries)
        notes = {event.id: event for event in shown.values() if event is not None}
        parents = await self._parents(notes.values())
        parts, quotes, quoted = await self._quotes(notes.values())
        places = {event.address: id for id, event in notes.items() if event.address}
        tallies = await self.tallies(notes, places)
        written = (*entries, *notes.values(), *quoted.values())
        people = await self._profiles.get_many(
            {event.pubkey for event in written} | set(parents.values())
        )
        mine = [id for id, event in notes.items() if event.pubkey == self._owner]
        copies = await self._store.ledger.copies_of(mine) if mine else {}
        survivals = await self._survivals.of(mine) if mine and self._survivals else {}
        openers = await openers_of(self._store, notes.values())
        polls = await self._polls(notes.values())
        views: list[NoteView] = []
        turns = Turns()
        for entry in entries:
            await turns.rest()
            event = shown[entry.id]
            reposter = people[entry.pubkey] if entry.kind in REPOSTS else None
            if event is None:
                author = people[entry.pubkey]
                missing = target_of(entry) or entry.id
                view = NoteView(entry, entry, author, reposted_by=reposter, missing=missing)
                views.append(replace(view, muted=mutes.why(entry)))
                continue
            held, wanted = _copies(copies.get(event.id))
            views.append(
                NoteView(
                    event=event,
                    entry=entry,
                    author=people[event.pubkey],
                    parts=parts[event.id],
                    reply_to=people.get(parents.get(event.id, "")),
                    reposted_by=reposter,
                    tally=tallies[event.id],
                    warning=warning_of(event),
                    mine=event.pubkey == self._owner,
                    copies=held,
                    wanted=wanted,
                    survival=survivals.get(event.id),
                    openers=openers.get(event.id, ()),
                    poll=polls.get(event.id),
                    zap_checked=self._is_checked(event),
                    quotes=tuple(_quote(n, quoted, people, mutes) for n in quotes[event.id]),
                    muted=mutes.why(event) or ("" if event is entry else mutes.why(entry)),
                )
            )
        return views

    def _is_checked(self, event: Event) -> bool:
        """Is it a receipt for a zap that was looked up, and vouched for?"""
        if self._zaps is None or event.kind != kinds.ZAP_RECEIPT:
            return False
        zap = self._zaps.read(event)
        return zap is not None and self._zaps.is_checked(zap)

    async def tallies(
        self, ids: Collection[str], places: Mapping[str, str] | None = None
    ) -> dict[str, ReactionCounts]:
        """How each of these notes was answered, in one query; every id has an entry. `places` are
        the addresses of those that have one, each with the id: answers to any version count, those
        of muted people nowhere."""
        mutes = self.mutes()
        counts, places = {id: _NoteCounts() for id in ids}, places or {}
        if counts:
            wanted = [Filter(kinds=ANSWERS, tags={"e": frozenset(counts)}, limit=MOST_COUNTED)]
            if places:
                tags = {"a": frozenset(places)}
                wanted.append(Filter(kinds=ANSWERS, tags=tags, limit=MOST_COUNTED))
            turns = Turns()
            for event in await self._store.query(wanted):
                await turns.rest()
                if mutes.is_by_muted(event):
                    continue
                found = counts.get(target_of(event))
                if found is None and places:
                    at = next((a for a in event.values("a") if a in places), "")
                    found = counts.get(places.get(at, ""))
                if found is not None:
                    found.add(event, self._owner, self._zaps)
        return {id: found.counts(self._zaps) for id, found in counts.items()}

    async def _shown(self, entries: Sequence[Event]) -> dict[str, Event | None]:
        """For each entry the event to show: itself, or what it reposts, if that is here."""
        reposted = {e.id: target_of(e) for e in entries if e.kind in REPOSTS}
        held = await self._store.known([id for id in reposted.values() if id])
        events = await decoded(held)
        await self._unpack([e for e in entries if reposted.get(e.id, "") not in events], events)
        shown = {e.id: events.get(reposted[e.id]) if e.id in reposted else e for e in entries}
        for entry in entries:
            address = entry.value("a") if shown[entry.id] is None else None
            if address:  # an older version was reposted: what is held is the newest
                shown[entry.id] = await self._store.get_address(address)
        return shown

    async def _unpack(self, entries: Sequence[Event], events: dict[str, Event]) -> None:
        """Take the notes out of reposts that carry them: checked, and stored like any other, so
        that one which was deleted does not come back this way."""
        carried: dict[str, Event] = {}
        turns = Turns()
        for entry in entries:
            await turns.rest()
            if entry.kind not in REPOSTS or not entry.content:
                continue
            try:
                event = Event.parse(entry.content)
            except InvalidEvent:
                continue
            if event.id == target_of(entry) and not event.is_protected and event.verify():
                carried[event.id] = event
        if not carried:
            return
        quotas = self._store.quotas
        refused = await quotas.admit([(event, INSIDE) for event in carried.values()])
        taken = [event for event in carried.values() if event.id not in refused]
        results = await self._store.save(taken)
        for event, result in zip(taken, results, strict=True):
            if result.held:
                events[event.id] = event
        fresh = [e for e, r in zip(taken, results, strict=True) if r.seq]
        quotas.charge((event, INSIDE) for event in fresh)

    async def _polls(self, notes: Iterable[Event]) -> dict[str, PollView]:
        """The polls among `notes`, with the votes that are here."""
        polls = {note.id: note for note in notes if note.kind == kinds.POLL}
        if not polls:
            return {}
        tags = {"e": frozenset(polls)}
        wanted = Filter(kinds=frozenset({kinds.VOTE}), tags=tags, limit=MOST_COUNTED)
        votes: dict[str, list[Event]] = defaultdict(list)
        turns = Turns()
        for vote in await self._store.query([wanted]):
            await turns.rest()
            votes[vote.value("e") or ""].append(vote)
        found = {id: poll_view(poll, votes[id], me=self._owner) for id, poll in polls.items()}
        return {id: view for id, view in found.items() if view is not None}

    async def _quotes(
        self, notes: Iterable[Event]
    ) -> tuple[
        dict[str, tuple[nip27.Part, ...]], dict[str, list[EventReference]], dict[str, Event]
    ]:
        """The parts of each note, what each quotes, and of that what is here."""
        parts: dict[str, tuple[nip27.Part, ...]] = {}
        quotes: dict[str, list[EventReference]] = {}
        turns = Turns()
        for note in notes:
            await turns.rest()
            parts[note.id] = shown_parts(note.content)
            quotes[note.id] = quoted_by(note, parts[note.id])
        named = {one.key: one for some in quotes.values() for one in some}
        return parts, quotes, await held_of(self._store, named.values())

    async def _parents(self, notes: Iterable[Event]) -> dict[str, str]:
        """Note id -> the pubkey it answers, where that can be told."""
        found: dict[str, str] = {}
        unknown: dict[str, str] = {}
        people: dict[str, list[str]] = {}
        turns = Turns()
        for note in notes:
            await turns.rest()
            reply = answered_by(note)
            if reply is None:
                continue
            if reply.pubkey:
                found[note.id] = reply.pubkey
            else:
                unknown[note.id] = reply.id
                people[note.id] = list(note.values("p"))
        held = await self._store.known(set(unknown.values())) if unknown else {}
        authors = {id: event.pubkey for id, event in (await decoded(held)).items()}
        for note_id, parent in unknown.items():
            if parent in authors:
                found[note_id] = authors[parent]
            elif len(people[note_id]) == 1:
                found[note_id] = people[note_id][0]
        return {id: pubkey for id, pubkey in found.items() if is_hex64(pubkey)}


@dataclass(slots=True)
class _NoteCounts:
    replies: int = 0
    reactions: set[str] = field(default_factory=set)
    reposts: set[str] = field(default_factory=set)
    mine: list[str] = field(default_factory=list)
    reposted: bool = False
    receipts: list[Event] = field(default_factory=list)

    def add(self, event: Event, owner: str, zaps: Zaps | None) -> None:
        if event.kind == kinds.ZAP_RECEIPT:
            if zaps is not None and zaps.read(event) is not None:
                self.receipts.append(event)
        elif event.kind == kinds.NOTE or event.kind in kinds.COMMENTS:
            self.replies += 1
        elif event.kind in REPOSTS:
            self.reposts.add(event.pubkey)
            self.reposted = self.reposted or event.pubkey == owner
        else:
            if event.pubkey == owner:
                self.mine.append(event.content or "+")
            if event.content != "-":
                self.reactions.add(event.pubkey)

    def counts(self, zaps: Zaps | None) -> ReactionCounts:
        return ReactionCounts(
            self.replies,
            len(self.reactions),
            len(self.reposts),
            tuple(self.mine),
            self.reposted,
            zaps.sum_of(self.receipts) if zaps and self.receipts else NO_ZAPS,
        )


def _quote(
    named: EventReference,
    here: Mapping[str, Event],
    people: Mapping[str, Profile],
    mutes: MuteMatcher,
) -> Quote:
    event = here.get(named.key)
    if event is None:
        return Quote(named.key)
    return Quote(event.id, event, people[event.pubkey], warning_of(event), mutes.why(event))


def target_of(event: Event) -> str:
    """The id of what a note answers, or a repost or reaction is about; "" if none."""
    if event.kind == kinds.NOTE or event.kind in kinds.COMMENTS:
        reply = answered_by(event)
        return reply.id if reply else ""
    last = ""
    for id in event.values("e"):
        last = id
    return last


def warning_of(event: Event) -> str | None:
    """The reason of a content warning (NIP-36), "" without a reason, None without a warning."""
    for tag in event.tags:
        if tag[0] == "content-warning":
            return tag[1][:MOST_WARNING] if len(tag) > 1 else ""
    return None


def shown_parts(content: str) -> tuple[nip27.Part, ...]:
    """The parts of a note's text, or of the beginning of a very long one, which says so."""
    left = len(content) - MOST_SHOWN
    if left <= 0:
        return nip27.parts(content)
    rest = nip27.TextPart(f" … ({left:,} more characters)")
    return (*nip27.parts(content[:MOST_SHOWN]), rest)


def _copies(copies: Sequence[Copy] | None) -> tuple[int | None, int | None]:
    if copies is None:
        return None, None
    wanted = [copy for copy in copies if copy.wanted] or copies
    standing = [copy for copy in wanted if copy.state not in GONE]
    return sum(copy.state is CopyState.CONFIRMED for copy in standing), len(standing)

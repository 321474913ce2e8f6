"""Which relays an event goes to: facts in, plan out (pure). Whom to ask is `read_plan`.

Publishing (NIP-65). An event goes to the own relay, to its author's write relays, and where it
addresses people to the relays where they read: to all of them of whoever is answered, to some of
others who are tagged, of whom those count whom the author follows, and more up to ten in all. It is
said who was left out. The author's profile, follow list and relay lists go
to the indexers too, and the relay lists to every relay that we know. A deletion also goes wherever
the deleted events have copies. A gift wrap goes to its recipient's message relays and nowhere else,
a draft (NIP-37) to its author's private relays.
A request to vanish (NIP-62) goes where it names and nowhere else; if that is everywhere, wherever
the author's events and lists may be, but not to the own relay. A protected event (NIP-70) goes
where its author may be known alone: no other relay takes it.

Whoever keeps a relay list that is empty wants to be nowhere: nothing of theirs is spread, and
only whom they address hears of it.

People without a relay list (most of the older network). For such an author, the account's own
included, the client's own relays stand in (the read relays of the account's list first, then those
of the configuration, or the starters), with the relays where the person was seen or that others
named (hints). Each side is capped, per person and in total: a list is its author's wish,
not a right to our sockets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from nostr_client.net.report import Left
from nostr_client.nips import nip10, nip22
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import KindClass, kind_class
from nostr_client.protocol.urls import host_of, is_private_host
from nostr_client.store.rules import ALL_RELAYS

INDEXED_KINDS: Final = frozenset({kinds.METADATA, kinds.FOLLOWS, kinds.RELAY_LIST})
"""What indexers keep."""
SPREAD_KINDS: Final = frozenset({kinds.RELAY_LIST, kinds.DM_RELAYS})
"""What others need to find the author at all: spread as widely as we can."""
UNPUBLISHED: Final = frozenset({kinds.AUTH, kinds.SEAL})
"""Kinds that never go to a relay as events of their own (NIP-42, NIP-59)."""
UNKEPT: Final = frozenset({kinds.DIRECT_MESSAGE, kinds.VANISH, kinds.DRAFT_WRAP, *kinds.GIFT_WRAPS})
"""Kinds that are not kept where nobody asked for them."""
LEFT_ALONE: Final = UNKEPT | UNPUBLISHED
"""Of what the account wrote elsewhere, kinds that get no further copies by themselves."""
LONG_FORM: Final = 30023
_ABOUT_ONE: Final = (kinds.REACTION, *kinds.REPOSTS)
_MENTIONING_CLASSES: Final = (KindClass.REGULAR, KindClass.EPHEMERAL)


@dataclass(frozen=True, slots=True)
class Caps:
    """The most relays of each sort, and the most authors in one filter."""

    own: int = 10
    own_least: int = 3
    mentioned: int = 10
    mentioned_each: int = 3
    mentioned_total: int = 24
    copies: int = 16
    spread: int = 24
    read_each: int = 2
    read_choice: int = 8
    read_total: int = 30
    fallback: int = 6
    authors_per_filter: int = 200


CAPS: Final = Caps()


@dataclass(frozen=True, slots=True)
class PersonRelays:
    """Where one person writes and reads, normalised, deduplicated and fit to be dialled.

    `source` is "list" when their relay list says so, "hint" when only hints do, "fallback" when
    nobody says anything and both are empty. `hints` are best first, whatever the source.
    """

    pubkey: str
    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    source: Literal["list", "hint", "fallback"] = "fallback"
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Audience:
    """The relays of those whom one event concerns, as far as they are known.

    `author` are those of its author, `people` those of `addressed(event)`, `copies` where the
    events that it deletes are, or the relays that a request to vanish is for, `inboxes` the message
    relays (kind 10050) of a gift wrap's recipients, `logins` the relays that may know who the
    author is: all of them, where that is None; `private` the private relays (kind 10013) of the
    author of a draft.
    """

    author: PersonRelays
    people: Mapping[str, PersonRelays] = field(default_factory=dict)
    copies: Sequence[str] = ()
    inboxes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    logins: frozenset[str] | None = None
    private: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ClientRelays:
    """The relays that are ours to choose.

    `read` are the read relays of the account's own list; `fallback` are those of the configuration,
    or the starters; `indexers` keep only `INDEXED_KINDS`, `known` are relays worth telling where we
    are, best first; `own_relay` is empty while there is none. `down` are relays, of whomever, that
    are dead: no plan gives them a place.
    """

    read: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    indexers: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    own_relay: str = ""
    down: frozenset[str] = frozenset()

    @property
    def common(self) -> tuple[str, ...]:
        """Where is asked what nobody's list places: the own read relays first."""
        most = CAPS.fallback
        up = alive(self.read, self.down)[:most] + alive(self.fallback, self.down)[:most]
        return tuple(dict.fromkeys(up or (*self.read[:most], *self.fallback[:most])))

    @property
    def of_lists(self) -> tuple[str, ...]:
        """Where profiles and relay lists of anybody may be."""
        return tuple(dict.fromkeys((*self.common, *alive(self.indexers, self.down))))


def mentioned(event: Event) -> tuple[str, ...]:
    """The pubkeys that an event is addressed to; a list's entries are not addressed, nor is what
    is no key: a relay may refuse a whole question that names it. A gift wrap's recipients are found
    by other relays than where they read."""
    if kind_class(event.kind) not in _MENTIONING_CLASSES and event.kind != LONG_FORM:
        return ()
    if event.kind == kinds.DELETION or event.kind in kinds.GIFT_WRAPS:
        return ()
    return tuple(dict.fromkeys(p for p in nip10.people_of(event) if p != event.pubkey))


def replied_author(event: Event) -> str:
    """Whom an event answers: the author of the note (NIP-10), or of what a reaction, a repost or a
    comment is about; "" for nobody, or if the event does not say."""
    if event.kind == kinds.NOTE:
        reply = nip10.thread_refs(event).reply
        author = reply.pubkey if reply else ""
    elif event.kind in kinds.COMMENTS:
        scope = nip22.scopes(event).parent
        author = scope.pubkey if scope else ""
    elif event.kind in _ABOUT_ONE:
        *_, author = ("", *nip10.people_of(event))
    else:
        author = ""
    return "" if author == event.pubkey else author


def addressed(event: Event, followed: Collection[str], caps: Caps = CAPS) -> tuple[str, ...]:
    """Those of `mentioned(event)` whose relays the event goes to: whoever is answered, then those
    in `followed`, then others as they are tagged, until there are ten."""
    tagged = mentioned(event)
    parent = replied_author(event)
    first = [parent] if parent in tagged else []
    friends = [p for p in tagged if p in followed and p != parent]
    others = [p for p in tagged if p not in followed and p != parent]
    return (*first, *friends, *others[: max(0, caps.mentioned - len(friends))])


def left_out(event: Event, audience: Audience, urls: Collection[str]) -> dict[str, Left]:
    """Those whom `event` mentions and whose relays are not among `urls`."""
    left: dict[str, Left] = {}
    for pubkey in mentioned(event):
        read = audience.people[pubkey].read if pubkey in audience.people else None
        if read is not None and not read:
            left[pubkey] = Left.UNKNOWN
        elif read is None or not set(read) & set(urls):
            left[pubkey] = Left.TOO_MANY
    return left


def plan_publish(
    event: Event,
    audience: Audience,
    ours: ClientRelays,
    *,
    avoid: Collection[str] = (),
    caps: Caps = CAPS,
) -> tuple[str, ...]:
    """The relays for `event`, most wanted first, each once.

    `avoid` names relays that will not have it; where the author's own get scarce, the client's
    stand in.
    """
    avoid = {*avoid, *ours.down}
    if event.kind in UNPUBLISHED:
        return ()
    if event.kind in kinds.GIFT_WRAPS:
        return _message_relays(audience.inboxes, avoid, caps)
    if event.kind == kinds.VANISH:
        return _vanish_relays(event, audience, ours, avoid)
    chosen = dict.fromkeys([ours.own_relay] if ours.own_relay else [])
    if event.kind == kinds.DRAFT_WRAP:
        return tuple(alive((*chosen, *audience.private), avoid))
    chosen |= dict.fromkeys(home(audience.author, ours, avoid=avoid, caps=caps))
    if event.kind == kinds.DELETION:
        chosen |= dict.fromkeys(alive(audience.copies, avoid)[: caps.copies])
    chosen |= dict.fromkeys(_read_relays(event, audience.people, chosen, avoid, caps))
    chosen |= dict.fromkeys(_spread(event, audience.author, ours, avoid, caps))
    told = audience.logins if is_protected(event) else None
    return tuple(url for url in chosen if url not in avoid and (told is None or url in told))


def is_protected(event: Event) -> bool:
    """May its author alone bring it to relays (NIP-70)?"""
    return any(tag[0] == "-" for tag in event.tags)


def vanishes_everywhere(event: Event) -> bool:
    """Is it a request to vanish that speaks to every relay (NIP-62)?"""
    return event.kind == kinds.VANISH and ALL_RELAYS in event.values("relay")


def _vanish_relays(
    event: Event, audience: Audience, ours: ClientRelays, avoid: Collection[str]
) -> tuple[str, ...]:
    """Where a request to vanish goes: everywhere, that is to as many as there are."""
    chosen = dict.fromkeys(audience.copies)
    if vanishes_everywhere(event):
        author = audience.author
        chosen |= dict.fromkeys((*author.write, *author.read, *ours.fallback, *ours.indexers))
        chosen |= dict.fromkeys(ours.known)
    return tuple(url for url in chosen if url not in avoid and url != ours.own_relay)


def _message_relays(
    inboxes: Mapping[str, Sequence[str]], avoid: Collection[str], caps: Caps
) -> tuple[str, ...]:
    """Where a gift wrap goes, and nowhere else: some message relays of each recipient (NIP-17)."""
    boxes = [[url for url in urls if url not in avoid] for urls in inboxes.values()]
    wanted = dict.fromkeys(url for urls in boxes for url in urls[: caps.mentioned_each])
    return tuple(wanted)[: caps.mentioned_total]


def _read_relays(
    event: Event,
    people: Mapping[str, PersonRelays],
    chosen: Iterable[str],
    avoid: Collection[str],
    caps: Caps,
) -> list[str]:
    """Where the addressed read: all relays of whoever is answered, some of the others, as far as
    those `chosen` already do not serve them."""
    readers = {p: replace(one, read=tuple(alive(one.read, avoid))) for p, one in people.items()}
    parent = readers.pop(replied_author(event), None)
    first = parent.read if parent else ()
    return [*first, *_in_rounds(list(readers.values()), {*chosen, *first}, caps)]


def _spread(
    event: Event, author: PersonRelays, ours: ClientRelays, avoid: Collection[str], caps: Caps
) -> tuple[str, ...]:
    """Where profile and lists go beside, so that the author is found: to nobody for an author whose
    relay list is empty."""
    if author.source == "list" and not (author.write or author.read):
        return ()
    indexers = ours.indexers if event.kind in INDEXED_KINDS else ()
    if event.kind not in SPREAD_KINDS:
        return indexers
    wide = (*ours.fallback, *author.read, *ours.known)
    return (*indexers, *alive(wide, avoid)[: caps.spread])


def home(
    author: PersonRelays, ours: ClientRelays, *, avoid: Collection[str] = (), caps: Caps = CAPS
) -> list[str]:
    """Where the author's own events belong. What belongs into a private network stays there."""
    avoid = {*avoid, *ours.down}
    if author.source != "list":
        return alive((*ours.fallback, *author.write), avoid)[: caps.own]
    own = alive(author.write, avoid)[: caps.own]
    wanted = min(caps.own_least, len(author.write))
    spare = alive(ours.fallback, {*avoid, *own})
    if all(map(_is_private, author.write)):
        spare = [url for url in spare if _is_private(url)]
    return own + spare[: max(0, wanted - len(own))]


def alive(urls: Iterable[str], avoid: Collection[str]) -> list[str]:
    """`urls` without those in `avoid`, each once."""
    return [url for url in dict.fromkeys(urls) if url not in avoid]


def _is_private(url: str) -> bool:
    return is_private_host(host_of(url))


def _in_rounds(people: Sequence[PersonRelays], taken: set[str], caps: Caps) -> list[str]:
    """Read relays of people: in rounds, so that everybody gets one before anybody two."""
    popular = Counter(url for person in people for url in set(person.read))
    picked: list[str] = []
    covered = {p.pubkey: sum(url in taken for url in p.read) for p in people}
    for round_ in range(caps.mentioned_each):
        for person in people:
            if covered[person.pubkey] > round_:
                continue
            free = [url for url in person.read if url not in taken]
            if not free:
                continue
            if len(picked) == caps.mentioned_total:
                return picked
            best = max(free, key=lambda url: popular[url])
            picked.append(best)
            taken.add(best)
            for other in people:
                covered[other.pubkey] += best in other.read
    return picked

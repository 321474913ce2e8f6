"""What screens and commands show: frozen values, made from stored events.

Every text here is raw, as its author wrote it: whoever shows it passes it through `safe_text`
first. `Profile.label` and `handle` are the exceptions: short, safe lines already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from nostr_client.errors import NostrError
from nostr_client.net.health import DOWN, REFUSING, SLOW_STATE, UP
from nostr_client.net.outcome import End, How
from nostr_client.net.report import PublishReport
from nostr_client.nips import nip19, nip27
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.routing.survival import Survival
from nostr_client.safe_text import safe_line
from nostr_client.social.openers import Opener
from nostr_client.social.poll_views import PollView

MOST_TAGGED: Final = 20
"""People that a note may tag before it is taken for noise and folded."""
CONVERSATIONS: Final = frozenset({kinds.NOTE, *kinds.COMMENTS})
LABEL_CELLS = 32
"""The widest label of a person, in terminal cells."""
LABEL_CHARACTERS = 1_000
"""Characters of a name that are looked at for a label."""

Nip05State = Literal["none", "unchecked", "valid", "invalid", "unreachable"]
Cursor = tuple[int, str]
"""Where a page ended: `(created_at, id)` of its last entry. The next page starts after it."""


def crowd_of(event: Event) -> int:
    """How many people an event of a conversation tags, where that is more than `MOST_TAGGED`."""
    if event.kind not in CONVERSATIONS:
        return 0
    count = len(set(event.values("p")))
    return count if count > MOST_TAGGED else 0


@dataclass(frozen=True, slots=True)
class Profile:
    """A person as their kind 0 describes them; all texts empty where it says nothing.

    `petname` is what the account's own follow list calls them. `event` is the kind 0 itself.
    """

    pubkey: str
    name: str = ""
    display_name: str = ""
    about: str = ""
    picture: str = ""
    banner: str = ""
    website: str = ""
    lud16: str = ""
    lud06: str = ""
    bot: bool = False
    nip05: str = ""
    nip05_state: Nip05State = "none"
    petname: str = ""
    event: Event | None = field(default=None, repr=False)
    label: str = field(init=False, compare=False)
    """The best short name: one line, safe for a terminal, never empty."""

    def __post_init__(self) -> None:
        # Once and for all: screens ask for it again and again, and names are hostile.
        object.__setattr__(self, "label", self._best_name())

    @property
    def npub(self) -> str:
        """The key as people pass it on."""
        return nip19.encode_npub(self.pubkey)

    @property
    def short_npub(self) -> str:
        """Enough of the npub to tell people apart: `npub1abcdef…wxyz`."""
        npub = self.npub
        return f"{npub[:11]}…{npub[-4:]}"

    @property
    def handle(self) -> str:
        """The NIP-05 name when it was checked and is right, else empty; safe, one line."""
        if self.nip05_state != "valid":
            return ""
        name = self.nip05.removeprefix("_@")
        return safe_line(name[:LABEL_CHARACTERS], LABEL_CELLS * 2)

    def _best_name(self) -> str:
        for text in (self.petname, self.display_name, self.name):
            line = safe_line(text[:LABEL_CHARACTERS], LABEL_CELLS).strip()
            if line:
                return line
        return self.short_npub


class ZapSum(NamedTuple):
    """Zaps together: millisatoshi of those that are `checked`, and of those that are `claimed` and
    nobody has vouched for; `claims` counts the latter."""

    checked: int = 0
    claimed: int = 0
    claims: int = 0


NO_ZAPS: Final = ZapSum()


@dataclass(frozen=True, slots=True)
class ReactionCounts:
    """How a note was answered, as far as the store knows.

    `reactions` counts people, dislikes (`-`) left out; `mine` holds the contents of the
    account's own reactions, `reposted` says that the account reposted it.
    """

    replies: int = 0
    reactions: int = 0
    reposts: int = 0
    mine: tuple[str, ...] = ()
    reposted: bool = False
    zapped: ZapSum = NO_ZAPS


@dataclass(frozen=True, slots=True)
class Quote:
    """An event that a note quotes; `event` and `author` are None while it is not here.

    `warning` and `muted` are as in `NoteView`.
    """

    id: str
    event: Event | None = None
    author: Profile | None = None
    warning: str | None = None
    muted: str = ""


@dataclass(frozen=True, slots=True)
class NoteView:
    """One line of a timeline or thread.

    `event` is the note to show and `entry` the event that put it there: the same, or the repost.
    A repost whose note is not here has `missing` (its id), `entry` itself as `event`, whoever
    reposted it as `author`, and no parts.
    `warning` is the reason of a content warning (NIP-36), possibly empty, or None without one.
    `copies` of `wanted` relays hold the note, own relay included; both None for others' notes.
    `survival` says what an own note would survive, the own relay aside.
    `parts` are those of the content's beginning, where it is very long (see `note_views`).
    `quotes` are the first events that it quotes.
    `muted` says why the account does not want to see it; empty for anything else.
    `openers` are programs that show it, where its kind is a rare one; `poll` is how a poll stands.
    `zap_checked`: it is a receipt for a zap, and the provider of whoever was paid vouches for it.
    `orphan_of` is, in a thread, the id of the note that it answers and that is not here.
    """

    event: Event
    entry: Event
    author: Profile
    parts: tuple[nip27.Part, ...] = ()
    reply_to: Profile | None = None
    reposted_by: Profile | None = None
    tally: ReactionCounts = ReactionCounts()
    warning: str | None = None
    mine: bool = False
    copies: int | None = None
    wanted: int | None = None
    survival: Survival | None = None
    missing: str = ""
    orphan_of: str = ""
    quotes: tuple[Quote, ...] = ()
    muted: str = ""
    openers: tuple[Opener, ...] = ()
    poll: PollView | None = None
    zap_checked: bool = False

    @property
    def id(self) -> str:
        """The event's id: 64 lowercase hex digits."""
        return self.event.id

    @property
    def at(self) -> int:
        """The time of the entry, in seconds: what a timeline is sorted by."""
        return self.entry.created_at

    @property
    def cursor(self) -> Cursor:
        """The place of this entry, for `until=` of the next page."""
        return self.entry.created_at, self.entry.id

    @property
    def crowd(self) -> int:
        """How many people somebody else's note tags, where that is more than `MOST_TAGGED`."""
        return 0 if self.mine else crowd_of(self.event)

    @property
    def replies(self) -> int:
        """How many answers to it are known here."""
        return self.tally.replies

    @property
    def reactions(self) -> int:
        """How many reactions to it (NIP-25) are known here."""
        return self.tally.reactions

    @property
    def reposts(self) -> int:
        """How many reposts of it (NIP-18) are known here."""
        return self.tally.reposts


@dataclass(frozen=True, slots=True)
class ThreadView:
    """A conversation: `items` in reading order, each with its depth (the root has 0).

    `root` is None while the first note is not here; `missing` lists the ids that are answered
    but not held; `hidden` counts the answers beyond the largest thread that is shown. `folded` are
    the ids of what strangers say in it (`thread_folds`), as far as it is known who is one. `ends`
    tells what each relay did that was asked for it; empty when none was.
    """

    focus: str
    root: NoteView | None
    items: tuple[tuple[int, NoteView], ...] = ()
    missing: tuple[str, ...] = ()
    hidden: int = 0
    folded: frozenset[str] = frozenset()
    ends: Mapping[str, End] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Posted:
    """An event that is stored here, and what the relays said to it so far."""

    event: Event
    report: PublishReport

    @property
    def id(self) -> str:
        """The event's id: 64 lowercase hex digits."""
        return self.event.id

    @property
    def ok(self) -> bool:
        """Did at least one relay accept the event?"""
        return self.report.ok

    def raise_if_failed(self) -> None:
        """Raises PublishFailed, which holds the report, if no relay accepted the event. It is
        stored all the same, and sent again."""
        self.report.raise_if_failed()


@dataclass(frozen=True, slots=True)
class NotPosted:
    """What was neither stored nor sent, among many that were to be published; and why: the `error`
    is one that `NostrClient.publish` raises."""

    what: Draft | Event
    error: NostrError

    @property
    def ok(self) -> bool:
        """No relay has it, as it was sent to none: False, where `Posted` may say True."""
        return False

    def raise_if_failed(self) -> None:
        """Raises `error`."""
        raise self.error


@dataclass(frozen=True, slots=True)
class RelayRow:
    """A relay as the relays screen lists it.

    `read` and `write` are its roles in the account's relay list; `own` marks the person's own
    relay, `fallback` one that stands in because there is no relay list. `state` is that of
    `net.health`; `latency` in seconds; `delivered` a share from 0 to 1; `last_word` is raw; `gone`
    says in our words that its operator ended it, and when.
    """

    url: str
    read: bool = False
    write: bool = False
    own: bool = False
    fallback: bool = False
    state: str = "unknown"
    latency: float | None = None
    delivered: float | None = None
    last_word: str = ""
    gone: str = ""

    @property
    def is_up(self) -> bool:
        """Is it connected, however slow?"""
        return self.state in (UP, SLOW_STATE)

    @property
    def is_failing(self) -> bool:
        """Can it not be reached, or will it not have us?"""
        return self.state in (DOWN, REFUSING)


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """What the background reading is doing: `caught_up` of `relays` have sent what they store, were
    compared with what others sent, or cannot be reached.

    `planned` is False until it is known which relays to read, and again while that changes;
    `waited`: others have had `feed_sync.COMPLETE_AFTER` seconds since one had sent what it stores;
    `people` is how many people the home timeline reads, `problem` the last local trouble. `ends`
    tells for each relay how the reading of what it stores ended, the last time.
    """

    running: bool = False
    planned: bool = False
    waited: bool = False
    relays: int = 0
    caught_up: int = 0
    people: int = 0
    problem: str = ""
    ends: Mapping[str, End] = field(default_factory=dict, compare=False)

    @property
    def is_settled(self) -> bool:
        """Has everybody on whom the timeline depends? The others stand in for nobody."""
        waiting = (end for end in self.ends.values() if end.how is How.SILENT)
        return self.running and self.planned and all(end.spare for end in waiting)

    @property
    def is_complete(self) -> bool:
        """Is the timeline shown as it is, whoever is silent still? `ends` says who is."""
        return self.is_caught_up or (self.running and self.planned and self.waited)

    @property
    def is_caught_up(self) -> bool:
        """Has everybody who can be reached sent what they store?"""
        return self.running and self.planned and self.caught_up >= self.relays


class ReadPart(NamedTuple):
    """What one relay is read for. `role` says how: `streamed` (posts of `people`), `compared` (what
    it has of them that others lacked), or what is read of and for the account itself: `own`,
    `mentions`, `indexed`. `end` is how its stored events ended; not `settled`: that is waited for.
    """

    url: str
    role: str
    people: frozenset[str]
    end: End
    settled: bool

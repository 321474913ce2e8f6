"""What a keeper may set about events, rates, trust and access: the sections of the configuration.

What is not set refuses nothing and costs nothing.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from nostr_client.protocol.kinds import MAX_KIND
from relays.config.values import MaybeRate, Pubkey

KIB: Final = 1024
MIB: Final = 1024 * KIB

Kind = Annotated[int, msgspec.Meta(ge=0, le=MAX_KIND)]
Bits = Annotated[int, msgspec.Meta(ge=0, le=256)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Count = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
Who = Literal["anyone", "trusted", "members", "listed", "nobody"]


class KindRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for events of some kinds, beside what holds for all."""

    kinds: tuple[Kind, ...]
    authors: tuple[Pubkey, ...] = ()
    """They alone may write these; empty: everybody."""
    refused_authors: tuple[Pubkey, ...] = ()
    content_length: Number | None = None
    """Characters in the content."""
    tags: Number | None = None
    people: Number | None = None
    """How many it may name (`p` tags)."""
    work: Bits = 0


class Duplicates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often the same text may come; case, blanks and invisible characters do not count."""

    seconds: Count = 3600
    """How long a text is remembered."""
    by_one: Number = 0
    """Times that one key may say it; 0: as often as it likes."""
    by_many: Number = 0
    """Keys that may say it; 0: any number."""
    shortest: Number = 16
    """Characters. What is shorter (good morning) is not looked at."""
    kinds: tuple[Kind, ...] = (1, 42, 1111, 30023)
    """Where the content is a text for people."""


class EventRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events are taken. All but the work and the duplicates holds for imports too."""

    kinds: tuple[Kind, ...] = ()
    """These alone; empty: all."""
    refused_kinds: tuple[Kind, ...] = ()
    authors: tuple[Pubkey, ...] = ()
    """By these alone, whoever brings them; empty: by anybody."""
    refused_authors: tuple[Pubkey, ...] = ()
    to: tuple[Pubkey, ...] = ()
    """Only what names one of these people (a `p` tag); empty: anything."""
    words: tuple[str, ...] = ()
    """Events whose content has one of these words or phrases are refused; case does not count."""
    work: Bits = 0
    """Bits of proof of work, committed to in the nonce tag (NIP-13)."""
    work_of: Literal["everyone", "strangers"] = "everyone"
    """Whose: `strangers` are those outside of the web of trust, who are no members either."""
    rules: tuple[KindRule, ...] = ()
    duplicates: Duplicates = Duplicates()


class Rated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of something one may do; none where nothing is set."""

    address: MaybeRate = None
    """An IPv4 address, or an IPv6 network of 64 bits. This machine's own is exempt; but where
    proxies are trusted, what they name no address for shares one, and where there is an onion
    service, whose visitors come from here too, each connection is an address."""
    key: MaybeRate = None
    """A public key: of events their author's, else those that a client has authenticated."""
    connection: MaybeRate = None


class Rates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much may be done in how much time. Imports, sync and mirrors are exempt."""

    events: Rated = Rated()
    """Events offered."""
    queries: Rated = Rated()
    """Questions asked: one for each filter, and five for one that asks for everything."""
    bytes: Rated = Rated()
    """Bytes of stored events that answer questions."""


class Trust(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The web of trust: who is followed, by the follow lists (kind 3) that this relay holds."""

    roots: tuple[Pubkey, ...] = ()
    """Whose follows count; empty: the keeper's."""
    depth: Annotated[int, msgspec.Meta(ge=1, le=2)] = 2
    """1: those whom a root follows. 2: and those whom these follow."""
    followers: Count = 1
    """How many of those whom a root follows must follow somebody at depth 2."""


class Access(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may write and who may read. The keeper and the admins may, unless nobody may write.

    An event's author may write it, and so may somebody in his place who has authenticated: with
    `authenticated` whoever may write, without it only for messages whose authors are throw-away
    keys (NIP-59).
    """

    write: Who = "anyone"
    writers: tuple[Pubkey, ...] = ()
    """They may too; with `listed` nobody else."""
    read: Who = "anyone"
    readers: tuple[Pubkey, ...] = ()
    authenticated: bool = False
    """Who writes must authenticate; then he may bring events of others, too."""
    authenticated_wraps: bool = False
    """Who brings a gift wrap must authenticate, whoever he is and whoever may write (NIP-17)."""
    greet: bool = False
    """Ask everybody to authenticate as soon as he connects (NIP-42), not only when he must."""
    direct_messages: Literal["parties", "anyone"] = "parties"
    """Who may read those of NIP-04 (kind 4): sender and recipient, once they have authenticated, or
    whoever may read. Gift wraps are always for their recipients alone."""
    scans: bool = True
    """May questions be asked that name neither ids nor authors nor kinds nor tags?"""


class Plugins(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A keeper's own policies."""

    plugins: tuple[str, ...] = ()
    """Commands that speak strfry's plugin protocol. One without blanks is a file, and is started
    anew when that changes."""
    python: tuple[str, ...] = ()
    """`file.py:function` or `package.module:function`: from an IncomingEvent to a Verdict; may be
    async."""
    questions: tuple[str, ...] = ()
    """The same, from an IncomingQuery to a Verdict; not async."""
    seconds: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 10.0
    """How long an answer may take."""
    folder: str = ""
    """Where commands run and files are; empty: where the configuration file is."""


class Negentropy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much clients may compare their sets with the relay's (NIP-77)."""

    sessions: int = 8
    """Of one connection at a time; 0: none, and NIP-77 is not advertised."""
    events: int = 500_000
    """In one comparison; a question that matches more is refused, and told this number."""
    memory: int = 128 * MIB
    """Bytes for the sets of all comparisons together: some 50 an event."""
    idle_seconds: int = 60
    """After so many without a word, a comparison is ended."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one client may ask of the relay. Sizes in bytes, times in seconds."""

    # What one message may hold.
    message_bytes: int = 512 * KIB
    """The largest frame and message; what is larger closes the connection (code 1009)."""
    compression: bool = False
    """Deflate messages for clients that offer it (RFC 7692): fewer bytes, more processor time.
    New connections have what is set when they come."""
    content_length: int = 256 * KIB
    """Characters in an event's content."""
    event_tags: int = 5_000
    created_at_ahead: int = 900
    """How far in the future an event may be dated, in seconds."""
    created_at_behind: int | None = None
    """How old an event may be when it comes, in seconds; None: as old as it likes."""
    filters: int = 20
    """Filters in one REQ or COUNT."""
    filter_values: int = 5_000
    """Values in all the lists of one filter."""

    # What one connection may have open.
    subscriptions: int = 100
    live_values: int = 20_000
    """Values in all the lists of all subscriptions and waiting COUNTs of one connection."""
    pending_events: int = 1_000
    """Events taken in and not answered yet; past it the socket is not read."""
    pending_bytes: int = 2 * MIB
    pending_counts: int = 20
    """COUNTs not answered yet; further ones are refused."""
    outbox_bytes: int = 4 * MIB
    """Bytes that a client has not taken yet; past it the connection is closed."""

    # What a query may return.
    default_limit: int = 500
    """Events for a filter that names no limit."""
    max_limit: int = 500
    """A filter's larger limit is clamped to this."""
    page_bytes: int = 8 * MIB
    """Bytes of the stored events in one answer; what is larger is cut to its newest part."""

    # What all clients together may have open.
    connections: int = 5_000
    connections_of_address: int = 250
    """Of one IPv4 address or IPv6 /64 network, and never more than half of `connections`.
    Loopback is exempt: behind a proxy all clients come from there, and the proxy must bound them.
    """
    all_live_values: int = 2_000_000
    all_pending_bytes: int = 64 * MIB
    all_outbox_bytes: int = 256 * MIB
    all_partial_bytes: int = 64 * MIB
    """Bytes of messages that have begun and not ended."""

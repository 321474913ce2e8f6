"""What a keeper may set: `RelayConfig`, from TOML or from the command line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final, Literal

import msgspec

from nostr_client.errors import ConfigError

KIB: Final = 1024
MIB: Final = 1024 * KIB


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one client may ask of the relay. Sizes in bytes, times in seconds."""

    # What one message may hold.
    message_bytes: int = 512 * KIB
    """The largest frame and message; what is larger closes the connection (code 1009)."""
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


class Negentropy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much clients may compare their sets with the relay's (NIP-77)."""

    sessions: int = 8
    """Of one connection at a time."""
    events: int = 500_000
    """In one comparison; a question that matches more is refused, and told this number."""
    memory: int = 128 * MIB
    """Bytes for the sets of all comparisons together: some 50 an event."""
    idle_seconds: int = 60
    """After so many without a word, a comparison is ended."""


class Web(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plain HTTP side, TLS, and the proxies in front."""

    trusted_proxies: tuple[str, ...] = ()
    """Networks whose word on a client's address is believed. Everybody's own is not."""
    trusted_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    """The one that these proxies set; any other comes from the client."""
    metrics_from: tuple[str, ...] | None = None
    """Networks that may read /metrics; None: this machine, unless an onion service (whose visitors
    come from it too) is among `urls`."""
    tls_certificate: str | None = None
    """A PEM file with the certificate and its chain; read again when it changes."""
    tls_key: str | None = None


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the relay writes on standard error."""

    format: Literal["plain", "json"] = "plain"
    addresses: bool = False
    """May clients' addresses stand in it?"""


class RetentionRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long events are kept: those of these kinds and authors; empty lists mean all."""

    kinds: tuple[int, ...] = ()
    authors: tuple[str, ...] = ()
    """Public keys, in hex or as npub."""
    days: float | None = None
    """Older ones go; None: for ever, and never for want of room."""


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is taken out again. Current profiles, lists and the like stay, and so do deletions."""

    rules: tuple[RetentionRule, ...] = ()
    """The first one that fits an event decides; what none fits is kept."""
    gigabytes: float | None = None
    """The most that the database may take on disk; past it the oldest go."""


class Moderation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may manage the relay from afar (NIP-86)."""

    admins: dict[str, str] = {}
    """Public keys, in hex or as npub, by the names that stand in the log."""


class Membership(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Members and invites (NIP-43)."""

    enabled: bool = False
    """Members may ask to join and leave, and the list of members is published."""
    write: bool = True
    """Only members may publish. Asked only where `enabled`, as what follows."""
    read: bool = False
    """Only members may read."""
    invites_by: Literal["admins", "members"] = "admins"
    """Who gets an invite by asking for one."""
    invite_days: float = 7.0
    """How long such an invite holds; it is for one person."""


class RelayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One relay: where it listens, what it says of itself, what it allows."""

    host: str = "127.0.0.1"
    port: int = 7777
    """0 takes a free one."""
    urls: tuple[str, ...] = ()
    """Public URLs, where they differ from the address (a proxy, an onion service)."""
    web_pages: bool = True
    """False: programs only. A page in a browser on this machine reaches its loopback address too,
    and is refused then."""

    name: str = "nostr-client relay"
    description: str = "A relay for keeping one's own notes and those of friends."
    pubkey: str | None = None
    contact: str | None = None
    icon: str | None = None
    """URLs, here and below: of a square picture, ..."""
    banner: str | None = None
    """... of a broad one, ..."""
    posting_policy: str | None = None
    """... and of texts for people."""
    privacy_policy: str | None = None
    terms_of_service: str | None = None
    relay_countries: tuple[str, ...] = ()
    """Whose laws may bear on what is kept: codes of ISO 3166-1."""
    language_tags: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """What it is about."""

    limits: Limits = Limits()
    negentropy: Negentropy = Negentropy()
    web: Web = Web()
    log: Log = Log()
    retention: Retention = Retention()
    moderation: Moderation = Moderation()
    members: Membership = Membership()


def load_config(path: Path) -> RelayConfig:
    """The configuration in a TOML file. Raises ConfigError, naming file and key."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), RelayConfig)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from None

"""What a keeper may set: `RelayConfig`, from TOML or from the command line."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from nostr_client.config import Proxy
from nostr_client.errors import ConfigError, InvalidData
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.settings import InvalidSettings, allowed, merged, read_by, read_table
from nostr_client.toml_file import load_toml
from relays.config.private_file import read_private
from relays.config.profiles import name_folder, tables_of
from relays.config.purposes import PURPOSES, Profile
from relays.config.sections import (
    Access,
    EventRules,
    Kind,
    Limits,
    Negentropy,
    Plugins,
    Rates,
    Trust,
    Who,
)
from relays.config.store_url import StoreUrl, store_url
from relays.config.values import Pubkey
from relays.networks import is_loopback

_is_path = re.compile(r"/|(/[A-Za-z0-9._~-]+)+").fullmatch


def _filter_of(value: object) -> Filter:
    """A filter, from a table. Raises ValueError and InvalidFilter."""
    if not isinstance(value, Mapping):
        raise ValueError("not a table")
    found = Filter.from_dict(value)
    if found.unknown or found.limit is not None or found.search is not None:
        raise ValueError("a mirror's filter has ids, authors, kinds, tags, since and until")
    return found


FilterTable = Annotated[
    Filter,
    read_by(_filter_of, 'a filter of NIP-01, as {kinds = [0, 1], "#t" = ["news"]}'),
]


def _workers_of(value: object) -> int | Literal["auto"]:
    """A number of processes. Raises ValueError."""
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_WORKERS:
        raise ValueError("no number of processes")
    return value


MOST_WORKERS: Final = 64
Workers = Annotated[
    int | Literal["auto"], read_by(_workers_of, f'"auto" or a number from 1 to {MOST_WORKERS}')
]


class Mirror(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Relays whose events are fetched, or that are sent ours, for as long as this one runs."""

    urls: tuple[str, ...]
    direction: Literal["down", "up", "both"] = "down"
    """Fetch what they have, send what we have, or both."""
    filters: tuple[FilterTable, ...] = ()
    """These events alone; empty: all. Private messages go up only where a filter names their
    kind (1059)."""
    proxy: Proxy | None = None
    """Everything to these goes through it: tor://host:port, socks5h://... or http://..."""


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
    announce: bool = False
    """Say on the local network that this relay is there (DNS-SD, `_nostr._tcp`): programs that look
    for one find it. For a relay that listens beyond this machine."""
    token_file: str | None = None
    """A file with a token of at least 32 characters: only programs that show it (`Authorization:
    Bearer`) are answered, and no page in a browser. For a relay of one person on a machine of
    several."""


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the relay writes on standard error."""

    format: Literal["plain", "json"] = "plain"
    level: Literal["info", "warning", "error"] = "warning"
    """`info`: connections that are refused and clients that are closed, too."""
    addresses: bool = False
    """May clients' addresses stand in it?"""


class RetentionRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long events are kept: those of these kinds and authors; empty lists mean all."""

    days: Annotated[float, msgspec.Meta(ge=0.01, le=100_000)]
    """By created_at. Older ones go."""
    kinds: tuple[Kind, ...] = ()
    except_kinds: tuple[Kind, ...] = ()
    authors: tuple[Pubkey, ...] = ()


class RetentionRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is taken out again. Current profiles, lists and the like stay, and so do deletions."""

    rules: tuple[RetentionRule, ...] = ()
    """What fits several stays as long as the shortest says; what fits none is kept."""
    spared: tuple[Pubkey, ...] = ()
    """Authors of whom nothing is ever taken out."""
    gigabytes: Annotated[float, msgspec.Meta(ge=0.01, le=1_000_000)] | None = None
    """The most that the database may take on the disk; past it the oldest go, and those of the
    keeper, of admins and of members last."""
    standing: Annotated[float, msgspec.Meta(ge=0.01, le=1)] = 0.5
    """The part of it that what is never taken out may fill; past it, no more of that is taken from
    others than these."""


class Moderation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may manage the relay from afar (NIP-86)."""

    admins: dict[str, Pubkey] = {}
    """Public keys by the names that stand in the log."""


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
    invite_days: Annotated[float, msgspec.Meta(ge=0.0001, le=36_500)] = 7.0
    """How long such an invite holds; it is for one person."""


class RelayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One relay: where it listens, what it says of itself, what it allows."""

    profile: Profile = "open"
    """What it is for: where the other settings start from. See `relays.config.profiles`."""
    store: StoreUrl | None = None
    """The PostgreSQL database that this node shares with others; None: all is in the folder."""
    store_file: str | None = None
    """A file with that URL instead, which only its owner may read: for one with a password."""
    host: str = "127.0.0.1"
    port: int = 7777
    """0 takes a free one."""
    workers: Workers = "auto"
    """How many processes answer on that port, over one store; by itself one for each core but one,
    and 1 where there are no more than two cores. Taken at the start alone."""
    urls: tuple[str, ...] = ()
    """Public URLs, where they differ from the address (a proxy, an onion service). Once there are
    any, who signs for this relay (NIP-42, 62, 98) has to name one of them."""
    path: str = "/"
    """Where in the URL this room is."""
    web_pages: bool = True
    """False: programs only. A page in a browser on this machine reaches its loopback address too,
    and is refused then."""

    name: str = "nostr-client relay"
    description: str = "A relay for keeping one's own notes and those of friends."
    pubkey: Pubkey | None = None
    """The keeper's."""
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
    mirror: tuple[Mirror, ...] = ()
    web: Web = Web()
    log: Log = Log()
    retention: RetentionRules = RetentionRules()
    events: EventRules = EventRules()
    rates: Rates = Rates()
    trust: Trust = Trust()
    access: Access = Access()
    policies: Plugins = Plugins()
    moderation: Moderation = Moderation()
    members: Membership = Membership()
    rooms: Mapping[str, RelayConfig] = {}
    """Further relays in the same process, by name; the profile says which there are."""

    @property
    def keepers(self) -> frozenset[str]:
        """Public keys that may do everything: the keeper's and the admins'."""
        own = () if self.pubkey is None else (self.pubkey,)
        return frozenset((*own, *self.moderation.admins.values()))

    @property
    def writers_are(self) -> Who:
        """Who may write; a relay with members is theirs, if nothing else is said."""
        members_only = self.members.enabled and self.members.write
        return "members" if members_only and self.access.write == "anyone" else self.access.write

    @property
    def readers_are(self) -> Who:
        """Who may read."""
        members_only = self.members.enabled and self.members.read
        return "members" if members_only and self.access.read == "anyone" else self.access.read


class Read(NamedTuple):
    """A configuration, and all that is wrong with it, in words."""

    config: RelayConfig
    problems: list[str]


def load_config(
    path: Path | None, given: Mapping[str, Any] | None = None, urls: Collection[str] = ()
) -> RelayConfig:
    """The configuration in a TOML file, or the one without a file.

    From the command line: `given` counts more, `urls` are further ones. Raises ConfigError, which
    names the file, each key that is wrong, and what is allowed.
    """
    config, problems = read_config(path, given, urls)
    if problems:
        where = f"{path}: " if path is not None else ""
        raise InvalidSettings([where + problem for problem in problems])
    return config


def read_config(
    path: Path | None, given: Mapping[str, Any] | None = None, urls: Collection[str] = ()
) -> Read:
    """As `load_config`, with everything that is wrong. Raises ConfigError for what is no TOML."""
    table: dict[str, Any] = {}
    if path is not None:
        try:
            table = load_toml(path)
        except FileNotFoundError:
            raise ConfigError(f"{path} cannot be read: it is not there") from None
        name_folder(table, str(path.absolute().parent))
    table = merged(table, given or {})
    if given and given.get("store") is not None:
        table.pop("store_file", None)
    if urls and isinstance(table.get("urls", []), list):
        table["urls"] = [*table.get("urls", []), *urls]
    return assemble(table)


def assemble(table: Mapping[str, Any]) -> Read:
    """The configuration that `table`, as TOML gives it, makes of its profile."""
    root, others, problems = tables_of(table)
    config = read_table(RelayConfig, root, problems)
    rooms: dict[str, RelayConfig] = {}
    for name, other in others.items():
        found: list[str] = []
        named = {"name": f"{config.name}: {name}", **other}
        sub_relay = read_table(RelayConfig, named, found, f"rooms.{name}.")
        problems += [] if problems else found  # most settings are those of all sub-relays
        urls = tuple(url.rstrip("/") + sub_relay.path for url in config.urls)
        rooms[name] = (
            sub_relay if "urls" in other else msgspec.structs.replace(sub_relay, urls=urls)
        )
    store = _store_of(config, problems)
    config = msgspec.structs.replace(config, rooms=rooms, store=store)
    return Read(config, problems + faults(config, chosen="profile" in table))


def _store_of(config: RelayConfig, problems: list[str]) -> str | None:
    """The database's URL, wherever it stands; what is wrong with it is named in `problems`."""
    if config.store_file is None:
        return config.store
    if config.store is not None:
        problems.append("store_file: store is set, too")
        return config.store
    try:
        return store_url(read_private(config.store_file, "store_file"))
    except ConfigError as error:
        problems.append(str(error))
    except ValueError:
        what = allowed(StoreUrl)
        problems.append(f"store_file: {config.store_file} does not hold what it is to: {what}")
    return None


def faults(config: RelayConfig, *, chosen: bool = True) -> list[str]:
    """What cannot be, though each setting by itself can; `chosen`: a profile was."""
    wrong: list[str] = []
    if not chosen and not is_loopback(config.host):
        names = ", ".join(f'"{name}"' for name in PURPOSES)
        wrong.append(
            f"host: {config.host} can be reached from other machines, and without a profile anyone"
            f" may write: choose one (profile = {names}), or let it listen on 127.0.0.1"
        )
    if config.profile == "personal" and config.pubkey is None:
        wrong.append('pubkey: the profile "personal" needs to know whose relay it is (your npub)')
    if not 0 <= config.port <= 65535:
        wrong.append(f"port: {config.port}; allowed: a number from 0 to 65535")
    for url in config.urls:
        try:
            normalize_relay_url(url)
        except InvalidData as error:
            wrong.append(f"urls: {url}: {error}")
    if config.limits.default_limit > config.limits.max_limit:
        wrong.append("limits.default_limit is larger than limits.max_limit")
    wrong += _faults_of_sub_relay(config, "")
    taken = _paths_of(config)
    for name, sub_relay in config.rooms.items():
        if sub_relay.path in taken:
            wrong.append(f"rooms.{name}.path: {sub_relay.path} is another room's, too")
        elif shared := sorted(
            _paths_of(sub_relay) & taken
        ):  # whatever the host: sub-relays are told by paths
            wrong.append(f"rooms.{name}.urls: the path {shared[0]} is another room's, too")
        taken |= _paths_of(sub_relay)
        wrong += _faults_of_sub_relay(sub_relay, f"rooms.{name}.")
    return wrong


def _paths_of(sub_relay: RelayConfig) -> set[str]:
    """Of all URLs by which a sub-relay is reached."""
    found = {sub_relay.path}
    for url in sub_relay.urls:
        with contextlib.suppress(InvalidData):  # said elsewhere
            found.add(urlsplit(normalize_relay_url(url)).path or "/")
    return found


def _faults_of_sub_relay(config: RelayConfig, path: str) -> list[str]:
    wrong: list[str] = []
    events, access = config.events, config.access
    both = sorted(set(events.kinds) & set(events.refused_kinds))
    wrong += [f"{path}events.refused_kinds: {kind} is among events.kinds, too" for kind in both]
    if "trusted" in (access.write, access.read) and not (config.trust.roots or config.pubkey):
        wrong.append(f"{path}trust.roots: whose web of trust? Name somebody, or set pubkey")
    if access.write == "listed" and not (access.writers or config.keepers):
        wrong.append(f"{path}access.writers: nobody could write; name somebody, or set pubkey")
    if access.read == "listed" and not (access.readers or config.keepers):
        wrong.append(f"{path}access.readers: nobody could read; name somebody, or set pubkey")
    if _is_path(config.path) is None:
        wrong.append(f"{path}path: {config.path}; allowed: a path such as /inbox")
    return wrong

"""What a person has set up: `config.toml` in the config folder, every line of it optional.

relays = ["wss://relay.example.com"]  # the first relays; [] is none at all, without this
                                      # line the list in the package is used
proxy = "tor://127.0.0.1:9050"        # everything goes through it; names are resolved there
media = true                          # files that events name are fetched when you open them
compression = false                   # of what goes over the sockets
allow_private_relays = ["nas.local"]  # hosts that strangers' lists may lead to all the same
relays_of_strangers = "asked"         # relays that only people name whom you do not follow: used
                                      # when you open, answer or follow one; or "always", "never"
ask_auth = true                       # ask whether a relay that one merely reads from may know who
                                      # asks (NIP-42); false: it may not
monitors = ["npub1..."]               # whose reports on relays (NIP-66) count, beside
                                      # those of people whom you follow
copies = 7                            # operators that are to hold each note: those of the relay
                                      # list, and open relays in reserve; 0: the list's alone
local_network = false                 # true: where no relay that is known answers, look for others
                                      # on the local network, whoever runs them there
own_relay = true                      # a relay on this machine, where every note has a home
relay_quota_mb = 256                  # kept of what one relay sent of people nobody here follows
stranger_quota_mb = 16                # kept of what one of those people wrote
copies_of_others_mb = 10              # of what is bookmarked for everybody to see, and of people of
                                      # whom a copy is kept, that goes into reserve too; 0: none
muted_kinds = [1985]                  # kinds of events that no list of this client shows
sync_drafts = false                   # true: drafts follow you to your other devices, encrypted, on
                                      # your private relays (NIP-37)
theme = "nord"                        # or "terminal": its own colours; "dusk", "paper", ...
glyphs = "auto"                       # "ascii": no other signs in the terminal client; "unicode"
lock_after = 60                       # minutes without a key or a click until the terminal client
                                      # wants the account's password again; 0: never

[keys.note]                           # keys of the terminal client: place and act, as `?` and
react = ["f", "l"]                    # docs/config.md name them; [] is no key at all

[commands.play]                       # a program of one's own, by key or by `:play`
run = ["mpv", "{url}"]                # and its arguments; docs/config.md says the rest

[bunker]
relays = ["wss://relay.example.com"]  # where `nostr-client bunker` is asked

[accounts.npub1...]                   # what is different for one account
proxy = "socks5h://127.0.0.1:1080"    # or "none"
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

import msgspec

from nostr_client.errors import InvalidData
from nostr_client.protocol.bech32 import decode_bech32
from nostr_client.protocol.keys import PublicKey
from nostr_client.protocol.kinds import MAX_KIND
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.redact import redacted
from nostr_client.settings import InvalidSettings, checked, read_by, read_table
from nostr_client.toml_file import load_toml

NO_PROXY: Final = "none"
_PROXY_SCHEMES: Final = ("tor", "socks5h", "socks5", "http")
_PROXY_WORDS: Final = " or ".join(f"{name}://HOST:PORT" for name in _PROXY_SCHEMES)


def _relay_url(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return normalize_relay_url(value)


def _host(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value.strip().strip("[]").lower()


def _proxy(value: Any) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts and parts.scheme in _PROXY_SCHEMES and parts.hostname and parts.port:
        return str(value)
    raise ValueError("not the URL of a proxy")


def _own_proxy(value: Any) -> str:
    return NO_PROXY if value == NO_PROXY else _proxy(value)


def _pubkey(text: str) -> str:
    """Raises InvalidData."""
    if text.startswith("npub1"):
        kind, data = decode_bech32(text)
        text = data.hex() if kind == "npub" else ""
    return PublicKey(text).hex


def _person(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return _pubkey(value)


Minutes = Annotated[int, msgspec.Meta(ge=0, le=525_600)]
Megabytes = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
RelayUrl = Annotated[str, read_by(_relay_url, "wss://HOST or ws://HOST")]
Person = Annotated[str, read_by(_person, "an npub")]
Host = Annotated[str, read_by(_host, "the name or the address of a host")]
Proxy = Annotated[str, read_by(_proxy, _PROXY_WORDS, secret=True)]
OwnProxy = Annotated[str, read_by(_own_proxy, f'{_PROXY_WORDS} or "{NO_PROXY}"', secret=True)]


Kind = Annotated[int, msgspec.Meta(ge=0, le=MAX_KIND)]
Copies = Annotated[int, msgspec.Meta(ge=0, le=20)]


class AccountConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What is different for one account."""

    proxy: OwnProxy | None = None

    def __repr__(self) -> str:
        return f"AccountConfig(proxy={redacted(self.proxy or '')!r})"


class CommandConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A program of the person's own, run from the terminal client (`tui/own_commands.py`)."""

    run: tuple[str, ...]
    """The program and its arguments, in which placeholders may stand."""
    on: Literal["note", "person", "app"] = "note"
    keys: tuple[str, ...] = ()
    says: str = ""
    """What help says; empty: the program's name."""
    stdin: Literal["nothing", "text"] = "nothing"
    """What it reads on its standard input."""
    output: bool = True
    """Is what it writes shown?"""
    terminal: bool = False
    """Is the terminal its own while it runs?"""
    seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 30
    """After which it is ended, if it has not the terminal."""


class BunkerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Bunker mode: `relays` are its own, and need be in nobody's list."""

    relays: tuple[RelayUrl, ...] = ()


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the client; the file's keys are its fields. Raises InvalidSettings.

    Relay URLs come out in their one spelling, without doubles, and `accounts` by their pubkeys in
    hex. `proxy` is `tor://`, `socks5h://`, `socks5://` or `http://`, with a host and a port; names
    are never resolved here, whichever it is. What it holds before an `@` is a secret, and not
    shown.
    """

    relays: tuple[RelayUrl, ...] | None = None
    """None: those that come with the package. Empty: none at all."""
    proxy: Proxy | None = None
    media: bool = True
    """May files that events name be fetched, the way that all else goes?"""
    pictures: Literal["followed", "always", "asked"] = "followed"
    """Which come by themselves, where they can be shown: those of people who are followed, and
    `always` also over SSH; or none before it is asked for."""
    avatars: bool = False
    """Is there room for the pictures that people have of themselves? They come as `pictures` do."""
    link_titles: bool = False
    """May the pages be asked for their titles that people who are followed link to?"""
    compression: bool = False
    allow_private_relays: tuple[Host, ...] = ()
    relays_of_strangers: Literal["asked", "always", "never"] = "asked"
    ask_auth: bool = True
    monitors: tuple[Person, ...] = ()
    """Whose reports on relays count (NIP-66), in hex, beside those of people who are followed."""
    copies: Copies = 7
    """Operators of relays that are to hold each note, those in reserve included."""
    local_network: bool = False
    """May relays be looked for on the local network, where no other answers?"""
    own_relay: bool = True
    relay_quota_mb: Megabytes = 256
    """Of what one relay brought by people whom nobody here follows; the oldest gives way."""
    stranger_quota_mb: Megabytes = 16
    """The same of what one of them wrote."""
    copies_of_others_mb: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 10
    """Of what others wrote, bookmarked or kept, that copies are placed of in reserve."""
    muted_kinds: tuple[Kind, ...] = ()
    """Kinds of events that are not shown in lists."""
    sync_drafts: bool = False
    """Do drafts follow the account to its other devices (NIP-37)?"""
    notify: Literal["off", "desktop", "terminal", "bell"] = "off"
    """How the terminal client tells what comes while it is not in front."""
    notify_names: bool = True
    """Does it say who, or only how much came? What was written it never says."""
    theme: str | None = None
    glyphs: Literal["auto", "ascii", "unicode"] = "auto"
    """With what the terminal client draws; "auto": as the terminal's encoding can."""
    lock_after: Minutes = 60
    """Until an account with a password is locked in the terminal client; 0: never."""
    keys: Mapping[str, Mapping[str, tuple[str, ...]]] = msgspec.field(default_factory=dict)
    """Keys of the terminal client that are changed: by place and name; none: removed."""
    commands: Mapping[str, CommandConfig] = msgspec.field(default_factory=dict)
    """Programs of the person's own, by their names."""
    bunker: BunkerConfig = BunkerConfig()
    accounts: Mapping[str, AccountConfig] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        values = checked(self)
        if self.accounts:
            values["accounts"] = _by_pubkey(self.accounts)
        if values.get("relays"):
            values["relays"] = tuple(dict.fromkeys(values["relays"]))
        for name, value in values.items():
            msgspec.structs.force_setattr(self, name, value)

    def __repr__(self) -> str:
        fields = msgspec.structs.asdict(self)
        if self.proxy is not None:
            fields["proxy"] = redacted(self.proxy)
        return f"ClientConfig({', '.join(f'{name}={value!r}' for name, value in fields.items())})"

    @property
    def own_proxies(self) -> dict[str, str | None]:
        """The proxies of the accounts (hex) that have one of their own, or go without."""
        return {
            pubkey: None if own.proxy == NO_PROXY else own.proxy
            for pubkey, own in self.accounts.items()
            if own.proxy is not None
        }

    def for_account(self, pubkey: str) -> Self:
        """As they are for the account `pubkey` (hex); for those without a table, as they stand."""
        own = self.own_proxies
        return msgspec.structs.replace(self, proxy=own[pubkey]) if pubkey in own else self


def _by_pubkey(accounts: Mapping[str, AccountConfig]) -> dict[str, AccountConfig]:
    """Raises InvalidSettings."""
    found: dict[str, AccountConfig] = {}
    problems: list[str] = []
    for name, settings in accounts.items():
        try:
            pubkey = _pubkey(name)
        except InvalidData:
            problems.append(f"accounts: {redacted(name)!r} is no npub")
            continue
        if pubkey in found:
            problems.append(f"accounts: {name!r} stands there twice")
        found[pubkey] = settings
    if problems:
        raise InvalidSettings(problems)
    return found


def load_config(path: Path) -> ClientConfig:
    """The settings in the TOML file `path`; a missing file is an empty one.

    Raises ConfigError, which names the file and each key that is wrong.
    """
    problems: list[str] = []
    config = ClientConfig()
    try:
        config = read_table(ClientConfig, load_toml(path), problems)
    except FileNotFoundError:
        return config
    except InvalidSettings as error:
        problems += error.problems
    if problems:
        raise InvalidSettings([f"{path}: {problem}" for problem in problems])
    return config

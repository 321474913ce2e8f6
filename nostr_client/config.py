"""What a person has set up: `config.toml` in the config folder, every line of it optional.

relays = ["wss://relay.example.com"]  # the first relays; [] is none at all, without this
                                      # line the list in the package is used
proxy = "socks5h://127.0.0.1:9050"    # names are resolved at the proxy
compression = false                   # of what goes over the sockets
allow_private_relays = ["nas.local"]  # hosts that strangers' lists may lead to all the same
relays_of_strangers = "asked"         # relays that only people name whom you do not follow: used
                                      # when you open, answer or follow one; or "always", "never"
own_relay = true                      # a relay on this machine, where every note has a home
relay_quota_mb = 256                  # kept of what one relay sent of people nobody here follows
stranger_quota_mb = 16                # kept of what one of those people wrote
theme = "nord"
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec

from nostr_client.errors import ConfigError, InvalidData
from nostr_client.protocol.urls import normalize_relay_url

_PROXY_SCHEMES: Final = ("socks5h", "socks5", "http")
_LARGEST: Final = 1 << 20
"""Bytes of a configuration file that anybody can have meant."""


Megabytes = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of the client; the file's keys are its fields. Raises ConfigError.

    Relay URLs come out in their one spelling, without doubles. `proxy` is `socks5h://`,
    `socks5://` (names resolved here) or `http://`, with a host and a port; what it holds before
    an `@` is a secret, and not shown.
    """

    relays: tuple[str, ...] | None = None
    """None: those that come with the package. Empty: none at all."""
    proxy: str | None = None
    compression: bool = False
    allow_private_relays: tuple[str, ...] = ()
    relays_of_strangers: Literal["asked", "always", "never"] = "asked"
    own_relay: bool = True
    relay_quota_mb: Megabytes = 256
    """Of what one relay brought by people whom nobody here follows; the oldest gives way."""
    stranger_quota_mb: Megabytes = 16
    """The same of what one of them wrote."""
    theme: str | None = None

    def __post_init__(self) -> None:
        hosts = (host.strip().strip("[]").lower() for host in self.allow_private_relays)
        if self.relays is not None:
            msgspec.structs.force_setattr(self, "relays", _relays(self.relays))
        msgspec.structs.force_setattr(self, "allow_private_relays", tuple(hosts))
        if self.proxy is not None:
            _check_proxy(self.proxy)

    def __repr__(self) -> str:
        fields = msgspec.structs.asdict(self)
        if self.proxy is not None:
            scheme, _, rest = self.proxy.partition("://")
            fields["proxy"] = f"{scheme}://{rest.rpartition('@')[2]}"
        return f"ClientConfig({', '.join(f'{name}={value!r}' for name, value in fields.items())})"


def load_config(path: Path) -> ClientConfig:
    """The settings in the TOML file `path`; a missing file is an empty one.

    Raises ConfigError, which names the file and the key.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise ConfigError(f"{path}: too large for a configuration file")
        return msgspec.convert(tomllib.loads(data.decode()), ClientConfig)
    except FileNotFoundError:
        return ClientConfig()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_reason(str(error))}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    except InvalidSetting as error:
        raise ConfigError(f"{path}: {error}") from None


class InvalidSetting(ConfigError):
    """One setting that cannot be used; the message begins with its key."""


def _relays(urls: tuple[str, ...]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for url in urls:
        try:
            found[normalize_relay_url(url)] = None
        except InvalidData as error:
            raise InvalidSetting(f"relays: {url!r}: {error}") from None
    return tuple(found)


def _check_proxy(url: str) -> None:
    # The URL may hold a password: no message quotes it.
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _PROXY_SCHEMES and parts.hostname and parts.port
    except ValueError:
        valid = False
    if not valid:
        forms = " or ".join(f"{scheme}://HOST:PORT" for scheme in _PROXY_SCHEMES)
        raise InvalidSetting(f"proxy: is not of the form {forms}")


def _reason(message: str) -> str:
    """msgspec's words, with the key in front where it has one."""
    words, _, place = message.replace(" | null", "").partition(" - at `$")
    key = place.rstrip("`").lstrip(".")
    return f"{key}: {words}" if key else words

"""The options that the relay's commands share, and how one is added."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from nostr_client.command_line.tree import DEBUG, JSON, Function, Group, Option, option
from relays.config.purposes import Profile

if TYPE_CHECKING:
    from relays.cli.context import RelayContext

_DATA: Final = option("data", Path | None, Option("--data", "DIR", "The relay's folder."), None)
_STORE: Final = option(
    "store",
    str | None,
    Option(
        "--store",
        "URL",
        "The PostgreSQL database that has the relay instead. Also: $NOSTR_CLIENT_RELAY_STORE.",
    ),
    None,
)
_CONFIG: Final = option(
    "config", Path | None, Option("--config", "FILE", "Settings, in TOML."), None
)
_PROFILE: Final = option(
    "profile",
    Profile | None,
    Option(
        "--profile",
        help="What the relay is for; without it, anyone on this machine may write (open).",
    ),
    None,
)
_URL: Final = option("url", list[str], Option("--url", "URL", "A public URL of this relay."), ())
PLAIN: Final = (JSON, DEBUG)
"""Options of a command that needs no relay."""
FOLDER: Final = (_DATA, *PLAIN)
"""Those of one that needs its folder."""
STORES: Final = (_DATA, _STORE, _CONFIG, *PLAIN)
"""Those of one that needs what the relay keeps, wherever that is."""
LASTING: Final = (_DATA, _STORE, _CONFIG, _PROFILE, _URL, DEBUG)
"""Those of one that goes on until it is stopped; what it has to say is its log."""
CONFIGURED: Final = (*LASTING, JSON)
"""Those of one that needs its settings, too."""

SubRelay = Annotated[str | None, Option("--room", "NAME", "One of the profile's further relays.")]
FilterTexts = Annotated[
    list[str], Option("--filter", "JSON", "Only these events: a filter of NIP-01, or a list.")
]


def add_command(group: Group, name: str, function: Function, options: tuple[Any, ...]) -> None:
    """Make `function` the command `name` of `group`, with the common `options`."""
    group.add(name, function, options, _context)


def _context(**given: Any) -> RelayContext:
    from relays.cli.context import RelayContext

    return RelayContext(**given)

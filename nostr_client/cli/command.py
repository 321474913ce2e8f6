"""The options that the client's commands share, and how one is added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nostr_client.command_line.tree import DEBUG, JSON, Function, Group, Option, option

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.command_line.context import Context

_ACCOUNT: Final = option(
    "account",
    str | None,
    Option("--account", "WHO", "Act as this account: its name or npub."),
    None,
)
_KEY: Final = option(
    "key_fd",
    int | None,
    Option(
        "--key-fd",
        "N",
        "Sign with the key that this file descriptor gives, and keep it nowhere."
        " Also: $NOSTR_CLIENT_KEY.",
    ),
    None,
)
_SIGNER: Final = option(
    "signer_text",
    str | None,
    Option(
        "--signer",
        "WHAT",
        "Sign with this, for this run: fd:N, file:PATH, keyring:NAME, bunker://...; an npub reads"
        " as somebody.",
    ),
    None,
)
_PASSWORD: Final = option(
    "password_fd",
    int | None,
    Option(
        "--password-fd",
        "N",
        "Read the password from this file descriptor. Also: $NOSTR_CLIENT_PASSWORD.",
    ),
    None,
)
_OWN_RELAY: Final = option(
    "own_relay",
    bool | None,
    Option("--own-relay/--no-own-relay", help="Keep a relay of your own running on this machine."),
    None,
)
_YES_REALLY: Final = option(
    "yes_really",
    list[str] | None,
    Option("--yes-really", "WHAT", "Do what cannot be taken back: the word that is asked for."),
    None,
)
_WITHOUT_BACKUP: Final = option(
    "without_backup",
    bool,
    Option("--without-backup", help="And though there is no backup of the last day."),
    False,
)
_QUIET: Final = option(
    "quiet", bool, Option("--quiet", help="Say nothing but results and errors.", short="-q"), False
)
_TIMEOUT: Final = option(
    "timeout",
    float | None,
    Option("--timeout", "SECONDS", "How long relays have for their answers.", least=0.001),
    None,
)
PLAIN: Final = (JSON, _QUIET, DEBUG)
"""Options of every command, and all of one that needs no account, or works on JSON lines."""
KEEPING: Final = (JSON, _QUIET, _PASSWORD, DEBUG)
"""Those of one that creates or imports a key."""
LISTING: Final = (JSON, _QUIET, _KEY, _SIGNER, _PASSWORD, DEBUG)
"""Those of one that says who there is, and whom a key that is given stands for."""
EXPORTING: Final = (JSON, _QUIET, _ACCOUNT, _PASSWORD, DEBUG)
"""Those of one that shows a key that is kept."""
UNLOCKING: Final = (JSON, _QUIET, _ACCOUNT, _KEY, _SIGNER, _PASSWORD, DEBUG)
"""Those of one that is about an account or uses its key, and opens no client."""
CLIENT: Final = (JSON, _QUIET, _ACCOUNT, _KEY, _SIGNER, _PASSWORD, _OWN_RELAY, DEBUG)
"""Those of one that opens a client: to sign, or to log in to own relays where it reads."""
ASKING: Final = (JSON, _QUIET, _TIMEOUT, _ACCOUNT, _KEY, _SIGNER, _PASSWORD, DEBUG)
"""Those of one that asks relays, or tells them something, for the moment."""

CONSENTING: Final = (*CLIENT, _YES_REALLY, _WITHOUT_BACKUP)
"""Those of one that signs what may have to be confirmed."""


def add_command(group: Group, name: str, function: Function, options: tuple[Any, ...]) -> None:
    """Make `function` the command `name` of `group`, with the common `options`."""
    group.add(name, function, options, _context)


def add_pure_command(group: Group, name: str, function: Function) -> None:
    """The same for one that needs neither network nor account: it is ready the sooner."""
    group.add(name, function, PLAIN, _pure_context)


def _context(**given: Any) -> ClientContext:
    from nostr_client.cli.context import ClientContext

    return ClientContext(**given)


def _pure_context(**given: Any) -> Context:
    from nostr_client.command_line.context import Context

    return Context(**given)

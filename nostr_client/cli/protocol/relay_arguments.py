"""The relays that a command is given, and whether they may know who asks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Final

from nostr_client.command_line.tree import Argument, Option
from nostr_client.exits import CommandError, Exit

Relays = Annotated[
    list[str] | None,
    Argument(
        metavar="[RELAY]...",
        help="Whom to ask. Default: where the authors write, and else your own relays.",
    ),
]
Auth = Annotated[
    bool,
    Option("--auth", help="Tell the relays named here who you are, if they want to know."),
]


SHOWN: Final = 80
"""Characters of what is no address, said back."""


def relays_given(texts: Collection[str] | None) -> list[str]:
    """The URLs of relays that are named as arguments, in their normal spelling; `wss://` may be
    left out, and `ws://` where it is this machine. Raises CommandError."""
    from nostr_client.redact import redacted
    from nostr_client.safe_text import safe_line
    from nostr_client.social.pointers import relay_meant

    found: dict[str, None] = {}
    for text in texts or ():
        meant = relay_meant(text)
        if meant is None:
            shown = safe_line(redacted(text), SHOWN)
            words = f"{shown!r} is no relay's address: relay.example or wss://relay.example is one"
            raise CommandError(words, Exit.USAGE)
        found[meant.url] = None
    return list(found)


def relay_given(text: str) -> str:
    """The same for one. Raises CommandError."""
    [url] = relays_given([text])
    return url

"""What the commands of `nostr-client dm` are given: people, rooms and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from nostr_client.command_line.tree import Argument, Option
from nostr_client.exits import CommandError, Exit
from nostr_client.protocol.keys import is_hex64

if TYPE_CHECKING:
    from nostr_client.client import NostrClient
    from nostr_client.social.messages.views import Obstacle

Who = Annotated[str, Argument(metavar="WHO", help="npub, nprofile, hex or name@domain.")]
Maybe = Annotated[str, Argument(metavar="[WHO]", help="With whom; default: everybody.")]
With = Annotated[
    list[str] | None,
    Option("--with", metavar="WHO", help="And with them, in one room; several times for several."),
]
Text = Annotated[
    str,
    Argument(metavar="[TEXT]", help="The text; - or nothing reads standard input, where no list "
             "of processes shows it."),
]  # fmt: skip
Id = Annotated[str, Argument(metavar="ID", help="A message's id, as `dm list` shows it.")]
Offline = Annotated[bool, Option("--offline", help="Only what is here.")]
Limit = Annotated[int, Option("--limit", least=1, most=10_000, help="How many at most.")]


async def room_of(client: NostrClient, who: str, also: list[str] | None) -> frozenset[str]:
    """The keys of a room: the people named, and the account itself."""
    found = [await client.profiles.resolve(each) for each in (who, *(also or ()))]
    return frozenset({*found, client.pubkey})


def message_id(text: str) -> str:
    if not is_hex64(text):
        raise CommandError("a message's id has 64 hex digits, as `dm list` shows it", Exit.USAGE)
    return text


def obstacle_code(obstacle: Obstacle) -> Exit:
    from nostr_client.social.messages.views import Obstacle

    return {
        Obstacle.NO_LIST: Exit.NOT_FOUND,
        Obstacle.NOT_FOUND_YET: Exit.NO_ANSWER,
        Obstacle.NO_USABLE_RELAY: Exit.NOT_ACCEPTED,
        Obstacle.TOO_MANY: Exit.USAGE,
        Obstacle.NO_KEY: Exit.LOCKED,
    }.get(obstacle, Exit.ERROR)

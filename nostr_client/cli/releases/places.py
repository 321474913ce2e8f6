"""Where a release is looked for, as the commands of `app` say it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from nostr_client.command_line.tree import Option
from nostr_client.errors import ConnectFailed, RelayError, ReleaseRefused
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.protocol.event import Event
    from nostr_client.protocol.filters import Filter
    from nostr_client.releases.offers import NetworkOffer, ReleaseOffer
    from nostr_client.social.media.blob_folder import BlobFolder

NETWORK: Final = "relays"
From = Annotated[
    list[str] | None,
    Option(
        "--from",
        "PLACE",
        "A file, a share's http:// address, a relay's ws:// address, or `relays` (the default).",
    ),
]
Platform = Annotated[
    str,
    Option("--platform", "NAME", "For this platform, as linux-aarch64, in place of this one's."),
]


def refusal(
    message: str,
    why: str | None,
    code: Exit,
    *,
    sha256: str | None = None,
    signed_by: Sequence[str] = (),
    new_key: str | None = None,
) -> CommandError:
    """The error of a command of `app`, for programs always with the same keys: `refused` is the
    reason in a word (null where nobody answered), `sha256` and `signed_by` are those of the one
    file that is looked at, `new_key` is that to which the release key was changed."""
    record = {
        "refused": why,
        "sha256": sha256,
        "signed_by": list(signed_by),
        "new_key": new_key,
    }
    return CommandError(message, code, record)


@contextmanager
def refusals() -> Iterator[None]:
    """What is refused becomes the command's error."""
    try:
        yield
    except ReleaseRefused as error:
        code = Exit.NOT_FOUND if error.why == "not-found" else Exit.ERROR
        raise refusal(str(error), error.why, code) from error
    except RelayError as error:
        raise refusal(str(error), None, Exit.NO_ANSWER) from error


class ReleasePlaces(NamedTuple):
    """Where to look: what is `offered` without relays, whether relays are `asked` that would be
    asked anyway, and those that are named."""

    offered: list[ReleaseOffer]
    asked: bool
    relays: list[str]

    def of(self, client: NostrClient) -> list[ReleaseOffer]:
        """All of them, once a client is there to ask relays."""
        named = [network_offer(client, self.relays)] if self.relays else []
        anyway = [network_offer(client, None)] if self.asked else []
        return [*self.offered, *named, *anyway]


def places_named(context: ClientContext, words: Sequence[str]) -> ReleasePlaces:
    """What these words mean; the files among them are read. Raises StoreError, ReleaseRefused."""
    from nostr_client.net.dial import DialOptions
    from nostr_client.releases.offers import FileOffer, UrlOffer

    places = ReleasePlaces([], NETWORK in words or not words, [])
    for word in words:
        scheme = word.partition("://")[0].lower()
        if scheme in ("ws", "wss"):
            places.relays.append(word)
        elif scheme in ("http", "https"):
            # Whoever names an address on the own network means it.
            dial = DialOptions.through(context.config.proxy, private=True)
            places.offered.append(UrlOffer(word, dial))
        elif word != NETWORK:
            places.offered.append(FileOffer(Path(word).expanduser()))
    return places


@asynccontextmanager
async def offers_at(
    context: ClientContext, places: ReleasePlaces
) -> AsyncIterator[list[ReleaseOffer]]:
    """What these places offer; a client is opened where a relay is among them, and not else."""
    if not places.asked and not places.relays:
        yield places.offered
        return
    async with context.reading(context.acting()) as client:
        yield places.of(client)


def network_offer(client: NostrClient, relays: Sequence[str] | None) -> NetworkOffer:
    """What these relays have, or those that are asked anyway."""
    from nostr_client.releases.offers import NetworkOffer

    async def ask(filters: Sequence[Filter]) -> Sequence[Event]:
        found = await client.fetch(*filters, relays=relays)
        if not found and found.ends and not any(end.answered for end in found.ends.values()):
            raise ConnectFailed("relays", "none of those that were asked has answered")
        return found

    return NetworkOffer(
        ask, client.media.servers.of, client.media.dial, kept_files(client.paths.data)
    )


def kept_files(data: Path) -> BlobFolder:
    """The person's own folder of files, in the data folder."""
    from nostr_client.social.media.blob_folder import BlobFolder

    return BlobFolder(data / "blobs")

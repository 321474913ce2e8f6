"""`nostr-client app carry` and `share`: the current release, kept here for others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from nostr_client.cli.releases.places import (
    From,
    Platform,
    kept_files,
    places_named,
    refusals,
)
from nostr_client.command_line.tree import Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.releases.carrying import Carried

To = Annotated[
    list[str] | None,
    Option(
        "--to", "URL", "Give it on: events to a relay (wss://), the file to a server (https://)."
    ),
]


def carry(
    context: ClientContext, *, from_: From = None, platform: Platform = "", to: To = None
) -> None:
    """Keep the current release, its events and its file, and give it on to relays and servers."""
    from nostr_client.releases.carrying import carry as keep
    from nostr_client.releases.installation import Installation

    here = Installation.here()
    with refusals():
        places = places_named(context, from_ or ())
    signer = context.signer() if to else None

    async def work() -> None:
        opened = context.reading(context.acting()) if signer is None else context.writing(signer)
        with refusals():
            async with opened as client:
                kept = kept_files(client.paths.data)
                found = await keep(here, places.of(client), client.store, kept, platform)
                given = await _give(client, found, to or [])
        record = {
            "version": found.file.version,
            "file": found.filename,
            "sha256": found.file.asset.sha256,
            "bytes": len(found.data),
            "signed_by": found.file.signer,
            "signed_at": found.file.signed_at,
            "given": given,
        }
        missed = [url for url, taken in given.items() if not taken]
        words = (
            f"nostr-client {found.file.version} is kept here; `nostr-client app share` serves it"
        )
        if missed:
            words += f"\nnot taken by {', '.join(missed)}"
            context.exit_code = Exit.INCOMPLETE
        context.out.emit(record, words)

    wait_for(work())


async def _give(client: NostrClient, found: Carried, places: list[str]) -> dict[str, bool]:
    """The events to relays, the file to media servers: who has taken all of it."""
    from nostr_client.nips.nip82 import BUNDLE
    from nostr_client.social.media.blossom import Blob
    from nostr_client.social.media.uploads import UploadFile

    given: dict[str, bool] = {}
    for place in places:
        if place.partition("://")[0].lower() in ("ws", "wss"):
            client.book.policy.allow([place])
            reports = [await client.courier.send(event, [place]) for event in found.evidence]
            given[place] = all(report.accepted for report in reports)
        else:
            file = UploadFile(Blob.of(found.data, BUNDLE))
            given[place] = (await client.media.upload(file, [place], wanted=1)).ok
    return given


def share(
    context: ClientContext,
    *,
    host: Annotated[
        str, Option("--host", "ADDRESS", "Serve at this address, if not at that of the network.")
    ] = "",
    port: Annotated[
        int, Option("--port", "N", "Serve on this port, if not on any.", least=0, most=65535)
    ] = 0,
    platform: Platform = "",
) -> None:
    """Serve the carried release on the local network, until Ctrl-C: an address and a QR code."""
    from nostr_client.net.dial import local_address
    from nostr_client.releases.carrying import carried
    from nostr_client.releases.installation import Installation

    address = host or local_address()
    if not address:
        raise CommandError("this machine is in no local network: say --host ADDRESS", Exit.USAGE)
    if not _is_one_address(address):
        raise CommandError("--host is one address of this machine, as 192.168.1.7", Exit.USAGE)
    with refusals():
        found = carried(Installation.here(), kept_files(context.paths.data), platform)
    wait_for(_serve(context, found, address, port))


def _is_one_address(text: str) -> bool:
    import ipaddress

    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False


async def _serve(context: ClientContext, found: Carried, address: str, port: int) -> None:
    import asyncio
    import shutil

    from nostr_client.accounts.qr import qr_of
    from nostr_client.releases.sharing import shared

    try:
        async with shared(found, address, port) as url:
            record = {
                "url": url,
                "version": found.file.version,
                "file": found.filename,
                "sha256": found.file.asset.sha256,
            }
            code = qr_of(url, shutil.get_terminal_size().lines) if context.width else []
            context.out.emit(record, "\n".join([*code, url]))
            context.out.note(f"sha256 {found.file.asset.sha256}\nCtrl-C ends this.")
            await asyncio.Event().wait()
    except OSError as error:
        raise CommandError(f"cannot serve at {address}: {error.strerror}") from None

"""`nostr-client app publish` and `change-key`: for whoever makes releases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from nostr_client.command_line.tree import Argument, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.protocol.event import Draft
    from nostr_client.releases.publishing import MadeBundle
    from nostr_client.social.views import Posted

MOST_NOTES = 100_000
"""Bytes of a file that says what is new."""


def publish(
    context: ClientContext,
    files: Annotated[list[str], Argument(metavar="FILE", help="Bundles, one a platform.")],
    *,
    to: Annotated[
        list[str] | None, Option("--to", "URL", "A media server that is to serve the files.")
    ] = None,
    relay: Annotated[
        list[str] | None, Option("--relay", "URL", "A relay beside those you write to.")
    ] = None,
    notes: Annotated[str, Option("--notes", "TEXT", "What is new.")] = "",
    notes_file: Annotated[str, Option("--notes-file", "FILE", "What is new, from a file.")] = "",
    commit: Annotated[str, Option("--commit", "ID", "What they were built of.")] = "",
) -> None:
    """Sign a release, upload its files, and put its events on relays; FILE.jsonl goes with each."""
    from pathlib import Path

    from nostr_client.releases.publishing import check_signer, publish_release, read_bundles

    bundles = read_bundles([Path(file) for file in files])
    said = notes or (_notes(Path(notes_file)) if notes_file else "")
    signer = context.signer()
    check_signer(bundles, signer.pubkey)
    if not all(each.release_key for each in bundles):
        context.out.note(
            "These are born without a release key: whoever installs them must name it."
        )

    async def work() -> None:
        async with context.writing(signer) as client:
            servers = to or list(await client.media.servers.urls())
            urls = {
                each.blob.sha256: await _upload(context, client, each, servers) for each in bundles
            }
            client.book.policy.allow(relay or ())

            async def post(draft: Draft) -> Posted:
                return await client.publisher.publish(draft, also=relay or ())

            posted = await publish_release(bundles, urls, post, notes=said, commit=commit)
            await _conclude(context, client, bundles, posted, urls)

    wait_for(work())


def _notes(path: Any) -> str:
    from nostr_client.paths import translated

    with translated(f"cannot read {path}"), path.open("rb") as file:
        data = file.read(MOST_NOTES + 1)
    try:
        if len(data) <= MOST_NOTES:
            return str(data.decode())
    except UnicodeDecodeError:
        pass
    raise CommandError(f"{path} is no text of at most {MOST_NOTES} bytes", Exit.USAGE)


async def _upload(
    context: ClientContext, client: NostrClient, bundle: MadeBundle, servers: list[str]
) -> list[str]:
    """Where the file lies then. Raises UploadFailed where nobody serves it."""
    from nostr_client.social.media.uploads import UploadFile

    if not servers:
        context.out.note(
            "No media server is named (--to URL): the file is found by its hash alone."
        )
        return []
    report = await client.media.upload(UploadFile(bundle.blob), servers, wanted=len(servers))
    report.raise_if_failed()
    for answer in report.answers:
        if not answer.served:
            context.out.note(str(answer))
            context.exit_code = Exit.INCOMPLETE
    return [answer.url for answer in report.served]


async def _conclude(
    context: ClientContext,
    client: NostrClient,
    bundles: list[MadeBundle],
    posted: list[Posted],
    urls: dict[str, list[str]],
) -> None:
    """The events beside each file, and what became of them."""
    import asyncio

    from nostr_client.cli.json_records import posted_record
    from nostr_client.cli.publish import own_url, reached_somebody
    from nostr_client.paths import write_private
    from nostr_client.releases.evidence import lines_of
    from nostr_client.releases.offers import SIDECAR

    events = lines_of(each.event for each in posted)
    own = await own_url(client)
    for each in bundles:
        beside = each.path.with_name(each.path.name + SIDECAR)
        await asyncio.to_thread(write_private, beside, events)
        record: dict[str, Any] = {
            "file": str(each.path),
            "sha256": each.blob.sha256,
            "version": each.version,
        }
        record |= {"platform": each.platform, "urls": urls[each.blob.sha256], "events": str(beside)}
        context.out.emit(record, f"{each.path}: {each.version} for {each.platform}, {beside}")
    for one in posted:
        context.out.emit(posted_record(one, own), f"kind {one.event.kind}: {one.report}")
        if not reached_somebody(one, own):
            context.exit_code = Exit.NOT_ACCEPTED


def change_key(
    context: ClientContext,
    new: Annotated[str, Argument(metavar="NPUB", help="The key that is to sign releases.")],
    *,
    offline: Annotated[
        str, Option("--offline", "NPUB", "The offline key from then on; the same one may stay.")
    ],
    old: Annotated[
        str, Option("--old", "NPUB", "The key that is followed, if not this installation's.")
    ] = "",
) -> None:
    """Sign that a release key is followed by another one: with the old key, and with the offline
    key. Prints the event of either, which `publish` takes; it is sent nowhere."""
    import msgspec

    from nostr_client.nips.nip19 import pubkey_of
    from nostr_client.output import json_line_of
    from nostr_client.releases.installation import Installation
    from nostr_client.releases.key_change import KeyChange
    from nostr_client.releases.origin import ReleaseKeys, check_keys

    known = Installation.here().keys()
    before = pubkey_of(old) if old else (known.release_key if known else "")
    if not before:
        raise CommandError("which key is followed? Say --old NPUB", Exit.USAGE)
    keys = ReleaseKeys(release_key=pubkey_of(new), offline_key=pubkey_of(offline))
    check_keys(keys)
    signer = context.signer()
    may = {before, known.offline_key} if known else {before}
    if known and signer.pubkey not in may:
        context.out.note("This key is neither the release key nor the offline key known here.")

    async def work() -> None:
        async with signer:
            event = await signer.sign(KeyChange(before, keys).draft())
        context.out.emit(msgspec.json.decode(event.json), json_line_of(event.json))

    wait_for(work())

"""`nostr-client app show` and `verify`: which version this is, and whose a file is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

from nostr_client.cli.releases.places import NETWORK, offers_at, places_named, refusal, refusals
from nostr_client.command_line.tree import Argument, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.errors import ReleaseRefused
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.releases.installation import Installation
    from nostr_client.releases.offers import FileOffer

BORN_WITHOUT = (
    "this installation was born without a release key: it takes no update until you name one, once"
    " (`nostr-client app trust NPUB`)"
)


def show(context: ClientContext) -> None:
    """Which version this is, the one before, and whose releases it takes."""
    from nostr_client.nips.nip19 import encode_npub
    from nostr_client.releases.installation import Installation
    from nostr_client.releases.origin import born_with
    from nostr_client.version import __version__

    here = Installation.here()
    keys, born = here.keys(), born_with()
    record = {
        "version": __version__,
        "in_use": here.version,
        "previous": here.previous or None,
        "folder": str(here.root),
        "app": keys.app if keys else None,
        "release_key": keys.release_key if keys else None,
        "offline_key": (keys.offline_key or None) if keys else None,
        "born_with": born.release_key if born else None,
    }
    lines = [f"nostr-client {__version__}, in {here.root}"]
    if here.previous:
        lines.append(f"before: {here.previous} (`nostr-client app rollback`)")
    if keys is None:
        lines.append(BORN_WITHOUT)
    else:
        lines.append(f"release key: {encode_npub(keys.release_key)}")
        offline = encode_npub(keys.offline_key) if keys.offline_key else "none"
        lines.append(f"offline key, which it takes to change that: {offline}")
        if born is not None and born.release_key != keys.release_key:
            lines.append(f"born with: {encode_npub(born.release_key)}")
    context.out.emit(record, "\n".join(lines))


def verify(
    context: ClientContext,
    file: Annotated[str, Argument(metavar="FILE", help="A bundle.")],
    *,
    events: Annotated[
        str, Option("--events", "FILE", "What proves it, in place of FILE.jsonl beside it.")
    ] = "",
    offline: Annotated[bool, Option("--offline", help="Ask no relay.")] = False,
) -> None:
    """Who signed a file, when, and whether it is the key of this installation.

    It ends with 0 only where it is."""
    from pathlib import Path

    from nostr_client.releases.installation import Installation
    from nostr_client.releases.offers import FileOffer

    here = Installation.here()

    async def work() -> None:
        with refusals():
            offer = FileOffer(Path(file), Path(events) if events else None)
            try:
                if here.keys() is None:
                    raise ReleaseRefused("keyless", BORN_WITHOUT)
                await _verify(context, here, offer, [] if offline else [NETWORK])
            except ReleaseRefused as error:
                raise await _refused(offer, error) from error

    wait_for(work())


async def _verify(
    context: ClientContext, here: Installation, offer: FileOffer, places: list[str]
) -> None:
    from nostr_client.cli.plain_lines import when
    from nostr_client.nips.nip19 import encode_npub
    from nostr_client.releases.installation import check_bundle
    from nostr_client.releases.origin import born_with
    from nostr_client.releases.updating import Proven, prove

    async def proven() -> Proven:
        if not places:
            return await prove(here, [offer], must_remember=False)
        async with offers_at(context, places_named(context, places)) as others:
            return await prove(here, [offer, *others], must_remember=False)

    found, born = await proven(), born_with()
    check_bundle(offer.data, found.file)
    file = found.file
    record = {
        "file": str(offer.path),
        "sha256": file.asset.sha256,
        "version": file.version,
        "platforms": list(file.asset.platforms),
        "signed_by": file.signer,
        "signed_at": file.signed_at,
        "born_key": not found.changes and (born is None or born.release_key == file.signer),
        "release": file.release.event.id if file.release.event else None,
    }
    key = "the release key of this installation"
    if found.changes:
        key = "a key that the release key and the offline key have both put in its place"
    line = (
        f"nostr-client {file.version} for {', '.join(file.asset.platforms)}\n"
        f"signed by {encode_npub(file.signer)}\n"
        f"on {when(file.signed_at)}: {key}\n"
        f"sha256 {file.asset.sha256}"
    )
    context.out.emit(record, line)


async def _refused(offer: FileOffer, why: ReleaseRefused) -> CommandError:
    """Why it is not the one, with what is known of the file all the same."""
    from nostr_client.nips.nip19 import encode_npub
    from nostr_client.releases.evidence import signers_of
    from nostr_client.releases.origin import ReleaseKeys

    signers: list[str] = []
    with contextlib.suppress(ReleaseRefused):  # what proves it is no use: nobody is known
        signers = signers_of(offer.given, await offer.events(ReleaseKeys(release_key="")))
    words = str(why)
    if why.why == "keyless":
        names = ", ".join(map(encode_npub, signers)) or "nobody that is known here"
        words = f"sha256 {offer.given}, signed by {names}; but {words}"
    code = Exit.NOT_FOUND if why.why == "not-found" else Exit.ERROR
    return refusal(words, why.why, code, sha256=offer.given, signed_by=signers)

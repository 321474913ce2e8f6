"""A release, for whoever makes one: files on media servers, then the events that name them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import InvalidData
from nostr_client.nips.nip82 import BUNDLE, PLATFORMS, Application, Asset, Release, version_order
from nostr_client.paths import translated
from nostr_client.protocol.event import Draft
from nostr_client.releases import bundle_installer
from nostr_client.releases.installation import MOST_BUNDLE, manifest_of
from nostr_client.releases.origin import APP, keys_of
from nostr_client.social.media.blossom import Blob
from nostr_client.social.views import Posted
from nostr_client.version import URL

SUMMARY: Final = "A Nostr account that no host can remove: terminal client, relay and library"
Publish = Callable[[Draft], Awaitable[Posted]]
"""Signs an event, stores it and sends it to relays."""


class MadeBundle(msgspec.Struct, frozen=True):
    """A file that is to be released: what it says that it is, and its `keys`, the release key (hex)
    that installations made of it are born with; empty for none."""

    path: Path
    blob: Blob
    version: str
    platform: str
    release_key: str


def read_bundles(paths: Sequence[Path]) -> list[MadeBundle]:
    """Files that are one release: one version, each for another platform. Blocks.

    Raises InvalidData where they are not, ReleaseRefused for what is no bundle, StoreError.
    """
    found = [_read_bundle(path) for path in paths]
    versions = {each.version for each in found}
    if len(versions) != 1:
        raise InvalidData(f"these are several versions: {', '.join(sorted(versions))}")
    version_order(found[0].version)
    if len({each.platform for each in found}) < len(found):
        raise InvalidData("two of them are for the same platform")
    return found


def _read_bundle(path: Path) -> MadeBundle:
    with translated(f"cannot read {path}"):
        if path.stat().st_size > MOST_BUNDLE:
            raise InvalidData(f"{path} is larger than a release may be")
        data = path.read_bytes()
    manifest = manifest_of(data)
    if manifest.platform not in PLATFORMS:
        raise InvalidData(f"NIP-82 has no name for the platform {manifest.platform}")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        origin = bundle_installer.origin_in(archive, manifest)
    key = keys_of(origin).release_key if origin else ""
    return MadeBundle(path, Blob.of(data, BUNDLE), manifest.version, manifest.platform, key)


def check_signer(bundles: Sequence[MadeBundle], signer: str) -> None:
    """Raises InvalidData where installations made of these would not take what `signer` (a public
    key in hex) signs."""
    for each in bundles:
        if each.release_key and each.release_key != signer:
            raise InvalidData(
                f"{each.path} was built with another release key: whoever installs it would refuse"
                " the next release of yours"
            )


async def publish_release(
    bundles: Sequence[MadeBundle],
    urls: Mapping[str, Sequence[str]],
    publish: Publish,
    *,
    notes: str,
    commit: str = "",
) -> list[Posted]:
    """Sign and publish what makes these files a release; `urls` are where each lies, by its hash.

    The files come first and the release that names them after them, so that nobody finds one
    without the other. Raises as `publish` does.
    """
    posted = []
    for each in bundles:
        asset = Asset(
            app=APP,
            version=each.version,
            sha256=each.blob.sha256,
            size=len(each.blob.data),
            type=BUNDLE,
            platforms=(each.platform,),
            urls=tuple(urls.get(each.blob.sha256, ())),
            filename=each.path.name,
            commit=commit,
        )
        posted.append(await publish(asset.draft()))
    release = Release(
        app=APP,
        version=bundles[0].version,
        assets=tuple(each.event.id for each in posted),
        notes=notes,
    )
    posted.append(await publish(release.draft()))
    posted.append(await publish(application(bundles).draft()))
    return posted


def application(bundles: Sequence[MadeBundle]) -> Application:
    """This program, as it describes itself."""
    return Application(
        id=APP,
        name=bundle_installer.NAME,
        summary=SUMMARY,
        url=URL,
        license="MIT",
        platforms=tuple(sorted(each.platform for each in bundles)),
    )

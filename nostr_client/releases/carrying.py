"""A release that is kept here, for others: its events in the store, its file in the own folder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from nostr_client.errors import ReleaseRefused, StoreFull
from nostr_client.protocol.event import Event
from nostr_client.releases import bundle_installer
from nostr_client.releases.evidence import SignedFile, evidence_for, signed_files
from nostr_client.releases.installation import Installation, check_bundle
from nostr_client.releases.key_change import changes_from
from nostr_client.releases.offers import ReleaseOffer
from nostr_client.releases.updating import Proven, bytes_of, prove
from nostr_client.social.media.blob_folder import BlobFolder
from nostr_client.store.contract import EventStore


class Carried(msgspec.Struct, frozen=True):
    """A release that is here: its `file`, the bytes of it, and the events that prove it."""

    file: SignedFile
    data: bytes
    evidence: tuple[Event, ...]

    @property
    def filename(self) -> str:
        """What the file is called, whatever its signer calls it."""
        platform = self.file.asset.platforms[0]
        return f"{bundle_installer.NAME}-{self.file.version}-{platform}.pyz"


async def carry(
    installation: Installation,
    offers: Sequence[ReleaseOffer],
    store: EventStore,
    kept: BlobFolder,
    platform: str = "",
) -> Carried:
    """Keep the newest release for `platform`, by default this one's, from whoever offers it.

    Nothing older than what is known is taken. Raises as `updating.update` does, and StoreFull.
    """
    proven = await prove(installation, offers, platform)
    data = await bytes_of(proven, offers)
    return await _kept(proven, data, store, kept)


async def _kept(proven: Proven, data: bytes, store: EventStore, kept: BlobFolder) -> Carried:
    if not await asyncio.to_thread(kept.keep, data):
        raise StoreFull("the folder for files is full: the release is not kept")
    await store.save(proven.evidence)
    return Carried(proven.file, data, proven.evidence)


def carried(installation: Installation, kept: BlobFolder, platform: str = "") -> Carried:
    """The newest release that is here for `platform`, by default this one's. Blocks.

    Raises ReleaseRefused where there is none, or its file is not here; StoreError.
    """
    keys, events = installation.must_have_keys(), installation.known()
    changes = changes_from(keys, events)
    keys = changes[-1].new if changes else keys
    platform = platform or bundle_installer.platform_id()
    for file in signed_files(events, keys):
        data = kept.get(file.asset.sha256) if platform in file.asset.platforms else None
        if data is not None:
            check_bundle(data, file)
            return Carried(file, data, tuple(evidence_for(file, events)))
    raise ReleaseRefused("not-found", "no release is carried here: `nostr-client app carry`")

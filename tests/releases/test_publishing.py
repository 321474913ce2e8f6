"""What a release maker puts together, before anything of it is sent."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nostr_client.errors import InvalidData, ReleaseRefused
from nostr_client.protocol.event import Draft
from nostr_client.releases import bundle_installer
from nostr_client.releases.carrying import carried, carry
from nostr_client.releases.evidence import newest_for, signed_files
from nostr_client.releases.installation import Installation
from nostr_client.releases.offers import FileOffer
from nostr_client.releases.publishing import check_signer, publish_release, read_bundles
from nostr_client.social.media.blob_folder import BlobFolder
from nostr_client.store.opening import open_store
from tests.releases.made import APP, AT, KEYS, RELEASER, STRANGER, bundle, events_of, with_sidecar

BORN = {"app": APP, "release_key": KEYS.release_key}


@pytest.fixture
def other_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle that was made on another machine."""
    with monkeypatch.context() as patch:
        patch.setattr(bundle_installer, "platform_id", lambda: "linux-riscv64")
        return bundle(tmp_path / "other", "0.3.0", keys=BORN)


async def test_a_release_of_two_platforms_is_read_as_it_was_signed(
    tmp_path: Path, other_platform: Path
) -> None:
    files = read_bundles([bundle(tmp_path, "0.3.0", keys=BORN), other_platform])
    check_signer(files, KEYS.release_key)
    with pytest.raises(InvalidData, match="another release key"):
        check_signer(files, STRANGER.public_key.hex)
    sent = []

    async def publish(draft: Draft) -> Any:
        sent.append(draft.sign(RELEASER, AT))
        return SimpleNamespace(event=sent[-1])

    urls = {files[0].blob.sha256: ["https://one.example/x", "https://two.example/x"]}
    posted = await publish_release(files, urls, publish, notes="what is new")
    assert [each.event.kind for each in posted] == [3063, 3063, 30063, 32267]
    found = signed_files(sent, KEYS)
    assert len(found) == 2
    for made in files:
        file = newest_for(found, made.platform)
        assert file is not None
        assert (file.asset.sha256, file.release.notes) == (made.blob.sha256, "what is new")
        assert list(file.asset.urls) == urls.get(made.blob.sha256, [])


def test_what_is_not_one_release_is_not_published(tmp_path: Path, other_platform: Path) -> None:
    one, next_one = bundle(tmp_path / "a", "0.3.0"), bundle(tmp_path / "b", "0.4.0")
    with pytest.raises(InvalidData, match="several versions"):
        read_bundles([one, next_one])
    with pytest.raises(InvalidData, match="same platform"):
        read_bundles([one, one])
    with pytest.raises(InvalidData, match=r"MAJOR\.MINOR\.PATCH"):
        read_bundles([bundle(tmp_path / "c", "0.3")])
    with pytest.raises(ReleaseRefused, match="no bundle"):
        read_bundles([Path(__file__)])


async def test_a_release_for_other_machines_is_carried_for_them(
    tmp_path: Path, other_platform: Path
) -> None:
    here, kept = Installation(tmp_path / "root"), BlobFolder(tmp_path / "blobs")
    here.trust(KEYS)
    with_sidecar(other_platform, events_of(other_platform, "0.3.0", platform="linux-riscv64"))
    async with open_store("memory:") as store:
        await carry(here, [FileOffer(other_platform)], store, kept)
    assert carried(here, kept, "linux-riscv64").filename == "nostr-client-0.3.0-linux-riscv64.pyz"
    with pytest.raises(ReleaseRefused):
        carried(here, kept)

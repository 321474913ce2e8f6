"""This installation: which version runs, what it trusts, and the way to another version and back.

Its folder is laid out as `bundle_installer` says. A program that was installed in another way (pip,
pipx, a source tree) has no such folder; its first update makes one, and leaves that program alone.
"""

from __future__ import annotations

import io
import sys
import time
import zipfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import InvalidData, ReleaseRefused, StoreError
from nostr_client.nips.nip82 import version_order
from nostr_client.paths import FolderLock, private_folder, store_error, write_private
from nostr_client.protocol.event import Event
from nostr_client.releases import bundle_installer
from nostr_client.releases.bundle_installer import BadBundle, NotInstalled
from nostr_client.releases.evidence import (
    SignedFile,
    events_in,
    lines_of,
    newest_for,
    proof_of,
    signed_files,
    signers_of,
)
from nostr_client.releases.key_change import changes_from
from nostr_client.releases.origin import ReleaseKeys, born_with, read_keys, write_keys
from nostr_client.releases.remembered import remembered
from nostr_client.version import __version__

MOST_BUNDLE: Final = 256 << 20
"""Bytes of a file of a release."""
_KNOWN: Final = "releases.jsonl"
_WAIT: Final = 10.0
"""Seconds to wait for another process that installs, to remember something."""


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a bundle: `version` is in use, as `path` starts it; `before` is the way back,
    and empty where there is none in this folder."""

    version: str
    before: str
    path: Path


class Installation:
    """The installation below `root`, which need not be there yet. Every method blocks, and raises
    StoreError."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def here(cls) -> Installation:
        """The one that this program runs from, or else the person's."""
        root = Path(sys.prefix).parent.parent
        inside = Path(sys.prefix).parent.name == "versions" and (root / "current").is_file()
        return cls(root if inside else bundle_installer.default_root())

    # What it is

    @property
    def version(self) -> str:
        """The newest version that is in use here: of the folder, or of this very program."""
        used = _version_in(bundle_installer.read_current(self.root)[0])
        return max(filter(None, (used, __version__)), key=version_order)

    @property
    def previous(self) -> str:
        """The version before, which `rollback` goes back to; empty where there is none."""
        return _version_in(bundle_installer.read_current(self.root)[1])

    def keys(self) -> ReleaseKeys | None:
        """Whose releases it takes: as a person agreed to since, or as it was born with."""
        return read_keys(self.root / "trust.json") or born_with()

    def must_have_keys(self) -> ReleaseKeys:
        """`keys`; raises ReleaseRefused where there are none."""
        keys = self.keys()
        if keys is None:
            raise ReleaseRefused(
                "keyless",
                "this installation was born without a release key, so that it cannot tell whose"
                " release this is: `nostr-client app trust NPUB` names one, once",
            )
        return keys

    def trust(self, keys: ReleaseKeys) -> None:
        """Take releases of these keys from now on."""
        private_folder(self.root)
        write_keys(self.root / "trust.json", keys)

    def known(self) -> list[Event]:
        """What was proven of releases so far: nothing older is taken any more."""
        try:
            data = (self.root / _KNOWN).read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise store_error(f"cannot read {self.root / _KNOWN}", error) from error
        try:
            return events_in(data)
        except ReleaseRefused as error:
            raise StoreError(f"{self.root / _KNOWN}: {error}") from error

    def remember(self, events: Iterable[Event]) -> list[Event]:
        """Know what these say, too, as far as it is for this installation to know; gives all that
        is known. Signatures were checked. Nothing is written where nothing is new.

        Raises ReleaseRefused where there are no keys; FolderInUse where another process installs.
        """
        events = list(events)
        kept, is_new = self._with(events)
        if is_new:
            private_folder(self.root)
            with FolderLock(self.root / "app.lock", _WAIT):
                kept, is_new = self._with(events)
                if is_new:
                    write_private(self.root / _KNOWN, lines_of(kept))
        return kept

    def _with(self, events: Iterable[Event]) -> tuple[list[Event], bool]:
        """All that is known with these, and whether that is not what is known already."""
        known = self.known()
        kept = remembered(self.must_have_keys(), known, events, int(time.time()))
        return kept, {event.id for event in kept} != {event.id for event in known}

    # Whether a file is to be taken

    def check_newer(self, file: SignedFile, known: Iterable[SignedFile]) -> None:
        """Raises ReleaseRefused where `file` is for another platform, or not the newest, of those
        that are `known`, or not newer than what is in use."""
        platform = bundle_installer.platform_id()
        if platform not in file.asset.platforms:
            others = ", ".join(file.asset.platforms)
            raise ReleaseRefused("platform", f"it is for {others}, and this is {platform}")
        if version_order(file.version) <= version_order(self.version):
            raise ReleaseRefused("downgrade", f"it is {file.version}, and {self.version} is here")
        newest = newest_for(known, platform)
        if newest is not None and version_order(newest.version) > version_order(file.version):
            raise ReleaseRefused(
                "stale", f"it is {file.version}, and {newest.version} has been released since"
            )

    def take(self, data: bytes, file: SignedFile, keys: ReleaseKeys) -> Installed:
        """Install a file that was proven by `keys`, and use it. It is checked once more, byte by
        byte, before anything is written; where anything fails, nothing has changed.

        What another process learned meanwhile counts. From then on it is `keys` that are trusted,
        whichever the new version was born with. Raises ReleaseRefused; FolderInUse where another
        process installs.
        """
        if file.signer != keys.release_key:
            raise ReleaseRefused("other-key", "it is not signed by the release key")
        manifest = check_bundle(data, file)
        try:
            bundle_installer.check_fits(manifest)
        except BadBundle as error:
            raise ReleaseRefused("platform", str(error)) from error
        private_folder(self.root)
        with FolderLock(self.root / "app.lock"):
            self._check_still(file, keys)
            current, previous = bundle_installer.read_current(self.root)
            name = bundle_installer.environment_name(manifest, file.asset.sha256)
            try:
                with zipfile.ZipFile(io.BytesIO(data)) as archive:
                    where = self.root / "versions" / name
                    bundle_installer.make_environment(archive, manifest, where)
                launcher = bundle_installer.write_launcher(self.root)
                if read_keys(self.root / "trust.json") != keys:
                    self.trust(keys)
                bundle_installer.switch(self.root, name, current or previous)
            except BadBundle as error:
                raise ReleaseRefused("damaged", str(error)) from error
            except NotInstalled as error:
                raise StoreError(f"not installed, and nothing was changed: {error}") from error
            except OSError as error:
                raise store_error("not installed, and nothing was changed", error) from error
            bundle_installer.clean(self.root)
        return Installed(version=file.version, before=_version_in(current), path=launcher)

    def _check_still(self, file: SignedFile, keys: ReleaseKeys) -> None:
        """Is `file` to be taken by all that is known now? Raises ReleaseRefused."""
        known, trusted = self.known(), self.must_have_keys()
        changes = list(changes_from(trusted, known))
        if (changes[-1].new if changes else trusted) != keys:
            words = "it was learned meanwhile that another release key is to be trusted"
            raise ReleaseRefused("key-change", words)
        self.check_newer(file, signed_files(known, keys))
        if signers_of(file.asset.sha256, known):
            proof_of(file.asset.sha256, known, keys)  # it may have been withdrawn

    def roll_back(self) -> Installed:
        """Use the version before again; what was in use is the way forward. One rename.

        Raises ReleaseRefused where there is none that works.
        """
        private_folder(self.root)
        with FolderLock(self.root / "app.lock"):
            current, previous = bundle_installer.read_current(self.root)
            version = _version_in(previous)
            where = self.root / "versions" / previous
            if not version or not bundle_installer.works(where, version):
                raise ReleaseRefused("not-found", "there is no version before that works")
            try:
                bundle_installer.switch(self.root, previous, current)
                launcher = bundle_installer.write_launcher(self.root)
            except OSError as error:
                raise store_error("nothing was changed", error) from error
        return Installed(version=version, before=_version_in(current), path=launcher)


def check_bundle(data: bytes, file: SignedFile) -> bundle_installer.BundleManifest:
    """Is `data` the file that was signed, and does it say of itself what its signer says of it?

    Raises ReleaseRefused. Blocks.
    """
    if len(data) != file.asset.size or sha256(data).hexdigest() != file.asset.sha256:
        raise ReleaseRefused(
            "damaged", f"it is {len(data)} of {file.asset.size} bytes, or others than were signed"
        )
    manifest = manifest_of(data)
    if manifest.version != file.version or manifest.platform not in file.asset.platforms:
        raise ReleaseRefused(
            "mixed-up",
            f"it was signed as {file.version} for {', '.join(file.asset.platforms)}, but it is"
            f" {manifest.version} for {manifest.platform}",
        )
    return manifest


def manifest_of(data: bytes) -> bundle_installer.BundleManifest:
    """What a bundle says that it is. Raises ReleaseRefused for what is none. Blocks."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return bundle_installer.read_manifest(archive)
    except (BadBundle, zipfile.BadZipFile) as error:
        raise ReleaseRefused("damaged", f"this is no bundle: {error}") from error


def _version_in(name: str) -> str:
    """Of the environment of that name; empty where it has none."""
    version = name.rpartition("-")[0]
    try:
        version_order(version)
    except InvalidData:
        return ""
    return version

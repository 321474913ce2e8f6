"""Small bundles: a program of a few lines in the place of ours, and what installs it."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from nostr_client.nips.nip82 import BUNDLE, Asset, Release
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.releases import bundle_installer
from nostr_client.releases.bundle_maker import write_bundle
from nostr_client.releases.evidence import lines_of
from nostr_client.releases.key_change import KeyChange
from nostr_client.releases.origin import ReleaseKeys

PIP = "pip-26.3-py3-none-any.whl"
"""A name alone: `without_pip` never runs it."""
PROGRAM = """\
import sys
def main():
    print("nostr-client", {version!r})
"""


def wheel(folder: Path, version: str, keys: dict[str, str] | None = None, says: str = "") -> Path:
    """A wheel of nostr-client, whose program says that it is `says`, or else what it is; with
    `keys` as those that it is born with."""
    info = f"nostr_client-{version}.dist-info"
    files = {
        "nostr_client/__init__.py": "",
        "nostr_client/main.py": PROGRAM.format(version=says or version),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: nostr-client\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nnostr-client = nostr_client.main:main\n",
    }
    if keys is not None:
        files[bundle_installer.ORIGIN] = json.dumps(keys)
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"nostr_client-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return path


def bundle(
    folder: Path,
    version: str,
    *,
    keys: dict[str, str] | None = None,
    says: str = "",
    pythons: Sequence[str] = (bundle_installer.python_id(),),
    pip: Path | None = None,
) -> Path:
    """A bundle of such a wheel, with a pip that is none unless one is given."""
    wheels = [wheel(folder / "wheels", version, keys, says)]
    if pip is None:
        pip = folder / "wheels" / PIP
        pip.write_bytes(b"none")
    return write_bundle([*wheels, pip], folder, version=version, pythons=pythons)


def tree_of(root: Path) -> dict[str, bytes]:
    """Everything below a folder that a person could miss; what is remembered of offers is not."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name not in ("app.lock", "releases.jsonl")
    }


def digest_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip and venv take seconds for is done by hand: the program is there, and runs."""

    def install(
        where: Path, wheels: Path, manifest: bundle_installer.BundleManifest, lock: int
    ) -> None:
        own = wheels / f"nostr_client-{manifest.version}-py3-none-any.whl"
        with zipfile.ZipFile(own) as archive:
            text = archive.read("nostr_client/main.py").decode()
            said = text.split('"nostr-client", ')[1].split(")")[0].strip("'")
        program = bundle_installer.program_in(where)
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\necho nostr-client {said}\n")
        program.chmod(0o755)

    class Builder:
        def __init__(self, **options: object) -> None: ...

        def create(self, where: Path) -> None:
            Path(where).mkdir(parents=True)

    monkeypatch.setattr(bundle_installer, "_run_pip", install)
    monkeypatch.setattr(bundle_installer.venv, "EnvBuilder", Builder)
    if os.name != "nt":
        monkeypatch.setattr(os, "sync", lambda: None)


APP = "example.nostr-client"
RELEASER = SecretKey.from_hex("1" * 64)
OFFLINE = SecretKey.from_hex("2" * 64)
STRANGER = SecretKey.from_hex("3" * 64)
NEXT = SecretKey.from_hex("4" * 64)
KEYS = ReleaseKeys(release_key=RELEASER.public_key.hex, offline_key=OFFLINE.public_key.hex)
AT = 1_700_000_000


def events_of(
    file: Path,
    version: str,
    *,
    key: SecretKey = RELEASER,
    at: int = AT,
    urls: Sequence[str] = (),
    platform: str = "",
    said: str = "",
) -> list[Event]:
    """A release of one file, signed: the file's event and the release's. It may be `said` to be
    another version, and for another platform, than the file is."""
    data = file.read_bytes()
    asset = Asset(
        app=APP,
        version=said or version,
        sha256=sha256(data).hexdigest(),
        size=len(data),
        type=BUNDLE,
        platforms=(platform or bundle_installer.platform_id(),),
        urls=tuple(urls),
        filename=file.name,
    )
    signed = asset.draft().sign(key, at)
    release = Release(app=APP, version=said or version, assets=(signed.id,), notes="what is new")
    return [signed, release.draft().sign(key, at)]


def with_sidecar(file: Path, events: Sequence[Event]) -> Path:
    """The file, with these events beside it."""
    file.with_name(f"{file.name}.jsonl").write_bytes(lines_of(events))
    return file


def key_change(
    *keys: SecretKey, new: SecretKey = NEXT, offline: str = KEYS.offline_key
) -> list[Event]:
    """That `RELEASER` is followed by `new`, signed by each of these keys."""
    change = KeyChange(
        KEYS.release_key, ReleaseKeys(release_key=new.public_key.hex, offline_key=offline)
    )
    return [change.draft().sign(key, AT) for key in keys]

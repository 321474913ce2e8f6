"""Small bundles: a program of a few lines in the place of ours, and what installs it."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from nostr_client.releases import bundle_installer
from nostr_client.releases.bundle_maker import write_bundle

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


def digest_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip and venv take seconds for is done by hand: the program is there, and runs."""

    def install(where: Path, wheels: Path, manifest: bundle_installer.BundleManifest) -> None:
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

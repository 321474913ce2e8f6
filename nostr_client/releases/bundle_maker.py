"""Makes a bundle: one file that installs this program without any network (`make bundle`).

    python -m nostr_client.releases.bundle_maker dist/nostr_client-0.1.0-py3-none-any.whl \
        --constraints constraints.txt packaging/build-requirements.txt

The wheels that the program needs are fetched with pip, for each Python that is named, at the
versions that the constraints name; the second file of them is for what builds wheels. The same
wheels make the same bytes: what is in a bundle is sorted, dated by `SOURCE_DATE_EPOCH`, and has no
rights of this machine. What installs it is `bundle_installer`, which is put into it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from nostr_client.releases import bundle_installer

SHEBANG: Final = b"#!/usr/bin/env python3\n"
EPOCH: Final = 1_580_601_600
"""2020-02-02, as hatchling dates what is dated by nobody."""
PIP_LIMIT: Final = 900.0
_OWN: Final = re.compile(r"nostr_client-([0-9A-Za-z.+]+)-py3-none-any\.whl")


def version_of(wheel: Path) -> str:
    """The version that a wheel of ours has. Raises ValueError."""
    found = _OWN.fullmatch(wheel.name)
    if found is None:
        raise ValueError(f"{wheel.name} is no wheel of nostr-client")
    return found[1]


def write_bundle(
    wheels: Sequence[Path],
    out: Path,
    *,
    version: str,
    pythons: Sequence[str],
    extras: Sequence[str] = (),
    epoch: int = EPOCH,
) -> Path:
    """Put `wheels` into a bundle for this platform in the folder `out`; gives its path.

    `pythons` are those that it has wheels for, as "3.12"; `epoch`, in seconds, dates all of it.
    """
    data = {wheel.name: wheel.read_bytes() for wheel in sorted(wheels)}
    manifest = {
        "format": bundle_installer.FORMAT,
        "name": bundle_installer.NAME,
        "version": version,
        "platform": bundle_installer.platform_id(),
        "pythons": sorted(pythons),
        "extras": sorted(extras),
        "wheels": {name: sha256(each).hexdigest() for name, each in sorted(data.items())},
    }
    members = {
        "__main__.py": Path(bundle_installer.__file__).read_bytes(),
        bundle_installer.MANIFEST: json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n",
        **{f"wheels/{name}": each for name, each in data.items()},
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{bundle_installer.NAME}-{version}-{manifest['platform']}.pyz"
    draft = path.with_suffix(".tmp")
    date = time.gmtime(max(epoch, 315_532_800))[:6]  # a zip knows nothing before 1980
    with draft.open("wb") as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w") as archive:
            for name, each in members.items():
                member = zipfile.ZipInfo(name, date)
                member.create_system = 3
                member.external_attr = 0o100644 << 16
                archive.writestr(member, each, zipfile.ZIP_STORED)  # wheels are packed already
    draft.chmod(0o755)
    draft.replace(path)
    return path


def collect(
    wheel: Path, folder: Path, constraints: Sequence[Path], pythons: Sequence[str], extras: str
) -> None:
    """All that `wheel` needs on these Pythons, and pip, into `folder`, as wheels. What a registry
    has as source alone is built here. Raises CalledProcessError."""
    pinned = [str(each.absolute()) for each in constraints]
    environment = {
        **os.environ,
        "SOURCE_DATE_EPOCH": str(_epoch()),
        "PIP_BUILD_CONSTRAINT": " ".join(pinned[1:]),
    }
    for python in pythons:
        # Of other Pythons some have no pip, or an old one: it is here already, as a wheel.
        [*found] = folder.glob("pip-*.whl")
        pip = [str(found[0] / "pip")] if found else ["-m", "pip"]
        subprocess.run(  # noqa: S603 - pip
            [
                *(python, *pip, "wheel", "--quiet", "--wheel-dir", str(folder)),
                *("--disable-pip-version-check", "--find-links", str(folder)),
                *(word for path in pinned for word in ("--constraint", path)),
                *(f"{wheel}{extras}", "pip"),
            ],
            check=True,
            timeout=PIP_LIMIT,
            env=environment,
            umask=-1 if os.name == "nt" else 0o022,
        )


def _epoch() -> int:
    return int(os.environ.get("SOURCE_DATE_EPOCH") or EPOCH)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a bundle from a wheel; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bundle_maker", description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--constraints", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, default=Path("dist"))
    parser.add_argument("--python", action="append", help="for this interpreter, too")
    parser.add_argument("--extras", default="", help="as in pip: web,images")
    given = parser.parse_args(arguments)
    version = version_of(given.wheel)
    pythons = dict.fromkeys([sys.executable, *(given.python or ())])
    extras = [each for each in given.extras.split(",") if each]
    with tempfile.TemporaryDirectory() as folder:
        collect(
            *(given.wheel, Path(folder), given.constraints, list(pythons)),
            f"[{','.join(extras)}]" if extras else "",
        )
        path = write_bundle(
            list(Path(folder).glob("*.whl")),
            given.out,
            version=version,
            pythons=sorted({_version_of(python) for python in pythons}),
            extras=extras,
            epoch=_epoch(),
        )
    sys.stdout.write(f"{path}\n")
    return 0


def _version_of(python: str) -> str:
    words = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run(  # noqa: S603 - an interpreter that whoever builds has named
        [python, "-c", words], check=True, capture_output=True, timeout=60
    )
    return done.stdout.decode().strip()


if __name__ == "__main__":
    sys.exit(main())

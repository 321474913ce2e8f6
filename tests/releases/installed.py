"""What a release is made of, installed where there is no source tree: `make dist-check`.

The wheel and the sdist are built, each is installed into a fresh environment outside of the tree,
with its dependencies and nothing of ours beside it. With the wheel passes a large part of the tests
(`ROOMS`), which were copied to where the program that they import can only be the installed one.
What reads the tree itself is marked `tree`, and left to `make test`. With the sdist, and with the
wheel on every other Python that is here, passes a round through all faces (`ROUND`).

    python -m tests.releases.installed --rooms protocol nips
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
LIMIT: Final = 1200.0
"""Seconds for any one step."""
ROOMS: Final = (
    *("protocol", "nips", "store", "signing", "net/session", "routing", "command_line"),
    *("cli/protocol", "client", "blocking", "testing", "bots", "accounts"),
)
"""The part of the tests that runs with the installed wheel, for the time that it takes."""
ROUND: Final = Path(__file__).with_name("installed_round.py")
TOOLS: Final = re.compile("pytest|hypothesis|coincurve|nostr-sdk|shamir-mnemonic")
"""Of what the tests need the part that `ROOMS` do."""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What it prints, which is also shown. Raises SystemExit where it fails."""
    left_out = ("PYTHONPATH", "PYTHONHOME", "NOSTR_CLIENT_HOME", "VIRTUAL_ENV")
    clean = {name: value for name, value in os.environ.items() if name not in left_out}
    began = time.monotonic()
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=clean | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    words = " ".join(str(word) for word in command)
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{words} ended with {done.returncode}")
    print(f"  {time.monotonic() - began:5.0f} s  {words[:110]}", flush=True)
    return done.stdout


def build(folder: Path) -> tuple[Path, Path]:
    """The wheel and the sdist of this tree."""
    pinned = ROOT / "packaging" / "build-requirements.txt"
    run(
        *(sys.executable, "-m", "build", "--outdir", folder, ROOT),
        cwd=folder,
        PIP_CONSTRAINT=str(pinned),
    )
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def install(python: str, where: Path, *what: str) -> Path:
    """A fresh environment with `what` and its dependencies, and its Python."""
    run(python, "-m", "venv", where, cwd=where.parent)
    inside = where / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    constraints = ROOT / "constraints.txt"
    pip = (inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--constraint", constraints, *what, cwd=where)
    return inside


def refuse_tree(python: Path, where: Path) -> None:
    """What is imported in `where` must lie in the environment of `python`."""
    ask = "import nostr_client, relays; print(nostr_client.__file__); print(relays.__file__)"
    for found in run(python, "-c", ask, cwd=where).split():
        if not Path(found).is_relative_to(python.parents[1]):
            raise SystemExit(f"{found} would be tested, and not what was installed")


def tools() -> list[str]:
    """Of the developers' extra what runs the tests of `ROOMS`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [one for one in project["optional-dependencies"]["dev"] if TOOLS.match(one)]


def suite(python: Path, sdist: Path, where: Path, rooms: Sequence[str]) -> str:
    """The tests of `rooms`, as the sdist has them, with the program that is installed; their last
    line."""
    with tarfile.open(sdist) as archive:
        archive.extractall(where / "sdist", filter="data")
    (unpacked,) = (where / "sdist").iterdir()
    for name in ("tests", "pyproject.toml"):  # which has the settings of pytest
        (unpacked / name).rename(where / name)
    shutil.rmtree(where / "sdist")
    refuse_tree(python, where)
    marks = "not slow and not browser and not tree"
    told = run(
        *(python, "-m", "pytest", "-p", "no:cacheprovider", "-n", "2", "--dist", "worksteal"),
        *("-rs", "-m", marks, *(f"tests/{room}" for room in rooms)),
        cwd=where,
    )
    for line in told.splitlines():
        if line.startswith("SKIPPED"):
            print(" ", line)
    return told.strip().splitlines()[-1]


def main() -> None:
    """Everything, or what is named; ends with 1 at the first thing that fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rooms", nargs="*", default=ROOMS, help="folders of tests/ to run")
    parser.add_argument("--python", nargs="*", default=[], help="others, for the wheel's round")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nostr-client-dist-") as name:
        folder = Path(name)
        (folder / "dist").mkdir()
        wheel, sdist = build(folder / "dist")
        if given.rooms:
            python = install(sys.executable, folder / "wheel", f"{wheel}[fast]", *tools())
            (folder / "suite").mkdir()
            print("wheel:", suite(python, sdist, folder / "suite", given.rooms))
        for number, (python_of, what) in enumerate(
            [(sys.executable, sdist), *((each, wheel) for each in given.python)]
        ):
            where = folder / f"round-{number}"
            inside = install(python_of, where, str(what))
            home = where / "home"
            home.mkdir()
            refuse_tree(inside, home)
            run(inside, "-W", "error", ROUND, home, cwd=home)
            version = run(inside, "--version", cwd=home).strip()
            print(f"{what.name}: a round through all faces passed on {version}")


if __name__ == "__main__":
    main()

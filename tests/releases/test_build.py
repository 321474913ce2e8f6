"""What a release is made of, really built and really installed."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from nostr_client.releases.bundle_maker import collect, version_of, write_bundle
from nostr_client.version import __version__
from tests.architecture import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.tree]

PINNED = ROOT / "packaging" / "build-requirements.txt"
LEFT_BEHIND = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", "dist", "build")
LIMIT = 300.0


def run(
    *command: str | Path, environment: Mapping[str, str] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
        **more,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has what builds a release, at the versions that are pinned."""
    where = tmp_path_factory.mktemp("builder")
    run(sys.executable, "-m", "venv", where)
    python = where / "bin" / "python"
    install = (python, "-m", "pip", "install", "--quiet", "--constraint", PINNED, "hatchling")
    if subprocess.run(list(map(str, install)), check=False, timeout=LIMIT).returncode:
        pytest.skip("no registry has hatchling for us")
    return python


def built(builder: Path, source: Path, *, umask: int, zone: str, seed: str) -> dict[str, Path]:
    """By their endings: what is built of `source`, by somebody with these habits."""
    run(
        *(builder, "-m", "hatchling", "build"),
        environment={"SOURCE_DATE_EPOCH": "1700000000", "TZ": zone, "PYTHONHASHSEED": seed},
        cwd=source,
        umask=umask,
    )
    return {path.suffix: path for path in (source / "dist").iterdir()}


@pytest.fixture(scope="module")
def release(builder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    source = tmp_path_factory.mktemp("one") / "source"
    shutil.copytree(ROOT, source, ignore=LEFT_BEHIND)
    return built(builder, source, umask=0o022, zone="UTC", seed="1")


def test_two_builds_are_the_same_bytes(
    builder: Path, release: dict[str, Path], tmp_path: Path
) -> None:
    source = tmp_path / "elsewhere" / "another"
    shutil.copytree(ROOT, source, ignore=LEFT_BEHIND, copy_function=shutil.copy)  # dated now
    for path in source.rglob("*.py"):
        path.chmod(0o600)
    again = built(builder, source, umask=0o077, zone="Asia/Tokyo", seed="2")
    for ending, path in release.items():
        assert path.read_bytes() == again[ending].read_bytes(), ending

    with tarfile.open(release[".gz"]) as archive:
        archive.extractall(tmp_path / "sdist", filter="data")
    (unpacked,) = (tmp_path / "sdist").iterdir()
    assert {"tests", "docs", "Makefile", "constraints.txt"} <= {
        each.name for each in unpacked.iterdir()
    }
    from_sdist = built(builder, unpacked, umask=0o022, zone="UTC", seed="3")
    assert from_sdist[".whl"].read_bytes() == release[".whl"].read_bytes()
    with zipfile.ZipFile(release[".whl"]) as wheel:
        names = wheel.namelist()
    assert "nostr_client/py.typed" in names
    assert not [name for name in names if name.startswith("tests/")]


def test_a_bundle_installs_and_runs_where_there_is_no_network(
    release: dict[str, Path], tmp_path: Path
) -> None:
    wheels, out = tmp_path / "wheels", tmp_path / "out"
    collect(release[".whl"], wheels, [ROOT / "constraints.txt", PINNED], [sys.executable], "")
    made = [
        write_bundle(
            list(wheels.iterdir()),
            out / name,
            version=version_of(release[".whl"]),
            pythons=[f"{sys.version_info[0]}.{sys.version_info[1]}"],
        )
        for name in ("one", "two")
    ]
    assert len({sha256(path.read_bytes()).digest() for path in made}) == 1

    home = tmp_path / "home"
    home.mkdir()
    alone = ("unshare", "-rn") if can_unshare() else ()
    nowhere = "http://127.0.0.1:9"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PIP_INDEX_URL": nowhere,
        "https_proxy": nowhere,
        "http_proxy": nowhere,
    }
    done = subprocess.run(
        [*alone, sys.executable, "-I", str(made[0])],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    program = home / ".local" / "bin" / "nostr-client"
    assert str(program) in done.stdout

    clean = {"PATH": os.environ["PATH"], "HOME": str(home), "NOSTR_CLIENT_PASSWORD": "nine owls"}

    def start(*arguments: str | Path) -> str:
        words = list(map(str, arguments))
        done = subprocess.run(words, capture_output=True, timeout=LIMIT, check=False, env=clean)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    assert start(program, "--version") == f"nostr-client {__version__}\n"
    assert '"npub":"npub1' in start(program, "account", "create", "--name", "ana", "--json")
    versions = home / ".local/share/nostr-client/app/versions"
    (environment_of,) = (each for each in versions.iterdir() if each.is_dir())
    start(program, "relay", "config", "--help")
    faces = (
        "import nostr_client.tui.run, nostr_client.cli.app; from nostr_client import NostrClient"
    )
    start(environment_of / "bin" / "python", "-W", "error", "-c", faces)
    assert cost_of_version(environment_of / "bin") < 3


def can_unshare() -> bool:
    """May a process here have a network of its own, which leads nowhere?"""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-rn", "true"], check=False, timeout=60).returncode == 0


def cost_of_version(binaries: Path) -> float:
    """How many times what a bare Python takes: in seconds of the processor, the least of many, so
    that a busy machine does not count against it."""

    def least(*command: str | Path) -> float:
        took = []
        for _ in range(20):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(took)

    bare = least(binaries / "python", "-c", "pass")
    return least(binaries / "nostr-client", "--version") / bare

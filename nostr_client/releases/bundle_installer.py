"""Installs nostr-client from one file, with no network: what runs at `python3 FILE`.

A bundle is a zip that Python runs: this file as its `__main__.py`, `bundle.json` (what it is, and
the SHA-256 of all that is in it), and under `wheels/` the program, all that it needs, and pip. So
this file uses nothing but Python's own library, and nothing of the project. It is one file, long as
it is: a bare Python runs it before anything else of the bundle can be loaded, and what is read here
by whoever checks a bundle by eye is all that runs.

Where it installs to, each version has an environment of its own, and one line says which is used:

    ROOT/versions/0.2.0-1f3a9c02e1d4/    environments
    ROOT/current                         the name of the one in use; on a second line the one before
    ROOT/bin/nostr-client                starts it
    ROOT/trust.json                      the keys that releases are signed by (`trust`)

`current` is replaced by one rename: whoever looks, also after a crash, finds the old or the new.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

NAME = "nostr-client"
FORMAT = 1
MANIFEST = "bundle.json"
MOST_FILES = 500
MOST_BYTES = 1 << 30
"""Of everything in a bundle, unpacked."""
MOST_MANIFEST = 1 << 20
ROOM = 6
"""An environment takes at most so many times what its wheels take."""
PIP_LIMIT = 900.0
"""Seconds for pip to install what is in a bundle."""
TRIAL_LIMIT = 60.0
KEPT = 3
"""Environments that stay."""
ORIGIN = "nostr_client/origin.json"
"""In the program's wheel: the keys that it was born with (`trust`)."""
_is_wheel = re.compile(r"wheels/[A-Za-z0-9][A-Za-z0-9._+-]{0,180}\.whl").fullmatch
_is_version = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,60}").fullmatch
_is_platform = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}").fullmatch
_is_hash = re.compile(r"[0-9a-f]{64}").fullmatch
_is_extra = re.compile(r"[a-z][a-z-]{0,30}").fullmatch
_MACHINES = {"amd64": "x86_64", "x64": "x86_64"}
_OLDER = (3, 11)


class BadBundle(ValueError):
    """A file is no bundle, is damaged, or is for another machine."""


class NotInstalled(RuntimeError):
    """A sound bundle could not be installed; what was there is as it was."""


@dataclass(frozen=True)
class BundleManifest:
    """What a bundle says that it is: for `platform` (NIP-82's identifier) and these Pythons (as
    "3.12"); `wheels` with the SHA-256 of each, in hex."""

    version: str
    platform: str
    pythons: tuple[str, ...]
    extras: tuple[str, ...]
    wheels: Mapping[str, str]


def platform_id() -> str:
    """This machine as NIP-82 names it: `linux-x86_64`, `darwin-arm64`, `windows-x86_64`."""
    import platform

    system, machine = platform.system().lower(), platform.machine().lower()
    machine = _MACHINES.get(machine, machine)
    if machine in ("arm64", "aarch64"):
        machine = "arm64" if system == "darwin" else "aarch64"
    return f"{system}-{machine}"


def python_id() -> str:
    """The Python that runs this, as a manifest names it."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def read_manifest(archive: zipfile.ZipFile) -> BundleManifest:
    """What `archive` says that it is, once its form was checked: names that lead nowhere else, no
    links, no more than it may hold. Raises BadBundle."""
    members = archive.infolist()
    if len(members) > MOST_FILES or sum(each.file_size for each in members) > MOST_BYTES:
        raise BadBundle("it holds more than a bundle may")
    if len({each.filename for each in members}) < len(members):
        raise BadBundle("a name stands in it twice")
    for each in members:
        _check_member(each)
    try:
        found = json.loads(_read(archive, MANIFEST, MOST_MANIFEST))
        manifest = _manifest(found)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, BadBundle):
            raise
        raise BadBundle("it does not say what it is (bundle.json)") from None
    inside = {each.filename for each in members} - {MANIFEST, "__main__.py"}
    if inside != {f"wheels/{name}" for name in manifest.wheels}:
        raise BadBundle("what is in it is not what it says")
    return manifest


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename
    if name not in (MANIFEST, "__main__.py") and _is_wheel(name) is None:
        raise BadBundle(f"no such name belongs into a bundle: {name[:80]!a}")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or member.flag_bits & 1:
        raise BadBundle(f"{name} is a link, or locked, and no plain file")


def _read(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    if archive.getinfo(name).file_size > most:
        raise BadBundle(f"{name} is too large")
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise BadBundle(f"{name} is damaged: {error}") from None


def _manifest(found: Any) -> BundleManifest:
    if found["format"] != FORMAT:
        raise BadBundle("it is made in a form that this program does not know yet")
    if found["name"] != NAME:
        raise BadBundle(f"it is no bundle of {NAME}")
    manifest = BundleManifest(
        version=found["version"],
        platform=found["platform"],
        pythons=tuple(found["pythons"]),
        extras=tuple(found["extras"]),
        wheels=dict(found["wheels"]),
    )
    fits = (
        _is_version(manifest.version)
        and _is_platform(manifest.platform)
        and all(map(_is_version, manifest.pythons))
        and all(map(_is_extra, manifest.extras))
        and all(map(_is_hash, manifest.wheels.values()))
    )
    if not fits:
        raise ValueError("a field has another form")
    return manifest


def check_fits(manifest: BundleManifest) -> None:
    """Raises BadBundle where a bundle is for another machine or another Python."""
    if manifest.platform != platform_id():
        raise BadBundle(f"it is for {manifest.platform}, and this is {platform_id()}")
    if python_id() not in manifest.pythons:
        wanted = ", ".join(manifest.pythons)
        raise BadBundle(f"it is for Python {wanted}, and this is Python {python_id()}")


def take_out(archive: zipfile.ZipFile, manifest: BundleManifest, folder: Path) -> None:
    """The wheels, each checked against its hash, into `folder`. Raises BadBundle, OSError."""
    for name, digest in manifest.wheels.items():
        data = _read(archive, f"wheels/{name}", MOST_BYTES)
        if sha256(data).hexdigest() != digest:
            raise BadBundle(f"{name} is not what the bundle says that it is")
        (folder / name).write_bytes(data)


def environment_name(manifest: BundleManifest, digest: str) -> str:
    """What the environment of the bundle with the SHA-256 `digest` is called."""
    return f"{manifest.version}-{digest[:12]}"


def make_environment(archive: zipfile.ZipFile, manifest: BundleManifest, where: Path) -> None:
    """A fresh environment at `where`, which works: it was tried.

    What an earlier try left there goes. Raises BadBundle, NotInstalled, OSError, and then there is
    nothing at `where`.
    """
    check_fits(manifest)
    if works(where, manifest.version):
        return
    where.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(where.parent) as lock:
        _make_environment(archive, manifest, where, lock)


def _make_environment(
    archive: zipfile.ZipFile, manifest: BundleManifest, where: Path, lock: int
) -> None:
    needed = ROOM * sum(each.file_size for each in archive.infolist())
    if shutil.disk_usage(where.parent).free < needed:
        raise NotInstalled(f"there is no room: {needed >> 20} MiB are needed at {where.parent}")
    _remove(where)
    try:
        with tempfile.TemporaryDirectory(prefix=".wheels-", dir=where.parent) as folder:
            take_out(archive, manifest, Path(folder))
            venv.EnvBuilder(symlinks=os.name != "nt").create(where)
            _run_pip(where, Path(folder), manifest, lock)
        if not works(where, manifest.version):
            raise NotInstalled(f"it is installed, but does not say that it is {manifest.version}")
    except BaseException:
        _remove(where)
        raise


def works(where: Path, version: str) -> bool:
    """Does the program in the environment `where` run, and is it this version?"""
    try:
        done = subprocess.run(  # noqa: S603 - what was just checked, or was in use
            [str(program_in(where)), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRIAL_LIMIT,
            check=False,
            env=_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.decode(errors="replace").split()[-1:] == [version]


def program_in(where: Path) -> Path:
    """The program of an environment."""
    return where / "Scripts" / f"{NAME}.exe" if os.name == "nt" else where / "bin" / NAME


def _python_in(where: Path) -> Path:
    return where / "Scripts" / "python.exe" if os.name == "nt" else where / "bin" / "python"


def _run_pip(where: Path, wheels: Path, manifest: BundleManifest, lock: int) -> None:
    """pip runs from its own wheel: many systems have Python without it. It looks nowhere else.

    It holds the lock, too: where this process is killed, nobody installs into what pip, which runs
    on for a moment, still writes to.
    """
    pip = next(iter(sorted(wheels.glob("pip-*.whl"))), None)
    if pip is None:
        raise BadBundle("there is no pip in it")
    extras = f"[{','.join(manifest.extras)}]" if manifest.extras else ""
    words = "install --isolated --no-index --no-cache-dir --no-input --only-binary :all:"
    done = subprocess.run(  # noqa: S603 - pip, on wheels whose hashes were checked
        [
            *(str(_python_in(where)), "-I", str(pip / "pip"), *words.split()),
            *("--quiet", "--disable-pip-version-check", "--find-links", str(wheels)),
            f"{NAME}{extras}=={manifest.version}",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PIP_LIMIT,
        check=False,
        env=_environment(),
        pass_fds=() if os.name == "nt" else (lock,),
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
        raise NotInstalled(f"pip could not install it: {' '.join(said)}")


def _environment() -> dict[str, str]:
    """Without settings of Python, of pip and of ours, and without what may be a secret."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "USERPROFILE")
    found = {name: os.environ[name] for name in kept if name in os.environ}
    return {**found, "PIP_CONFIG_FILE": os.devnull, "PYTHONUTF8": "1"}


def _remove(folder: Path) -> None:
    """Raises OSError where it stays."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


# Which environment is in use


def read_current(root: Path) -> tuple[str, str]:
    """The names of the environment in use and of the one before; empty where there is none."""
    try:
        lines = (root / "current").read_text("ascii").splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        return "", ""
    current, previous = [*lines, "", ""][:2]
    return current if _is_version(current) else "", previous if _is_version(previous) else ""


def switch(root: Path, name: str, previous: str) -> None:
    """From now on `name` is in use, and `previous` the way back: one rename. Raises OSError."""
    if os.name != "nt":
        os.sync()  # the environment is on the disk before anything leads to it
    with contextlib.suppress(OSError):
        os.utime(root / "versions" / previous)  # it was in use until now (`clean`)
    _replace(root / "current", f"{name}\n{previous}\n".encode())


def clean(root: Path) -> None:
    """Take away old environments: what is in use stays, and the way back, and of the others the one
    that was in use last, for a program that was started before two updates may still run from it.
    """
    kept = set(read_current(root))
    others = [each for each in (root / "versions").iterdir() if each.is_dir()]
    others = [each for each in others if each.name not in kept]
    others.sort(key=lambda each: each.stat().st_mtime, reverse=True)
    for folder in others[KEPT - len(kept - {""}) :]:
        shutil.rmtree(folder, ignore_errors=True)


def write_launcher(root: Path) -> Path:
    """What starts the version in use, whichever it is: it stays where it is. Raises OSError."""
    folder = root / "bin"
    folder.mkdir(exist_ok=True, mode=0o700)
    if os.name == "nt":
        launcher = folder / f"{NAME}.cmd"
        text = (
            '@echo off\r\nset /p nostr_client_version=<"%~dp0..\\current"\r\n'
            f'"%~dp0..\\versions\\%nostr_client_version%\\Scripts\\{NAME}.exe" %*\r\n'
        )
    else:
        launcher = folder / NAME
        quoted = str(root).replace("'", "'\\''")
        text = (
            f"#!/bin/sh\nroot='{quoted}'\n"
            'read -r version < "$root/current" || exit 1\n'
            f'exec "$root/versions/$version/bin/{NAME}" "$@"\n'
        )
    if not launcher.exists() or launcher.read_bytes() != text.encode():
        _replace(launcher, text.encode(), 0o755)
    return launcher


def _replace(path: Path, data: bytes, mode: int = 0o600) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(draft, flags, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def keep_origin(archive: zipfile.ZipFile, manifest: BundleManifest, root: Path) -> None:
    """Write down the keys that a first installation is born with; later ones change nothing.

    Raises OSError.
    """
    if not (root / "trust.json").exists() and (origin := origin_in(archive, manifest)):
        _replace(root / "trust.json", origin)


def origin_in(archive: zipfile.ZipFile, manifest: BundleManifest) -> bytes:
    """The keys that the program in a bundle is born with, as they stand there; empty for none.

    Raises BadBundle.
    """
    own = f"wheels/nostr_client-{manifest.version}-py3-none-any.whl"
    try:
        with archive.open(own) as file, zipfile.ZipFile(file) as wheel:
            return _read(wheel, ORIGIN, MOST_MANIFEST) if ORIGIN in wheel.namelist() else b""
    except (KeyError, zipfile.BadZipFile) as error:
        raise BadBundle(f"the program in it is damaged: {error}") from None


def default_root() -> Path:
    """Where installations are kept, beside the person's data (`nostr_client.paths`)."""
    home = os.environ.get("NOSTR_CLIENT_HOME")
    if home:
        return Path(home).expanduser().absolute() / "data" / "app"
    if os.name == "nt":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local) / NAME / "app"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / NAME / "app"
    data = os.environ.get("XDG_DATA_HOME", "").strip() or Path.home() / ".local" / "share"
    return Path(data) / NAME / "app"


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[int]:
    """Nobody else installs here meanwhile; gives the lock, which a child may hold, too. That of the
    folder of an installation is what `app update` takes.

    Raises NotInstalled.
    """
    with (root / "app.lock").open("a+b") as file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise NotInstalled(f"another process installs at {root} just now") from None
        yield file.fileno()


def install(file: Path, root: Path) -> Path:
    """Install the bundle `file` below `root`, and use it; gives the path that starts it.

    An installation that is there is kept as the way back; one that is newer is not replaced. Raises
    BadBundle, NotInstalled, OSError.
    """
    digest = sha256(file.read_bytes()).hexdigest()
    with zipfile.ZipFile(file) as archive:
        manifest = read_manifest(archive)
        check_fits(manifest)
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(root):
            current, previous = read_current(root)
            if current and current.rpartition("-")[0] != manifest.version:
                raise NotInstalled(
                    f"{current} is installed there: `nostr-client app update --from {file}` checks"
                    " who signed this file, and takes it then"
                )
            name = environment_name(manifest, digest)
            make_environment(archive, manifest, root / "versions" / name)
            keep_origin(archive, manifest, root)
            launcher = write_launcher(root)
            if name != current:
                switch(root, name, current or previous)
            clean(root)
    return launcher


def link(launcher: Path) -> Path | None:
    """Put the program where shells look for it, if nothing else has its name there."""
    if os.name == "nt":
        return None
    place = Path.home() / ".local" / "bin" / NAME
    try:
        if place.is_symlink() and place.readlink() == launcher:
            return place
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(launcher)
    except OSError:
        return None
    return place


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 FILE", description=f"Installs {NAME} from this file; no network is used."
    )
    parser.add_argument("--to", metavar="DIR", help="install below this folder")
    parser.add_argument("--no-link", action="store_true", help="put nothing into ~/.local/bin")
    parser.add_argument("--wheels", metavar="DIR", help="only unpack the wheels there, for pip")
    parser.add_argument("--show", action="store_true", help="only say what is in it")
    return parser


def main(file: Path, arguments: list[str] | None = None) -> int:
    """Do what `python3 FILE` is asked for; returns the exit code."""
    if sys.version_info < _OLDER:
        sys.stderr.write("error: this needs Python 3.11, 3.12 or 3.13\n")
        return 1
    given = _parser().parse_args(arguments)
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = read_manifest(archive)
            if given.show:
                pythons = ", ".join(manifest.pythons)
                _say(f"{NAME} {manifest.version} for {manifest.platform}, Python {pythons}")
                return 0
            if given.wheels:
                Path(given.wheels).mkdir(parents=True, exist_ok=True)
                take_out(archive, manifest, Path(given.wheels))
                _say(f"pip install --no-index --find-links {given.wheels} {NAME}")
                return 0
        root = Path(given.to).expanduser().absolute() if given.to else default_root()
        launcher = install(file, root)
    except (BadBundle, NotInstalled, OSError, zipfile.BadZipFile) as error:
        sys.stderr.write(f"error: nothing was changed: {error}\n")
        return 1
    place = None if given.no_link else link(launcher)
    _say(f"{NAME} {manifest.version} is installed. It starts with:\n  {place or launcher}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parent))

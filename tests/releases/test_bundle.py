"""One file that installs the program: what is refused, and what stays whole."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import platformdirs
import pytest

from nostr_client.releases import bundle_installer as installer
from nostr_client.releases.bundle_installer import BadBundle, NotInstalled
from tests.releases.made import bundle, digest_of, tree_of, without_pip

__all__ = ["without_pip"]

KEYS = {"app": "example.nostr-client", "release_key": "a" * 64, "offline_key": "b" * 64}


def environments(root: Path) -> list[Path]:
    return [path for path in (root / "versions").iterdir() if path.is_dir()]


def read(path: Path) -> installer.BundleManifest:
    with zipfile.ZipFile(path) as archive:
        return installer.read_manifest(archive)


def test_the_same_wheels_make_the_same_bytes(tmp_path: Path) -> None:
    one = bundle(tmp_path / "one", "0.2.0", keys=KEYS)
    before = os.umask(0o077)
    try:
        two = bundle(tmp_path / "two", "0.2.0", keys=KEYS)
    finally:
        os.umask(before)
    assert one.read_bytes() == two.read_bytes()
    assert one.name == f"nostr-client-0.2.0-{installer.platform_id()}.pyz"
    manifest = read(one)
    assert (manifest.version, manifest.pythons) == ("0.2.0", (installer.python_id(),))
    installer.check_fits(manifest)


@pytest.mark.usefixtures("without_pip")
def test_a_first_installation_and_the_next_try(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, root = bundle(tmp_path, "0.2.0", keys=KEYS), tmp_path / "it's here"
    assert installer.main(file, ["--show"]) == 0
    assert not root.exists()
    for _ in range(2):  # a second time changes nothing
        assert installer.main(file, ["--to", str(root), "--no-link"]) == 0
    name = installer.environment_name(read(file), digest_of(file))
    assert installer.read_current(root) == (name, "")
    assert json.loads((root / "trust.json").read_text()) == KEYS
    launcher = root / "bin" / "nostr-client"
    said = subprocess.run([launcher, "--version"], capture_output=True, check=True, timeout=60)
    assert said.stdout == b"nostr-client 0.2.0\n"
    other = bundle(tmp_path / "other", "0.3.0", keys={**KEYS, "release_key": "c" * 64})
    before = tree_of(root)
    assert installer.main(other, ["--to", str(root), "--no-link"]) == 1
    assert "app update --from" in capsys.readouterr().err
    assert tree_of(root) == before


@pytest.mark.usefixtures("without_pip")
def test_what_does_not_work_is_never_used(tmp_path: Path) -> None:
    file, root = bundle(tmp_path, "0.2.0", says="0.1.9"), tmp_path / "root"
    with pytest.raises(NotInstalled, match=r"does not say that it is 0\.2\.0"):
        installer.install(file, root)
    assert installer.read_current(root) == ("", "")
    assert environments(root) == []


@pytest.mark.usefixtures("without_pip")
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, root = bundle(tmp_path, "0.2.0"), tmp_path / "root"
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(NotInstalled, match="there is no room"):
        installer.install(file, root)
    assert environments(root) == []


@pytest.mark.usefixtures("without_pip")
def test_what_an_interrupted_try_left_is_made_anew(tmp_path: Path) -> None:
    file, root = bundle(tmp_path, "0.2.0"), tmp_path / "root"
    name = installer.environment_name(read(file), digest_of(file))
    half = root / "versions" / name / "bin"
    half.mkdir(parents=True)
    (half / "nostr-client").write_text("half of it")
    installer.install(file, root)
    assert installer.works(root / "versions" / name, "0.2.0")


def test_another_installer_is_not_waited_for(tmp_path: Path) -> None:
    from nostr_client.paths import FolderLock

    file = bundle(tmp_path, "0.2.0")
    (tmp_path / "versions").mkdir()
    for lock in (tmp_path / "app.lock", tmp_path / "versions" / "app.lock"):
        # The second one is held by the pip of somebody who was killed, until it ends.
        with FolderLock(lock), pytest.raises(NotInstalled, match="another process"):
            installer.install(file, tmp_path)


Change = Callable[[dict[str, bytes], dict[str, object]], None]


def _slip(files: dict[str, bytes], says: dict[str, object]) -> None:
    files["wheels/../../evil.whl"] = b"x"


def _absolute(files: dict[str, bytes], says: dict[str, object]) -> None:
    files["/tmp/evil.whl"] = b"x"


def _more(files: dict[str, bytes], says: dict[str, object]) -> None:
    files["wheels/evil-1.0-py3-none-any.whl"] = b"x"


def _less(files: dict[str, bytes], says: dict[str, object]) -> None:
    del files[next(name for name in files if name.endswith(".whl"))]


def _name(files: dict[str, bytes], says: dict[str, object]) -> None:
    says["name"] = "other-client"


def _form(files: dict[str, bytes], says: dict[str, object]) -> None:
    says["format"] = 2


def _version(files: dict[str, bytes], says: dict[str, object]) -> None:
    says["version"] = "../0.2.0"


def _extra(files: dict[str, bytes], says: dict[str, object]) -> None:
    says["extras"] = ["web] --index-url=x"]


def _list(files: dict[str, bytes], says: dict[str, object]) -> None:
    says["wheels"] = 7


def _large(files: dict[str, bytes], says: dict[str, object]) -> None:
    files["bundle.json"] = b" " * (installer.MOST_MANIFEST + 1)


@pytest.mark.parametrize(
    "change", [_slip, _absolute, _more, _less, _name, _form, _version, _extra, _list, _large]
)
def test_what_is_no_bundle_is_refused(change: Change, tmp_path: Path) -> None:
    sound = bundle(tmp_path, "0.2.0")
    with zipfile.ZipFile(sound) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    says = json.loads(files["bundle.json"])
    change(files, says)
    if len(files["bundle.json"]) < installer.MOST_MANIFEST:
        files["bundle.json"] = json.dumps(says).encode()
    path = tmp_path / "changed.pyz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    with pytest.raises(BadBundle):
        read(path)
    root = tmp_path / "root"
    assert installer.main(path, ["--to", str(root), "--no-link"]) == 1
    assert not root.exists()


def test_links_twins_and_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "link.pyz"
    link = zipfile.ZipInfo("wheels/a-1-py3-none-any.whl")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadBundle, match="link"):
        read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bundle.json", "{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("bundle.json", "{}")
    with pytest.raises(BadBundle, match="twice"):
        read(path)
    monkeypatch.setattr(installer, "MOST_BYTES", 1_000_000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("wheels/a-1-py3-none-any.whl", bytes(2_000_000))
    assert path.stat().st_size < 10_000
    with pytest.raises(BadBundle, match="more than"):
        read(path)


def test_a_changed_wheel_is_refused(tmp_path: Path) -> None:
    path = bundle(tmp_path, "0.2.0")
    path.write_bytes(
        path.read_bytes().replace(b"nostr_client.main:main", b"nostr_client.evil:main")
    )
    with zipfile.ZipFile(path) as archive, pytest.raises(BadBundle, match="damaged"):
        installer.take_out(archive, installer.read_manifest(archive), tmp_path)


def test_another_platform_or_python_is_refused(tmp_path: Path) -> None:
    manifest = read(bundle(tmp_path, "0.2.0", pythons=["3.99"]))
    with pytest.raises(BadBundle, match=r"Python 3\.99"):
        installer.check_fits(manifest)
    other = installer.BundleManifest("0.2.0", "amiga-m68k", manifest.pythons, (), {})
    with pytest.raises(BadBundle, match="it is for amiga-m68k"):
        installer.check_fits(other)


def test_it_installs_where_the_program_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    from nostr_client.paths import paths

    monkeypatch.setenv("NOSTR_CLIENT_HOME", "/somewhere")
    assert installer.default_root() == paths().data / "app"
    monkeypatch.delenv("NOSTR_CLIENT_HOME")
    for folder in ("", "/elsewhere"):
        monkeypatch.setenv("XDG_DATA_HOME", folder)
        expected = platformdirs.PlatformDirs("nostr-client", appauthor=False).user_data_path
        assert installer.default_root() == expected / "app"


def test_a_damaged_pointer_names_nothing(tmp_path: Path) -> None:
    (tmp_path / "current").write_bytes(b"../../evil\n\xff")
    assert installer.read_current(tmp_path) == ("", "")
    (tmp_path / "current").write_text("../../evil\n0.2.0-abc\n")
    assert installer.read_current(tmp_path) == ("", "0.2.0-abc")

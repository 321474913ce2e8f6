"""Which interpreters `make` and the project's check take."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

FINDER = Path(__file__).parents[1] / ".ci" / "pythons"
pytestmark = [
    pytest.mark.tree,
    pytest.mark.skipif(os.name != "posix", reason="a script of the shell"),
]


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def answers(version: str, executable: Path) -> str:
    """A stand-in for an interpreter that was asked whether it fits."""
    return f"echo '{version} {executable}'"


def found(home: Path, folder: Path) -> list[str]:
    result = subprocess.run(
        ["/bin/sh", str(FINDER)],
        env={"HOME": str(home), "PATH": f"{folder}:/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [line for line in result.stdout.splitlines() if line.startswith(str(home))]


def test_a_shim_that_does_not_run_hides_no_interpreter(tmp_path: Path) -> None:
    shims = tmp_path / "shims"
    versions = tmp_path / ".pyenv" / "versions"
    for version in ("3.11", "3.13"):
        program(shims / f"python{version}", "echo 'found, but not selected' >&2; exit 127")
        own = versions / f"{version}.7" / "bin" / f"python{version}"
        program(own, answers(version, own))
    assert found(tmp_path, shims) == [
        str(versions / "3.13.7" / "bin" / "python3.13"),
        str(versions / "3.11.7" / "bin" / "python3.11"),
    ]


def test_one_of_each_version_and_what_is_on_the_path_first(tmp_path: Path) -> None:
    on_path = tmp_path / "bin"
    chosen = on_path / "python3.12"
    program(chosen, answers("3.12", chosen))
    program(on_path / "python3", answers("3.12", on_path / "python3"))
    for patch in ("1", "4"):
        own = tmp_path / ".pyenv" / "versions" / f"3.12.{patch}" / "bin" / "python3.12"
        program(own, answers("3.12", own))
    assert found(tmp_path, on_path) == [str(chosen)]


def test_what_is_named_runs() -> None:
    result = subprocess.run(
        ["/bin/sh", str(FINDER)], capture_output=True, text=True, timeout=60, check=True
    )
    versions = []
    for line in result.stdout.splitlines():
        said = subprocess.run(
            [line, "-c", "import sys, venv; print(sys.version_info[1])"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        versions.append(int(said.stdout))
    assert versions == sorted(set(versions), reverse=True)
    assert set(versions) <= {11, 12, 13}

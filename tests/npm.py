"""Packages from npm, for the tests that meet clients which are not ours."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGES = ("nostr-tools", "ws")
LIMIT = 60
"""Seconds that the registry may take."""


@pytest.fixture(scope="session")
def nostr_tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where nostr-tools and ws are installed: the one that NOSTR_TOOLS names, or a new one
    of this session. Where neither can be had, the test is skipped."""
    if shutil.which("node") is None:
        pytest.skip("there is no node here")
    if named := os.environ.get("NOSTR_TOOLS"):
        return Path(named)
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm here")
    folder = tmp_path_factory.mktemp("npm")
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder))
    try:
        subprocess.run(
            (npm, "install", *quiet, *PACKAGES),
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm installed nothing in {LIMIT} s")
    except subprocess.CalledProcessError as error:
        lines = error.stderr.splitlines() or ["it does not say why"]
        pytest.skip(f"npm could not install {', '.join(PACKAGES)}: {lines[0]}")
    return folder

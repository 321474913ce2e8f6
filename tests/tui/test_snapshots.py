"""Every screen as it was: in several sizes, themes and sets of signs; and the pictures in docs/.

Each is drawn by a process of its own, in which the clock stands (`shots`). Texts are compared, and
Textual and Rich draw them alike on one Python alone.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nostr_client.paths import environment_for_children

ROOT = Path(__file__).parents[2]
LIMIT = 600.0
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(LIMIT + 60),
    pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="drawn on Python 3.13 alone"),
    pytest.mark.skipif(sys.platform == "win32", reason="the clock cannot be set to UTC there"),
]


def run(*arguments: str) -> tuple[int, str]:
    ran = subprocess.run(
        (sys.executable, "-m", *arguments),
        cwd=ROOT,
        env=environment_for_children(),
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    return ran.returncode, f"{ran.stdout}\n{ran.stderr}"


def test_every_screen_is_as_it_was() -> None:
    code, said = run("tests.tui.shots")
    assert code == 0, (
        f"{said}\nIf this is how they are to be: `make snapshots`, and look at the diff."
    )


def test_the_pictures_in_the_docs_show_this_client() -> None:
    code, said = run("docs.screenshots", "--check")
    assert code == 0, said

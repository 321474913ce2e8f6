"""No core dump of a process that may hold a key."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource, sys
from nostr_client.main import main
main(["account", "list"])
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_whatever_may_unlock_a_key_leaves_no_core_dump(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=True,
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "NOSTR_CLIENT_HOME": str(tmp_path)},
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "(0, 0) 0"

"""A folder for a rehearsal that is gone afterwards, however it ends: also when it is killed.

A small process beside it waits for its standard input to close, which the system does for a parent
that dies, as the relays do that write there; then it takes the folder away.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from nostr_client.paths import translated

_SWEEPER: Final = """
import os, shutil, sys, time
sys.stdin.read()
for _ in range(100):
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    if not os.path.exists(sys.argv[1]):
        break
    time.sleep(0.2)
"""
"""It has some seconds, since relays that end too may write a last time."""


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A new folder whose name begins with `prefix`. Raises StoreError."""
    with translated("no folder for the rehearsal can be made"):
        folder = tempfile.mkdtemp(prefix=prefix)
        sweeper = subprocess.Popen(  # noqa: S603 - our own interpreter, our own words
            [sys.executable, "-I", "-S", "-c", _SWEEPER, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us
        )
    with sweeper:  # its input is closed at the end, and it is waited for
        yield Path(folder)

"""The process that reads what is not in the search index yet, and says its words: see
`words_process`. It writes nothing to the file, and ends where there is no more."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from nostr_client.store.index_keys import IndexKeys
from nostr_client.store.sqlite import connections, index_batches
from nostr_client.store.sqlite.opening import retry_locked
from nostr_client.store.sqlite.reader import TableReader
from nostr_client.store.sqlite.words_process import END


def main() -> None:
    """`PATH PLACE` are its arguments: the file, and up to which seq the index has come."""
    path, place = Path(sys.argv[1]), int(sys.argv[2])
    if sys.platform != "win32":
        os.nice(19)  # whoever else wants the core has it
    try:
        _say_words(path, place)
    except BrokenPipeError:  # nobody listens any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say_words(path: Path, place: int) -> None:
    """Raises StoreError, sqlite3.Error, BrokenPipeError."""
    out = sys.stdout.buffer
    reader = connections.open_reader(path, read_only=True, caches=connections.MODEST)
    with contextlib.closing(reader) as db:
        reading = TableReader(IndexKeys(db.execute("SELECT secret FROM state").fetchone()[0]))
        while True:
            stored = retry_locked(lambda: reading.since(db, place))  # noqa: B023 - at once
            if stored.after <= place:
                out.write(END)
                out.flush()
                return
            for batch in index_batches.batches(stored):
                out.write(f"{batch.before} {batch.after} {batch.rows}\n".encode())
                out.flush()
            place = stored.after

"""What goes wrong unexpectedly is kept in one file, readable by its owner only, without secrets."""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from nostr_client.redact import redacted_for_log

MOST_BYTES: Final = 1 << 20


def trace_of(error: BaseException) -> str:
    """The traceback of `error`, without the values of variables and without secrets."""
    return redacted_for_log("".join(traceback.format_exception(error)))


class _Careful(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redacted_for_log(super().format(record))


class _PrivateFile(logging.FileHandler):
    """Opened at the first line that is written; the old file is put aside when it grew long."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", delay=True)
        self.path = path

    def _open(self) -> TextIOWrapper:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            if self.path.stat().st_size > MOST_BYTES:
                self.path.replace(self.path.with_suffix(".log.1"))
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; where that fails (a full disk), whoever has something to log goes on."""
        try:
            super().emit(record)
        except OSError:  # of opening the file: logging itself sees only to what comes after that
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """No traceback into Textual's terminal, or beside a command's one line of error."""


def keep_log(path: Path) -> None:
    """Warnings and worse of every room go to `path`, and never to the terminal."""
    handler = _PrivateFile(path)
    handler.setFormatter(_Careful("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)

"""Notes not sent yet, on disk: one file for each thing that is being written.

A draft is written within half a second of the last key, readable by its owner only (0600), whole or
not at all, and goes away only when its note is stored or when the person throws it away.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from nostr_client.errors import StoreError
from nostr_client.paths import Paths, private_folder, write_private

SAVE_AFTER: Final = 0.3
"""Seconds without a key after which a draft is written."""
LONGEST: Final = 1_000_000
"""Characters read back at most."""
_is_name = re.compile("[0-9a-z-]{1,80}").fullmatch
NEW_NOTE: Final = "note"


def reply_to(event_id: str) -> str:
    """The name of the draft that answers an event."""
    return f"reply-{event_id}"


class Draft:
    """One draft's file. All methods block."""

    def __init__(self, paths: Paths, pubkey: str, name: str) -> None:
        if not _is_name(pubkey) or not _is_name(name):
            raise ValueError("a draft is named by lowercase letters, digits and hyphens")
        self.path: Path = paths.data / "drafts" / pubkey / f"{name}.txt"

    def read(self) -> str:
        """What was kept, or nothing. Raises StoreError."""
        try:
            with self.path.open(encoding="utf-8", errors="replace", newline="") as file:
                return file.read(LONGEST)
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise StoreError(f"the draft {self.path} cannot be read: {error.strerror}") from error

    def write(self, text: str) -> None:
        """Keep the text; nothing but blanks is not worth a file. Raises StoreError."""
        if not text.strip():
            self.drop()
            return
        private_folder(self.path.parent)
        write_private(self.path, text.encode("utf-8", "replace"))

    def drop(self) -> None:
        """Throw it away. Raises StoreError."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"the draft {self.path} cannot go: {error.strerror}") from error


class DraftKeeper:
    """Writes one draft behind the typing: in order, the last text last, one thread at a time.

    `kept_at` is when it was last on disk as typed, in seconds since 1970, or None.
    """

    def __init__(self, draft: Draft, clock: Callable[[], float] = time.time) -> None:
        self._draft = draft
        self._clock = clock
        self._text: str | None = None
        self._writing = asyncio.Lock()
        self.kept_at: float | None = None

    async def load(self) -> str:
        """What was kept before. Raises StoreError."""
        text = await asyncio.to_thread(self._draft.read)
        return text

    def typed(self, text: str) -> None:
        """The text is now this; `flush` writes it."""
        self._text = text
        self.kept_at = None

    async def flush(self) -> None:
        """Put the last text on disk, if it is not there yet. Raises StoreError."""
        async with self._writing:
            while self._text is not None:
                text, self._text = self._text, None
                await asyncio.to_thread(self._draft.write, text)
            self.kept_at = self._clock()

    async def drop(self) -> None:
        """Throw the draft away. Raises StoreError."""
        async with self._writing:
            self._text = None
            await asyncio.to_thread(self._draft.drop)
            self.kept_at = None

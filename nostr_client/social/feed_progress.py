"""How far the history of each relay was read, and for whom; kept beside the store it speaks of."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import write_private

log = logging.getLogger(__name__)


class RelayProgress(msgspec.Struct):
    """Until when (seconds) a relay's history was read, and for whom (16 digits of each key)."""

    at: int
    people: set[str]


class FeedProgress:
    """That of all relays for one account. A damaged file is an empty one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._relays = msgspec.json.decode(path.read_bytes(), type=dict[str, RelayProgress])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            self._relays = {}
        self._saved = msgspec.json.encode(self._relays, order="sorted")

    def split(self, url: str, people: Collection[str]) -> tuple[int, set[str], set[str]]:
        """(until when, those read until then, those who are new there)."""
        progress = self._relays.get(url)
        if progress is None:
            return 0, set(), set(people)
        old = {pubkey for pubkey in people if pubkey[:16] in progress.people}
        return progress.at, old, set(people) - old

    def move(self, url: str, at: int, people: Collection[str]) -> None:
        """The history of `url` was read until `at` for exactly these people."""
        self._relays[url] = RelayProgress(at, {pubkey[:16] for pubkey in people})

    def save(self) -> None:
        """Write the file, if anything changed. Blocks. What cannot be written is read again."""
        data = msgspec.json.encode(self._relays, order="sorted")
        if data == self._saved:
            return
        try:
            write_private(self._path, data)
        except StoreError as error:
            log.warning("how far relays were read was not saved: %s", error)
        else:
            self._saved = data

"""How far the history of each relay was read, and of whom; kept beside the store it speaks of."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import write_private

log = logging.getLogger(__name__)

_KEY = 16
"""Digits that stand for a pubkey."""
_Marks = dict[str, dict[str, int]]


class FeedProgress:
    """That of all relays for one account: until when (seconds) each author was read there, or was
    compared with what is here. A damaged file is an empty one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._relays = msgspec.json.decode(path.read_bytes(), type=_Marks)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            self._relays = {}
        self._saved = msgspec.json.encode(self._relays, order="sorted")

    def split(self, url: str, people: Collection[str]) -> tuple[int, set[str], set[str]]:
        """(until when, those read until then, those who are new there)."""
        marks = self._relays.get(url, {})
        old = {pubkey for pubkey in people if pubkey[:_KEY] in marks}
        at = min((marks[pubkey[:_KEY]] for pubkey in old), default=0)
        return at, old, set(people) - old

    def move(self, url: str, at: int, people: Collection[str]) -> None:
        """The history of these people at `url` was read until `at`."""
        self._relays.setdefault(url, {}).update((pubkey[:_KEY], at) for pubkey in people)

    def keep(self, url: str, people: Collection[str]) -> None:
        """Only these are read at `url`: whoever comes back later is new there."""
        if marks := self._relays.get(url):
            kept = {pubkey[:_KEY] for pubkey in people}
            self._relays[url] = {key: at for key, at in marks.items() if key in kept}

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

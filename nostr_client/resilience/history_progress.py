"""How far the account's history is here, relay by relay: values, and the file that keeps them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import msgspec

from nostr_client.net.outcome import WORDS_SHOWN, How
from nostr_client.paths import write_private
from nostr_client.safe_text import safe_line

log = logging.getLogger(__name__)


class OwnSet(StrEnum):
    """What is brought here: what the account wrote, and what names it."""

    WRITTEN = "own"
    MENTIONS = "mentions"


class RelayHistory(msgspec.Struct, omit_defaults=True):
    """How far one set of one relay is here. Times are in seconds since 1970; 0: never.

    `complete_at`: what the relay showed then was all here; `whole_at`: when it was looked at to its
    beginning, and not only what is newer than the last time. A round that is under way was `begun`,
    goes back to `since`, and has all that is created from `floor` on (None: none is under way);
    `came` is how many new events it brought. Nothing older than `cut_at` is fetched: a quota was
    full. `due` is when to look again, after `tries` failures. `how` it ended the last time is a
    `How`, `words` are the relay's or ours, raw.
    """

    complete_at: int = 0
    whole_at: int = 0
    begun: int = 0
    since: int = 0
    floor: int | None = None
    came: int = 0
    cut_at: int = 0
    due: int = 0
    tries: int = 0
    how: str = ""
    words: str = ""

    @property
    def is_answering(self) -> bool:
        return self.how == How.ANSWERED.value

    def __str__(self) -> str:
        """What is wrong, in one line that is safe to print; empty where nothing is."""
        if self.is_answering and not self.words:
            return ""
        words = safe_line(self.words, WORDS_SHOWN)
        if self.is_answering:
            return words
        return (self.how or "not asked yet") + (f" ({words})" if words else "")


class OwnHistoryStatus(msgspec.Struct, frozen=True):
    """How far it is: what each set of each relay has come to. `problem`: what keeps it from going
    on here, in our words."""

    sets: Mapping[OwnSet, Mapping[str, RelayHistory]] = {}
    problem: str = ""

    def complete_since(self, which: OwnSet = OwnSet.WRITTEN) -> int:
        """When all that the relays show, those that answer, was last seen to be here; 0: never
        yet, or there are some that were not asked yet.

        What the others have, nobody knows: they are named beside it.
        """
        each = self.sets.get(which, {}).values()
        counting = [one for one in each if one.is_answering or not one.how]
        return min((one.complete_at for one in counting), default=0)


Sets = dict[OwnSet, dict[str, RelayHistory]]


class HistoryProgress:
    """The file at `path`. Whoever changes it holds a lock of his own. A damaged one is an empty
    one: more is looked at then."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sets: Sets = {}

    def of(self, which: OwnSet, url: str) -> RelayHistory:
        return self.sets.setdefault(which, {}).setdefault(url, RelayHistory())

    async def load(self) -> None:
        """As it stands now: another process may have been at work."""
        self.sets = await asyncio.to_thread(self._read)

    async def save(self, urls: Mapping[OwnSet, list[str]] | None = None) -> None:
        """Write it down; with `urls`, those alone are kept. Raises StoreError."""
        if urls is not None:
            for which, kept in self.sets.items():
                for url in kept.keys() - set(urls.get(which, ())):
                    del kept[url]
        await asyncio.to_thread(write_private, self.path, msgspec.json.encode(self.sets))

    def _read(self) -> Sets:
        """Blocks."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Sets)
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("how far the history is here was not read: %s", error)
            return {}

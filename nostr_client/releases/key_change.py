"""A release key is changed by two keys together: itself, and the offline key known beforehand.

Each signs the same statement (kind 30078, NIP-78): which key is followed by which, and by which
offline key. NIP-82 has nothing of the kind. One of the two alone changes nothing: who steals the
release key cannot keep it, and who finds the offline key cannot use it. What two keys say is shown
to a person, who agrees or does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from nostr_client.errors import InvalidData, ReleaseRefused
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.releases.origin import ReleaseKeys, check_keys

MOST_CHANGES: Final = 8
"""Changes, one after the other, that are followed at once."""


class KeyChange(msgspec.Struct, frozen=True):
    """`old`, a release key (hex), is followed by `new`."""

    old: str
    new: ReleaseKeys

    def draft(self) -> Draft:
        """What both keys sign."""
        tags = (
            ("d", _name(self.new.app, self.old)),
            ("i", self.new.app),
            ("from", self.old),
            ("release", self.new.release_key),
            ("offline", self.new.offline_key),
        )
        return Draft(kinds.APPLICATION_DATA, "", tags)


def _name(app: str, old: str) -> str:
    """One statement for each key that is followed, so that a later one replaces no earlier one."""
    return f"{app}/release-key/{old}"


def changes_from(keys: ReleaseKeys, events: Sequence[Event]) -> list[KeyChange]:
    """The changes that lead on from `keys`, in turn, each said by the two keys known before it.

    Raises ReleaseRefused where the two say two different things.
    """
    found: list[KeyChange] = []
    seen = {keys.release_key}
    while len(found) < MOST_CHANGES:
        change = _next_change(keys, events)
        if change is None or change.new.release_key in seen:
            break
        seen.add(change.new.release_key)
        found.append(change)
        keys = change.new
    return found


def _next_change(keys: ReleaseKeys, events: Sequence[Event]) -> KeyChange | None:
    if not keys.offline_key:
        return None
    said = [
        {
            change
            for author, change in _statements(events, keys.app, keys.release_key)
            if author == key
        }
        for key in (keys.release_key, keys.offline_key)
    ]
    both = said[0] & said[1]
    if len(both) > 1:
        raise ReleaseRefused(
            "key-change", "the release key is followed by two different ones: trust neither"
        )
    return next(iter(both), None)


def _statements(events: Iterable[Event], app: str, old: str) -> Iterator[tuple[str, KeyChange]]:
    """Who says what of the key that follows `old`."""
    for event in events:
        if event.kind != kinds.APPLICATION_DATA or event.value("d") != _name(app, old):
            continue
        new = ReleaseKeys(
            app=event.value("i") or "",
            release_key=event.value("release") or "",
            offline_key=event.value("offline") or "",
        )
        change = KeyChange(old, new)
        try:
            check_keys(new)
        except InvalidData:
            continue
        if event.tags == change.draft().tags and old not in (new.release_key, new.offline_key):
            yield event.pubkey, change

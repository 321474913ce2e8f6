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
    for step in _steps(keys, events):
        if len(step.agreed) > 1:
            raise ReleaseRefused(
                "key-change", "the release key is followed by two different ones: trust neither"
            )
        found += step.agreed
    return found


class SaidOfKeys(msgspec.Struct, frozen=True):
    """Statements that whoever trusts a pair of keys has to know, each author's once.

    `keys` are those that they lead to. `agreed` are made by both of two keys, `alone` by one of
    them, the offline key's first."""

    keys: ReleaseKeys
    agreed: tuple[Event, ...]
    alone: tuple[Event, ...]


def said_of_keys(keys: ReleaseKeys, events: Sequence[Event]) -> SaidOfKeys:
    """What the keys known before each step say of those that follow. Where two say two different
    things it ends there, with all that they say. No statement of anybody else is among them."""
    agreed: list[Event] = []
    alone: list[Event] = []
    for step in _steps(keys, events):
        for by in step.said.values():
            (agreed if len(by) == 2 else alone).extend(by.values())
        alone.sort(key=lambda event: event.pubkey == step.keys.release_key)
        keys = step.agreed[0].new if len(step.agreed) == 1 else step.keys
    return SaidOfKeys(keys, tuple(agreed), tuple(alone))


def agreed_before(app: str, events: Sequence[Event]) -> list[Event]:
    """The statements, of whichever keys, that were made by a key and by another one."""
    said: dict[KeyChange, dict[str, Event]] = {}
    for event, change in _statements(events, app):
        said.setdefault(change, {}).setdefault(event.pubkey, event)
    pairs = (by for change, by in said.items() if change.old in by and len(by) == 2)
    return [event for by in pairs for event in by.values()]


class _Step(msgspec.Struct, frozen=True):
    """What the two `keys` say of those that follow: each change, and who says it in which event;
    and the changes that both say and that lead on."""

    keys: ReleaseKeys
    said: dict[KeyChange, dict[str, Event]]
    agreed: list[KeyChange]


def _steps(keys: ReleaseKeys, events: Sequence[Event]) -> Iterator[_Step]:
    """In turn, until the keys agree on none, or on more than one."""
    statements = list(_statements(events, keys.app))
    seen = {keys.release_key}
    for _ in range(MOST_CHANGES):
        said: dict[KeyChange, dict[str, Event]] = {}
        for event, change in statements:
            if change.old == keys.release_key and event.pubkey in (change.old, keys.offline_key):
                said.setdefault(change, {}).setdefault(event.pubkey, event)
        agreed = [change for change, by in said.items() if len(by) == 2]
        if len(agreed) == 1 and agreed[0].new.release_key in seen:
            agreed = []
        yield _Step(keys, said, agreed)
        if len(agreed) != 1:
            break
        keys = agreed[0].new
        seen.add(keys.release_key)


def _statements(events: Iterable[Event], app: str) -> Iterator[tuple[Event, KeyChange]]:
    """What is said of keys of the app, by whomever; of an author who says it twice, always the same
    event comes first."""
    for event in sorted(events, key=lambda event: event.id):
        if event.kind != kinds.APPLICATION_DATA or event.value("i") != app:
            continue
        old = event.value("from") or ""
        new = ReleaseKeys(
            app=app,
            release_key=event.value("release") or "",
            offline_key=event.value("offline") or "",
        )
        change = KeyChange(old, new)
        try:
            check_keys(new)
        except InvalidData:
            continue
        if event.tags == change.draft().tags and old not in (new.release_key, new.offline_key):
            yield event, change

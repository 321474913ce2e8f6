"""What a relay must answer: lists and loops over decoded JSON, written from the NIPs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Any

from nostr_client.protocol.event import Event
from tests.fuzz.world import is_hex64
from tests.store.naive import NaiveStore

Filter = dict[str, Any]
PRIVATE = {4, 1059, 21059}
"""Gift wraps: only for those whom they name (NIP-17). Direct messages: also for their authors."""


def matches(f: Filter, event: Event) -> bool:
    """Does `event` meet every condition of a well-formed filter (NIP-01)?"""
    for name, wanted in f.items():
        match name:
            case "ids":
                met = event.id in wanted
            case "authors":
                met = event.pubkey in wanted
            case "kinds":
                met = event.kind in wanted
            case "since":
                met = event.created_at >= wanted
            case "until":
                met = event.created_at <= wanted
            case "limit" | "search":
                met = True
            case _:
                met = any(t[0] == name[1:] and t[1] in wanted for t in event.tags if len(t) > 1)
        if not met:
            return False
    return True


def matching(events: Iterable[Event], filters: Iterable[Filter]) -> list[Event]:
    """All that meet any of the filters, newest first, then the lowest id."""
    asked = list(filters)
    found = [event for event in events if any(matches(f, event) for f in asked)]
    return sorted(found, key=lambda event: (-event.created_at, event.id))


def may_see(event: Event, keys: Collection[str]) -> bool:
    if event.kind not in PRIVATE or (event.kind == 4 and event.pubkey in keys):
        return True
    return any(pubkey in keys for pubkey in event.values("p"))


def asks_private(filters: Iterable[Filter]) -> bool:
    """Does a filter ask for nothing but what is private?"""
    return any(f.get("kinds") and set(f["kinds"]) <= PRIVATE for f in filters)


class Oracle:
    """The relay's state as it must be. `cap` is the largest limit, `default` that of no limit.

    `keys`: who asks, as far as the relay knows.
    """

    def __init__(self, vanish_tags: Iterable[str], cap: int, default: int) -> None:
        self.store = NaiveStore(vanish_tags)
        self.keys: frozenset[str] = frozenset()
        self._cap = cap
        self._default = default

    def matching(self, filters: Iterable[Filter]) -> list[Event]:
        """All that may be seen and meet any of the filters, in order."""
        seen = (event for event in self.store.events if may_see(event, self.keys))
        return matching(seen, filters)

    def page(self, filters: list[Filter]) -> list[Event]:
        """What a REQ brings: of each filter its newest, together."""
        found: dict[str, Event] = {}
        for f in filters:
            limit = min(f.get("limit", self._default), self._cap)
            all_of_it = self.matching([f])
            end = limit
            # Where the relay's own cap cuts, it leaves a second whole if twice the cap will do.
            while 0 < limit == self._cap and end < min(2 * limit, len(all_of_it)):
                if all_of_it[end].created_at != all_of_it[limit - 1].created_at:
                    break
                end += 1
            found |= {event.id: event for event in all_of_it[:end]}
        return sorted(found.values(), key=lambda event: (-event.created_at, event.id))

    def check_page(self, filters: list[Filter], sent: list[Any], end: list[Any]) -> None:
        """`sent` are the events of the frames, `end` is the frame that ended them."""
        expected = [json.loads(event.json) for event in self.page(filters)]
        assert sent == expected, _difference(sent, expected)
        self.check_hints(filters, [event["id"] for event in sent], end)

    def check_cut_page(self, filters: list[Filter], sent: list[Any], most: int) -> None:
        """As `check_page`, where an answer may have `most` bytes only."""
        expected = self.page(filters)
        assert sent == [json.loads(event.json) for event in expected[: len(sent)]], "not a prefix"
        size = sum(len(event.json) for event in expected[: len(sent)])
        assert size <= most or len(sent) == 1, f"{size} bytes"
        if len(sent) < len(expected):
            assert sent, "at least one"
            whole = sent[-1]["created_at"] != expected[len(sent)].created_at
            one_second = sent[0]["created_at"] == sent[-1]["created_at"]
            assert whole or one_second, "a second is cut in two"
            if len(filters) == 1 and len(expected) < self._cap:
                due = _fits(expected, most * 9 // 10)
                assert len(sent) >= due, f"{len(sent)} of {due} that fit"

    def check_hints(self, filters: list[Filter], ids: list[str], end: list[Any]) -> None:
        """NIP-67: a hint is true, and for a single filter there is one."""
        hints = end[2] if len(end) > 2 else []
        left = {event.id for event in self.matching(filters)} - set(ids)
        if "finish" in hints:
            assert not left, f"finish, and {len(left)} are left"
        if "more" in hints:
            assert left, "more, and nothing is left"
        assert not {"finish", "more"} <= set(hints)
        if len(filters) == 1 and filters[0].get("limit") != 0:
            assert hints, "a single filter has a hint"

    def count(self, filters: list[Filter]) -> int:
        """NIP-45: whatever the limits."""
        return len(self.matching(filters))

    def registers(self, filters: list[Filter]) -> bytes:
        """NIP-45's HyperLogLog of a filter with one tag of one value."""
        [f] = filters
        [values] = [set(f[name]) for name in f if name.startswith("#")]
        [value] = values
        if not is_hex64(value):
            parts = value.split(":", 2)
            is_address = len(parts) == 3 and parts[0].isdecimal() and parts[0].isascii()
            if is_address and is_hex64(parts[1]):
                value = parts[1]
            else:
                value = sha256(value.encode()).hexdigest()
        offset = int(value[32], 16) + 8
        found = [0] * 256
        for event in self.matching(filters):
            pubkey = bytes.fromhex(event.pubkey)
            rest = "".join(f"{byte:08b}" for byte in pubkey[offset + 1 :])
            zeros = len(rest) - len(rest.lstrip("0"))
            found[pubkey[offset]] = max(found[pubkey[offset]], zeros + 1)
        return bytes(found)


def _fits(events: list[Event], most: int) -> int:
    """How many of the newest, in whole seconds, have no more than `most` bytes."""
    fits, size = 0, 0
    for number, event in enumerate(events):
        size += len(event.json) + 1
        if size > most:
            break
        last = number + 1 == len(events)
        if last or events[number + 1].created_at != event.created_at:
            fits = number + 1
    return fits


def _difference(sent: list[Any], expected: list[Any]) -> str:
    got, due = [e["id"] for e in sent], [e["id"] for e in expected]
    missing, extra = [i for i in due if i not in got], [i for i in got if i not in due]
    if not missing and not extra:
        return "wrong order, twice the same, or other bytes"
    return f"{len(got)} of {len(due)}: missing {missing[:3]}, too many {extra[:3]}"

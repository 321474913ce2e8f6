"""What a new version of a list would lose, said before it is signed for somebody else's program.

What is written here is made from the newest version (`list_guard`); of what another program wants
signed nobody knows from what it was made. So it is compared with the newest version that can be
read. A few entries less are an edit; many, all of the private part, or a version that nobody could
read, are for a person to decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from nostr_client.errors import ListNotRead
from nostr_client.protocol import kinds
from nostr_client.protocol.event import MALFORMED, Draft, Event
from nostr_client.protocol.kinds import KindClass, kind_class
from nostr_client.routing.list_reading import name_of

FEW: Final = 3
"""So many entries may go without a question ..."""
PART: Final = 4
"""... unless they are one in so many, and so few beyond `MANY` whatever the list's size."""
MANY: Final = 20

SETS: Final = frozenset({*range(30000, 30008), 30015, 30030, 30063, 30267, 39089, 39092})
"""The addressable kinds that are lists (NIP-51)."""

ReadList = Callable[[int, str], Awaitable[Event | None]]
"""The account's newest version of a kind, with its `d`: None if there is none for certain.

Raises ListNotRead.
"""


class ListLoss:
    """A `Guard`: what speaks against signing a list of the account that `read` reads."""

    def __init__(self, read: ReadList) -> None:
        self._read = read

    async def __call__(self, draft: Draft) -> str:
        """Empty for what is no list, and for a change that loses little."""
        if kind_class(draft.kind) is not KindClass.REPLACEABLE and draft.kind not in SETS:
            return ""
        identifier = next((t[1] for t in draft.tags if t[0] == "d" and len(t) > 1), "")
        try:
            held = await self._read(draft.kind, identifier)
        except ListNotRead as error:
            if error.none_found:
                return ""
            return f"it replaces a {name_of(draft.kind)} that could not be read: {error}"
        return "" if held is None else loss(held, draft)


def loss(held: Event, draft: Draft) -> str:
    """What `draft` leaves out of `held`, in words; empty where that is little. Pure."""
    lost: list[str] = []
    if held.kind == kinds.METADATA:
        gone = _fields(held.content).keys() - _fields(draft.content).keys()
        if len(gone) > 1:
            lost.append(f"{len(gone)} of its fields ({', '.join(sorted(gone)[:8])})")
    elif held.content and not draft.content:
        lost.append("its private part")
    before, after = _entries(held), _entries(draft)
    missing = (before - after).total()
    if missing > MANY or (missing > FEW and missing * PART >= before.total()):
        lost.append(f"{missing} of its {before.total()} entries")
    elif missing and not after:
        lost.append("all of its entries")
    if not lost:
        return ""
    return f"it takes {' and '.join(lost)} out of the {name_of(draft.kind)}"


def _entries(event: Event | Draft) -> Counter[tuple[str, str]]:
    """Its entries by name and value: what else stands in a tag may change."""
    named = (tag for tag in event.tags if len(tag) > 1 and tag[0] != "d")
    return Counter((tag[0], tag[1]) for tag in named)


def _fields(content: str) -> Mapping[str, Any]:
    """A profile's fields that say something."""
    try:
        fields = msgspec.json.decode(content, type=dict[str, Any])
    except MALFORMED:
        return {}
    return {name: value for name, value in fields.items() if value not in ("", None)}

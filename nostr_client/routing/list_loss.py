"""What a new version of a list would lose, said before it is signed.

What is written here is made from the newest version (`list_guard`); of what another program wants
signed nobody knows from what it was made. So it is compared with the newest version that can be
read. A few entries less are an edit; many, all of the private part, or a version that nobody could
read, are for a person to decide.

For the lists by which an account lives (`GRAVE`) that is grave where more than one entry in `PART`
goes: of a list of two, one is. But an act that names what it takes out (this relay, that person) is
its own confirmation, as far as it names it and no further; a list put in place of another is not.

Entries are counted on both sides, public and private, as far as the private part can be opened:
what moves from one to the other is not lost. In a relay list those to write to count apart from
those to read from.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final

import msgspec

from nostr_client.errors import ListNotRead
from nostr_client.protocol import kinds
from nostr_client.protocol.event import MALFORMED, Draft, Event, Tags
from nostr_client.protocol.kinds import KindClass, kind_class
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.list_reading import name_of
from nostr_client.routing.private_part import tags_of
from nostr_client.signing.guards import Objection

GRAVE: Final = {
    kinds.FOLLOWS: "follows",
    kinds.MUTES: "mutes",
    kinds.RELAY_LIST: "relays",
    kinds.DM_RELAYS: "dm-relays",
}
"""The lists by which an account lives, and the word for each."""
PART: Final = 5
"""Of those, more than one entry in so many is grave."""
FEW: Final = 3
"""Of other lists so many entries may go without a question ..."""
PART_OF_OTHERS: Final = 4
"""... unless they are one in so many, and so few beyond `MANY` whatever the list's size."""
MANY: Final = 20

SETS: Final = frozenset({*range(30000, 30008), 30015, 30030, 30063, 30267, 39089, 39092})
"""The addressable kinds that are lists (NIP-51)."""

Entry = tuple[str, str]
"""An entry by its name and value: what else stands in a tag may change."""
ReadList = Callable[[int, str], Awaitable[Event | None]]
"""The account's newest version of a kind, with its `d`: None if there is none for certain.

Raises ListNotRead.
"""
OpenContent = Callable[[str], Awaitable[str]]
"""What a list's content says, as `PrivatePart.text_of`. Raises SignerUnavailable."""


async def _as_it_is(content: str) -> str:
    return content


class ListLoss:
    """A `Guard`: what speaks against signing a list of the account that `read` reads, whose private
    parts `opened` opens."""

    def __init__(self, read: ReadList, opened: OpenContent = _as_it_is) -> None:
        self._read = read
        self._opened = opened

    async def __call__(self, draft: Draft) -> Objection | None:
        """None for what is no list, and for a change that loses little."""
        if kind_class(draft.kind) is not KindClass.REPLACEABLE and draft.kind not in SETS:
            return None
        identifier = next((t[1] for t in draft.tags if t[0] == "d" and len(t) > 1), "")
        try:
            held = await self._read(draft.kind, identifier)
        except ListNotRead as error:
            if error.none_found:
                return None
            words = f"it replaces a {name_of(draft.kind)} that could not be read: {error}"
            return Objection(words, GRAVE.get(draft.kind, ""))
        if held is None:
            return None
        if draft.kind not in (kinds.METADATA, kinds.FOLLOWS) and held.content != draft.content:
            held, draft = (
                held.read_as(content=await self._opened(held.content)),
                msgspec.structs.replace(draft, content=await self._opened(draft.content)),
            )
        return loss(held, draft)


def loss(held: Event, draft: Draft, named: Collection[Entry] = ()) -> Objection | None:
    """What `draft` leaves out of `held`, beside what is `named`; None where that is little. Pure.

    Both as they were opened: a private part is the JSON of its tags, or what nobody could open.
    """
    if held.kind == kinds.METADATA:
        gone = _fields(held.content).keys() - _fields(draft.content).keys()
        lost = (
            [f"{len(gone)} of its fields ({', '.join(sorted(gone)[:8])})"] if len(gone) > 1 else []
        )
    else:
        lost = [*_lost_content(held, draft, named), *_lost_entries(held, draft, named)]
    if not lost:
        return None
    words = f"it takes {' and '.join(lost)} out of the {name_of(draft.kind)}"
    return Objection(words, GRAVE.get(draft.kind, ""))


def _lost_content(held: Event, draft: Draft, named: Collection[Entry]) -> list[str]:
    if not held.content or held.content == draft.content:
        return []
    if held.kind == kinds.FOLLOWS:  # relays, from the days before NIP-65
        return [] if draft.content else ["what its content held"]
    private = tags_of(held.content)
    if private is None and draft.content:
        unknown = "its private part, which cannot be read here"
        return [unknown] if held.kind in GRAVE else []
    shown = _entries(held.kind, draft.tags)
    moved = private is not None and _entries(held.kind, private) <= shown | set(named)
    return [] if draft.content or moved else ["its private part"]


def _lost_entries(held: Event, draft: Draft, named: Collection[Entry]) -> list[str]:
    lost: list[str] = []
    for what, before, after in _sides(held, draft):
        missing = len(before - after - set(named))
        if _is_much(held.kind, missing, len(before), left=len(after)):
            lost.append(_how_many(missing, len(before)) + what)
    return lost


def _how_many(missing: int, before: int) -> str:
    if missing < before:
        return f"{missing} of its {before} "
    return "all of its " if before > 1 else "the last of its "


def _is_much(kind: int, missing: int, before: int, *, left: int) -> bool:
    if missing > MANY or (missing and not left):
        return True
    if kind in GRAVE:
        return missing * PART > before
    return missing > FEW and missing * PART_OF_OTHERS >= before


def _sides(held: Event, draft: Draft) -> list[tuple[str, frozenset[Entry], frozenset[Entry]]]:
    """What is counted, before and after."""
    if held.kind == kinds.RELAY_LIST:
        return [
            (f"relays to {words}", _relays(held.tags, without), _relays(draft.tags, without))
            for words, without in (("write to", "read"), ("read from", "write"))
        ]
    before, after = (
        _entries(held.kind, (*one.tags, *(tags_of(one.content) or ()))) for one in (held, draft)
    )
    return [("entries", before, after)]


def _relays(tags: Tags, without: str) -> frozenset[Entry]:
    """Those of a relay list that are not marked as `without` (NIP-65)."""
    marked = tuple(tag for tag in tags if tag[0] == "r" and tag[2:3] != (without,))
    return _entries(kinds.RELAY_LIST, marked)


def _entries(kind: int, tags: Tags) -> frozenset[Entry]:
    """Each once; of relays those that are any, in their one spelling."""
    named = ((tag[0], tag[1]) for tag in tags if len(tag) > 1 and tag[0] != "d")
    if kind not in (kinds.RELAY_LIST, kinds.DM_RELAYS):
        return frozenset(named)
    return frozenset((name, url) for name, text in named if (url := relay_url(text)))


def _fields(content: str) -> Mapping[str, Any]:
    """A profile's fields that say something."""
    try:
        fields = msgspec.json.decode(content, type=dict[str, Any])
    except MALFORMED:
        return {}
    return {name: value for name, value in fields.items() if value not in ("", None)}

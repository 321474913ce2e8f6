"""Programs that can show what this one cannot: who says so, as far as it is here (NIP-89)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore

MOST_OPENERS: Final = 3
MOST_HANDLERS: Final = 50
MOST_URL: Final = 500
_FAMILIAR: Final = kinds.POSTS | {kinds.REACTION, kinds.PUBLIC_MESSAGE, kinds.DIRECT_MESSAGE}
_PLACE: Final = "<bech32>"


class Opener(NamedTuple):
    """A program on the web, and where it shows an event. Both are raw, as its maker says."""

    name: str
    url: str


async def openers_of(store: EventStore, events: Iterable[Event]) -> dict[str, tuple[Opener, ...]]:
    """Event id -> programs that are said to show it, at most `MOST_OPENERS`; nothing is asked about
    familiar kinds. Raises StoreError."""
    strange = [event for event in events if event.kind not in _FAMILIAR]
    if not strange:
        return {}
    tags = {"k": frozenset(str(event.kind) for event in strange)}
    wanted = Filter(kinds=frozenset({kinds.APP_HANDLER}), tags=tags, limit=MOST_HANDLERS)
    handlers = await store.query([wanted])
    return {event.id: _openers(event, handlers) for event in strange}


def _openers(event: Event, handlers: Iterable[Event]) -> tuple[Opener, ...]:
    found: dict[str, Opener] = {}
    for handler in handlers:
        if str(event.kind) in handler.values("k") and (url := _url(event, handler)):
            name = _name(handler) or url.partition("://")[2].partition("/")[0]
            found.setdefault(name, Opener(name, url))
    return tuple(found.values())[:MOST_OPENERS]


def _url(event: Event, handler: Event) -> str:
    """Where on the web `handler` shows the event; "" for nowhere."""
    code = nip19.encode_event(event)
    form = code.partition("1")[0]
    generic = ""
    for tag in handler.tags:
        if tag[0] != "web" or len(tag) < 2 or _PLACE not in tag[1] or len(tag[1]) > MOST_URL:
            continue
        if not tag[1].startswith("https://"):
            continue
        if len(tag) > 2 and tag[2] == form:
            return tag[1].replace(_PLACE, code, 1)
        if len(tag) < 3 or not tag[2]:
            generic = generic or tag[1].replace(_PLACE, code, 1)
    return generic


def _name(handler: Event) -> str:
    try:
        said = msgspec.json.decode(handler.content) if handler.content else None
    except (msgspec.DecodeError, RecursionError):
        return ""
    if not isinstance(said, dict):
        return ""
    names = (said.get("display_name"), said.get("name"))
    return next((name.strip() for name in names if isinstance(name, str) and name.strip()), "")[
        :100
    ]

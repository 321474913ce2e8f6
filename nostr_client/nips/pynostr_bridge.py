"""pynostr's objects to ours and back, so that its users' scripts can move.

They are loaded when somebody converts: they bring pynostr's network code along. The ids of its
events are not taken over: every one is computed anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nostr_client.errors import InvalidEvent, InvalidFilter
from nostr_client.protocol.event import Draft, Event, event_digest
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import PublicKey, SecretKey

if TYPE_CHECKING:
    from pynostr.event import Event as PynostrEvent
    from pynostr.filters import Filters as PynostrFilters
    from pynostr.key import PrivateKey as PynostrPrivateKey
    from pynostr.key import PublicKey as PynostrPublicKey


def event_from_pynostr(event: PynostrEvent) -> Event:
    """A signed event of pynostr's as ours; its signature is not checked. Raises InvalidEvent.

    pynostr computes an id only when asked, so that what it holds may be an older one; the
    signature tells which of the two was signed.
    """
    if event.sig is None:
        raise InvalidEvent("this event is not signed: use draft_from_pynostr")
    return Event.from_dict(event.to_dict() | {"id": _id_of(event)})


def draft_from_pynostr(event: PynostrEvent) -> Draft:
    """What a pynostr event is to say, without author, id and signature. Raises InvalidEvent."""
    if event.content is None or event.kind is None:
        raise InvalidEvent("this event is not complete: it has no content or no kind")
    tags = tuple(tuple(tag) for tag in event.tags)
    return Draft(int(event.kind), event.content, tags, event.created_at)


def event_to_pynostr(event: Event) -> PynostrEvent:
    """The same event as pynostr's object."""
    from pynostr.event import Event as PynostrEvent

    return PynostrEvent(
        content=event.content,
        pubkey=event.pubkey,
        created_at=event.created_at,
        kind=event.kind,
        tags=[list(tag) for tag in event.tags],
        id=event.id,
        sig=event.sig,
    )


def filter_from_pynostr(filters: PynostrFilters) -> Filter:
    """One of pynostr's filters, which it calls `Filters`. Raises InvalidFilter."""
    return Filter.from_dict(filters.to_dict())


def filter_to_pynostr(filter: Filter) -> PynostrFilters:
    """Raises InvalidFilter for a search, which pynostr does not know."""
    from pynostr.filters import Filters as PynostrFilters

    if filter.search is not None:
        raise InvalidFilter("pynostr's filters have no search")
    plain = filter.to_dict()
    names = ("ids", "kinds", "authors", "since", "until", "limit")
    made = PynostrFilters(**{name: plain[name] for name in names if name in plain})
    for name, values in filter.tags.items():
        made.add_arbitrary_tag(name, sorted(values))
    return made


def key_from_pynostr(key: PynostrPrivateKey) -> SecretKey:
    """Raises InvalidKey."""
    return SecretKey(bytes(key.raw_secret))


def key_to_pynostr(key: SecretKey) -> PynostrPrivateKey:
    """Mind that pynostr's object shows the secret where it is printed."""
    from pynostr.key import PrivateKey as PynostrPrivateKey

    return PynostrPrivateKey(bytes(key))


def public_key_from_pynostr(key: PynostrPublicKey) -> PublicKey:
    """Raises InvalidKey."""
    return PublicKey(bytes(key.raw_bytes).hex())


def public_key_to_pynostr(key: PublicKey) -> PynostrPublicKey:
    """The key as pynostr has it."""
    from pynostr.key import PublicKey as PynostrPublicKey

    return PynostrPublicKey(bytes(key))


def _id_of(event: PynostrEvent) -> str:
    try:
        return event_digest(
            event.pubkey, event.created_at, int(event.kind), event.tags, event.content
        ).hex()
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidEvent(f"not a complete event: {error}") from None

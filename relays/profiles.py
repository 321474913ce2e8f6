"""Profiles: what a relay is for, as settings. What a keeper sets himself counts more.

`open`: anyone writes, sizes and costs bounded. `public`: strangers show work, rates. `community`:
members. `archive`: read only, fed by mirrors and imports. `personal`: four rooms for one person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from nostr_client.protocol.kinds import DELETION, EPHEMERAL_GIFT_WRAP, GIFT_WRAP

Settings = Mapping[str, Any]
Profile = Literal["open", "public", "community", "archive", "personal"]

_WRAPS: Final = (GIFT_WRAP, EPHEMERAL_GIFT_WRAP)
_READING: Final = {
    "queries": {"address": "1200/minute, burst 600"},
    "bytes": {"address": "2 GiB/hour, burst 500 MiB"},
}
"""A client that starts asks dozens of questions at once; several may share an address."""

OPEN: Final[Settings] = {}
PUBLIC: Final[Settings] = {
    "events": {
        "work": 16,
        "work_of": "strangers",
        "duplicates": {"by_one": 3, "by_many": 5},
    },
    "rates": {
        "events": {"address": "240/minute, burst 500", "key": "60/minute, burst 200"},
        **_READING,
    },
}
COMMUNITY: Final[Settings] = {
    "members": {"enabled": True, "write": True, "read": True},
    "access": {"greet": True},
    "rates": {"events": {"address": "600/minute", "key": "120/minute, burst 300"}, **_READING},
}
ARCHIVE: Final[Settings] = {"access": {"write": "nobody"}, "rates": _READING}


def _outbox(_: str) -> Settings:
    return {
        "access": {"write": "listed"},
        "events": {"refused_kinds": list(_WRAPS)},
        "rates": _READING,
    }


def _inbox(owner: str) -> Settings:
    return {
        "path": "/inbox",
        "description": "What mentions the keeper of this relay, by people in his web of trust.",
        "access": {"write": "trusted"},
        "events": {"to": [owner], "refused_kinds": list(_WRAPS)},
        "rates": {"events": {"address": "120/minute", "key": "30/minute, burst 60"}, **_READING},
    }


def _chat(owner: str) -> Settings:
    return {
        "path": "/chat",
        "description": "Private messages to the keeper of this relay, for nobody else to read.",
        "access": {"write": "anyone", "read": "listed"},
        "events": {
            "to": [owner],
            "kinds": [DELETION, *_WRAPS],
            "rules": [{"kinds": [DELETION], "authors": [owner]}],
        },
        "rates": {"events": {"address": "60/minute"}},
    }


def _private(_: str) -> Settings:
    return {
        "path": "/private",
        "description": "The keeper's own archive.",
        "access": {"write": "listed", "read": "listed", "authenticated": True, "greet": True},
    }


PERSONAL_ROOMS: Final[Mapping[str, Callable[[str], Settings]]] = {
    "inbox": _inbox,
    "chat": _chat,
    "private": _private,
}
_OF: Final[Mapping[str, Settings]] = {
    "open": OPEN,
    "public": PUBLIC,
    "community": COMMUNITY,
    "archive": ARCHIVE,
}


def settings_of(profile: str, owner: str) -> Settings:
    """What `profile` sets for the room `/`; `owner` is the keeper's public key, in hex."""
    return _outbox(owner) if profile == "personal" else _OF.get(profile, OPEN)


def rooms_of(profile: str, owner: str) -> dict[str, Settings]:
    """What `profile` sets for its other rooms, by name."""
    if profile != "personal":
        return {}
    return {name: settings(owner) for name, settings in PERSONAL_ROOMS.items()}

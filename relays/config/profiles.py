"""Profiles as settings: where those of a relay start from. What a keeper sets counts more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from nostr_client.protocol.kinds import DELETION, GIFT_WRAPS
from nostr_client.settings import merged
from relays.config.values import pubkey_of

Settings = Mapping[str, Any]
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
        "events": {"refused_kinds": list(GIFT_WRAPS)},
        "rates": _READING,
    }


def _inbox(owner: str) -> Settings:
    return {
        "path": "/inbox",
        "description": "What mentions the keeper of this relay, by people in his web of trust.",
        "access": {"write": "trusted"},
        "events": {"to": [owner], "refused_kinds": list(GIFT_WRAPS)},
        "rates": {"events": {"address": "120/minute", "key": "30/minute, burst 60"}, **_READING},
    }


def _chat(owner: str) -> Settings:
    return {
        "path": "/chat",
        "description": "Private messages to the keeper of this relay, for nobody else to read.",
        "access": {"write": "anyone", "read": "listed"},
        "events": {
            "to": [owner],
            "kinds": [DELETION, *GIFT_WRAPS],
            "rules": [
                {"kinds": [DELETION], "authors": [owner]},
                {"kinds": list(GIFT_WRAPS), "people": 1},  # each recipient gets one of his own
            ],
        },
        "rates": {"events": {"address": "60/minute"}},
    }


def _private(_: str) -> Settings:
    return {
        "path": "/private",
        "description": "The keeper's own archive.",
        "access": {"write": "listed", "read": "listed", "authenticated": True, "greet": True},
    }


PERSONAL_SUB_RELAYS: Final[Mapping[str, Callable[[str], Settings]]] = {
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


_WHOLE: Final = (
    *("profile", "store", "store_file", "host", "port", "workers", "web", "log"),
    *("limits", "rooms"),
)
"""Settings of the whole process: no sub-relay has its own."""
_OF_ROOT: Final = (
    *("name", "description", "urls", "path", "access", "events", "policies", "mirror", "rooms"),
)
"""Settings of the sub-relay `/`, which the other sub-relays do not share."""


class Tables(NamedTuple):
    """What is set for the sub-relay `/`, for the others by name, and what is wrong with that."""

    root: Settings
    rooms: dict[str, Settings]
    problems: list[str]


def tables_of(table: Settings) -> Tables:
    """The profile that `table` names, and over it what the keeper has set in `table`."""
    profile, owner = str(table.get("profile", "open")), _owner_in(table)
    own = {name: value for name, value in table.items() if name != "rooms"}
    root = _outbox(owner) if profile == "personal" else _OF.get(profile, OPEN)
    presets = PERSONAL_SUB_RELAYS if profile == "personal" else {}
    problems: list[str] = []
    given = table.get("rooms", {})
    if not isinstance(given, dict):
        problems.append("rooms: allowed: a table of tables")
        given = {}
    for name in given.keys() - presets.keys():
        known = ", ".join(presets) or "none besides its own"
        problems.append(f"rooms.{name}: the profile {profile} has the rooms: {known}")
    shared = {name: value for name, value in own.items() if name not in _OF_ROOT}
    rooms: dict[str, Settings] = {}
    for name, preset in presets.items():
        sub_relay = given.get(name, {})
        if not isinstance(sub_relay, dict):
            problems.append(f"rooms.{name}: allowed: a table")
            sub_relay = {}
        problems += [
            f"rooms.{name}.{key} is set for all rooms alike" for key in _WHOLE if key in sub_relay
        ]
        if owner:
            rooms[name] = merged(merged(preset(owner), shared), sub_relay)
    return Tables(merged(root, own), rooms, problems)


def name_folder(table: dict[str, Any], folder: str) -> None:
    """A keeper's own policies are looked for in `folder`, unless `table` names another."""
    given = table.get("rooms")
    rooms = [table, *given.values()] if isinstance(given, dict) else [table]
    for sub_relay in rooms:
        if isinstance(sub_relay, dict) and isinstance(sub_relay.get("policies"), dict):
            sub_relay["policies"].setdefault("folder", folder)


def _owner_in(table: Settings) -> str:
    try:
        return pubkey_of(table.get("pubkey"))
    except ValueError:  # it is said when the table is read
        return ""

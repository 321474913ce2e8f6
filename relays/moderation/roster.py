"""Members and their roles, as policies read them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec

from nostr_client.errors import InvalidData
from nostr_client.safe_text import safe_line, safe_text


class Role(msgspec.Struct, frozen=True):
    """A role (NIP-43): `color` is a hue from 0 to 360, `place` its place among others."""

    id: str
    label: str = ""
    description: str = ""
    color: int | None = None
    place: int | None = None


def checked_role(
    id: str, label: str, description: str, color: int | None, place: int | None
) -> Role:
    """A role that anybody may read of. Raises InvalidData."""
    if not id or safe_line(id) != id or len(id) > 64:
        raise InvalidData("a role's id has 1 to 64 plain characters")
    if color is not None and not 0 <= color <= 360:
        raise InvalidData("a color is a hue from 0 to 360")
    if place is not None and abs(place) >= 2**31:
        raise InvalidData("this order is too large")
    return Role(id, safe_line(label)[:100], safe_text(description)[:1000], color, place)


class Member(msgspec.Struct, frozen=True):
    """A member, since when (seconds), by whose word and why."""

    pubkey: str
    reason: str
    by: str
    at: int
    roles: tuple[str, ...] = ()


class Roster(msgspec.Struct, frozen=True, eq=False):
    """Who is a member, with which roles."""

    members: Mapping[str, tuple[str, ...]]
    """Ids of roles, sorted, by public key; who came first stands first."""
    roles: Mapping[str, Role]


def load_roster(db: sqlite3.Connection) -> Roster:
    """What the file holds now."""
    return Roster({member.pubkey: member.roles for member in members_of(db)}, roles_of(db))


def members_of(db: sqlite3.Connection) -> list[Member]:
    """All members, the first one first."""
    held: dict[str, list[str]] = {}
    for pubkey, role in db.execute("SELECT pubkey, role FROM holder ORDER BY pubkey, role"):
        held.setdefault(pubkey, []).append(role)
    rows = db.execute("SELECT pubkey, reason, by, at FROM member ORDER BY at, pubkey")
    return [
        Member(pubkey, reason, by, at, tuple(held.get(pubkey, ())))
        for pubkey, reason, by, at in rows
    ]


def roles_of(db: sqlite3.Connection) -> dict[str, Role]:
    """All roles by id."""
    rows = db.execute(
        "SELECT id, label, description, color, place FROM role ORDER BY coalesce(place, 1e9), id"
    )
    return {row[0]: Role(*row) for row in rows}

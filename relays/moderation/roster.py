"""Members and their roles, as policies read them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec


class Role(msgspec.Struct, frozen=True):
    """A role (NIP-43): `color` is a hue from 0 to 360, `place` its place among others."""

    id: str
    label: str = ""
    description: str = ""
    color: int | None = None
    place: int | None = None


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

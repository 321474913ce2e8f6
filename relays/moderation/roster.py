"""Members and their roles, as policies read them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from nostr_client.errors import InvalidData
from nostr_client.safe_text import safe_line, safe_text
from relays.moderation.records import RecordTables, Role


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


class Roster(msgspec.Struct, frozen=True, eq=False):
    """Who is a member, with which roles."""

    members: Mapping[str, tuple[str, ...]]
    """Ids of roles, sorted, by public key; who came first stands first."""
    roles: Mapping[str, Role]


async def load_roster(tables: RecordTables) -> Roster:
    """As it is now."""
    members = await tables.members.listed()
    roles = await tables.roles.listed()
    return Roster({member.pubkey: member.roles for member in members}, {r.id: r for r in roles})

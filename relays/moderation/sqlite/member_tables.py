"""Members, roles and invites in `keeper.db` (see `relays.moderation.records`)."""

from __future__ import annotations

from typing import Any

from relays.moderation.records import Invite, Member, Role, invite_id
from relays.moderation.sqlite.step import SqliteTable

_INVITES = "SELECT hash, uses, used, expires, role, by, at FROM invite"


def _invite(row: tuple[Any, ...]) -> Invite:
    return Invite(invite_id(row[0]), *row[1:])


class SqliteMemberTable(SqliteTable):
    async def add(self, member: Member) -> bool:
        row = (member.pubkey, member.reason, member.by, member.at)
        return bool(await self.execute("INSERT OR IGNORE INTO member VALUES (?, ?, ?, ?)", *row))

    async def remove(self, pubkey: str) -> bool:
        return bool(await self.execute("DELETE FROM member WHERE pubkey = ?", pubkey))

    async def has(self, pubkey: str) -> bool:
        found = await self.first("SELECT 1 FROM member WHERE pubkey = ?", pubkey)
        return found is not None

    async def listed(self) -> list[Member]:
        held: dict[str, list[str]] = {}
        pairs = await self.rows("SELECT pubkey, role FROM holder ORDER BY pubkey, role")
        for pubkey, role in pairs:
            held.setdefault(pubkey, []).append(role)
        rows = await self.rows("SELECT pubkey, reason, by, at FROM member ORDER BY at, pubkey")
        return [
            Member(pubkey, reason, by, at, tuple(held.get(pubkey, ())))
            for pubkey, reason, by, at in rows
        ]

    async def assign(self, pubkey: str, role: str) -> None:
        await self.execute("INSERT OR IGNORE INTO holder VALUES (?, ?)", pubkey, role)

    async def unassign(self, pubkey: str, role: str) -> bool:
        sql = "DELETE FROM holder WHERE (pubkey, role) = (?, ?)"
        return bool(await self.execute(sql, pubkey, role))


class SqliteRoleTable(SqliteTable):
    async def put(self, role: Role) -> None:
        await self.execute(
            "INSERT INTO role VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE SET"
            " label = ?2, description = ?3, color = ?4, place = ?5",
            *(role.id, role.label, role.description, role.color, role.place),
        )

    async def remove(self, id: str) -> bool:
        return bool(await self.execute("DELETE FROM role WHERE id = ?", id))

    async def get(self, id: str) -> Role | None:
        sql = "SELECT id, label, description, color, place FROM role WHERE id = ?"
        row = await self.first(sql, id)
        return None if row is None else Role(*row)

    async def listed(self) -> list[Role]:
        rows = await self.rows(
            "SELECT id, label, description, color, place FROM role"
            " ORDER BY coalesce(place, 1e9), id"
        )
        return [Role(*row) for row in rows]


class SqliteInviteTable(SqliteTable):
    async def add(self, hash: bytes, invite: Invite) -> None:
        row = (hash, invite.uses, invite.used, invite.expires, invite.role, invite.by, invite.at)
        await self.execute("INSERT INTO invite VALUES (?, ?, ?, ?, ?, ?, ?)", *row)

    async def get(self, hash: bytes) -> Invite | None:
        row = await self.first(f"{_INVITES} WHERE hash = ?", hash)
        return None if row is None else _invite(row)

    async def use(self, hash: bytes) -> None:
        await self.execute("UPDATE invite SET used = used + 1 WHERE hash = ?", hash)

    async def revoke(self, id: str) -> bool:
        sql = "DELETE FROM invite WHERE lower(substr(hex(hash), 1, 8)) = ?"
        return bool(await self.execute(sql, id.lower()))

    async def open(self, now: int) -> list[Invite]:
        where = "WHERE expires >= ? AND used < uses ORDER BY at DESC"
        return [_invite(row) for row in await self.rows(f"{_INVITES} {where}", now)]

    async def clean(self, before: int) -> None:
        await self.execute("DELETE FROM invite WHERE expires < ? OR used >= uses", before)

    async def trim(self, by: str, most: int) -> None:
        await self.execute(
            "DELETE FROM invite WHERE hash IN (SELECT hash FROM invite WHERE by = ?"
            " ORDER BY at DESC LIMIT -1 OFFSET ?)",
            *(by, most),
        )

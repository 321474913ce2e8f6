"""Members, roles and invites in PostgreSQL (see `relays.moderation.records`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relays.moderation.postgres.step import PostgresTable
from relays.moderation.records import Invite, Member, Role, invite_id

_INVITES = "SELECT hash, uses, used, expires, role, by, at FROM invite"


def _invite(row: Sequence[Any]) -> Invite:
    return Invite(invite_id(row[0]), *row[1:])


class PostgresMemberTable(PostgresTable):
    async def add(self, member: Member) -> bool:
        row = (member.pubkey, member.reason, member.by, member.at)
        sql = "INSERT INTO member VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
        return bool(await self.execute(sql, *row))

    async def remove(self, pubkey: str) -> bool:
        return bool(await self.execute("DELETE FROM member WHERE pubkey = $1", pubkey))

    async def has(self, pubkey: str) -> bool:
        found = await self.first("SELECT 1 FROM member WHERE pubkey = $1", pubkey)
        return found is not None

    async def listed(self) -> list[Member]:
        held: dict[str, list[str]] = {}
        for pubkey, role in await self.rows("SELECT pubkey, role FROM holder"):
            held.setdefault(pubkey, []).append(role)
        rows = await self.rows("SELECT pubkey, reason, by, at FROM member")
        found = [
            Member(pubkey, reason, by, at, tuple(sorted(held.get(pubkey, ()))))
            for pubkey, reason, by, at in rows
        ]
        return sorted(found, key=lambda member: (member.at, member.pubkey))

    async def assign(self, pubkey: str, role: str) -> None:
        await self.execute(
            "INSERT INTO holder VALUES ($1, $2) ON CONFLICT DO NOTHING", pubkey, role
        )

    async def unassign(self, pubkey: str, role: str) -> bool:
        sql = "DELETE FROM holder WHERE (pubkey, role) = ($1, $2)"
        return bool(await self.execute(sql, pubkey, role))


class PostgresRoleTable(PostgresTable):
    async def put(self, role: Role) -> None:
        await self.execute(
            "INSERT INTO role VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET"
            " label = $2, description = $3, color = $4, place = $5",
            *(role.id, role.label, role.description, role.color, role.place),
        )

    async def remove(self, id: str) -> bool:
        return bool(await self.execute("DELETE FROM role WHERE id = $1", id))

    async def get(self, id: str) -> Role | None:
        sql = "SELECT id, label, description, color, place FROM role WHERE id = $1"
        row = await self.first(sql, id)
        return None if row is None else Role(*row)

    async def listed(self) -> list[Role]:
        def order(role: Role) -> tuple[float, str]:  # not the database's, which is of a language
            return (float("inf") if role.place is None else role.place), role.id

        rows = await self.rows("SELECT id, label, description, color, place FROM role")
        return sorted((Role(*row) for row in rows), key=order)


class PostgresInviteTable(PostgresTable):
    async def add(self, hash: bytes, invite: Invite) -> None:
        row = (hash, invite.uses, invite.used, invite.expires, invite.role, invite.by, invite.at)
        await self.execute("INSERT INTO invite VALUES ($1, $2, $3, $4, $5, $6, $7)", *row)

    async def get(self, hash: bytes) -> Invite | None:
        row = await self.first(f"{_INVITES} WHERE hash = $1", hash)
        return None if row is None else _invite(row)

    async def use(self, hash: bytes) -> None:
        await self.execute("UPDATE invite SET used = used + 1 WHERE hash = $1", hash)

    async def revoke(self, id: str) -> bool:
        sql = "DELETE FROM invite WHERE substr(encode(hash, 'hex'), 1, 8) = $1"
        return bool(await self.execute(sql, id.lower()))

    async def open(self, now: int) -> list[Invite]:
        where = "WHERE expires >= $1 AND used < uses ORDER BY at DESC"
        return [_invite(row) for row in await self.rows(f"{_INVITES} {where}", now)]

    async def clean(self, before: int) -> None:
        await self.execute("DELETE FROM invite WHERE expires < $1 OR used >= uses", before)

    async def trim(self, by: str, most: int) -> None:
        await self.execute(
            "DELETE FROM invite WHERE hash IN (SELECT hash FROM invite WHERE by = $1"
            " ORDER BY at DESC OFFSET $2)",
            *(by, most),
        )

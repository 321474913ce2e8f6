"""The keeper's records in this process's memory: gone with it (see `relays.moderation.records`)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import TypeVar

from nostr_client.errors import StoreError
from nostr_client.protocol.keys import SecretKey
from relays.moderation import records
from relays.moderation.records import (
    Area,
    Invite,
    LogRow,
    Member,
    RecordTables,
    Role,
    Rule,
    RuleType,
    invite_id,
)

T = TypeVar("T")


@dataclass
class _Data:
    """All there is, as it was at one moment: a transaction changes a copy of its own."""

    rules: dict[tuple[RuleType, str], Rule] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    invites: dict[bytes, Invite] = field(default_factory=dict)
    dismissed: dict[tuple[str, str], int] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    dates: dict[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    log: list[LogRow] = field(default_factory=list)
    counters: dict[Area, int] = field(default_factory=lambda: dict.fromkeys(Area, 1))

    over: bool = False

    def copied(self) -> _Data:
        held = {name: copy(value) for name, value in vars(self).items() if name != "over"}
        return _Data(**held)

    @contextlib.contextmanager
    def lent(self) -> Iterator[_Data]:
        """A copy that is good within the block."""
        found = self.copied()
        try:
            yield found
        finally:
            found.over = True


class MemoryRecords:
    """Made as it is: there is nothing to open. As with the others, of one loop."""

    read_only = False

    def __init__(self) -> None:
        self._data = _Data()
        self._key = MemoryKey()
        self._alone = asyncio.Lock()

    async def write(self, act: Callable[[RecordTables], Awaitable[T]], *, frees: bool = False) -> T:
        limit = asyncio.timeout(records.PATIENCE)
        try:
            async with limit, self._alone:
                with self._data.lent() as draft:
                    result = await act(_tables(draft, self._key))
                    self._data = draft.copied()
        except TimeoutError:
            if not limit.expired():
                raise
            raise StoreError(f"no answer within {records.PATIENCE:g} s") from None
        return result

    async def read(self, ask: Callable[[RecordTables], Awaitable[T]]) -> T:
        with self._data.lent() as data:
            return await ask(_tables(data, self._key))

    async def counters(self) -> Mapping[Area, int]:
        return self._data.counters


def _tables(data: _Data, key: MemoryKey) -> RecordTables:
    async def counters() -> Mapping[Area, int]:
        return dict(data.counters)

    return RecordTables(
        rules=MemoryRuleTable(data),
        members=MemoryMemberTable(data),
        roles=MemoryRoleTable(data),
        invites=MemoryInviteTable(data),
        dismissed_reports=MemoryDismissedReportTable(data),
        settings=MemorySettingTable(data),
        dates=MemoryDateTable(data),
        used_requests=MemoryUsedRequestTable(data),
        log=MemoryLogTable(data),
        relay_key=key,
        counters=counters,
    )


class _MemoryTable:
    def __init__(self, data: _Data) -> None:
        self._data = data

    @property
    def data(self) -> _Data:
        if self._data.over:
            raise StoreError("the transaction is over")
        return self._data

    def changed(self, area: Area) -> None:
        self.data.counters[area] += 1


class MemoryRuleTable(_MemoryTable):
    async def put(self, rule: Rule) -> None:
        self.data.rules[rule.sort, rule.value] = rule
        self.changed(Area.RULES)

    async def remove(self, type: RuleType, value: str) -> bool:
        found = self.data.rules.pop((type, value), None) is not None
        if found:
            self.changed(Area.RULES)
        return found

    async def reasons(self) -> list[tuple[str, str, str]]:
        return [(rule.sort, rule.value, rule.reason) for rule in self.data.rules.values()]

    async def listed(self, types: Collection[RuleType]) -> list[Rule]:
        found = (rule for rule in self.data.rules.values() if rule.sort in types)
        return sorted(found, key=lambda rule: (-rule.at, rule.sort, rule.value))


class MemoryMemberTable(_MemoryTable):
    async def add(self, member: Member) -> bool:
        if member.pubkey in self.data.members:
            return False
        self._put(Member(member.pubkey, member.reason, member.by, member.at))
        return True

    async def remove(self, pubkey: str) -> bool:
        found = self.data.members.pop(pubkey, None) is not None
        if found:
            self.changed(Area.MEMBERS)
        return found

    async def has(self, pubkey: str) -> bool:
        return pubkey in self.data.members

    async def listed(self) -> list[Member]:
        return sorted(self.data.members.values(), key=lambda member: (member.at, member.pubkey))

    async def assign(self, pubkey: str, role: str) -> None:
        if pubkey not in self.data.members or role not in self.data.roles:
            raise StoreError("a role is given to a member, and both must be there")
        member = self.data.members[pubkey]
        self._put(_with_roles(member, {*member.roles, role}))

    async def unassign(self, pubkey: str, role: str) -> bool:
        member = self.data.members.get(pubkey)
        if member is None or role not in member.roles:
            return False
        self._put(_with_roles(member, {*member.roles} - {role}))
        return True

    def _put(self, member: Member) -> None:
        self.data.members[member.pubkey] = member
        self.changed(Area.MEMBERS)


def _with_roles(member: Member, roles: Collection[str]) -> Member:
    return Member(member.pubkey, member.reason, member.by, member.at, tuple(sorted(roles)))


class MemoryRoleTable(_MemoryTable):
    async def put(self, role: Role) -> None:
        self.data.roles[role.id] = role
        self.changed(Area.MEMBERS)

    async def remove(self, id: str) -> bool:
        if self.data.roles.pop(id, None) is None:
            return False
        for member in list(self.data.members.values()):
            self.data.members[member.pubkey] = _with_roles(member, {*member.roles} - {id})
        self.changed(Area.MEMBERS)
        return True

    async def get(self, id: str) -> Role | None:
        return self.data.roles.get(id)

    async def listed(self) -> list[Role]:
        def order(role: Role) -> tuple[float, str]:
            return (float("inf") if role.place is None else role.place), role.id

        return sorted(self.data.roles.values(), key=order)


class MemoryInviteTable(_MemoryTable):
    async def add(self, hash: bytes, invite: Invite) -> None:
        self.data.invites[hash] = invite

    async def get(self, hash: bytes) -> Invite | None:
        return self.data.invites.get(hash)

    async def use(self, hash: bytes) -> None:
        held = self.data.invites[hash]
        self.data.invites[hash] = Invite(
            held.id, held.uses, held.used + 1, held.expires, held.role, held.by, held.at
        )

    async def revoke(self, id: str) -> bool:
        return self._drop(hash for hash in self.data.invites if invite_id(hash) == id.lower())

    async def open(self, now: int) -> list[Invite]:
        found = [one for one in self.data.invites.values() if one.expires >= now]
        return sorted((one for one in found if one.used < one.uses), key=lambda one: -one.at)

    async def clean(self, before: int) -> None:
        held = self.data.invites.items()
        self._drop(hash for hash, one in held if one.expires < before or one.used >= one.uses)

    async def trim(self, by: str, most: int) -> None:
        held = [(one.at, hash) for hash, one in self.data.invites.items() if one.by == by]
        newest = sorted(held, key=lambda item: -item[0])
        self._drop(hash for _, hash in newest[most:])

    def _drop(self, hashes: Iterable[bytes]) -> bool:
        gone = list(hashes)
        for hash in gone:
            del self.data.invites[hash]
        return bool(gone)


class MemoryDismissedReportTable(_MemoryTable):
    async def add(self, target: str, reporters: Collection[str], at: int) -> None:
        for reporter in reporters:
            self.data.dismissed.setdefault((target, reporter), at)

    async def all(self) -> Collection[tuple[str, str]]:
        return self.data.dismissed.keys()


class MemorySettingTable(_MemoryTable):
    async def get(self, name: str) -> str | None:
        return self.data.settings.get(name)

    async def put(self, name: str, value: str) -> None:
        self.data.settings[name] = value
        self.changed(Area.SETTINGS)

    async def remove(self, name: str) -> None:
        if self.data.settings.pop(name, None) is not None:
            self.changed(Area.SETTINGS)

    async def all(self) -> Mapping[str, str]:
        return dict(self.data.settings)


class MemoryDateTable(_MemoryTable):
    async def get(self, name: str) -> int | None:
        return self.data.dates.get(name)

    async def put(self, name: str, at: int) -> None:
        self.data.dates[name] = at


class MemoryUsedRequestTable(_MemoryTable):
    async def add(self, id: str, until: int) -> bool:
        if id in self.data.used:
            return False
        self.data.used[id] = until
        return True

    async def clean(self, now: int) -> None:
        self.data.used = {id: until for id, until in self.data.used.items() if until >= now}


class MemoryLogTable(_MemoryTable):
    async def last(self) -> LogRow | None:
        return self.data.log[-1] if self.data.log else None

    async def append(self, row: LogRow) -> None:
        self.data.log.append(row)

    async def after(self, number: int, most: int) -> list[LogRow]:
        return self.data.log[number : number + most]


class MemoryKey:
    """It stays, whatever a transaction comes to."""

    place = "the relay's key"

    def __init__(self) -> None:
        self._key: SecretKey | None = None

    async def get(self) -> SecretKey | None:
        return self._key

    async def put(self, key: SecretKey) -> None:
        self._key = key

"""The keeper's records: what is kept of bans, members, invites, reports, settings and the log.

This is the contract, which an engine keeps (`sqlite/`, `memory.py`), and what is decided and why is
written against it alone.

A transaction is an async function over `RecordTables`. All of what it changes is kept or nothing,
and it is durable when `Records.write` returns; one writes at a time, in whichever process. An
engine may run it again from its beginning: where the disk was full and room was made, or where it
lost against another writer. So it asks and changes its tables, and does nothing else; nor does it
begin another one, which would wait for its end. `Records.read` shows one snapshot.

Everything raises StoreError, also for what takes longer than `PATIENCE`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec

from nostr_client.protocol.keys import SecretKey

T = TypeVar("T")

PATIENCE: Final = 30.0
"""Seconds after which a caller is told that the records are stuck."""


class Area(StrEnum):
    """Parts that are held in memory, in every process: each has a number that grows with every
    change of it."""

    RULES = "rules"
    MEMBERS = "members"
    SETTINGS = "settings"


class RuleType(StrEnum):
    """What a rule does, and to what."""

    BAN_PUBKEY = "ban-pubkey"
    BAN_EVENT = "ban-event"
    BAN_IP = "ban-ip"
    BAN_WORD = "ban-word"
    ALLOW_EVENT = "allow-event"
    ALLOW_KIND = "allow-kind"
    DISALLOW_KIND = "disallow-kind"


class Rule(msgspec.Struct, frozen=True):
    """One rule: its value, and why, by whom and when (seconds) it was made."""

    sort: RuleType
    value: str
    reason: str
    by: str
    at: int


class Member(msgspec.Struct, frozen=True):
    """A member, since when (seconds), by whose word and why; ids of roles, sorted."""

    pubkey: str
    reason: str
    by: str
    at: int
    roles: tuple[str, ...] = ()


class Role(msgspec.Struct, frozen=True):
    """A role (NIP-43): `color` is a hue from 0 to 360, `place` its place among others."""

    id: str
    label: str = ""
    description: str = ""
    color: int | None = None
    place: int | None = None


class Invite(msgspec.Struct, frozen=True):
    """One invite, without its code; times in seconds."""

    id: str
    uses: int
    used: int
    expires: int
    role: str
    by: str
    at: int


def invite_id(hash: bytes) -> str:
    """By what people call the invite whose code has this hash."""
    return hash.hex()[:8]


class RuleTable(Protocol):
    """What is banned and allowed: one rule of each type and value. Area.RULES."""

    async def put(self, rule: Rule) -> None:
        """Add it, or put it in the place of the one of its type and value."""

    async def remove(self, type: RuleType, value: str) -> bool:
        """False: there was none."""

    async def reasons(self) -> Collection[tuple[str, str, str]]:
        """(type, value, reason) of all, in any order."""

    async def listed(self, types: Collection[RuleType]) -> list[Rule]:
        """Those of these types, the newest first."""


class MemberTable(Protocol):
    """Who belongs to the relay, and with which roles. Area.MEMBERS."""

    async def add(self, member: Member) -> bool:
        """Without roles. False: it was one, and stays as it was."""

    async def remove(self, pubkey: str) -> bool:
        """With what it has of roles. False: it was none."""

    async def has(self, pubkey: str) -> bool: ...

    async def listed(self) -> list[Member]:
        """The first one first; of the same second, by their keys."""

    async def assign(self, pubkey: str, role: str) -> None:
        """Give a role to a member, who may have it already. Both must be there."""

    async def unassign(self, pubkey: str, role: str) -> bool:
        """False: he did not have it."""


class RoleTable(Protocol):
    """What members may be. Area.MEMBERS."""

    async def put(self, role: Role) -> None:
        """Add it, or change the one of its id; who has it keeps it."""

    async def remove(self, id: str) -> bool:
        """Also from all who have it. False: there was none."""

    async def get(self, id: str) -> Role | None: ...

    async def listed(self) -> list[Role]:
        """By place, those without one last; then by id."""


class InviteTable(Protocol):
    """By the hashes of their codes; the codes themselves are nowhere."""

    async def add(self, hash: bytes, invite: Invite) -> None: ...

    async def get(self, hash: bytes) -> Invite | None: ...

    async def use(self, hash: bytes) -> None:
        """One use more."""

    async def revoke(self, id: str) -> bool:
        """Remove those with this `Invite.id`, in hex of either case. False: there were none."""

    async def open(self, now: int) -> list[Invite]:
        """Those that are good still, the newest first."""

    async def clean(self, before: int) -> None:
        """Remove those that are used up, and those that expired before this second."""

    async def trim(self, by: str, most: int) -> None:
        """Remove the oldest of one maker's, until he has `most`."""


class DismissedReportTable(Protocol):
    """Whose reports on what were heard already: (target, reporter)."""

    async def add(self, target: str, reporters: Collection[str], at: int) -> None: ...

    async def all(self) -> Collection[tuple[str, str]]: ...


class SettingTable(Protocol):
    """Texts by their names. Area.SETTINGS."""

    async def get(self, name: str) -> str | None: ...

    async def put(self, name: str, value: str) -> None: ...

    async def remove(self, name: str) -> None: ...

    async def all(self) -> Mapping[str, str]: ...


class DateTable(Protocol):
    """Seconds by their names: the latest of each that was given."""

    async def get(self, name: str) -> int | None: ...

    async def put(self, name: str, at: int) -> None: ...


class UsedRequestTable(Protocol):
    """Ids of requests (NIP-98) that may not come twice."""

    async def add(self, id: str, until: int) -> bool:
        """False: it was used before."""

    async def clean(self, now: int) -> None:
        """Forget those whose `until` is past."""


class LogRow(NamedTuple):
    """A signed entry of the log, as JSON, its number (1, 2, 3 ...) and id."""

    number: int
    id: str
    entry: bytes


class LogTable(Protocol):
    """What was done: it is added to, never changed nor cut."""

    async def last(self) -> LogRow | None: ...

    async def append(self, row: LogRow) -> None: ...

    async def after(self, number: int, most: int) -> list[LogRow]:
        """The next entries, the oldest first."""


class KeyTable(Protocol):
    """Where the relay's own secret key lies. It may be there before the relay is."""

    place: str
    """In words, for people."""

    async def get(self) -> SecretKey | None:
        """None: there is none. StoreError: what is there is no key."""

    async def put(self, key: SecretKey) -> None:
        """For its owner only. What the transaction comes to, the key stays."""


class RecordTables(msgspec.Struct, frozen=True):
    """All of them within one transaction, and no longer than that."""

    rules: RuleTable
    members: MemberTable
    roles: RoleTable
    invites: InviteTable
    dismissed_reports: DismissedReportTable
    settings: SettingTable
    dates: DateTable
    used_requests: UsedRequestTable
    log: LogTable
    relay_key: KeyTable
    counters: Callable[[], Awaitable[Mapping[Area, int]]]
    """How often each area was changed."""


class Records(Protocol):
    """The records, opened; for one loop, beside any number of processes that have them open."""

    read_only: bool

    async def write(self, act: Callable[[RecordTables], Awaitable[T]], *, frees: bool = False) -> T:
        """Run the transaction `act`. Raises what it raises, and then nothing has changed.

        `frees`: it comes before something that makes room, and may have what is kept back for that.
        """

    async def read(self, ask: Callable[[RecordTables], Awaitable[T]]) -> T:
        """Run `ask`, which changes nothing, on one snapshot."""

    async def counters(self) -> Mapping[Area, int]:
        """How often each area was changed, by whomsoever: cheap, to be asked all the time."""

"""Members of a relay: the list, who may join, leave and invite (NIP-43).

Membership is kept in the keeper's records. What is published of it (kinds 13534, 33534, 8000, 8001)
is signed by the relay's own key and stored like any event, by whichever process made the change: a
running relay hears of it and passes it on. The list's created_at grows with every change, in the
transaction of the change, so that the newest list is always the true one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from typing import Any, Final, TypeVar

from nostr_client.errors import InvalidData, StoreError
from nostr_client.protocol.event import Draft, Event, Tag
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import (
    DELETION,
    INVITE,
    JOIN,
    LEAVE,
    MEMBER_ADDED,
    MEMBER_LIST,
    MEMBER_REMOVED,
    ROLE,
)
from nostr_client.store.contract import EventStore
from relays.config.relay_config import Membership
from relays.moderation import invites
from relays.moderation.records import Invite, Member, RecordTables, Role
from relays.moderation.state import ModerationState
from relays.policies.verdict import (
    ACCEPTED,
    AsyncPolicy,
    IncomingEvent,
    IncomingQuery,
    Verdict,
    refused,
)

NOW: Final = 300
"""Seconds that the date of a request may be off."""
MOST_LISTED: Final = 5_000
"""Members in the published list, which need not have all: those who came first."""
MOST_ROLES: Final = 500
_PROTECTED: Final[Tag] = ("-",)
_INVITES: Final = frozenset({INVITE})
_DAY: Final = 86400
_PUBLISHED: Final = "published"

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Members:
    """`include` and `check_query` for policies, `handlers` for requests, `invite_for` for REQs, and
    what a keeper does. `admins` gives the pubkeys of those who may do what members may.
    """

    def __init__(
        self,
        state: ModerationState,
        store: EventStore,
        settings: Membership,
        admins: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._state = state
        self._store = store
        self._settings = settings
        self._admins = admins
        self.handlers: dict[int, AsyncPolicy] = {JOIN: self.join, LEAVE: self.leave}
        """By kind; where there are no members, they say so."""

    def reconfigure(self, settings: Membership) -> None:
        """Go by new settings from now on."""
        self._settings = settings

    def include(self, pubkey: str) -> bool:
        """Is this key a member's, an admin's or the relay's own?"""
        return (
            pubkey in self._state.roster.members
            or pubkey in self._admins()
            or pubkey == self._state.pubkey
        )

    def check_query(self, asking: IncomingQuery) -> Verdict:
        """A `QueryPolicy`: who asks for invites and nothing else may not get them?"""
        asks = all(one.kinds == _INVITES for one in asking.filters)
        if not (asks and self._settings.enabled) or self._inviter(asking.keys):
            return ACCEPTED
        prefix = "restricted" if asking.keys else "auth-required"
        return refused(f"{prefix}: you may not invite here")

    def _inviter(self, keys: Iterable[str]) -> str:
        """Of these keys, one that may invite; empty if there is none."""
        may = (
            self.include if self._settings.invites_by == "members" else self._admins().__contains__
        )
        return next((key for key in sorted(keys) if may(key)), "")

    # Requests

    async def join(self, offer: IncomingEvent) -> Verdict:
        """Kind 28934: whoever knows an invite's code becomes a member."""
        return await self._told(self._join(offer))

    async def leave(self, offer: IncomingEvent) -> Verdict:
        """Kind 28936: a member goes."""
        return await self._told(self._leave(offer))

    async def _told(self, work: Coroutine[Any, Any, Verdict]) -> Verdict:
        """A handler raises nothing: others' events are in the same batch."""
        try:
            return await work
        except StoreError:
            _log.exception("a request could not be done")
            return refused("error: the request could not be done, or not wholly")

    async def _join(self, offer: IncomingEvent) -> Verdict:
        event = offer.event
        if reason := self._request_fault(offer):
            return refused(reason)
        if event.pubkey in self._state.roster.members:
            return Verdict(True, "duplicate: you are already a member of this relay")
        code = event.value("claim") or ""

        async def act(tables: RecordTables) -> str:
            found = await invites.use(tables, code, int(offer.now))
            if not isinstance(found, Invite):
                return found
            reason = f"invite {found.id}"
            await tables.members.add(Member(event.pubkey, reason, found.by, int(offer.now)))
            if found.role and await tables.roles.get(found.role):  # it may be gone since
                await tables.members.assign(event.pubkey, found.role)
            return ""

        reason = await self._change(
            act, [_membership(MEMBER_ADDED, event.pubkey)], when=lambda why: not why
        )
        return refused(f"restricted: {reason}") if reason else Verdict(True, "info: welcome")

    async def _leave(self, offer: IncomingEvent) -> Verdict:
        event = offer.event
        if reason := self._request_fault(offer):
            return refused(reason)
        if not event.is_protected:
            return refused('invalid: a request to leave has the tag ["-"]')
        if await self._drop(event.pubkey):
            return Verdict(True, "info: you are no longer a member of this relay")
        return Verdict(True, "duplicate: you are not a member of this relay")

    def _request_fault(self, offer: IncomingEvent) -> str:
        if not self._settings.enabled:
            return "restricted: this relay has no members"
        if abs(offer.now - offer.event.created_at) > NOW:
            return f"invalid: created_at is more than {NOW} seconds off this relay's clock"
        return ""

    async def invite_for(self, asking: IncomingQuery) -> Event | None:
        """The invite (kind 28935) that belongs to the answer to a REQ, made for this asker alone.

        To be sent to him before EOSE; never stored, nor sent to others. Raises StoreError.
        """
        wanted = [one for one in asking.filters if one.kinds is not None and INVITE in one.kinds]
        inviter = self._inviter(asking.keys) if wanted else ""
        if not (inviter and self._settings.enabled and asking.verb == "REQ"):
            return None
        code = await self.invite(by=inviter, seconds=self._settings.invite_days * _DAY)
        tags = (_PROTECTED, ("claim", code))
        event = Draft(INVITE, tags=tags).sign(self._state.key, int(asking.now))
        return event if any(one.matches(event) and one.limit != 0 for one in wanted) else None

    async def listed(self) -> list[Member]:
        """All members, the first one first. Raises StoreError."""
        return await self._state.records.read(lambda tables: tables.members.listed())

    async def invites(self) -> list[Invite]:
        """The invites that are good still. Raises StoreError."""
        now = int(self._state.clock())
        return await self._state.records.read(lambda tables: tables.invites.open(now))

    # What a keeper does: `by` is his name

    async def add(self, pubkey: str, *, by: str, reason: str = "") -> bool:
        """Make somebody a member; False if he was one. Raises StoreError."""
        now = int(self._state.clock())

        async def act(tables: RecordTables) -> bool:
            if not await tables.members.add(Member(pubkey, reason, by, now)):
                return False
            await self._state.log(tables, "add-member", by=by, reason=reason, p=pubkey)
            return True

        return await self._change(act, [_membership(MEMBER_ADDED, pubkey)], when=bool)

    async def remove(self, pubkey: str, *, by: str, reason: str = "") -> bool:
        """The opposite; False if he was none. Raises StoreError."""
        return await self._drop(pubkey, by, reason)

    async def _drop(self, pubkey: str, by: str = "", reason: str = "") -> bool:
        async def act(tables: RecordTables) -> bool:
            if not await tables.members.remove(pubkey):
                return False
            if by:
                await self._state.log(tables, "remove-member", by=by, reason=reason, p=pubkey)
            return True

        return await self._change(act, [_membership(MEMBER_REMOVED, pubkey)], when=bool)

    async def invite(self, *, by: str, seconds: float, uses: int = 1, role: str = "") -> str:
        """A new invite's code. Raises InvalidData, StoreError."""
        now = int(self._state.clock())
        return await self._state.records.write(
            lambda tables: invites.make(
                tables, by=by, now=now, seconds=seconds, uses=uses, role=role
            )
        )

    async def revoke(self, id: str, *, by: str) -> bool:
        """An invite is good no more, by the id under which `invites` lists it; False: none."""

        async def act(tables: RecordTables) -> bool:
            if not await tables.invites.revoke(id):
                return False
            await self._state.log(tables, "revoke-invite", by=by, invite=id)
            return True

        return await self._state.records.write(act)

    async def put_role(self, role: Role, *, by: str, new: bool) -> None:
        """Make a role, or change one. Raises InvalidData, StoreError."""

        async def act(tables: RecordTables) -> None:
            held = await tables.roles.get(role.id) is not None
            if held == new:
                raise InvalidData(f"the role {role.id} {'exists' if held else 'does not exist'}")
            if new and len(await tables.roles.listed()) >= MOST_ROLES:
                raise InvalidData(f"there may be {MOST_ROLES} roles")
            await tables.roles.put(role)
            action = "create-role" if new else "edit-role"
            await self._state.log(tables, action, by=by, role=role.id)

        await self._change(act, [_definition(role)])

    async def delete_role(self, id: str, *, by: str) -> None:
        """Nobody has it any more. Raises InvalidData, StoreError."""

        async def act(tables: RecordTables) -> None:
            if not await tables.roles.remove(id):
                raise InvalidData(f"the role {id} does not exist")
            await self._state.log(tables, "delete-role", by=by, role=id)

        address = f"{ROLE}:{self._state.pubkey}:{id}"
        await self._change(act, [Draft(DELETION, tags=(("a", address), ("k", str(ROLE))))])

    async def assign(self, pubkey: str, role: str, *, by: str) -> None:
        """Give a member a role. Raises InvalidData, StoreError."""

        async def act(tables: RecordTables) -> None:
            if not await tables.members.has(pubkey):
                raise InvalidData("this key is no member's")
            if await tables.roles.get(role) is None:
                raise InvalidData("no such role")
            await tables.members.assign(pubkey, role)
            await self._state.log(tables, "assign-role", by=by, p=pubkey, role=role)

        await self._change(act)

    async def unassign(self, pubkey: str, role: str, *, by: str) -> None:
        """Take it from him. Raises InvalidData, StoreError."""

        async def act(tables: RecordTables) -> None:
            if not await tables.members.unassign(pubkey, role):
                raise InvalidData("this key does not have this role")
            await self._state.log(tables, "unassign-role", by=by, p=pubkey, role=role)

        await self._change(act)

    # What is published

    async def settle(self) -> None:
        """Publish what should be and is not: after a start, and after the records came from a copy.

        Raises StoreError.
        """
        if not self._settings.enabled:
            return
        key = self._state.pubkey
        held = await self._store.get_address(f"{MEMBER_LIST}:{key}:")
        roles = await self._store.query([Filter.of(authors=[key], kinds=[ROLE])])
        tags = {event.tags for event in roles}
        missing = [
            draft
            for role in self._state.roster.roles.values()
            if (draft := _definition(role)).tags not in tags
        ]
        listed = await self._state.records.read(_list_tags)
        if missing or held is None or held.tags != listed:
            await self._change(_nothing, missing)

    async def _change(
        self,
        act: Callable[[RecordTables], Awaitable[T]],
        news: Iterable[Draft] = (),
        when: Callable[[T], bool] = lambda _: True,
    ) -> T:
        """Carry out `act`; if `when` says so of its result, publish `news` and the list."""
        enabled = self._settings.enabled

        async def run(tables: RecordTables) -> tuple[T, list[Draft], int]:
            result = await act(tables)
            if not (enabled and when(result)):
                return result, [], 0
            at = await _next_second(tables, int(self._state.clock()))
            return result, [*news, Draft(MEMBER_LIST, tags=await _list_tags(tables))], at

        result, drafts, at = await self._state.write(run)
        if drafts:  # a list may be long
            key = self._state.key
            events = await asyncio.to_thread(lambda: [draft.sign(key, at) for draft in drafts])
            await self._store.save(events)
        return result


async def _nothing(_: RecordTables) -> None:
    pass


async def _next_second(tables: RecordTables, now: int) -> int:
    """The date of what is published next: later than all before it, whoever made that."""
    last = await tables.dates.get(_PUBLISHED)
    at = now if last is None else max(now, last + 1)
    await tables.dates.put(_PUBLISHED, at)
    return at


def _membership(kind: int, pubkey: str) -> Draft:
    return Draft(kind, tags=(_PROTECTED, ("p", pubkey)))


async def _list_tags(tables: RecordTables) -> tuple[Tag, ...]:
    listed = (await tables.members.listed())[:MOST_LISTED]
    return (_PROTECTED, *(("member", member.pubkey, *member.roles) for member in listed))


def _definition(role: Role) -> Draft:
    values = {
        "label": role.label,
        "description": role.description,
        "color": "" if role.color is None else str(role.color),
        "order": "" if role.place is None else str(role.place),
    }
    said = tuple((name, value) for name, value in values.items() if value)
    return Draft(ROLE, tags=(_PROTECTED, ("d", role.id), *said))

"""Managing the relay from afar: JSON-RPC over POST (NIP-86), each call signed (NIP-98).

Who is named in the configuration may call everything; each call that changes something is written
to the log with his name. For such a call a header serves once: replays within its window are
refused, also after a restart. What is only read may be read again: the same question twice in a
second has the same header. The acts are those of the command line.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from nostr_client.errors import InvalidData, StoreError
from nostr_client.nips import nip98
from nostr_client.protocol.event import MALFORMED, Event, reason_of
from nostr_client.safe_text import safe_line
from relays.moderation.actions import ModerationActions
from relays.moderation.records import Role, Rule, RuleType
from relays.moderation.roster import checked_role
from relays.web.http_types import HttpRequest, HttpResponse

MEDIA_TYPE: Final = "application/nostr+json+rpc"
MOST_PARAMS: Final = 10
_log = logging.getLogger(__name__)


class _Call(msgspec.Struct, frozen=True):
    method: str
    params: list[Any] = []


class Params:
    """The parameters of one call, read in order. Raises InvalidData for what does not fit.

    `address` is where it comes from.
    """

    def __init__(self, values: list[Any], address: str = "") -> None:
        self._values = values
        self.address = address

    def text(self, index: int, name: str) -> str:
        value = self._values[index] if index < len(self._values) else None
        if not isinstance(value, str):
            raise InvalidData(f"parameter {index + 1}, {name}, is to be a string")
        return value

    def optional(self, index: int, name: str) -> str:
        """A text that may be missing, or null."""
        missing = index >= len(self._values) or self._values[index] is None
        return "" if missing else self.text(index, name)

    def number(self, index: int, name: str) -> int:
        value = self._values[index] if index < len(self._values) else None
        if type(value) is not int:
            raise InvalidData(f"parameter {index + 1}, {name}, is to be a whole number")
        return value

    def optional_number(self, index: int, name: str) -> int | None:
        """A number that may be missing, null or empty, or written as a text."""
        value = self._values[index] if index < len(self._values) else None
        if value is None or value == "":
            return None
        if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) < 10:
            return int(value)
        return self.number(index, name)


Method = Callable[[ModerationActions, Params, str], Awaitable[Any]]
"""Does what a call asks; the last argument is the admin's name."""


class Admin:
    """Answers the calls for one relay, which are signed for one of its service URLs."""

    def __init__(self, actions: ModerationActions) -> None:
        self._actions = actions
        self._urls = frozenset(
            each for url in actions.state.service_urls for each in nip98.spellings(url)
        )

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The answer to a POST of `MEDIA_TYPE`. A `Handler`: raises nothing."""
        try:
            event, name = self._caller(request)
        except InvalidData as error:
            return _response(HTTPStatus.UNAUTHORIZED, error=str(error))
        if not name:
            words = "restricted: this key is no admin's here"
            return _response(HTTPStatus.FORBIDDEN, error=words)
        try:
            call = msgspec.json.decode(request.body, type=_Call)
        except MALFORMED as error:
            return _response(HTTPStatus.BAD_REQUEST, error=f"invalid: {reason_of(error)}")
        try:
            if call.method not in READING and not await self._first_time(event):
                words = "authorization: it was used before"
                return _response(HTTPStatus.UNAUTHORIZED, error=words)
        except StoreError:
            _log.exception("a call could not be checked")
            return _response(HTTPStatus.SERVICE_UNAVAILABLE, error="error: try again later")
        return await self._do(call, name, request.address)

    def _caller(self, request: HttpRequest) -> tuple[Event, str]:
        """What was signed, and the name of the admin who did; empty if he is none.

        Raises InvalidData.
        """
        header = request.headers.get("authorization")
        if header is None:
            raise InvalidData("auth-required: sign the request (NIP-98)")
        now, body = self._actions.state.clock(), request.body
        event = nip98.check(header, urls=self._urls, method=request.method, now=now, body=body)
        return event, self._actions.admins.get(event.pubkey, "")

    async def _first_time(self, event: Event) -> bool:
        # Kept for both ends of the window: the date may lie ahead.
        return await self._actions.state.is_first_use(event.id, event.created_at + nip98.WINDOW)

    async def _do(self, call: _Call, name: str, address: str) -> HttpResponse:
        method = METHODS.get(call.method)
        if method is None:
            return _response(HTTPStatus.OK, error=f"unsupported: {safe_line(call.method)[:64]}")
        if len(call.params) > MOST_PARAMS:
            return _response(HTTPStatus.OK, error="invalid: too many parameters")
        try:
            result = await method(self._actions, Params(call.params, address), name)
        except InvalidData as error:
            return _response(HTTPStatus.OK, error=f"invalid: {error}")
        except StoreError:
            _log.exception("%s could not be done", call.method)
            return _response(HTTPStatus.OK, error="error: it could not be done or not wholly")
        return _response(HTTPStatus.OK, result=result)


def _response(status: HTTPStatus, *, result: Any = None, error: str = "") -> HttpResponse:
    body = {"result": result, "error": error} if error else {"result": result}
    headers = {"WWW-Authenticate": "Nostr"} if status is HTTPStatus.UNAUTHORIZED else {}
    return HttpResponse(
        status=status,
        media_type="application/json",
        body=msgspec.json.encode(body),
        headers=headers,
    )


# The methods, in the order of the NIP


async def _supported(_actions: ModerationActions, _params: Params, _by: str) -> list[str]:
    return [name for name in METHODS if name != "supportedmethods"]


async def _ban_pubkey(actions: ModerationActions, params: Params, by: str) -> bool:
    pubkey, reason = params.text(0, "pubkey"), params.optional(1, "reason")
    await actions.ban_pubkey(pubkey, by=by, reason=reason)
    return True


async def _unban_pubkey(actions: ModerationActions, params: Params, by: str) -> bool:
    pubkey, reason = params.text(0, "pubkey"), params.optional(1, "reason")
    await actions.unban_pubkey(pubkey, by=by, reason=reason)
    return True


async def _banned_pubkeys(
    actions: ModerationActions, _params: Params, _by: str
) -> list[dict[str, str]]:
    return _listed("pubkey", await actions.rules(RuleType.BAN_PUBKEY))


async def _allow_pubkey(actions: ModerationActions, params: Params, by: str) -> bool:
    pubkey, reason = params.text(0, "pubkey"), params.optional(1, "reason")
    await actions.allow_pubkey(pubkey, by=by, reason=reason)
    return True


async def _unallow_pubkey(actions: ModerationActions, params: Params, by: str) -> bool:
    pubkey, reason = params.text(0, "pubkey"), params.optional(1, "reason")
    await actions.unallow_pubkey(pubkey, by=by, reason=reason)
    return True


async def _allowed_pubkeys(
    actions: ModerationActions, _params: Params, _by: str
) -> list[dict[str, str]]:
    members = await actions.members.listed()
    return [_named("pubkey", member.pubkey, member.reason) for member in members]


def _role(params: Params) -> Role:
    return checked_role(
        params.text(0, "id"),
        params.optional(1, "label"),
        params.optional(2, "description"),
        params.optional_number(3, "color"),
        params.optional_number(4, "order"),
    )


async def _create_role(actions: ModerationActions, params: Params, by: str) -> bool:
    await actions.members.put_role(_role(params), by=by, new=True)
    return True


async def _edit_role(actions: ModerationActions, params: Params, by: str) -> bool:
    await actions.members.put_role(_role(params), by=by, new=False)
    return True


async def _delete_role(actions: ModerationActions, params: Params, by: str) -> bool:
    await actions.members.delete_role(params.text(0, "id"), by=by)
    return True


async def _assign_role(actions: ModerationActions, params: Params, by: str) -> bool:
    await actions.members.assign(params.text(0, "pubkey"), params.text(1, "role"), by=by)
    return True


async def _unassign_role(actions: ModerationActions, params: Params, by: str) -> bool:
    await actions.members.unassign(params.text(0, "pubkey"), params.text(1, "role"), by=by)
    return True


async def _needing_moderation(
    actions: ModerationActions, _params: Params, _by: str
) -> list[dict[str, str]]:
    cases = await actions.reports.queue()
    return [_named("id", case.target, case.reason) for case in cases if case.sort == "event"]


async def _allow_event(actions: ModerationActions, params: Params, by: str) -> bool:
    id, reason = params.text(0, "id"), params.optional(1, "reason")
    await actions.allow_event(id, by=by, reason=reason)
    return True


async def _ban_event(actions: ModerationActions, params: Params, by: str) -> bool:
    id, reason = params.text(0, "id"), params.optional(1, "reason")
    await actions.ban_event(id, by=by, reason=reason)
    return True


async def _banned_events(
    actions: ModerationActions, _params: Params, _by: str
) -> list[dict[str, str]]:
    return _listed("id", await actions.rules(RuleType.BAN_EVENT))


async def _allowed_events(
    actions: ModerationActions, _params: Params, _by: str
) -> list[dict[str, str]]:
    return _listed("id", await actions.rules(RuleType.ALLOW_EVENT))


def _change(name: str) -> Method:
    async def change(actions: ModerationActions, params: Params, by: str) -> bool:
        await actions.change_info(name, params.text(0, name), by=by)
        return True

    return change


async def _allow_kind(actions: ModerationActions, params: Params, by: str) -> bool:
    await actions.allow_kind(params.number(0, "kind"), by=by)
    return True


async def _disallow_kind(actions: ModerationActions, params: Params, by: str) -> bool:
    await actions.disallow_kind(params.number(0, "kind"), by=by)
    return True


async def _allowed_kinds(actions: ModerationActions, _params: Params, _by: str) -> list[int]:
    return sorted(actions.state.bans.allowed_kinds)


async def _disallowed_kinds(actions: ModerationActions, _params: Params, _by: str) -> list[int]:
    return sorted(actions.state.bans.disallowed_kinds)


async def _block_ip(actions: ModerationActions, params: Params, by: str) -> bool:
    address, reason = params.text(0, "ip"), params.optional(1, "reason")
    await actions.ban_address(address, by=by, reason=reason, near=[params.address])
    return True


async def _unblock_ip(actions: ModerationActions, params: Params, by: str) -> bool:
    await actions.unban_address(params.text(0, "ip"), by=by)
    return True


async def _blocked_ips(
    actions: ModerationActions, _params: Params, _by: str
) -> list[dict[str, str]]:
    return _listed("ip", await actions.rules(RuleType.BAN_IP))


def _listed(name: str, rules: list[Rule]) -> list[dict[str, str]]:
    return [_named(name, rule.value, rule.reason) for rule in rules]


def _named(name: str, value: str, reason: str) -> dict[str, str]:
    return {name: value, "reason": reason} if reason else {name: value}


METHODS: Final[Mapping[str, Method]] = {
    "supportedmethods": _supported,
    "banpubkey": _ban_pubkey,
    "unbanpubkey": _unban_pubkey,
    "listbannedpubkeys": _banned_pubkeys,
    "allowpubkey": _allow_pubkey,
    "unallowpubkey": _unallow_pubkey,
    "listallowedpubkeys": _allowed_pubkeys,
    "createrole": _create_role,
    "editrole": _edit_role,
    "deleterole": _delete_role,
    "assignrole": _assign_role,
    "unassignrole": _unassign_role,
    "listeventsneedingmoderation": _needing_moderation,
    "allowevent": _allow_event,
    "banevent": _ban_event,
    "listbannedevents": _banned_events,
    "changerelayname": _change("name"),
    "changerelaydescription": _change("description"),
    "changerelayicon": _change("icon"),
    "allowkind": _allow_kind,
    "disallowkind": _disallow_kind,
    "listallowedkinds": _allowed_kinds,
    "blockip": _block_ip,
    "unblockip": _unblock_ip,
    "listblockedips": _blocked_ips,
    # Not in the NIP, but clients know them: without, nobody sees from afar what was decided so.
    "listallowedevents": _allowed_events,
    "listdisallowedkinds": _disallowed_kinds,
}
READING: Final = frozenset(
    name for name in METHODS if name == "supportedmethods" or name.startswith("list")
)
"""Methods that change nothing."""

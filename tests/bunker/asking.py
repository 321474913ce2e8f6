"""A client of a bunker, as the tests of its core write one."""

from __future__ import annotations

import itertools
import json
from typing import Any

from nostr_client.bunker.core import AnswerNow, BunkerCore, Decision, Welcome
from nostr_client.bunker.state import BunkerClient, BunkerState, Invitation
from nostr_client.nips.nip46 import BunkerRequest, parse_permissions
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey

ACCOUNT, BUNKER = SecretKey.from_hex("a1" * 32), SecretKey.from_hex("b2" * 32)
CLIENT, OTHER = SecretKey.from_hex("c3" * 32), SecretKey.from_hex("d4" * 32)
HERE = ("wss://one.example.com/", "wss://two.example.com/")
NOW = 1_800_000_000

_ids = itertools.count()


def core(**options: Any) -> BunkerCore:
    return BunkerCore(ACCOUNT.public_key.hex, BUNKER.public_key.hex, HERE, **options)


def connected(*permissions: str, key: SecretKey = CLIENT) -> BunkerState:
    client = BunkerClient(key.public_key.hex, NOW, HERE)
    return BunkerState((client.ruled(parse_permissions(",".join(permissions))),))


def invited(secret: str = "s3cret", permissions: str = "", life: int = 600) -> BunkerState:
    invitation = Invitation.of(secret, NOW, HERE, parse_permissions(permissions), life)
    return BunkerState().invited(invitation, NOW)


def asked(method: str, *params: str, id: str = "") -> BunkerRequest:
    return BunkerRequest(id or f"r{next(_ids)}", method, params)


def to_sign(kind: int = 1, content: str = "hi", id: str = "", **fields: Any) -> BunkerRequest:
    event = {"kind": kind, "content": content, "tags": [], "created_at": NOW} | fields
    return asked("sign_event", json.dumps(event), id=id)


def decide(
    bunker: BunkerCore,
    request: BunkerRequest,
    state: BunkerState,
    *,
    key: SecretKey = CLIENT,
    now: int = NOW,
) -> Decision:
    return bunker.decide(key.public_key.hex, request, state, now)


def error_of(decision: Decision) -> str:
    assert isinstance(decision, AnswerNow), decision
    return decision.response.error or ""


def result_of(decision: Decision) -> str | None:
    assert isinstance(decision, AnswerNow), decision
    assert decision.response.error is None, decision.response.error
    return decision.response.result


def welcomed(decision: Decision) -> Welcome:
    assert isinstance(decision, Welcome), decision
    return decision


def letter(key: SecretKey = CLIENT, at: int = NOW, content: str = "x", kind: int = 24133) -> Event:
    tags = (("p", BUNKER.public_key.hex),)
    return Draft(kind, content, tags, at).sign(key, at)

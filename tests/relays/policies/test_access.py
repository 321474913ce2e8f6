"""Who may write and who may read."""

from __future__ import annotations

import pytest

from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from relays.policies.access import closed, in_any, known_senders, no_scans, readers, writers
from relays.policies.verdict import IncomingEvent, IncomingQuery
from tests.relays.talk import KEY, NOW, OTHER, note

ME, OTHERS = KEY.public_key.hex, OTHER.public_key.hex
NONE: frozenset[str] = frozenset()
MINE, THEIRS = frozenset({ME}), frozenset({OTHERS})
allowed = in_any([ME])


@pytest.mark.parametrize(
    ("author", "keys", "kind", "reason"),
    [
        (KEY, NONE, 1, ""),
        (OTHER, NONE, 1, "restricted: "),
        (OTHER, MINE, 1, "restricted: "),
        (OTHER, NONE, 1059, "auth-required: "),
        (OTHER, THEIRS, 1059, "restricted: "),
        (OTHER, MINE | THEIRS, 1059, ""),
        (KEY, NONE, 21059, "auth-required: "),
        (OTHER, NONE, 28934, ""),
    ],
)
def test_writing(author: SecretKey, keys: frozenset[str], kind: int, reason: str) -> None:
    check = writers("members", allowed, always=(28934,))
    verdict = check(IncomingEvent(note(kind=kind, key=author), NOW, keys=keys))
    assert verdict.reason.startswith(reason)
    assert verdict.accepted == (not reason)


@pytest.mark.parametrize(
    ("author", "keys", "reason"),
    [
        (KEY, NONE, "auth-required: only those whom this relay's keeper"),
        (KEY, THEIRS, "restricted: "),
        (OTHER, MINE, ""),
    ],
)
def test_writing_where_all_must_authenticate(
    author: SecretKey, keys: frozenset[str], reason: str
) -> None:
    check = writers("listed", allowed, authenticated=True)
    verdict = check(IncomingEvent(note(key=author), NOW, keys=keys))
    assert verdict.accepted == (not reason)
    assert verdict.reason.startswith(reason)


def test_a_wrap_is_brought_by_somebody_known() -> None:
    wrap = note(kind=1059)
    assert known_senders(IncomingEvent(wrap, NOW)).reason.startswith("auth-required: ")
    assert known_senders(IncomingEvent(wrap, NOW, keys=THEIRS)).accepted
    assert known_senders(IncomingEvent(note(), NOW)).accepted


def test_nobody_writes() -> None:
    check = closed((28936,))
    refusal = check(IncomingEvent(note(), NOW, keys=MINE)).reason
    assert refusal == "blocked: this relay takes no events from its clients"
    assert check(IncomingEvent(note(kind=28936), NOW)).accepted


def asked(keys: frozenset[str], *filters: Filter) -> IncomingQuery:
    return IncomingQuery("REQ", filters, NOW, keys=keys)


def test_reading() -> None:
    check = readers("members", allowed)
    assert check(asked(frozenset())).reason.startswith("auth-required: ")
    assert check(asked(THEIRS)).reason == "restricted: only members of this relay may read here"
    assert check(asked(MINE | THEIRS)).accepted


def test_scans() -> None:
    assert not no_scans(asked(MINE, Filter.of(kinds=[1]), Filter(limit=1))).accepted
    assert no_scans(
        asked(MINE, Filter.of(kinds=[1]), Filter.of(t=["x"]), Filter.of(ids=[]))
    ).accepted


def test_groups() -> None:
    either = in_any([ME], lambda key: key == OTHERS)
    assert either(ME)
    assert either(OTHERS)
    assert not either("x")

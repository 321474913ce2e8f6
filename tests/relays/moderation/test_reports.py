"""The queue of reports."""

from __future__ import annotations

import pytest

from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from relays.moderation import reports
from relays.moderation.reports import ADMIN, MEMBER, STRANGER, rank, targets_of
from tests.relays.desk import Desk
from tests.relays.talk import KEY, NOW, OTHER, note

PEOPLE = [SecretKey(bytes([n]) * 32) for n in range(1, 9)]
MINE = KEY.public_key.hex


def report(
    target: Event | str, type: str = "spam", key: SecretKey = PEOPLE[0], content: str = ""
) -> Event:
    """Of an event, or of a key."""
    if isinstance(target, Event):
        tags: tuple[tuple[str, ...], ...] = (("e", target.id, type), ("p", target.pubkey))
    else:
        tags = (("p", target, type),)
    return note(content, kind=1984, tags=tags, key=key)


def test_what_a_report_names() -> None:
    event = note()
    assert targets_of(report(event, "illegal")) == {("event", event.id): "illegal"}
    assert targets_of(report(MINE, "my own word")) == {("pubkey", MINE): "other"}
    assert targets_of(note(kind=1984, tags=(("e", "junk", "spam"), ("p", "x"), ("e",)))) == {}
    twice = (("e", event.id), ("e", event.id, "malware"), ("x", "00" * 32, "malware"))
    assert targets_of(note(kind=1984, tags=twice)) == {("event", event.id): "malware"}
    many = tuple(("p", f"{n:064x}") for n in range(100))
    assert len(targets_of(note(kind=1984, tags=many))) == 20


def test_by_whom_and_for_what() -> None:
    events = [note(f"{n}") for n in range(4)]
    weights = {PEOPLE[0].public_key.hex: ADMIN, PEOPLE[1].public_key.hex: MEMBER}
    said = [
        report(events[0], "spam", PEOPLE[2]),
        report(events[1], "spam", PEOPLE[0]),
        report(events[2], "illegal", PEOPLE[1]),
        *(report(events[3], "spam", key) for key in PEOPLE[2:]),
    ]
    cases = rank(said, lambda key: weights.get(key, STRANGER))
    assert [case.target for case in cases] == [events[n].id for n in (2, 1, 3, 0)]
    assert [case.score for case in cases] == [MEMBER * 8, ADMIN * 2, 3 * 2, 2]
    assert (cases[2].reporters, cases[2].known) == (6, 0)


def test_one_reporter_counts_once_by_his_gravest_word() -> None:
    event = note()
    said = [report(event, type, content=type) for type in ("spam", "illegal", "nudity")]
    [case] = rank(said, lambda _: STRANGER)
    assert case.score == 8
    assert case.types == {"illegal": 1}
    assert case.words == ("spam",)
    assert case.reason == "illegal (1)"


def test_who_weighs_nothing_and_what_was_heard() -> None:
    event = note()
    said = [report(event, key=PEOPLE[0]), report(event, key=PEOPLE[1])]
    heard = {(event.id, PEOPLE[1].public_key.hex)}
    assert rank(said[:1], lambda _: 0) == []
    assert [case.reporters for case in rank(said, lambda _: STRANGER, heard)] == [1]


async def test_the_queue_is_made_of_the_store(desk: Desk) -> None:
    bad, gone = note("bad", key=PEOPLE[7]), note("not held")
    await desk.actions.allow_pubkey(PEOPLE[1].public_key.hex, by="k")
    said = [
        report(bad, "spam", PEOPLE[1]),
        report(bad, "illegal", PEOPLE[2], "look \x1b[31m"),
        report(gone, "illegal"),
        report(MINE, "impersonation", OTHER),
    ]
    await desk.store.save([bad, *said])
    first, second = await desk.actions.reports.queue()
    assert (first.sort, first.target, first.score) == ("pubkey", MINE, ADMIN * 4)
    assert (second.sort, second.target, second.author) == ("event", bad.id, bad.pubkey)
    assert second.score == MEMBER * 2 + STRANGER * 8
    assert second.types == {"illegal": 1, "spam": 1}
    assert second.known == 1
    assert len(await desk.actions.reports.queue(1)) == 1


async def test_dismissed_until_somebody_else_reports(desk: Desk) -> None:
    bad = note("bad")
    await desk.store.save([bad, report(bad, key=PEOPLE[0])])
    assert await desk.actions.reports.dismiss(bad.id, by="olga", reason="a joke") == 1
    assert await desk.actions.reports.queue() == []
    await desk.store.save([report(bad, "illegal", PEOPLE[0])])
    assert await desk.actions.reports.queue() == []
    await desk.store.save([report(bad, key=PEOPLE[1])])
    [case] = await desk.actions.reports.queue()
    assert case.reporters == 1


async def test_what_is_decided_leaves_the_queue(desk: Desk) -> None:
    bad = PEOPLE[1].public_key.hex
    one, two = note("one"), note("two", key=PEOPLE[1])
    await desk.store.save([one, two, report(one), report(two), report(bad)])
    assert len(await desk.actions.reports.queue()) == 3
    await desk.actions.allow_event(one.id, by="k")
    assert len(await desk.actions.reports.queue()) == 2
    await desk.actions.ban_pubkey(bad, by="k")
    assert await desk.actions.reports.queue() == []
    await desk.actions.unban_pubkey(bad, by="k")
    await desk.actions.ban_pubkey(PEOPLE[0].public_key.hex, by="k")
    assert await desk.actions.reports.queue() == []


async def test_a_flood_of_strangers_hides_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "READ_MOST", 5)
    bad, fine = note("bad"), note("fine")
    by_admin = note("", kind=1984, tags=(("e", bad.id, "spam"),), key=OTHER, at=NOW - 100)
    by_stranger = note("", kind=1984, tags=(("e", fine.id, "spam"),), key=KEY, at=NOW - 100)
    flood = [
        note(f"{n}", kind=1984, tags=(("e", fine.id, "illegal"),), key=key)
        for n, key in enumerate(PEOPLE)
    ]
    await desk.store.save([bad, fine, by_admin, by_stranger, *flood])
    first, second = await desk.actions.reports.queue()
    assert (first.target, first.score) == (bad.id, ADMIN * 2)
    assert (second.target, second.score, second.reporters) == (fine.id, 3 * 8, 5)


async def test_web_of_trust(desk: Desk) -> None:
    queue = reports.Reports(desk.state, [desk.store], dict, lambda key: key == MINE)
    assert queue.weight(MINE) == reports.TRUSTED
    assert queue.weight(OTHER.public_key.hex) == STRANGER
    assert desk.actions.reports.weight(OTHER.public_key.hex) == ADMIN

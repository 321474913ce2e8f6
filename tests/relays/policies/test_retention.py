"""What is taken out by age and size, and not taken again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.store.contract import EventStore, Evicted, Size
from nostr_client.store.opening import open_store
from nostr_client.store.sqlite import maintenance as store_keeping
from relays.config.relay_config import RetentionRule, RetentionRules
from relays.moderation.floors import open_floor
from relays.moderation.opening import open_state
from relays.policies.retention import RetentionPolicy
from relays.policies.verdict import IncomingEvent, SourceType
from tests.relays.rules import PlainFloor
from tests.relays.talk import KEY, NOW, OTHER, note

DAY = 86_400
ME = KEY.public_key.hex


FLOORS: dict[Path, PlainFloor] = {}


def floor_of(tmp_path: Path) -> PlainFloor:
    """That of all policies of one test."""
    return FLOORS.setdefault(tmp_path, PlainFloor())


def keeping(tmp_path: Path, *rules: RetentionRule, **settings: Any) -> RetentionPolicy:
    return RetentionPolicy(RetentionRules(rules=rules, **settings), floor_of(tmp_path))


async def enforced(rules: RetentionPolicy, store: EventStore, now: float) -> int:
    return await rules.evict_by_age(store, now) + await rules.evict_by_size(store, int(now))


def accepted(rules: RetentionPolicy, event: Event, source: SourceType = SourceType.SYNC) -> bool:
    verdict = rules.check(IncomingEvent(event, NOW, source=source))
    assert verdict.accepted or verdict.reason.startswith("invalid: ")
    return verdict.accepted


class Shop:
    """A store of which we say how large it is."""

    def __init__(self, used: int, file: int = 0) -> None:
        self.used = used
        self.file = file or used
        self.asked: list[dict[str, Any]] = []
        self.compacted = 0

    async def evict(
        self,
        filters: Sequence[Filter] = (),
        *,
        most_bytes: int | None = None,
        spared: Collection[str] = (),
        spared_kinds: Collection[int] = (),
    ) -> Evicted:
        self.asked.append({"most": most_bytes, "kinds": tuple(spared_kinds)})
        if most_bytes is not None:
            self.used = most_bytes
            return Evicted(7, NOW - DAY)
        return Evicted(1, 0)

    async def size(self) -> Size:
        return Size(self.used, self.file)

    async def compact(self) -> int:
        self.compacted += 1
        self.file = self.used
        return 1


def test_what_a_rule_says_is_too_old_is_not_taken(tmp_path: Path) -> None:
    rules = keeping(
        tmp_path,
        RetentionRule(kinds=(7,), days=1),
        RetentionRule(days=10, except_kinds=(30,)),
        spared=(OTHER.public_key.hex,),
    )
    old = {"at": NOW - 11 * DAY}
    for source in SourceType:
        assert not accepted(rules, note(**old), source)
    assert accepted(rules, note(at=NOW - 10 * DAY))
    assert not accepted(rules, note(kind=7, at=NOW - DAY - 1))
    assert accepted(rules, note(kind=30, **old))
    assert accepted(rules, note(key=OTHER, **old))
    for kind in (0, 3, 5, 62, 10_002, 30_023):
        assert accepted(rules, note(kind=kind, **old)), "it is never taken out"
    assert accepted(keeping(tmp_path), note(at=1))


async def test_the_size_is_kept_and_its_floor_written_down(tmp_path: Path) -> None:
    rules = keeping(tmp_path, gigabytes=1)
    shop = Shop(used=900_000_000)
    assert await enforced(rules, shop, NOW) == 0
    assert shop.asked == []
    assert accepted(rules, note(at=1))
    shop.used = shop.file = 1_000_000_001
    assert await enforced(rules, shop, NOW) == 7
    assert shop.asked == [{"most": 970_000_000, "kinds": ()}]
    assert shop.compacted == 1, "the file was too large as well"
    for again in (rules, keeping(tmp_path, gigabytes=1)):
        assert not accepted(again, note(at=NOW - DAY - 1))
        assert accepted(again, note(at=NOW - DAY))
        assert accepted(again, note(kind=0, at=1))
    assert not accepted(keeping(tmp_path), note(at=1)), "also for a command without settings"
    shop.used = 500_000_000
    await enforced(rules, shop, NOW)
    assert shop.compacted == 2
    assert accepted(keeping(tmp_path, gigabytes=1), note(at=1)), "there is room again"
    shop.used = 10**10
    await enforced(rules, shop, NOW)
    assert keeping(tmp_path).floor == NOW - DAY
    await enforced(keeping(tmp_path), shop, NOW)
    assert keeping(tmp_path).floor == 0, "the keeper wants no limit any more"


def test_what_need_not_be_asked_for(tmp_path: Path) -> None:
    rules = keeping(
        tmp_path,
        RetentionRule(kinds=(7, 9735), days=10),
        RetentionRule(days=100, except_kinds=(30,)),
        spared=(ME,),
    )
    them = ["22" * 32]
    for asked, days in (
        (Filter(kinds=[7], authors=them), 10),
        (Filter(kinds=[1, 7], authors=them), 100),
        (Filter(kinds=[30], authors=them), None),
        (Filter(kinds=[0, 7], authors=them), None),
        (Filter(authors=them), None),
        (Filter(kinds=[7], authors=[ME, *them]), None),
        (Filter(kinds=[7]), None),
    ):
        expected = asked if days is None else asked.changed(since=NOW - days * DAY)
        assert rules.narrowed(asked, NOW) == expected
    late = Filter(kinds=[7], authors=them, since=NOW - DAY)
    assert rules.narrowed(late, NOW) == late


async def test_events_in_a_store(tmp_path: Path) -> None:
    kept = [
        note("new"),
        note(kind=0, at=NOW - 90 * DAY),
        note(kind=30, at=NOW - 90 * DAY),
        note("theirs", key=OTHER, at=NOW - 90 * DAY),
        note(kind=7, at=NOW - DAY),
    ]
    gone = [note("old", at=NOW - 11 * DAY), note(kind=7, at=NOW - 3 * DAY)]
    rules = keeping(
        tmp_path,
        RetentionRule(kinds=(7,), days=2),
        RetentionRule(days=10, except_kinds=(30,)),
        spared=(OTHER.public_key.hex,),
    )
    async with open_store(tmp_path / "events.db") as store:
        await store.save([*kept, *gone])
        assert await enforced(rules, store, NOW) == len(gone)
        held = {event.id for event in await store.query([Filter()])}
        assert held == {event.id for event in kept}
        assert await enforced(rules, store, NOW) == 0


async def test_a_real_size(tmp_path: Path) -> None:
    events = [note("x" * 20_000, at=NOW + number) for number in range(600)]
    rules = keeping(tmp_path, gigabytes=0.01)
    async with open_store(tmp_path / "events.db") as store:
        await store.save(events)
        assert (await store.size()).used > 10**7
        count = await enforced(rules, store, NOW + 1000)
        assert 0 < count < 200
        size = await store.size()
        assert size.used <= 10**7
        left = await store.query([Filter()])
        assert {event.id for event in left} == {event.id for event in events[count:]}
        refused = [event for event in events if not accepted(rules, event)]
        assert set(refused) <= set(events[:count])
        assert len(refused) >= count - 1


KEEPER, MEMBER, STRANGER = (SecretKey(bytes([number]) * 32) for number in (1, 2, 3))


def peopled(tmp_path: Path, **settings: Any) -> RetentionPolicy:
    people = (KEEPER.public_key.hex,), (MEMBER.public_key.hex,)
    found = RetentionRules(gigabytes=0.002, **settings)
    return RetentionPolicy(found, floor_of(tmp_path), people=lambda: people)


def written(by: SecretKey, count: int, kind: int = 1, at: int = NOW) -> list[Event]:
    return [
        note("x" * 20_000, kind=kind, tags=(("d", f"{n}"),), at=at + n, key=by)
        for n in range(count)
    ]


async def test_for_want_of_room_strangers_go_first_and_who_runs_it_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_keeping, "REMOVED_AT_ONCE", 4)
    rules = peopled(tmp_path)
    keepers, members = written(KEEPER, 30), written(MEMBER, 30, at=NOW + 1000)
    strangers = written(STRANGER, 60, at=NOW + 2000)
    async with open_store(tmp_path / "events.db") as store:

        async def left() -> list[int]:
            of = [[one.public_key.hex] for one in (KEEPER, MEMBER, STRANGER)]
            return [await store.count([Filter.of(authors=authors)]) for authors in of]

        await store.save([*keepers, *members, *strangers])
        await enforced(rules, store, NOW + 5000)
        found = await left()
        assert found[:2] == [30, 30]
        assert 0 < found[2] < 60
        assert accepted(rules, keepers[0])
        assert accepted(rules, members[0])
        assert not accepted(rules, strangers[0])
        await store.save(written(MEMBER, 40, at=NOW + 3000))
        await store.save(written(KEEPER, 30, at=NOW + 4000))
        await enforced(rules, store, NOW + 5000)
        found = await left()
        assert found[0] == 60
        assert 0 < found[1] < 70
        assert found[2] == 0
        await store.save(written(KEEPER, 60, at=NOW + 8000))
        await enforced(rules, store, NOW + 9000)
        found = await left()
        assert 60 <= found[0] < 120
        assert found[1:] == [0, 0]
        assert (await store.size()).used <= 2 * 10**6


async def test_what_is_never_taken_out_has_a_part_of_the_room(tmp_path: Path) -> None:
    rules = peopled(tmp_path, standing=0.3)
    profile = note(kind=0, key=STRANGER)
    never = (profile, note(kind=5, key=STRANGER), note(kind=62, key=STRANGER))
    async with open_store(tmp_path / "events.db") as store, store.listen(rules.on_stored):
        await rules.weigh(store)
        assert all(accepted(rules, event) for event in never)
        await store.save(written(STRANGER, 40))  # these give way, and do not count
        await rules.weigh(store)
        assert all(accepted(rules, event) for event in never)
        await store.save(written(STRANGER, 40, kind=30_000))
        for _ in range(2):  # what was heard, and what was looked up
            for event in never:
                reason = rules.check(IncomingEvent(event, NOW)).reason
                assert reason.startswith("error: there is no room")
            assert accepted(rules, note("a note", at=NOW + 10**6, key=STRANGER))
            for ours in (KEEPER, MEMBER):
                assert accepted(rules, note(kind=0, key=ours))
            await rules.weigh(store)
        assert accepted(keeping(tmp_path), profile), "no size is set"
        await store.remove([Filter.of(kinds=[30_000])])
        await rules.weigh(store)
        assert accepted(rules, profile)


@pytest.mark.parametrize(
    ("text", "floor"),
    [(b'{"floor":7}', 7), (b"", 0), (b"{", 0), (b'{"floor":"x"}', 0), (b"\xff", 0)],
)
async def test_what_an_older_version_noted_is_taken_over(
    tmp_path: Path, text: bytes, floor: int
) -> None:
    note = tmp_path / "events.retention.json"
    note.write_bytes(text)
    async with open_state("memory:") as state, open_state(tmp_path) as another:
        assert (await open_floor(state, tmp_path, "events")).value == floor
        assert not note.exists()
        assert (await open_floor(state, tmp_path, "events")).value == floor
        assert (await open_floor(state, tmp_path, "inbox")).value == 0
        held = await open_floor(another, tmp_path, "events")
        await held.put(9)
        assert held.value == 9
    async with open_state(tmp_path) as again:
        note.write_bytes(text)
        assert (await open_floor(again, tmp_path, "events")).value == 9

"""Who says that he has it, and does not show it: not who lost one, nor who keeps nothing old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.caught_relays import LEAST, SHARE, CaughtRelays, caught
from nostr_client.store.contract import Audited, Copy, CopyGrade, CopyState
from nostr_client.store.opening import open_store

KEY = SecretKey.generate()
ME = KEY.public_key.hex
A, B = "wss://a.example", "wss://b.example"
NOW, DAY = 1_700_000_000, 86_400
SHOWN, DROPPED = CopyState.CONFIRMED, CopyState.DROPPED


def written(ages: Sequence[float], kind: int = 1) -> list[Event]:
    return [
        Draft(kind, f"{n}", created_at=int(NOW - age * DAY)).sign(KEY, 0)
        for n, age in enumerate(ages)
    ]


def on(events: Sequence[Event], states: Sequence[CopyState]) -> Mapping[str, list[Copy]]:
    grade = {SHOWN: CopyGrade.READ_AS_STRANGER, DROPPED: CopyGrade.NONE}
    return {
        event.id: [Copy(event.id, A, state, 0, 0, "", "", 0, grade=grade[state])]
        for event, state in zip(events, states, strict=True)
    }


@pytest.mark.parametrize(
    ("ages", "states", "count"),
    [
        ([0] * 3, [DROPPED] * 3, 3),
        ([0] * 2, [DROPPED] * 2, 0),
        ([40, 90, 95, 100, 0], [DROPPED] * 4 + [SHOWN], 0),
        ([100, 40, 3, 2, 1, 0], [SHOWN] + [DROPPED] * 5, 5),
        ([100, 90, 80], [DROPPED] * 3, 0),
        ([0] * (LEAST + 1 + SHARE * LEAST), [DROPPED] * LEAST + [SHOWN] * (1 + SHARE * LEAST), 0),
    ],
    ids=[
        "keeps nothing",
        "two are an accident",
        "keeps nothing old",
        "drops what is new",
        "all old",
        "few of many",
    ],
)
def test_who_is_caught(ages: Sequence[int], states: Sequence[CopyState], count: int) -> None:
    events = written([age + n / 1000 for n, age in enumerate(ages)])
    states = [*states, SHOWN][: len(events)]
    assert caught(on(events, states), events, NOW) == ({A: count} if count else {})


def test_old_lists_are_not_pruned_and_say_nothing_of_notes() -> None:
    """It shows a list of last year and what is new, and keeps no old notes: it is honest."""
    lists, notes = written([400], kind=10002), written([0, 40, 50, 60])
    copies = {**on(lists, [SHOWN]), **on(notes, [SHOWN, DROPPED, DROPPED, DROPPED])}
    assert caught(copies, [*lists, *notes], NOW) == {}
    old = written([400, 401, 402], kind=30_000)
    assert caught(on(old, [DROPPED] * 3), old, NOW) == {A: 3}


async def test_the_ledger_tells() -> None:
    async with open_store("memory:") as store:
        relays = CaughtRelays(store, ME, lambda: NOW)
        assert await relays.found() == {}
        events = written([0, 1, 2])
        await store.save(events)
        for event in events:
            await store.ledger.want(event.id, [A, B])
            await store.ledger.confirm([(event.id, url) for url in (A, B)])
        assert await relays.found() == {}
        gone = [Audited(event.id, A, DROPPED, CopyGrade.NONE, 0, 1) for event in events]
        await store.ledger.audited(gone)
        assert await relays.found() == {A: 3}

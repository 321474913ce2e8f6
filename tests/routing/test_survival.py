"""What the events of an account would survive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.operators import RelayFacts
from nostr_client.routing.survival import Survival, Survivals, survival_of
from nostr_client.store.contract import Audited, Copy, CopyGrade, CopyState
from nostr_client.store.opening import open_store

KEY = SecretKey.generate()
ME = KEY.public_key.hex
LISTED = [f"wss://home.h{n}.example" for n in range(3)]
RESERVE = [f"wss://far.r{n}.example" for n in range(4)]
OWN = "ws://127.0.0.1:7447"


def copy(url: str, state: CopyState = CopyState.CONFIRMED, grade: int = 1) -> Copy:
    return Copy("e", url, state, 0, 0, "", "", 0, grade=CopyGrade(grade))


def test_the_line_of_a_note_that_is_well() -> None:
    copies = [copy(url, grade=3) for url in (*LISTED, *RESERVE)]
    facts = {url: RelayFacts(url, pubkey="a" * 64) for url in (LISTED[0], RESERVE[0])}
    found = survival_of(copies, facts, LISTED, wanted=7)
    assert found.line == ("7 of 7 confirmed, 6 operators, 3 where readers look; survives any two")
    assert (found.as_stranger, found.said, found.survives) == (7, 0, 2)


@pytest.mark.parametrize(
    ("states", "line"),
    [
        ([], "kept here only: no relay to send it to"),
        (
            [CopyState.CONFIRMED],
            "1 of 1 confirmed, 1 operator, 1 where readers look; survives the fall of none",
        ),
        (
            [CopyState.WANTED, CopyState.FAILED],
            "0 of 2 confirmed, 0 operators, 0 where readers look; nobody finds it now",
        ),
        (
            [CopyState.CONFIRMED, CopyState.DROPPED, CopyState.REFUSED],
            "1 of 1 confirmed, 1 operator, 1 where readers look; survives the fall of none",
        ),
    ],
)
def test_what_is_missing_is_said(states: Sequence[CopyState], line: str) -> None:
    copies = [copy(url, state) for url, state in zip(LISTED, states, strict=False)]
    assert survival_of(copies, {}, LISTED).line == line


def test_the_own_relay_is_no_host() -> None:
    copies = [copy(OWN), copy(LISTED[0]), copy(RESERVE[0])]
    found = survival_of(copies, {}, LISTED, wanted=7, besides=[OWN])
    assert (found.confirmed, found.wanted, found.readable) == (2, 7, 1)


def test_what_a_dead_relay_holds_counts_for_nothing_until_it_is_back() -> None:
    copies = [copy(url, grade=3) for url in (*LISTED, *RESERVE)]
    found = survival_of(copies, {}, LISTED, wanted=7, dead=[*LISTED[:2], *RESERVE[:3]])
    assert (found.confirmed, found.wanted, found.unreachable) == (2, 7, 5)
    assert (found.readable, found.survives) == (1, 0)
    again = survival_of([*copies, copy("wss://new.example")], {}, LISTED, dead=LISTED)
    assert (again.confirmed, again.wanted) == (5, 5), "and no copy is wanted twice for it"


def test_one_keeper_of_all_is_one_fall() -> None:
    facts = {url: RelayFacts(url, networks=("93.184.216.0/24",)) for url in LISTED}
    found = survival_of(map(copy, LISTED), facts, LISTED)
    assert (found.confirmed, found.operators, found.survives) == (3, 1, 0)


async def test_of_an_account_the_worst_off_and_each_relay() -> None:
    async with open_store("memory:") as store:
        notes = [Draft(1, str(n)).sign(KEY, 1_700_000_000 + n) for n in range(3)]
        await store.save(notes)
        ledger = store.ledger
        for note, urls in zip(notes, (LISTED, LISTED[:2], LISTED[:1]), strict=True):
            await ledger.want(note.id, [*urls, RESERVE[0], OWN])
            await ledger.confirm([(note.id, url) for url in (*urls, OWN)])
        dropped = Audited(notes[0].id, LISTED[0], CopyState.DROPPED, CopyGrade.NONE, 0, 1)
        await ledger.audited([dropped])
        await ledger.confirm([(notes[1].id, LISTED[0])], CopyGrade.READ_BACK)

        async def facts() -> Mapping[str, RelayFacts]:
            return {}

        async def homes() -> Sequence[str]:
            return LISTED

        async def reserve() -> Sequence[str]:
            return RESERVE

        lying: dict[str, int] = {}

        async def caught() -> Mapping[str, int]:
            return lying

        survivals = Survivals(
            store,
            owner=ME,
            wanted=4,
            homes=homes,
            reserve=reserve,
            facts=facts,
            own_urls=lambda: [OWN],
            caught=caught,
        )
        read = Draft(1, "read only").sign(KEY, 1_600_000_000)
        await store.save([read])
        await store.ledger.confirm([(read.id, LISTED[0])], CopyGrade.READ_BACK)
        words = (await survivals.of([read.id]))[read.id].line
        assert words == "known at 1, not yet looked after"
        found = await survivals.of_account()
        assert found.untracked == 1
        assert (found.events, found.short) == (3, 3)
        assert (found.worst.confirmed, found.worst.survives) == (1, 0)
        rows = {row.url: row for row in found.relays}
        assert OWN not in rows
        first = rows[LISTED[0]]
        assert (first.role, first.said, first.read_back, first.dropped) == ("list", 1, 1, 1)
        assert (rows[RESERVE[0]].role, rows[RESERVE[0]].waiting) == ("reserve", 3)
        assert (await survivals.of([notes[1].id]))[notes[1].id].confirmed == 2
        lying[LISTED[0]] = 3
        assert (await survivals.of([notes[1].id]))[notes[1].id].confirmed == 1, "no copy counts"
        void = {row.url: row.caught for row in (await survivals.of_account()).relays}
        assert void == {url: 3 if url == LISTED[0] else 0 for url in void}
        assert (await survivals.of(["f" * 64]))["f" * 64] == Survival()

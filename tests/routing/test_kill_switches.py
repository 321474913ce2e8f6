"""Guards on requests to vanish, and on deletions in a mass, whoever has them signed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest

from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.kill_switches import MOST, WINDOW, MassDeletion, vanishing

KEY = SecretKey.from_hex("1" * 64)
ME = KEY.public_key.hex
NOW = 1_800_000_000


class Desk:
    """Guards of several processes over one folder."""

    def __init__(self, folder: Path, *held: Event) -> None:
        self.folder = folder
        self.held = held
        self.now = NOW

    async def find(self, ids: Collection[str]) -> list[Event]:
        return [event for event in self.held if event.id in ids]

    def guard(self) -> MassDeletion:
        return MassDeletion(ME, self.folder, self.find, lambda: self.now)

    async def says(self, *tags: tuple[str, ...]) -> str:
        return str(await self.guard()(Draft(5, "", tags)) or "")


def ids(count: int, first: int = 0) -> list[tuple[str, ...]]:
    return [("e", f"{n:064x}") for n in range(first, first + count)]


async def test_a_request_to_vanish_is_grave_and_says_of_where() -> None:
    everywhere = await vanishing(Draft(62, "", (("relay", "ALL_RELAYS"), ("relay", "wss://a"))))
    assert everywhere is not None
    assert everywhere.word == "vanish"
    assert "every relay" in str(everywhere)
    some = await vanishing(Draft(62, "", tuple(("relay", f"wss://{n}") for n in range(5))))
    assert "wss://0, wss://1, wss://2 and 2 more" in str(some)
    assert await vanishing(Draft(1, "a note")) is None


async def test_a_mass_is_counted_across_processes_until_a_day_is_over(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert not await desk.says(*ids(MOST - 1), ("k", "1"), ("p", ME))
    assert "2 events, after 19 within a day" in await desk.says(*ids(2))
    assert not await desk.says(*ids(1)), "what was refused is not counted"
    said = await desk.guard()(Draft(5, "", tuple(ids(1))))
    assert said is not None
    assert (said.word, said.words) == ("delete", "it deletes 1 event, after 20 within a day")
    assert await desk.guard()(Draft(1, "a note")) is None
    desk.now += WINDOW
    assert not await desk.says(*ids(MOST))
    desk.now -= 10 * WINDOW  # the clock was set back
    assert await desk.says(*ids(1))
    desk.now += WINDOW
    assert await desk.says(*ids(1)), "it counts from the day on which that was seen"


async def test_one_deletion_of_many_is_a_mass(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert "it deletes 21 events" in await desk.says(*ids(MOST), ("a", f"30023:{ME}:x"))
    assert not await desk.says(*ids(MOST), *ids(MOST)), "named twice is named once"


async def test_those_who_delete_at_once_share_the_bound(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    said = await asyncio.gather(*(desk.says(*ids(1, first=n)) for n in range(MOST + 3)))
    assert sum(not words for words in said) == MOST


async def test_a_count_that_cannot_be_read_counts_as_all_there_may_be(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert not await desk.says(*ids(1))
    (path,) = tmp_path.glob("deletions-*.json")
    path.write_text("[[")
    assert "after 20" in await desk.says(*ids(1))
    desk.now += WINDOW
    assert not await desk.says(*ids(1))


@pytest.mark.parametrize("kind", [3, 10000, 10002, 10050])
async def test_a_deletion_of_a_list_by_which_the_account_lives_is_grave(
    tmp_path: Path, kind: int
) -> None:
    current = Draft(kind, "", (("p", ME),), NOW - 10).sign(KEY, NOW)
    stranded = Draft(kind, "", (), NOW + 10**6).sign(KEY, NOW)
    other = SecretKey.from_hex("2" * 64).public_key.hex
    desk = Desk(tmp_path, current, stranded)
    assert "list" in await desk.says(("a", f"{kind}:{ME}:"))
    assert "list" in await desk.says(("a", f"{kind}:{ME}"))
    assert "list" in await desk.says(("e", current.id))
    assert not await desk.says(("e", stranded.id))
    assert not await desk.says(("a", f"{kind}:{other}:"))


async def test_an_event_that_is_named_by_id_and_address_is_one(tmp_path: Path) -> None:
    article = Draft(30023, "", (("d", "x"),), NOW - 10).sign(KEY, NOW)
    desk = Desk(tmp_path, article)
    assert not await desk.says(*ids(MOST - 1), ("e", article.id), ("a", f"30023:{ME}:x"))

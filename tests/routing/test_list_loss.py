"""What a list would lose is named before another program's version of it is signed."""

from __future__ import annotations

import pytest

from nostr_client.errors import ListNotRead
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.list_loss import ListLoss, loss

KEY = SecretKey.from_hex("1" * 64)


def people(count: int, first: int = 0) -> tuple[tuple[str, ...], ...]:
    return tuple(("p", f"{n:064x}") for n in range(first, first + count))


def version(kind: int = 3, content: str = "", tags: tuple[tuple[str, ...], ...] = ()) -> Event:
    return Draft(kind, content, tags, 1).sign(KEY, 1)


@pytest.mark.parametrize(
    ("held", "new", "words"),
    [
        (people(500), people(499), ""),
        (people(500), people(470), "30 of its 500 entries"),
        (people(40), people(30), "10 of its 40 entries"),
        (people(4), people(1), ""),
        (people(2), (), "all of its entries"),
        (people(40), people(40, first=100), "40 of its 40 entries"),
        (people(3), (*((*p, "wss://new.example") for p in people(3)), ("t", "new")), ""),
    ],
)
def test_many_entries_less_are_named(
    held: tuple[tuple[str, ...], ...], new: tuple[tuple[str, ...], ...], words: str
) -> None:
    said = loss(version(tags=held), Draft(3, "", new))
    assert words in said
    assert bool(words) == bool(said)


def test_a_private_part_and_the_fields_of_a_profile_are_named_too() -> None:
    assert "private part" in loss(version(10000, "secret"), Draft(10000, ""))
    assert not loss(version(10000, "secret"), Draft(10000, "another"))
    profile = version(0, '{"name":"ana","about":"me","lud16":"a@b","website":""}')
    assert "2 of its fields (about, lud16)" in loss(profile, Draft(0, '{"name":"ana"}'))
    assert not loss(profile, Draft(0, '{"name":"Ana","lud16":"a@b"}'))


async def test_a_list_that_cannot_be_read_is_not_taken_for_none() -> None:
    async def unread(kind: int, identifier: str) -> Event | None:
        raise ListNotRead("none of its relays can be reached")

    async def none_at_all(kind: int, identifier: str) -> Event | None:
        raise ListNotRead("no relay has one", none_found=True)

    assert "could not be read" in await ListLoss(unread)(Draft(3, "", people(1)))
    assert not await ListLoss(none_at_all)(Draft(3, "", people(1)))
    assert not await ListLoss(unread)(Draft(1, "a note"))


async def test_the_version_that_is_read_is_the_one_that_is_named() -> None:
    asked: list[tuple[int, str]] = []

    async def read(kind: int, identifier: str) -> Event | None:
        asked.append((kind, identifier))
        return version(kind, tags=(("d", identifier), *people(9)))

    words = await ListLoss(read)(Draft(30000, "", (("d", "friends"),)))
    assert asked == [(30000, "friends")]
    assert "9 of its 9 entries" in words

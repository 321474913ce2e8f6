"""What a list would lose is named before another program's version of it is signed."""

from __future__ import annotations

import pytest

from nostr_client.errors import ListNotRead
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.list_loss import ListLoss, loss
from nostr_client.routing.private_part import content_of

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
        (people(40), people(32), ""),
        (people(40), people(31), "9 of its 40 entries"),
        (people(4), people(3), "1 of its 4 entries"),
        (people(5), people(4), ""),
        (people(2), (), "all of its entries"),
        (people(1), (), "the last of its entries"),
        (people(40), people(40, first=100), "all of its entries"),
        (people(3), (*((*p, "wss://new.example") for p in people(3)), ("t", "new")), ""),
    ],
)
def test_many_entries_less_are_named(
    held: tuple[tuple[str, ...], ...], new: tuple[tuple[str, ...], ...], words: str
) -> None:
    said = loss(version(tags=held), Draft(3, "", new))
    assert words in str(said or "")
    assert bool(words) == (said is not None)
    assert said is None or said.word == "follows"


@pytest.mark.parametrize(
    ("kind", "held", "new", "words"),
    [
        (10050, ("relay",), (), "the last of its entries"),
        (10050, ("relay", "relay"), ("relay",), "1 of its 2 entries"),
        (10002, ("r", "r"), ("r",), "1 of its 2 relays to write to and 1 of its 2 relays to read"),
        (10002, ("r", "r", "r", "r", "r"), ("r", "r", "r", "r"), ""),
        (10003, ("e", "e", "e"), ("e", "e"), ""),
    ],
)
def test_of_the_lists_by_which_an_account_lives_a_fifth_may_go(
    kind: int, held: tuple[str, ...], new: tuple[str, ...], words: str
) -> None:
    before, after = (
        tuple((name, f"wss://{n}.example") for n, name in enumerate(names)) for names in (held, new)
    )
    said = loss(version(kind, tags=before), Draft(kind, "", after))
    assert words in str(said or "")
    assert bool(words) == (said is not None)


def test_a_relay_in_another_spelling_is_the_same_and_in_another_role_is_not() -> None:
    both = (("r", "wss://a.example"), ("r", "wss://b.example"))
    held = version(10002, tags=both)
    assert not loss(held, Draft(10002, "", (("r", "wss://A.example/"), both[1])))
    said = loss(held, Draft(10002, "", ((*both[0], "read"), (*both[1], "read"))))
    assert "all of its relays to write to" in str(said)
    assert "read from" not in str(said)


def test_what_an_act_names_is_not_lost_and_nothing_beside_it_is_covered_by_that() -> None:
    held = version(tags=people(4))
    named = [("p", f"{3:064x}")]
    assert not loss(held, Draft(3, "", people(3)), named)
    assert "1 of its 4 entries" in str(loss(held, Draft(3, "", people(2)), named))
    assert not loss(version(tags=people(1)), Draft(3), [("p", f"{0:064x}")])


def test_a_private_part_and_the_fields_of_a_profile_are_named_too() -> None:
    assert "its private part out" in str(loss(version(10000, "secret"), Draft(10000, "")))
    unknown = loss(version(10000, "secret"), Draft(10000, "another"))
    assert "cannot be read here" in str(unknown)
    assert not loss(version(10003, "secret"), Draft(10003, "another"))
    assert "its content held" in str(loss(version(3, "{}"), Draft(3, "")))
    profile = version(0, '{"name":"ana","about":"me","lud16":"a@b","website":""}')
    assert "2 of its fields (about, lud16)" in str(loss(profile, Draft(0, '{"name":"ana"}')))
    assert not loss(profile, Draft(0, '{"name":"Ana","lud16":"a@b"}'))


def test_a_private_part_is_counted_as_it_was_opened_and_what_moves_is_not_lost() -> None:
    hidden = people(10)
    held = version(10000, content_of(hidden, 10000), people(10, first=10))
    assert not loss(held, Draft(10000, content_of(hidden[:6], 10000), people(10, first=10)))
    assert "5 of its 20" in str(loss(held, Draft(10000, content_of(hidden[:5], 10000), held.tags)))
    assert not loss(held, Draft(10000, "", people(20)))
    small = version(10000, content_of(people(1), 10000), people(10, first=10))
    assert "its private part" in str(loss(small, Draft(10000, "", small.tags)))
    assert not loss(small, Draft(10000, "", small.tags), [("p", f"{0:064x}")])


async def test_private_parts_are_opened_before_they_are_compared() -> None:
    async def read(kind: int, identifier: str) -> Event | None:
        return version(kind, "old", people(1, first=90))

    async def opened(content: str) -> str:
        return {"old": content_of(people(10), 10000), "new": content_of(people(9), 10000)}.get(
            content, content
        )

    guard = ListLoss(read, opened)
    assert not await guard(Draft(10000, "new", people(1, first=90)))
    said = await guard(Draft(10000, "", people(1, first=90)))
    assert said is not None
    assert said.word == "mutes"


async def test_a_list_that_cannot_be_read_is_not_taken_for_none() -> None:
    async def unread(kind: int, identifier: str) -> Event | None:
        raise ListNotRead("none of its relays can be reached")

    async def none_at_all(kind: int, identifier: str) -> Event | None:
        raise ListNotRead("no relay has one", none_found=True)

    said = await ListLoss(unread)(Draft(3, "", people(1)))
    assert "could not be read" in str(said)
    assert said is not None
    assert said.word == "follows"
    assert not await ListLoss(none_at_all)(Draft(3, "", people(1)))
    assert not await ListLoss(unread)(Draft(1, "a note"))


async def test_the_version_that_is_read_is_the_one_that_is_named() -> None:
    asked: list[tuple[int, str]] = []

    async def read(kind: int, identifier: str) -> Event | None:
        asked.append((kind, identifier))
        return version(kind, tags=(("d", identifier), *people(9)))

    words = await ListLoss(read)(Draft(30000, "", (("d", "friends"),)))
    assert asked == [(30000, "friends")]
    assert "all of its entries" in str(words)

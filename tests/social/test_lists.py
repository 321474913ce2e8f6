"""Following and unfollowing, and the account's relays."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.errors import InvalidData, InvalidKey, ListNotRead, NotConfirmed
from nostr_client.net.outcome import missed_of
from nostr_client.protocol import kinds
from nostr_client.routing.starter_relays import starter_relays
from nostr_client.social.follows import follows_of
from tests.social.house import ANA as KEY
from tests.social.house import (
    BEN_KEY,
    CY_KEY,
    DEAD,
    ME,
    Relay,
    house,
    relay_list,
    signed,
)

TAGS = (
    ("p", BEN_KEY, "wss://b.example", "ben", "more"),
    ("t", "kept"),
    ("p", "broken"),
    ("p",),
    ("p", BEN_KEY),
)


def test_follows_are_read_with_care() -> None:
    event = signed(kind=kinds.FOLLOWS, tags=(*TAGS, ("p", "X" * 64), ("p", CY_KEY)))
    assert follows_of(event) == (BEN_KEY, CY_KEY)
    assert follows_of(None) == ()


async def test_follow_appends_and_unfollow_takes_out_and_the_rest_stays(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(signed(kind=kinds.FOLLOWS, content='{"wss://r": {}}', tags=TAGS))
        h.courier.book.hint(CY_KEY, "wss://cy.example", 4)
        posted = await h.follows.follow(CY_KEY, petname="cy")
        assert posted is not None
        assert posted.event.tags == (*TAGS, ("p", CY_KEY, "wss://cy.example", "cy"))
        assert posted.event.content == '{"wss://r": {}}'
        assert await h.follows.pubkeys() == [BEN_KEY, CY_KEY]
        assert await h.follows.follow(CY_KEY) is None
        posted = await h.follows.unfollow(BEN_KEY)
        assert posted is not None
        assert posted.event.tags == (*TAGS[1:4], ("p", CY_KEY, "wss://cy.example", "cy"))
        assert await h.follows.unfollow(BEN_KEY) is None
        assert len(await h.follows.history()) == 2


async def test_a_new_petname_changes_only_that(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(signed(kind=kinds.FOLLOWS, tags=(("p", BEN_KEY), *TAGS[:1])))
        posted = await h.follows.follow(BEN_KEY, petname="benny")
        assert posted is not None
        assert posted.event.tags == (
            ("p", BEN_KEY, "", "benny"),
            ("p", BEN_KEY, "wss://b.example", "benny", "more"),
        )


async def test_what_is_no_key_or_no_relay_to_name_is_refused(tmp_path: Path) -> None:
    async with house(tmp_path, private=()) as h:
        with pytest.raises(InvalidKey):
            await h.follows.follow("f" * 64)
        with pytest.raises(InvalidData, match="cannot be named"):
            await h.follows.follow(BEN_KEY, "ws://192.168.0.1")


async def test_a_follow_that_cannot_be_read_first_is_refused(tmp_path: Path) -> None:
    async with house(tmp_path, fallback=[DEAD], only_here=False) as h:
        with pytest.raises(ListNotRead):
            await h.follows.follow(BEN_KEY, allow_empty=True)
        assert await h.follows.pubkeys() == []


async def test_a_list_is_read_where_it_is_and_it_is_said_who_did_not_answer(tmp_path: Path) -> None:
    listed = signed(kind=kinds.FOLLOWS, tags=(("p", BEN_KEY),))
    async with Relay(listed) as one, house(tmp_path, fallback=[one.url, DEAD]) as h:
        asked = await h.follows.fetch()
        assert await h.follows.pubkeys() == [BEN_KEY]
        assert [end.url for end in missed_of(asked.ends.values())] == [DEAD]


async def test_without_a_list_the_relays_that_stand_in_are_shown(tmp_path: Path) -> None:
    async with (
        Relay() as one,
        house(tmp_path, fallback=[one.url], own_relay="ws://127.0.0.1:7") as h,
    ):
        await h.courier.publish(signed(content="x"))
        rows = await h.relays.rows()
        assert [(r.url, r.fallback, r.own) for r in rows] == [
            (one.url, True, False),
            ("ws://127.0.0.1:7", False, True),
        ]
        assert rows[0].state == "up"
        assert rows[0].delivered == 1.0
        assert rows[0].latency is not None
        assert rows[1].state == "down"
        assert "tcp" in rows[1].last_word


async def test_what_is_known_of_a_dead_relay_is_told_before_it_is_asked(tmp_path: Path) -> None:
    async with house(tmp_path, fallback=[DEAD, "ws://127.0.0.1:2"]) as h:
        outages = h.rooms.pool.outages
        outages.reached("ws://127.0.0.1:2")
        outages.failed(DEAD)
        rows = {row.url: row for row in await h.relays.rows()}
        assert rows[DEAD].state == "down"
        assert rows[DEAD].last_word.startswith("not reached since 20")
        assert rows["ws://127.0.0.1:2"].state == "unknown"


async def test_relays_are_added_changed_and_removed(
    tmp_path: Path, loopback_only: list[str]
) -> None:
    async with Relay() as one, house(tmp_path, fallback=[one.url]) as h:
        posted = await h.relays.add("WSS://New.example/")
        assert posted is not None
        assert posted.event.tags == (("r", one.url), ("r", "wss://new.example"))
        assert one.has(posted.event)
        assert await h.relays.add("wss://new.example") is None
        posted = await h.relays.add("wss://new.example", write=False)
        assert posted is not None
        assert posted.event.tags[1] == ("r", "wss://new.example", "read")
        rows = {row.url: row for row in await h.relays.rows()}
        assert (rows["wss://new.example"].read, rows["wss://new.example"].write) == (True, False)
        posted = await h.relays.remove(one.url)
        assert posted is not None
        assert posted.event.tags == (("r", "wss://new.example", "read"),)
        assert one.has(posted.event)  # who reads there has to learn where we went
        assert await h.relays.remove(one.url) is None
    loopback_only.clear()


async def test_other_tags_of_the_relay_list_stay(tmp_path: Path, loopback_only: list[str]) -> None:
    async with house(tmp_path) as h:
        tags = (("alt", "x"), ("r", "WSS://Odd.example/", "write"), ("r", "broken"))
        await h.keep(signed(kind=kinds.RELAY_LIST, tags=tags, content="c"))
        posted = await h.relays.add("ws://127.0.0.1:1")
        assert posted is not None
        assert posted.event.tags == (*tags, ("r", "ws://127.0.0.1:1"))
        assert posted.event.content == "c"
        posted = await h.relays.remove("wss://odd.example")
        assert posted is not None
        assert posted.event.tags == (tags[0], tags[2], ("r", "ws://127.0.0.1:1"))
        other = [("ws://127.0.0.1:2", True, False)]
        with pytest.raises(NotConfirmed, match="the last of its relays to write to"):
            await h.relays.set(other)
        posted = await h.relays.set(other, removes=["ws://127.0.0.1:1/"])
        assert posted is not None
        assert posted.event.tags == (tags[0], ("r", "ws://127.0.0.1:2", "read"))
    loopback_only.clear()


async def test_a_list_can_begin_with_the_relay_that_is_added(tmp_path: Path) -> None:
    """A key from elsewhere, and none of the relays that stand in can be reached."""
    gone = [DEAD, "ws://127.0.0.1:2", "ws://127.0.0.1:3"]
    async with Relay() as mine, house(tmp_path, fallback=gone, only_here=False) as h:
        with pytest.raises(ListNotRead, match="begins with") as refusal:
            await h.relays.add(mine.url)
        assert refusal.value.may_begin
        assert mine.sent("REQ"), "it was asked for the list"
        posted = await h.relays.add(mine.url, begin=True)
        assert posted is not None
        assert posted.event.tags == (("r", mine.url),)
        assert posted.report.accepted == (mine.url,)
        assert (await h.follows.follow(BEN_KEY, allow_empty=True)) is not None, "it alone counts"


async def test_what_the_added_relay_has_is_built_on(tmp_path: Path) -> None:
    old = signed(kind=kinds.RELAY_LIST, tags=(("r", DEAD, "read"), ("x", "kept")))
    async with Relay(old) as mine, house(tmp_path, fallback=[DEAD], only_here=False) as h:
        posted = await h.relays.add(mine.url, begin=True)
        assert posted is not None
        assert posted.event.tags == (*old.tags, ("r", mine.url))
    async with house(tmp_path / "2", fallback=[DEAD], only_here=False) as h:
        with pytest.raises(ListNotRead) as refusal:
            await h.relays.add("ws://127.0.0.1:2")
        assert not refusal.value.may_begin
        assert await h.relays.add("ws://127.0.0.1:2", begin=True) is not None, "always, if said"


async def test_what_others_wrote_beside_a_relay_stays(tmp_path: Path) -> None:
    one, two = "ws://127.0.0.1:1", "ws://127.0.0.1:2"
    tags = (("r", one, "write", "x"), ("r", two, "archive"))
    async with house(tmp_path) as h:
        await h.keep(signed(kind=kinds.RELAY_LIST, tags=tags))
        assert await h.relays.add(two) is None, "it has both roles already"
        assert await h.relays.add(one, read=False) is None
        posted = await h.relays.add(one)
        assert posted is not None
        assert posted.event.tags == (("r", one, "", "x"), tags[1])


async def test_the_first_run_lists_what_was_chosen_also_nothing(tmp_path: Path) -> None:
    async with Relay() as one, house(tmp_path, fallback=[one.url]) as h:
        posted = await h.relays.first_run([])
        assert posted is not None
        assert posted.event.tags == ()
        assert await h.relays.rows() == []
        h.clock.now += 1
        posted = await h.relays.first_run([one.url])
        assert posted is not None
        assert posted.event.tags == (("r", one.url),)


async def test_the_own_relay_and_nonsense_have_no_place_in_the_list(tmp_path: Path) -> None:
    own = "ws://127.0.0.1:7"
    async with house(tmp_path, private=(), own_relay=own) as h:
        with pytest.raises(InvalidData, match="own relay"):
            await h.relays.add(own)
        for url in ("nonsense", "https://x.example", ""):
            with pytest.raises(InvalidData):
                await h.relays.add(url)
        with pytest.raises(InvalidData, match="for both"):
            await h.relays.add("wss://x.example", read=False, write=False)


async def test_a_private_relay_that_the_person_names_is_listed_and_used(tmp_path: Path) -> None:
    async with Relay() as one, house(tmp_path, private=(), fallback=[]) as h:
        assert not h.courier.book.policy(one.url)
        posted = await h.relays.first_run([one.url])
        assert posted is not None
        assert posted.event.tags == (("r", one.url),)
        assert posted.report.accepted == (one.url,)
        assert [row.url for row in await h.relays.rows()] == [one.url]


async def test_a_dead_relay_can_be_taken_off(tmp_path: Path) -> None:
    """It need not answer for that; the others must."""
    async with Relay() as one, house(tmp_path, only_here=False) as h:
        mine = relay_list(KEY, one.url, DEAD)
        one.keep(mine)
        await h.keep(mine)
        with pytest.raises(ListNotRead):
            await h.relays.add("ws://127.0.0.1:2")
        posted = await h.relays.remove(DEAD)
        assert posted is not None
        assert posted.event.tags == (("r", one.url),)
        assert posted.event.pubkey == ME


async def test_a_relay_that_is_gone_is_named_as_such_and_never_put_into_a_list(
    tmp_path: Path, loopback_only: list[str]
) -> None:
    gone = starter_relays().gone[0]
    async with Relay() as one, house(tmp_path, fallback=[gone.url, one.url]) as h:
        rows = {row.url: row.gone for row in await h.relays.rows()}
        assert rows == {gone.url: f"its operator announced its end for {gone.since}", one.url: ""}
        posted = await h.relays.add(DEAD)
        assert posted is not None
        assert list(posted.event.values("r")) == [one.url, DEAD]
    loopback_only.clear()

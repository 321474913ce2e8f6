"""Why a note, a person or a relay is here, and what is waited for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from nostr_client.net.outcome import End, How
from nostr_client.net.subscription import Asked
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.social.views import ReadPart, SyncStatus
from nostr_client.social.why import Waiting, WhyRelay
from nostr_client.store.opening import open_store
from nostr_client.tui.screens.why import WhyScreen
from nostr_client.tui.targets import NoteTarget, PersonTarget, RelayTarget, SectionTarget, WhyTarget
from nostr_client.tui.why_lines import relay_rows, waiting_rows
from tests.tui.test_hostile import HOSTILE, check
from tests.tui.world import World, furnish, sees, shown, until

NOS = "wss://nos.example"
BEN, CY = "b" * 64, "c" * 64


async def test_a_note_says_why_it_is_here(world: World) -> None:
    await furnish(world)
    split = ("zap", world.pubkey("ben"), "", "1")
    words = world.note("ben", HOSTILE, 20, (("p", world.pubkey("ana")), split))
    named = ("title", HOSTILE), ("d", "x"), ("p", world.pubkey("ben"))
    await world.put(
        words,
        world.event("ben", 10002, "", (("r", NOS),), 5 * 86_400),
        world.event("ana", 30000, "", named, 50),
    )
    async with open_store(world.where.data / "events.db") as store:
        await store.ledger.confirm([(words.id, NOS)])
    await world.watched()
    async with world.at_home() as (app, pilot):
        await until(lambda: bool(app.main and app.main.front.selected))
        await pilot.press("w")
        await sees(app, "Why is this here?")
        await sees(app, "in your list")
        check(app, "why")
        text = shown(app)
        assert "it mentions you" in text
        assert "you follow the author, since at least" in text
        assert "ben writes to nos.example (relay list of " in text
        assert "came from     nos.example" in text
        assert "id and signature hold" in text
        assert "go to ben 100 %" in text
        assert isinstance(app.screen, WhyScreen)
        rows = app.screen.list.items
        app.screen.list.go_to(f"from {NOS}")
        assert len({row.key for row in rows}) == len(rows)
        await pilot.press("enter")
        await sees(app, f"Why is {NOS} connected?")
        assert "1 of 2 people you follow write there" in shown(app)
        await pilot.press("escape")
        await sees(app, "Why is this here?")


@pytest.mark.slow
async def test_people_and_what_is_waited_for(world: World) -> None:
    await furnish(world)
    await world.put(world.follows("ben", "dee"))
    await world.watched()
    async with world.at_home() as (app, _):
        app.open(WhyTarget(PersonTarget(world.pubkey("dee"))))
        await sees(app, "ben, whom you follow, follow the author")
        app.open(WhyTarget(SectionTarget("home")))
        await sees(app, "What is being waited for?")
        app.open(WhyTarget(NoteTarget("f" * 64)))
        await sees(app, "This note is not here.")
        app.open(WhyTarget(RelayTarget(NOS)))
        await sees(app, "no list of yours names it")


def test_a_connection_says_what_is_asked_for_whom() -> None:
    now = time.time()
    asked = Asked((Filter.of(authors=[BEN, CY], kinds=[1]),), now - 7200, 3, live=True)
    end = End(url=NOS, how=How.REFUSED, prefix="blocked", reason=HOSTILE)
    part = ReadPart(NOS, "streamed", frozenset({BEN, CY}), end, settled=True)
    why = WhyRelay(NOS, (), 2, 5, (part,), (asked,), 98.0, 2.0, 4, blocked=False)
    text = "\n".join(row.words for row in relay_rows(why, "", lambda key: key[:1], now))
    assert "2 of 5 people you follow write there" in text
    assert "to read notes of b, c  · goes on, since 2h ago, 3 events" in text.replace(
        time.strftime("%H:%M:%S", time.localtime(now - 7200)), "2h ago"
    )
    assert "98% of what is known" in text
    assert "posts of 2 people: blocked: " in text
    assert not set("\x1b\x07\u202e") & set(text)


def test_who_is_silent_is_named() -> None:
    end = End(url=NOS, how=How.SILENT)
    part = ReadPart(NOS, "streamed", frozenset({BEN}), end, settled=False)
    status = SyncStatus(running=True, planned=True, relays=3, caught_up=2)
    rows = waiting_rows(Waiting(status, (part,)), time.time())
    assert [row.words for row in rows] == [
        "2 of 3 relays are through; the timeline fills up",
        "nos.example: posts of 1 person: waited for",
    ]
    assert waiting_rows(Waiting(SyncStatus()), 0)[0].words == "nothing is read at the moment"


async def test_what_reads_much_is_read_once_in_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The screen looks every two seconds."""
    await furnish(world)
    await world.watched("ana")
    async with world.at_home() as (app, _):
        assert app.main is not None
        client, read = app.main.client, list[str]()
        history, relays = client.follows.history, client.book.relays_of_many

        async def histories() -> list[Event]:
            read.append("history")
            return await history()

        async def relays_of(people: Iterable[str], *, asked: bool = True) -> Mapping[str, Any]:
            if not asked:
                read.append("relays")
            return await relays(people, asked=asked)

        monkeypatch.setattr(client.follows, "history", histories)
        monkeypatch.setattr(client.book, "relays_of_many", relays_of)
        for _ in range(3):
            assert (await client.why.person(world.pubkey("ben"))).reasons
            assert (await client.why.relay(NOS)).followed == 2
        assert read == ["history", "relays"]
        await client.why.person(world.pubkey("cy"))
        await client.why.relay("wss://other.example")
        assert read == ["history", "relays"] * 2

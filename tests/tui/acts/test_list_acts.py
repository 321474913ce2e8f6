"""What is muted, kept, pinned, deleted, reported and voted on by keys."""

from __future__ import annotations

import pytest

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.tui import held_acts
from nostr_client.tui.acts.account import span_of
from nostr_client.tui.app import NostrApp
from nostr_client.tui.screens.choice import ChoiceDialog
from nostr_client.tui.screens.named_set import NamedSetScreen
from tests.conftest import StartRelay
from tests.tui.world import World, sees, shown, told, type_in, until


async def at_relay(world: World, start_relay: StartRelay, *events: Event) -> None:
    relay = await start_relay()
    world.relays = [relay.url]
    await world.account()
    listed = world.event("ana", kinds.RELAY_LIST, "", (("r", relay.url),), 10**6)
    people = (world.named("ben", "Ben"), world.named("cy", "Cy"))
    await world.put(listed, *people, world.follows("ana", "ben", "cy"), *events)


async def written(app: NostrApp, kind: int) -> list[Event]:
    assert app.main is not None
    client = app.main.client
    return await client.store.query([Filter.of(authors=[client.pubkey], kinds=[kind])])


@pytest.mark.slow
async def test_a_person_and_a_word_are_muted_and_seen_again(
    world: World, start_relay: StartRelay
) -> None:
    await at_relay(
        world,
        start_relay,
        world.note("ben", "of #cats", 50, (("t", "cats"),)),
        world.note("cy", "hello there", 40),
    )
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        mutes = app.main.client.mutes
        await sees(app, "hello there")
        await pilot.press("m")
        await sees(app, "Only you can see what you mute")
        await pilot.press("p")
        await sees(app, "Begin a new mute list?")
        await pilot.press("y")
        await told(app, "Cy is muted")
        assert mutes.matcher.people == {world.pubkey("cy")}
        (event,) = await written(app, kinds.MUTES)
        assert event.tags == ()
        assert event.content
        await sees(app, "▒▒ by somebody you muted · s to show ▒▒")
        assert "hello there" not in shown(app)
        await pilot.press("s")
        await sees(app, "hello there")
        app.main.go_to("mutes")
        await sees(app, "1 muted")
        await pilot.press("n")
        await sees(app, "several in a row")
        await type_in(pilot, "Buy NOW")
        await pilot.press("enter")
        await told(app, "“buy now” is muted")
        await sees(app, "“buy now”")
        await sees(app, "2 muted")
        await pilot.press("j", "x")
        await sees(app, "Unmute Cy?")
        await pilot.press("y")
        await told(app, "Cy is muted no more")
        await until(lambda: mutes.matcher.people == frozenset())
        assert mutes.matcher.words == ("buy now",)


@pytest.mark.slow
async def test_a_note_and_a_page_are_kept_and_an_own_note_pinned_and_deleted(
    world: World, start_relay: StartRelay
) -> None:
    mine = world.note("ana", "mine", 60)
    linked = world.note("ben", "see https://a.example/x", 50)
    await at_relay(world, start_relay, mine, linked)
    async with world.at_home() as (app, pilot):
        await sees(app, "see https")
        await pilot.press("b")
        await sees(app, "https://a.example/x (everybody can see that)")
        await pilot.press("b")
        await sees(app, "Begin a new list of bookmarks?")
        await pilot.press("y")
        await told(app, "Bookmarked, for you alone")
        (event,) = await written(app, kinds.BOOKMARKS)
        assert event.tags == ()
        await pilot.press("b", "1")
        await told(app, "The page is kept")
        (page,) = await written(app, kinds.WEB_BOOKMARK)
        assert page.value("d") == "a.example/x"
        await pilot.press("6")
        await sees(app, "1 kept, 1 of them for you alone · 1 web pages")
        await pilot.press("1", "P")
        await told(app, "Only what you wrote yourself can be pinned")
        await pilot.press("j", "P")
        await sees(app, "Pin this note to your profile?")
        await pilot.press("y")
        await sees(app, "Begin a new list of pinned notes?")
        await pilot.press("y")
        await told(app, "It is pinned to your profile")
        await pilot.press("x")
        await sees(app, "Delete this?")
        await pilot.press("y")
        await sees(app, "Why? Everybody can read it.")
        await type_in(pilot, "wrong")
        await pilot.press("enter")
        await told(app, "Deleted here.")
        await told(app, "127.0.0.1 took it.")
        (deletion,) = await written(app, kinds.DELETION)
        assert (deletion.content, deletion.value("e")) == ("wrong", mine.id)


@pytest.mark.slow
async def test_a_vote_can_be_taken_back_and_a_report_asks_twice(
    world: World, start_relay: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_acts, "HOLD", 0.0)
    options = (("option", "y", "Yes"), ("option", "n", "No"))
    poll = world.event("ben", kinds.POLL, "Tea?", (*options, ("endsAt", str(world.now + 999))), 50)
    vote = world.event("cy", kinds.VOTE, "", (("e", poll.id), ("response", "n")), 40)
    await at_relay(world, start_relay, world.note("ben", "Tea or not", 30), poll, vote)
    async with world.at_home() as (app, pilot):
        await sees(app, "Tea or not")
        await pilot.press("v")
        await told(app, "This is no poll.")
        await pilot.press("R")
        await sees(app, "Report this, by Ben, as")
        await pilot.press("1")
        await sees(app, "What is to be said with it?")
        await pilot.press("enter")
        await sees(app, "Report this, by Ben, as spam?")
        await pilot.press("y")
        await told(app, "Reported")
        (report,) = await written(app, kinds.REPORT)
        assert report.tags[0][2] == "spam"
        assert app.main is not None
        client = app.main.client
        await pilot.press("j", "v")
        await until(lambda: isinstance(app.screen, ChoiceDialog))
        await sees(app, "1 vote · ends in")
        await sees(app, "1 100% No")
        await pilot.press("1")
        await told(app, "vote: Yes")
        await until(lambda: not isinstance(app.screen, ChoiceDialog))
        found = await client.polls.view(poll)
        while found is None or not found.mine:
            await pilot.pause(0.02)
            found = await client.polls.view(poll)
        assert found.mine == ("y",)
        assert [option.votes for option in found.options] == [1, 1]


@pytest.mark.slow
async def test_people_are_put_into_a_list_which_opens_as_a_feed_and_is_followed(
    world: World, start_relay: StartRelay
) -> None:
    pack = (("d", "x"), ("title", "Cats"), ("p", world.pubkey("dee")), ("p", world.pubkey("ben")))
    await at_relay(
        world,
        start_relay,
        world.note("ben", "from ben", 40),
        world.note("cy", "from cy", 50),
        world.event("ben", kinds.STARTER_PACK, "", pack, 60),
    )
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        client = app.main.client
        await sees(app, "from ben")
        await pilot.press("A")
        await sees(app, "into which list?")
        await pilot.press("plus")
        await sees(app, "A new list: its title")
        await type_in(pilot, "Pals")
        await pilot.press("enter")
        await told(app, "The list is made")
        await pilot.press("ctrl+p")
        await type_in(pilot, "People: your")
        await sees(app, "lists of people and topics")
        await pilot.press("enter")
        await sees(app, "1 of yours, 1 pack of those you follow")
        await sees(app, "Pals · people, 1, 1 only you see")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, NamedSetScreen))
        await sees(app, "from ben")
        assert "from cy" not in shown(app)
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)
        app.action_history(1)
        await until(lambda: isinstance(app.screen, NamedSetScreen))
        await sees(app, "Pals · people, 1")
        await pilot.press("escape")
        await pilot.press("j", "F")
        await sees(app, "Follow 1 person of Cats?")
        await sees(app, "1 of 2 you follow already.")
        await pilot.press("y")
        await told(app, "You follow 1 more")
        assert world.pubkey("dee") in await client.follows.pubkeys()


@pytest.mark.slow
async def test_a_status_is_said_from_the_palette(world: World, start_relay: StartRelay) -> None:
    await at_relay(world, start_relay)
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        await sees(app, "relays 1/1")
        await pilot.press("ctrl+p")
        await type_in(pilot, "Say what you are doing")
        await sees(app, "(status)")
        await pilot.press("enter")
        await sees(app, "What are you doing?")
        await type_in(pilot, "hiking for 2h")
        await pilot.press("enter")
        await told(app, "Your status is said")
        (event,) = await written(app, kinds.STATUS)
        assert event.content == "hiking"
        assert event.expiration is not None


def test_for_how_long() -> None:
    assert span_of("hiking for 2h") == ("hiking", 7200)
    assert span_of("for 5m") == ("", 300)
    assert span_of(" waiting for 2 hours ") == ("waiting for 2 hours", None)
    assert span_of("") == ("", None)

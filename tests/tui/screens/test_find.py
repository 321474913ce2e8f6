"""Find: one field for people, tags, notes, relays, and wherever a code leads."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot
from textual.style import Style
from textual.widgets import Input

from nostr_client.net.outcome import End, How
from nostr_client.nips import nip19
from nostr_client.protocol.event import Event
from nostr_client.social.people_search import FoundPerson
from nostr_client.social.search import FoundRelay, FoundTag, LocalFindings, RelayFindings
from nostr_client.social.views import NoteView, Profile
from nostr_client.tui.app import NostrApp
from nostr_client.tui.find_rows import FindRenderer, Sort, relay_words, rows_of
from nostr_client.tui.screens import find
from nostr_client.tui.screens.find import FindScreen
from nostr_client.tui.screens.profile import ProfileScreen
from nostr_client.tui.screens.thread import ThreadScreen
from nostr_client.tui.targets import RelayTarget, WebTarget
from tests.routing.moody import Relay
from tests.tui.test_hostile import DETECTED, HOSTILE
from tests.tui.world import World, furnish, paste, sees, shown, type_in, until

BAD = f"wss://{HOSTILE}"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "PAUSE", 0.01)
    monkeypatch.setattr(find, "RELAY_PAUSE", 0.01)


async def open_find(app: NostrApp, pilot: Pilot[int]) -> FindScreen:
    """Find, from wherever one is."""
    await pilot.press("slash")
    await until(lambda: isinstance(app.screen, FindScreen))
    screen = app.screen
    assert isinstance(screen, FindScreen)
    return screen


async def test_one_types_chooses_and_opens(world: World) -> None:
    await world.watched()
    await furnish(world)
    await world.put(world.note("cy", "A roof over #Roofs", 50, (("t", "Roofs"),)))
    async with world.at_home() as (app, pilot):
        screen = await open_find(app, pilot)
        await type_in(pilot, "roof")
        await sees(app, "#roofs")
        await sees(app, "The library roof is fixed.")
        assert [row.sort for row in screen._rows] == [Sort.TAGS, *[Sort.NOTES] * 3]
        await pilot.press("down", "ctrl+n", "ctrl+p", "ctrl+n")
        assert screen.selected is not None
        assert "library roof" in screen.selected.said
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ThreadScreen))
        await sees(app, "And the coffee was good!")
        screen = await open_find(app, pilot)
        await until(lambda: len(screen._rows) == 4)  # the words are there still
        await pilot.press("tab", "tab", "tab", "down", "down", "enter")
        await sees(app, "“roof”")  # all of them, in their section
        assert app.main is not None
        assert app.main.pane.name == "search"
        await sees(app, "A roof over")


@pytest.mark.slow
async def test_people_are_found_and_followed(world: World) -> None:
    await world.account()
    await furnish(world)
    await world.put(world.follows("ben", "dee"))
    async with world.at_home() as (app, pilot):
        screen = await open_find(app, pilot)
        await type_in(pilot, "de")
        await sees(app, "+1 you know")
        await pilot.press("ctrl+f")
        await sees(app, "Follow dee?")
        await pilot.press("n")
        await until(lambda: app.screen is screen)
        await pilot.press("tab")
        await sees(app, "[people]")
        await until(lambda: screen.selected is not None)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ProfileScreen))
        assert isinstance(app.screen, ProfileScreen)
        assert app.screen.pubkey == world.pubkey("dee")


async def test_a_pasted_code_goes_straight_there_and_a_secret_key_nowhere(world: World) -> None:
    await world.account()
    await furnish(world)
    async with world.at_home() as (app, pilot):
        screen = await open_find(app, pilot)
        paste(app, "see https://page.example/x")
        await until(lambda: "page.example" in screen.query_one(Input).value)
        screen.query_one(Input).value = ""
        nsec = nip19.encode_nsec(world.person("dee"))
        for secret in (nsec, bytes(world.person("ana")).hex()):
            await type_in(pilot, "x")
            await sees(app, "nothing here for “x”")
            screen.query_one(Input).value = ""
            await until(lambda: "nothing here" not in shown(app))
            paste(app, secret)
            await sees(app, "That was a SECRET key")
            await until(lambda: screen.query_one(Input).value == "")
            assert secret not in shown(app)
        paste(app, f"nostr:{nip19.encode_npub(world.pubkey('dee'))}")
        await until(lambda: isinstance(app.screen, ProfileScreen))
        await sees(app, "dee")
        assert app.main is not None
        assert app.main.client.search.kept.typed == ""


@pytest.mark.slow
async def test_nothing_found_says_what_was_asked_and_whom(world: World) -> None:
    await world.watched()
    async with Relay() as relay, world.at_home() as (app, pilot):
        assert app.main is not None
        listed = world.event("ana", 10007, "", (("relay", relay.url),), 10)
        await app.main.client.store.save([listed])
        screen = await open_find(app, pilot)
        await type_in(pilot, "cathedral")
        await sees(app, "nothing here for “cathedral”")
        await sees(app, f"nothing: 127.0.0.1:{relay.port}")
        assert not screen._rows
        note = world.note("dee", "Cathedrals of the north")
        relay.held = [note]
        await type_in(pilot, "s")
        await sees(app, f"1 from 127.0.0.1:{relay.port}")
        await sees(app, "of the north")
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)
        assert await app.main.client.store.get(note.id) == note


@pytest.mark.slow
async def test_an_empty_home_says_how_to_find_somebody(world: World) -> None:
    await world.watched()
    async with world.at_home() as (app, pilot):
        await sees(app, "/ finds people")
        await pilot.press("5")
        await sees(app, "Nothing was searched for yet: / finds")
        await pilot.press("slash")
        await until(lambda: isinstance(app.screen, FindScreen))
        await type_in(pilot, "3" * 64)
        await until(lambda: bool(app.screen.query_one(Input).value))
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)


def test_hostile_names_tags_and_relays_are_inert(world: World) -> None:
    profile = Profile("ab" * 32, name=HOSTILE, display_name=HOSTILE, nip05=HOSTILE)
    event = world.event("ben", 30023, HOSTILE * 20, (("title", HOSTILE), ("d", "x")))
    note = NoteView(event, event, profile)
    warned = NoteView(_other(world), event, profile, warning=HOSTILE)
    here = LocalFindings(
        HOSTILE, tags=(FoundTag(HOSTILE, 2),), relays=(FoundRelay(f"wss://{HOSTILE}", HOSTILE),)
    )
    rows = rows_of(HOSTILE, here, [FoundPerson(profile, known=3)], [note, warned])
    assert {row.sort for row in rows} == {Sort.PEOPLE, Sort.TAGS, Sort.NOTES, Sort.RELAYS}
    end = End(url=BAD, how=How.REFUSED, reason=HOSTILE)
    lines = [line.plain for row in rows for line in FindRenderer().lines(row, 60, _no_style)]
    lines += [relay_words(RelayFindings("x", True, {BAD: end}, {BAD: 0}))]
    for line in lines:
        assert not any(character in line for character in (*DETECTED, "\n")), line


def test_a_namesake_of_somebody_followed_is_warned_of(world: World) -> None:
    eve, note = Profile("cd" * 32, name="ben"), _other(world)
    here, people = LocalFindings("ben"), [FoundPerson(eve, known=0)]
    warns = FindRenderer(namesake=lambda person: Profile("ab" * 32, name="ben"))
    rows = rows_of("ben", here, people, [NoteView(note, note, eve)])
    lines = [warns.lines(row, 60, _no_style)[0].plain for row in rows if row.by is not None]
    assert len(lines) == 2
    assert all("(not the ben you follow)" in line for line in lines)


def test_what_is_typed_may_be_an_address(world: World) -> None:
    here = LocalFindings("")
    [relay] = rows_of("relay.example", here, (), ())
    assert relay.target == RelayTarget("wss://relay.example")
    [page] = rows_of("https://page.example/x", here, (), ())
    assert page.target == WebTarget("https://page.example/x")
    [name] = rows_of("ben@roof.example", here, (), ())
    assert (name.target, name.said) == (None, "roof.example says whose name that is")


def _other(world: World) -> Event:
    return world.note("ben", "another")


def _no_style(name: str) -> Style:
    return Style()

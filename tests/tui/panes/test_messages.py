"""The section of private messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from nostr_client.client import NostrClient
from nostr_client.errors import SignerUnavailable
from nostr_client.nips import nip59
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.messages import mailbox
from nostr_client.tui import room_panel
from nostr_client.tui.app import NostrApp
from nostr_client.tui.panes import messages as messages_pane
from nostr_client.tui.panes.messages import MessagesPane
from nostr_client.tui.screens import compose, find
from nostr_client.tui.screens.profile import ProfileScreen
from nostr_client.tui.screens.room import RoomScreen
from nostr_client.tui.targets import PersonTarget, RoomTarget
from tests.conftest import StartRelay
from tests.tui.world import World, burst, sees, shown, told, type_in, until
from tests.waiting import LIMIT

NOWHERE = "ws://127.0.0.1:9"
NAMES = ("ben", "cy", "dan")


async def test_a_conversation(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    me, ben = world.pubkey("ana"), world.pubkey("ben")
    await world.account()
    lists = [world.event(n, kinds.DM_RELAYS, "", (("relay", NOWHERE),), 60) for n in ("ana", "ben")]
    await world.put(world.named("ben"), *lists)
    signer = LocalSigner(world.person("ana"))
    async with NostrClient.open(signer, paths=world.where, config=world.config) as client:
        await client.messages.send([ben], "hello \x1b[31mben")
    async with world.at_home() as (app, pilot):
        await pilot.press("4")
        await sees(app, "hello ")
        await pilot.press("enter")
        await sees(app, "you  now  ○ waiting, kept here: ben 0 of 1")
        assert "\x1b" not in shown(app)
        await pilot.press("n")
        await sees(app, "Private message")
        await type_in(pilot, "second line")
        await sees(app, "draft kept")
        [draft] = (world.where.data / "drafts").rglob("private-*")
        assert "second" not in draft.read_text()
        monkeypatch.setattr(compose, "SAVE_AFTER", LIMIT)  # then it is a draft that was kept again
        await pilot.press("escape", "n")
        await sees(app, "your draft")
        await pilot.press("ctrl+s")
        await sees(app, "second line")
        await until(lambda: isinstance(app.screen, RoomScreen))
        assert not draft.exists()
        main = app.main
        assert main is not None
        said = await main.client.messages.messages([ben, me])
        assert said[0].text == "second line"
        await pilot.press("escape", "s")
        await sees(app, "Search")
        await type_in(pilot, "hello")
        await pilot.press("enter")
        await sees(app, "1 found: hello")
        await pilot.press("enter")
        await sees(app, "second line")


async def test_a_watched_account_says_so(world: World) -> None:
    await world.watched()
    async with world.at_home((60, 20)) as (app, pilot):
        await pilot.press("4")
        await sees(app, "watched only")
        assert "1 " in shown(app)
        assert "▌4 Messages" in shown(app), "a narrow line has room for where one is"


async def received(world: World, text: str, ago: int = 60, name: str = "ben") -> Event:
    """What ben writes to ana, as a relay would hold it."""
    me, signer = world.pubkey("ana"), LocalSigner(world.person(name))
    draft = Draft(kinds.CHAT_MESSAGE, text, (("p", me),), world.now - ago)
    rumor = nip59.Rumor.of(draft, signer.pubkey, world.now)
    sealed = await signer.nip44_encrypt(me, rumor.json)
    return nip59.wrap(await signer.sign(nip59.seal_draft(sealed, world.now)), me, world.now)


async def test_a_request_is_accepted_answered_and_what_is_said_is_changed(world: World) -> None:
    ben = world.pubkey("ben")
    await world.account()
    lists = [world.event(n, kinds.DM_RELAYS, "", (("relay", NOWHERE),), 60) for n in ("ana", "ben")]
    await world.put(world.named("ben"), *lists, await received(world, "may I ask?"))
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        messages = app.main.client.messages
        await pilot.press("4")
        await sees(app, "request")
        await pilot.press("enter")
        await sees(app, "a accepts it")
        [asked] = await messages.requests()
        assert asked.unread == 1, "looked at, and not taken yet"
        await pilot.press("a")
        await until(lambda: "a accepts it" not in shown(app))
        [room] = await messages.conversations()
        assert room.unread == 0
        await pilot.press("f")
        await sees(app, "♥")
        sent = await messages.send([ben], "helo")
        await sees(app, "helo")
        await pilot.press("G", "e")
        await sees(app, "Edit a private message")
        await type_in(pilot, "!")
        await pilot.press("ctrl+s")
        await sees(app, "edited")
        [new, *_] = await messages.messages([ben])
        assert (new.text, new.created_at) == ("helo!", sent.created_at)
        await until(lambda: isinstance(app.screen, RoomScreen))
        await pilot.press("G", "x")
        await sees(app, "Ask everybody here to delete it?")
        await pilot.press("y")
        await sees(app, "deleted")
        await pilot.press("escape", "x")
        await sees(app, "Ignore what is in this room?")
        await pilot.press("y")
        await sees(app, "No messages yet")
        await pilot.press("n")
        await sees(app, "Write to")
        burst(app, ben)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, RoomScreen))


async def test_an_empty_list_says_why_and_requests_are_counted_and_ignored_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages_pane, "FEW_REQUESTS", 1)
    monkeypatch.setattr(mailbox, "MOST_REQUESTS", 2)
    await world.account()
    await world.put(world.event("ana", kinds.DM_RELAYS, "", (("relay", NOWHERE),), 60))
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        client = app.main.client
        await pilot.press("4")
        await sees(app, "No messages yet: nobody answered")
        await client.store.save([await received(world, f"hi from {n}", name=n) for n in NAMES])
        await sees(app, "2 requests")
        await sees(app, "1 more of strangers found no room")
        await pilot.press("X")
        await sees(app, "2 requests, and 1 that found no room")
        await pilot.press("y")
        await sees(app, "No messages yet")
        assert client.messages.status.request_overflow == 0
        await client.messages.sync(1.0)
        assert not await client.messages.requests(), "they do not come again"


async def test_the_composer_waits_for_a_signer_that_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.account()
    await world.put(await received(world, "well?"))
    async with world.at_home() as (app, pilot):
        await pilot.press("4")
        await sees(app, "well?")
        await pilot.press("enter", "n")
        await sees(app, "Private message")
        await type_in(pilot, "half a thought")
        await sees(app, "draft kept")
        await pilot.press("escape")

        async def away(signer: LocalSigner, peer: str, payload: str) -> str:
            raise SignerUnavailable("the bunker does not answer")

        with monkeypatch.context() as patch:
            patch.setattr(LocalSigner, "nip44_decrypt", away)
            patch.setattr(compose, "TRY_AGAIN", 0.02)
            burst(app, "n")  # and nobody waits until the composer takes keys
            await sees(app, "your draft waits for the signer")
            burst(app, "typed meanwhile")
        await sees(app, "half a thought")
        assert list((world.where.data / "drafts").rglob("*damaged*")) == []


async def test_a_found_message_is_shown_however_old(world: World) -> None:
    await world.account()
    texts = ["needle", *(f"hay {n}" for n in range(7))]
    await world.put(*[await received(world, text, 1_000 - n) for n, text in enumerate(texts)])
    async with world.at_home() as (app, _):
        assert app.main is not None
        client = app.main.client
        client.messages.start()
        await until(lambda: client.messages.status.opened == len(texts))
        [found] = await client.messages.search("needle")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(room_panel, "STEP", 3)
            screen = RoomScreen(client, app.main.names, RoomTarget(found.room, found.id))
            app.push_screen(screen)
            await sees(app, "needle")
            assert screen.panel.messages.selected == found
            screen.dismiss(None)
            screen = RoomScreen(client, app.main.names, RoomTarget(found.room))
            app.push_screen(screen)
            await sees(app, "hay 6")
            assert len(screen.panel.messages.items) == 3
            screen.panel.messages.action_newest()
            await until(lambda: len(screen.panel.messages.items) > 3)


async def test_a_room_opens_at_what_is_unread_and_only_what_was_in_view_is_read(
    world: World,
) -> None:
    await world.account()
    texts = [f"part {n} " + "\nmore" * 5 for n in range(20)]
    wraps = [await received(world, text, 1_000 - n) for n, text in enumerate(texts)]
    await world.put(world.follows("ana", "ben"), world.named("ben"), *wraps)
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        messages = app.main.client.messages
        messages.start()
        await until(lambda: messages.status.opened == len(texts))
        await messages.mark_read([world.pubkey("ben")], world.now - 998)
        await pilot.press("4")
        await sees(app, "ben  17 unread")
        await pilot.press("enter")
        await sees(app, "part 3")
        await until_async(lambda: unread_of(app), range(13, 16))
        await pilot.press("pagedown")
        await until_async(lambda: unread_of(app), range(10, 13))
        assert "part 19" not in shown(app)
        await pilot.press("G")
        await until_async(lambda: unread_of(app), range(1))


@pytest.mark.slow
async def test_a_message_with_a_subject_and_an_end_and_where_it_is(world: World) -> None:
    ben = world.pubkey("ben")
    await world.account()
    lists = [world.event(n, kinds.DM_RELAYS, "", (("relay", NOWHERE),), 60) for n in ("ana", "ben")]
    await world.put(world.named("ben"), *lists, await received(world, "well?"))
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        client = app.main.client
        await pilot.press("4")
        await sees(app, "well?")
        await pilot.press("enter", "c")
        await sees(app, "subject: none   ctrl+o expires never")
        assert "Private message" in shown(app), "c writes nothing public here"
        await pilot.press("ctrl+o", "ctrl+o", "ctrl+t")
        await sees(app, "What is it about?")
        await type_in(pilot, "The \x1b[31mroof")
        await pilot.press("enter")
        await sees(app, "subject: The")
        await type_in(pilot, "tonight")
        await pilot.press("ctrl+s")
        await sees(app, "expires in 23h")
        [sent, *_] = await client.messages.messages([ben])
        assert (sent.text, sent.subject[:3]) == ("tonight", "The")
        assert abs(sent.expires_at - sent.created_at - 24 * 3600) < 60
        await pilot.press("G", "i")
        await sees(app, "○ 127.0.0.1:9  not yet")
        await client.messages.delivered(sent.id)
        [copies] = [each for each in await client.messages.copies(sent.id) if each.pubkey == ben]
        ledger, refused = client.store.ledger, copies.copies[0]
        words = "no \x1b[31mstrangers"
        await ledger.refuse(refused.event_id, refused.url, "blocked", words, final=True, next_try=0)
        await pilot.press("escape", "enter")
        await sees(app, "✕ 127.0.0.1:9  refuses it, blocked: no strangers")
        assert "\x1b" not in shown(app)
        await pilot.press("escape", "question_mark")
        await sees(app, "In a conversation")


async def unread_of(app: NostrApp) -> int:
    assert app.main is not None
    return await app.main.client.messages.unread()


async def until_async(look: Callable[[], Awaitable[int]], wanted: range) -> None:
    """Wait until a question is answered as it should be."""
    async with asyncio.timeout(LIMIT):
        while await look() not in wanted:
            await asyncio.sleep(0.03)


async def test_message_relays_are_published_and_not_over_a_list_that_was_not_read(
    world: World, start_relay: StartRelay
) -> None:
    there, gone = await start_relay(), await start_relay()
    await gone.kill()
    await world.account()
    both = (("r", there.url), ("r", gone.url))
    await world.put(world.event("ana", kinds.RELAY_LIST, "", both, 60))
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        client = app.main.client
        await pilot.press("4")
        await sees(app, "Nobody can write to you yet")
        await pilot.press("R")
        await sees(app, "Where do you read private messages?")
        app.screen.query_one("#line").value = "ftp://x"  # type: ignore[attr-defined]
        await pilot.press("enter")
        await told(app, "Not the address of a relay")
        await pilot.press("R")
        await sees(app, "Where do you read private messages?")
        app.screen.query_one("#line").value = there.url  # type: ignore[attr-defined]
        await pilot.press("enter")
        await told(app, "was not changed")
        assert await client.messages.relays.event() is None, "nothing was published"


@pytest.mark.slow
async def test_message_relays_are_begun_where_there_are_none(
    world: World, start_relay: StartRelay
) -> None:
    there = await start_relay()
    await world.account()
    world.relays = [there.url]
    await world.put(world.event("ana", kinds.RELAY_LIST, "", (("r", there.url),), 60))
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        client = app.main.client
        await pilot.press("4")
        await sees(app, "Nobody can write to you yet")
        await pilot.press("R")
        await sees(app, there.url)
        await pilot.press("enter")
        await sees(app, "Begin a new list of message relays?")
        await pilot.press("y")
        await told(app, "People can write to you there now")
        assert await client.messages.relays.own() == (there.url,)
        await until(lambda: "Nobody can write" not in shown(app))


@pytest.mark.slow
async def test_one_message_relay_less_is_published_once_its_word_was_typed(
    world: World, start_relay: StartRelay
) -> None:
    there = await start_relay()
    await world.account()
    world.relays = [there.url]
    two = (("relay", there.url), ("relay", NOWHERE))
    await world.put(
        world.event("ana", kinds.RELAY_LIST, "", (("r", there.url),), 60),
        world.event("ana", kinds.DM_RELAYS, "", two, 60),
    )
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        client = app.main.client
        await pilot.press("4")
        for word in ("dm-relays", "dm-relays without a backup"):
            await pilot.press("R")
            await sees(app, "Where do you read private messages?")
            app.screen.query_one("#line").value = there.url  # type: ignore[attr-defined]
            await pilot.press("enter")
            await sees(app, "1 of its 2 entries")
            app.screen.query_one("#word").value = word  # type: ignore[attr-defined]
            await pilot.press("enter")
            if word == "dm-relays":
                await pilot.press("escape")
                await told(app, "nothing was signed")
                assert len(await client.messages.relays.own()) == 2
        await told(app, "People can write to you there now")
        assert await client.messages.relays.own() == (there.url,)


@pytest.mark.slow
async def test_message_relays_are_asked_for_and_who_has_none_is_invited(world: World) -> None:
    await world.account()
    await world.put(world.event("ana", kinds.RELAY_LIST, "", (("r", NOWHERE),), 60))
    async with world.at_home() as (app, pilot):
        await pilot.press("4")
        await sees(app, "Nobody can write to you yet")
        await pilot.press("R")
        await sees(app, NOWHERE)
        await pilot.press("escape", "n")
        await sees(app, "Write to")
        burst(app, world.pubkey("ben"))
        await pilot.press("enter")
        await sees(app, "No message can be sent yet")
        await pilot.press("c")
        await until(lambda: "kind 10050" in app.clipboard)
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)


@pytest.mark.slow
async def test_beside_the_list_a_conversation_is_read_when_it_has_the_keys_and_stays_where_it_is(
    world: World,
) -> None:
    ben, cy = world.pubkey("ben"), world.pubkey("cy")
    await world.account()
    lists = [world.event(n, kinds.DM_RELAYS, "", (("relay", NOWHERE),), 60) for n in ("ana", "ben")]
    await world.put(
        world.follows("ana", "ben", "cy"),
        *(world.named("ben"), world.named("cy"), *lists),
        await received(world, "the roof", 500),
        await received(world, "coffee?", 900, "cy"),
    )
    async with world.at_home((130, 30)) as (app, pilot):
        main = app.main
        assert main is not None
        messages = main.client.messages
        pane = main.views["messages"]
        assert isinstance(pane, MessagesPane)
        await pilot.press("4")
        await until(lambda: pane.panel.chosen is not None)
        await sees(app, "ben  1 unread")
        assert pane.panel.chosen.text == "the roof"
        await pilot.press("j")
        await until(lambda: pane.panel.chosen is not None and pane.panel.chosen.author == cy)
        assert await messages.unread() == 2, "who passes has not read"
        await sees(app, "n new")
        await pilot.press("enter")
        await until(lambda: pane.panel.messages.has_focus)
        await until_async(lambda: unread_of(app), range(1, 2))
        await sees(app, "n write")
        assert "c write" not in shown(app), "c writes in private here, too"
        assert app.screen is main
        await main.client.store.save([await received(world, "one more", 1, "cy")])
        await until(lambda: len(pane.panel.messages.items) == 2)
        assert pane.panel.chosen.text == "coffee?", "the cursor stays on what it was on"
        await sees(app, "one more")
        await until_async(lambda: unread_of(app), range(1, 2))
        await pilot.press("escape")
        await until(lambda: pane.rooms.has_focus)
        app.open(RoomTarget(frozenset({ben, world.pubkey("ana")})))
        await until(lambda: pane.panel.messages.has_focus)
        await until(lambda: pane.panel.chosen is not None and pane.panel.chosen.author == ben)
        await pilot.press("n")
        await sees(app, "Private message")
        await type_in(pilot, "on my way")
        await pilot.press("ctrl+s")
        await until(lambda: pane.panel.chosen is not None and pane.panel.chosen.text == "on my way")
        await pilot.resize_terminal(100, 30)
        await until(lambda: pane.rooms.has_focus)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, RoomScreen))
        await pilot.press("escape")
        await until(lambda: app.screen is main)
        await pilot.press("greater_than_sign")
        await until(lambda: isinstance(app.screen, RoomScreen))


@pytest.mark.slow
async def test_a_muted_person_s_room_is_folded_and_not_lost(world: World) -> None:
    await world.account()
    await world.put(
        world.follows("ana", "ben", "cy"),
        *(world.named("ben"), world.named("cy")),
        world.event("ana", kinds.MUTES, "", (("p", world.pubkey("ben")),), 60),
        await received(world, "nasty words"),
        await received(world, "kind words", name="cy"),
    )
    async with world.at_home() as (app, pilot):
        await pilot.press("4")
        await sees(app, "muted: 1 room · enter shows them")
        assert "nasty" not in shown(app)
        assert await unread_of(app) == 1
        await pilot.press("G", "enter")
        await sees(app, "muted  ben")
        assert "nasty" not in shown(app)
        await pilot.press("G", "enter")
        await sees(app, "by somebody you muted · enter shows it")
        await pilot.press("enter")
        await sees(app, "nasty words")
        assert app.main is not None
        app.open(RoomTarget(frozenset({world.pubkey("ana"), world.pubkey("cy")})))
        await sees(app, "kind words")
        await pilot.press("p")
        await until(lambda: isinstance(app.screen, ProfileScreen))
        app.main.client.mutes.count([("word", "kind")])
        await pilot.press("escape")
        await sees(app, "you muted “kind”")


@pytest.mark.slow
async def test_a_profile_and_find_open_the_conversation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "PAUSE", 0.01)
    ben = world.pubkey("ben")
    await world.account()
    lists = [world.event(n, kinds.DM_RELAYS, "", (("relay", NOWHERE),), 60) for n in ("ana", "ben")]
    await world.put(world.named("ben"), *lists, await received(world, "well?"))
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        client = app.main.client
        client.messages.start()
        await until(lambda: client.messages.status.opened == 1)
        app.open(PersonTarget(ben))
        await sees(app, "d message")
        await pilot.press("d")
        await sees(app, "well?")
        assert isinstance(app.screen, RoomScreen)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, ProfileScreen))
        await pilot.press("slash")
        await until(lambda: isinstance(app.screen, find.FindScreen))
        await type_in(pilot, "ben")
        await until(lambda: app.screen.selected is not None and app.screen.selected.person)
        await pilot.press("ctrl+o")
        await until(lambda: isinstance(app.screen, RoomScreen))
        await sees(app, "well?")

"""The ways in: a new key, a key brought along, no key, the demo; and unlocking."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from nostr_client.accounts.keyfiles import Protection
from nostr_client.errors import NostrError
from nostr_client.nips import nip19, nip49
from nostr_client.routing.saved_relays import found_at
from nostr_client.social.beginnings import Beginning
from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.screens.first_people import FirstPeople, FirstPeopleScreen
from nostr_client.tui.screens.first_relays import FirstRelaysScreen, ProbeResult, RelayOffer
from nostr_client.tui.screens.first_run import FirstRunScreen
from nostr_client.tui.screens.found_account import FoundAccountScreen
from nostr_client.tui.screens.key_created import KeyCreatedScreen
from nostr_client.tui.screens.key_setup import CreateKeyScreen, ImportKeyScreen
from nostr_client.tui.screens.secret import SecretScreen
from tests.tui.world import (
    BOTH,
    NEAR,
    PASSWORD,
    World,
    sees,
    shown,
    told,
    type_in,
    until,
)


@BOTH
async def test_the_first_screen_offers_five_ways(world: World, size: tuple[int, int]) -> None:
    async with world.app(size) as (app, _):
        assert isinstance(app.screen, FirstRunScreen)
        text = shown(app)
        for words in (
            "New here",
            "I have a key",
            "Sign with a bunker",
            "Just look",
            "Demo",
            "ctrl+q leave",
        ):
            assert words in text


async def test_new_here_to_writing(world: World) -> None:
    world.offers = [RelayOffer("wss://one.example"), RelayOffer("wss://two.example", "Two")]
    world.probed = lambda url: ProbeResult(
        "one" in url, "answers, 5 ms" if "one" in url else "dns: no"
    )
    async with world.app() as (app, pilot):
        await pilot.press("enter")
        assert isinstance(app.screen, CreateKeyScreen)
        assert "no key store that encrypts" in shown(app)
        await type_in(pilot, "ana")
        await pilot.press("tab")
        await type_in(pilot, PASSWORD)
        await pilot.press("tab")
        await type_in(pilot, "something else")
        await pilot.press("enter")
        assert "The two passwords differ." in shown(app)
        assert PASSWORD not in shown(app)
        assert world.accounts.all() == []
        app.screen.query_one("#again").value = PASSWORD  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, KeyCreatedScreen))
        account = world.accounts.current()
        assert account is not None
        assert account.name == "ana"
        await pilot.pause()
        text = shown(app)
        assert account.npub in text
        assert "Back it up" in text
        await pilot.press("enter")
        await sees(app, "The last 8 letters of your copy; or esc: later.")
        await type_in(pilot, "qqqqqqqqq")
        await pilot.press("enter")
        await sees(app, "That is not how it ends.")
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, FirstRelaysScreen))
        await pilot.pause()
        text = shown(app)
        assert "1 January 2026" in text
        assert "[x] wss://one.example" in text
        assert "[ ] wss://two.example" in text, "what does not answer is not taken"
        assert "dns: no" in text
        await pilot.press("j", "space", "space", "k", "space")
        assert app.screen.taken == ()
        await pilot.pause()
        assert "your notes stay on this machine" in shown(app)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ComposeScreen))
        assert app.main is not None
        assert app.main.account.name == "ana"
        await until(lambda: app.main is not None and app.main._status.status.unsaved)
        await world.accounts.note_backup(account)
        await until(lambda: app.main is not None and not app.main._status.status.unsaved)
        assert await app.main.client.relays.event() is not None, "the empty list is a choice too"


async def test_a_relay_of_ones_own_choice(world: World) -> None:
    world.offers = [RelayOffer("wss://one.example")]
    async with world.app() as (app, pilot):
        app.push_screen(FirstRelaysScreen(world.offers, "today", world.environment().probe))
        await pilot.pause()
        await pilot.press("a")
        await type_in(pilot, "not a relay at all")
        await pilot.press("enter")
        assert "Not the address of a relay" in shown(app)
        app.screen.query_one("#add").value = "Relay.Example/"  # type: ignore[attr-defined]
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen.taken == ("wss://one.example", "wss://relay.example")
        assert "[x] wss://relay.example" in shown(app)


@pytest.mark.parametrize("kind", ["nsec", "ncryptsec", pytest.param("hex", marks=pytest.mark.slow)])
async def test_i_have_a_key(world: World, kind: str) -> None:
    key = world.person("ana")
    text = {
        "nsec": nip19.encode_nsec(key),
        "hex": bytes(key).hex(),
        "ncryptsec": nip49.encrypt(key, "backup words", log_n=4),
    }[kind]
    async with world.app() as (app, pilot):
        await pilot.press("down", "enter")
        assert isinstance(app.screen, ImportKeyScreen)
        page = app.screen
        page.query_one("#key").value = text  # type: ignore[attr-defined]
        await pilot.pause()
        assert page.query_one("#backup-row").display == (kind == "ncryptsec")
        page.query_one("#backup").value = "backup words"  # type: ignore[attr-defined]
        for name in ("password", "again"):
            page.query_one(f"#{name}").value = PASSWORD  # type: ignore[attr-defined]
        page.query_one("#again").focus()
        await pilot.pause()
        assert text[:12] not in shown(app)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, FoundAccountScreen))
        await sees(app, "not to be changed yet")
        await pilot.press("enter")
        await until(lambda: app.main is not None)
        assert app.main is not None
        assert app.main.client.pubkey == world.pubkey("ana")
        assert app.main.client.signer is not None


async def test_a_wrong_key_is_said_and_not_quoted(world: World) -> None:
    async with world.app() as (app, pilot):
        await pilot.press("j", "enter")
        page = app.screen
        page.query_one("#key").value = "nsec1qqqqqqqqqq"  # type: ignore[attr-defined]
        for name in ("password", "again"):
            page.query_one(f"#{name}").value = PASSWORD  # type: ignore[attr-defined]
        page.query_one("#again").focus()
        await pilot.press("enter")
        await sees(app, "damaged")
        assert "nsec1qqq" not in shown(app)
        await pilot.press("escape")
        assert isinstance(app.screen, FirstRunScreen)


@pytest.mark.parametrize(
    "who",
    [
        "npub",
        *(pytest.param(who, marks=pytest.mark.slow) for who in ("nprofile", "name@domain.example")),
    ],
)
async def test_just_look(world: World, who: str) -> None:
    """The relays that come with a name are asked, too."""
    pubkey = world.pubkey("ben")
    codes = {
        "npub": nip19.encode_npub(pubkey),
        "nprofile": nip19.encode_nprofile(pubkey, [NEAR, "ws://192.168.0.9"]),
    }
    world.resolved["name@domain.example"] = pubkey
    await world.put(world.named("ben"), world.note("ben", "I wrote this."))
    async with world.app() as (app, pilot):
        await pilot.press("j", "j", "j", "enter")
        await type_in(pilot, codes.get(who, who))
        await pilot.press("enter")
        await until(lambda: app.main is not None and "I wrote this." in shown(app))
        await sees(app, "read only")
        assert found_at(world.where.data, pubkey).read() == (None if who == "npub" else (NEAR,))
        assert app.main is not None
        assert app.main.client.book.fallback[:1] == (() if who == "npub" else (NEAR,))
        await pilot.press("c")
        await told(app, "secret key is not here")
        assert not isinstance(app.screen, ComposeScreen)


async def test_just_look_refuses_a_secret_key(world: World) -> None:
    async with world.app() as (app, pilot):
        await pilot.press("j", "j", "j", "enter")
        await type_in(pilot, nip19.encode_nsec(world.person("ana")))
        await pilot.press("enter")
        await pilot.pause()
        assert "That is a secret key" in shown(app)
        assert world.accounts.all() == []


async def test_the_demo(world: World) -> None:
    async with world.app() as (app, pilot):
        await pilot.press("G", "enter")
        await until(lambda: app.main is not None)
        assert app.main is not None
        assert app.main.client.pubkey == world.pubkey("guest")
        assert world.accounts.all() == [], "a guest leaves no account behind"


async def test_unlocking(world: World) -> None:
    await world.account("ana")
    async with world.app() as (app, pilot):
        await until(lambda: bool(app.screen.query("#password")))
        await type_in(pilot, "wrong words")
        await pilot.pause()
        assert "wrong words" not in shown(app)
        await pilot.press("enter")
        await sees(app, "not the password")
        await type_in(pilot, PASSWORD)
        await pilot.press("enter")
        await until(lambda: app.main is not None)
        assert app.main is not None
        assert app.main.client.signer is not None


async def test_reading_without_the_password_and_unlocking_to_write(world: World) -> None:
    await world.account("ana")
    await world.put(world.note("ana", "Mine."))
    async with world.at_home(unlock=False) as (app, pilot):
        await until(lambda: "Mine." in shown(app) and "locked, L unlocks" in shown(app))
        await pilot.press("c")
        await until(lambda: bool(app.screen.query("#password")))
        await type_in(pilot, PASSWORD)
        await pilot.press("enter")
        await until(lambda: app.main is not None and app.main.client.signer is not None)
        await until(lambda: isinstance(app.screen, ComposeScreen))


async def test_help_on_the_first_screen(world: World) -> None:
    async with world.app() as (app, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        assert "Forms and questions" in shown(app)
        await pilot.press("escape")
        assert isinstance(app.screen, FirstRunScreen)


@pytest.mark.slow
async def test_a_copy_of_a_new_key_is_checked_by_its_end(world: World) -> None:
    account = await world.accounts.create(
        "ana", protection=Protection.PASSWORD, password=PASSWORD, switch=True
    )
    code = await world.accounts.encrypted_key(account)
    async with world.app() as (app, pilot):
        await until(lambda: bool(app.screen.query("#password")))
        page = KeyCreatedScreen(world.accounts, account)
        app.push_screen(page)
        await sees(app, "later")
        await pilot.press("ctrl+o")
        await until(lambda: isinstance(app.screen, SecretScreen))
        assert code[:20] not in shown(app)
        await pilot.press("escape")
        await until(lambda: app.screen is page)
        await until(lambda: not page.busy)
        await type_in(pilot, code[-10:].upper())
        await pilot.press("enter")
        await until(lambda: app.screen is not page)
    assert world.accounts.find(account.pubkey).backed_up


class _Offered:
    """Stands in for what relays offer."""

    async def packs(self) -> list[Beginning]:
        return [Beginning("30000:x:y", "Gard\x1b[2Jeners", "a pack", ("a" * 64, "b" * 64))]

    async def topic(self, tag: str) -> Beginning | None:
        return Beginning(f"#{tag}", f"#{tag}", "who writes about it", ("c" * 64,))

    async def friend(self, text: str) -> list[Beginning]:
        raise NostrError("nobody of this name")


@pytest.mark.slow
async def test_topics_and_people_to_begin_with(world: World) -> None:
    chosen: list[FirstPeople | None] = []
    async with world.app() as (app, pilot):
        app.push_screen(FirstPeopleScreen(_Offered()), chosen.append)  # type: ignore[arg-type]
        await sees(app, "2 people, a pack")
        assert "\x1b" not in shown(app)
        await type_in(pilot, "#Art")
        await pilot.press("enter")
        await sees(app, "taken: 1 · #art")
        await pilot.press("tab")
        await type_in(pilot, "ben@nowhere.example")
        await pilot.press("enter")
        await sees(app, "nobody of this name")
        await pilot.press("tab", "j", "space")
        await sees(app, "taken: 3")
        await pilot.press("enter")
        await until(lambda: bool(chosen))
    assert chosen == [FirstPeople(("art",), ("a" * 64, "b" * 64, "c" * 64))]


@pytest.mark.slow
async def test_the_key_store_is_chosen_from_within_a_field_which_loses_nothing(
    world: World,
) -> None:
    async with world.app() as (app, pilot):
        screen = CreateKeyScreen(world.accounts)
        app.push_screen(screen)
        await sees(app, "has no key store")
        screen._no_store = ""
        screen.query_one("#name", Input).value = "ana"
        await pilot.press("home", "ctrl+k")
        await sees(app, "ctrl+k: a password")
        assert screen.value("name") == "ana"

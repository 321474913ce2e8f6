"""No picture of the terminal client shows a secret: of each step on every way that a key goes."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from nostr_client.nips import nip19, nip49
from nostr_client.tui.app import NostrApp
from nostr_client.tui.screens.bunker import BunkerScreen, ScanScreen
from nostr_client.tui.screens.first_relays import RelayOffer
from nostr_client.tui.screens.key_setup import ImportKeyScreen
from tests.accounts.bunkers import ACCOUNT, FakeBunker, Switchboard
from tests.left_secrets import Forms, forms_of, in_folders, in_screenshot
from tests.tui.world import NARROW, PASSWORD, WIDE, World, shown, type_in, until

pytestmark = pytest.mark.slow
SIZES = pytest.mark.parametrize("size", [NARROW, WIDE])
BACKUP = "backup words of mine"


async def look(app: NostrApp, pilot: Pilot[int], forms: Forms) -> None:
    await pilot.pause()
    assert in_screenshot(forms, app.export_screenshot()) == []


@SIZES
@pytest.mark.parametrize("kind", ["nsec", "ncryptsec", "hex"])
async def test_of_an_import_and_of_unlocking(
    world: World, kind: str, size: tuple[int, int]
) -> None:
    key = world.person("ana")
    forms = forms_of(key) | {"password": PASSWORD.encode(), "backup": BACKUP.encode()}
    text = {
        "nsec": nip19.encode_nsec(key),
        "hex": bytes(key).hex(),
        "ncryptsec": nip49.encrypt(key, BACKUP, log_n=4),
    }[kind]
    forms["typed"] = text.encode()
    async with world.app(size) as (app, pilot):
        await pilot.press("down", "enter")
        page = app.screen
        assert isinstance(page, ImportKeyScreen)
        for field, given in (("key", f"{text[:-1]}"), ("key", text), ("backup", BACKUP)):
            page.query_one(f"#{field}").value = given  # type: ignore[attr-defined]
            await look(app, pilot, forms | {"all but one": text[:-1].encode()})
        for field in ("password", "again"):
            page.query_one(f"#{field}").value = PASSWORD  # type: ignore[attr-defined]
        await look(app, pilot, forms)
        page.query_one("#again").focus()
        await pilot.press("enter")
        await until(lambda: world.accounts.current() is not None)
        await until(lambda: app.screen is not page)
        await look(app, pilot, forms)
    async with world.app(size) as (app, pilot):
        await until(lambda: bool(app.screen.query("#password")))
        await type_in(pilot, f"{PASSWORD}r")
        await pilot.press("enter")
        await until(lambda: "not the password" in shown(app))
        await look(app, pilot, forms)
        await type_in(pilot, PASSWORD)
        await look(app, pilot, forms)
        await pilot.press("enter")
        await until(lambda: app.main is not None)
        await look(app, pilot, forms)
    where = world.where
    assert in_folders(forms_of(key), where.data, where.state, where.config) == []


async def test_of_the_ways_to_a_bunker(world: World) -> None:
    async with Switchboard() as relay:
        world.offers = [RelayOffer(relay.url)]
        async with world.app() as (app, pilot):
            bunker = FakeBunker(relay)
            forms = forms_of(ACCOUNT) | {"the code": bunker.uri.secret.encode()}  # type: ignore[union-attr]
            await pilot.press("j", "j", "enter")
            assert isinstance(app.screen, BunkerScreen)
            await pilot.press("enter")
            await until(lambda: isinstance(app.screen, ScanScreen) and relay.open)
            await pilot.pause()
            await pilot.press("c")
            own = app.clipboard.partition("secret=")[2].partition("&")[0]
            assert own
            await look(app, pilot, {"our code's secret, in letters": own.encode()})
            await pilot.press("escape")
            await pilot.pause()
            await pilot.press("j", "j", "enter")
            await until(lambda: isinstance(app.screen, BunkerScreen))
            app.screen.query_one("#code").value = bunker.uri.format()  # type: ignore[attr-defined]
            await look(app, pilot, forms)
            await pilot.press("enter")
            await until(lambda: app.main)
            await look(app, pilot, forms)
    assert in_folders(forms, world.where.data, world.where.state) == []

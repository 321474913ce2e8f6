"""Signing with a bunker: its code or ours, in a small terminal; and where it wants one to go."""

from __future__ import annotations

import asyncio

import pytest
from textual.widgets import Static

from nostr_client.accounts.bunker_meeting import SCAN_LIMIT, pair
from nostr_client.accounts.keyfiles import Protection
from nostr_client.nips.nip46 import BunkerRequest, BunkerResponse, NostrConnectUri
from nostr_client.protocol.filters import Filter
from nostr_client.social.drafts import NEW_NOTE, DraftFile
from nostr_client.tui.screens import bunker as screens
from nostr_client.tui.screens.bunker import BunkerScreen, ScanScreen, VisitDialog
from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.screens.first_relays import RelayOffer
from nostr_client.tui.screens.first_run import FirstRunScreen
from tests.accounts.bunkers import ACCOUNT, FakeBunker, Switchboard, only
from tests.tui.world import World, sees, shown, told, type_in, until


async def test_by_the_bunkers_code_to_a_signed_note(world: World) -> None:
    async with Switchboard() as relay, world.app() as (app, pilot):
        bunker = FakeBunker(relay)
        await pilot.press("j", "j", "enter")
        assert isinstance(app.screen, BunkerScreen)
        await type_in(pilot, "bunker://hush")
        await pilot.press("enter")
        await until(lambda: "64 hex digits" in shown(app))
        assert "hush" not in shown(app)
        app.screen.query_one("#code").value = bunker.uri.format()  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(lambda: app.main)
        account = world.accounts.current()
        assert account is not None
        assert account.protection is Protection.BUNKER
        assert app.main is not None
        url = "https://bunker.example/confirm?id=1"
        visit = only("sign_event", lambda r: BunkerResponse(r.id, "auth_url", url))
        bunker.instead = visit
        client = app.main.client
        posting = client.post("hello")
        task = app.run_worker(posting, exit_on_error=False)
        await until(lambda: isinstance(app.screen, VisitDialog))
        await pilot.pause()
        assert url in shown(app)
        await pilot.press("c")
        assert app.clipboard == url
        await pilot.press("escape")
        task.cancel()
        await pilot.press("9")
        await until(lambda: "signed by a bunker" in shown(app))


@pytest.mark.slow
async def test_by_our_code_which_fits_and_tells_its_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(screens, "monotonic", lambda: now)
    async with Switchboard() as relay:
        world.offers = [RelayOffer(relay.url)]
        async with world.app() as (app, pilot):
            await pilot.press("j", "j", "enter", "enter")
            await until(lambda: isinstance(app.screen, ScanScreen) and relay.open)
            await sees(app, "3:00 left")
            code = app.screen.query_one("#qr", Static)
            assert 20 < code.size.height <= 22
            assert code.size.width <= 45
            assert "esc back" in shown(app)
            await pilot.press("c")
            uri = NostrConnectUri.parse(app.clipboard)
            assert uri.relays == (relay.url,)
            await pilot.press("escape")
            await until(lambda: isinstance(app.screen, FirstRunScreen))
            await relay.until(lambda: relay.open == 0)  # given up: nobody listens any more
            await pilot.press("j", "j", "enter", "enter")
            await until(lambda: isinstance(app.screen, ScanScreen) and relay.open)
            now += 61
            app.screen._show_left()  # type: ignore[attr-defined]
            await sees(app, "1:59 left")
            assert SCAN_LIMIT == 180
            await pilot.press("c")
            uri = NostrConnectUri.parse(app.clipboard)
            await relay.until(lambda: relay.hears(uri.pubkey))
            await FakeBunker(relay).scan(uri.format())
            await until(lambda: app.main)
            assert app.main is not None
            assert app.main.client.pubkey == ACCOUNT.public_key.hex


@pytest.mark.slow
async def test_writing_and_reading_go_on_while_the_bunker_thinks_and_it_may_say_no(
    world: World,
) -> None:
    async with Switchboard() as relay:
        bunker = FakeBunker(relay)
        world.people["ana"] = ACCOUNT
        await world.accounts.add_bunker(await pair(bunker.uri), "ana", switch=True)
        await world.put(*(world.note("ana", f"Older {n}.", 60 + n) for n in range(3)))
        decided = asyncio.Event()
        draft = DraftFile(world.where, world.pubkey("ana"), NEW_NOTE)

        async def thinks(request: BunkerRequest) -> BunkerResponse | None:
            if request.method != "sign_event":
                raise NotImplementedError
            await decided.wait()
            return BunkerResponse(request.id, None, "denied: not this one")

        bunker.instead = thinks
        async with world.app() as (app, pilot):
            await until(lambda: app.main is not None)
            await sees(app, "Older 0.")
            await pilot.press("c")
            await type_in(pilot, "to be signed")
            await pilot.press("ctrl+s")
            await sees(app, "Signing and keeping it here")
            await until(lambda: bunker.of("sign_event"))
            await pilot.press("escape")
            await until(lambda: app.screen is app.main)
            await pilot.press("j", "j", "enter")
            await sees(app, "Older 2.")
            await pilot.press("escape", "c")
            await until(lambda: isinstance(app.screen, ComposeScreen))
            assert draft.read() == "to be signed"
            assert app.main is not None
            store = app.main.client.store
            assert await store.count([Filter.of(kinds=[1])]) == 3
            decided.set()
            await told(app, "the bunker refused")
            assert draft.read() == "to be signed"
            assert await store.count([Filter.of(kinds=[1])]) == 3

"""The section of private messages."""

from __future__ import annotations

from nostr_client.client import NostrClient
from nostr_client.protocol import kinds
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.tui.screens.room import RoomScreen
from tests.tui.world import World, sees, shown, type_in, until

NOWHERE = "ws://127.0.0.1:9"


async def test_a_conversation(world: World) -> None:
    me, ben = world.pubkey("ana"), world.pubkey("ben")
    await world.account()
    lists = [world.event(n, kinds.DM_RELAYS, "", (("relay", NOWHERE),), 60) for n in ("ana", "ben")]
    await world.put(world.named("ben"), *lists)
    signer = LocalSigner(world.person("ana"))
    async with NostrClient.open(signer, paths=world.where, config=world.config) as client:
        await client.messages.send([ben], "hello \x1b[31mben")
    async with world.at_home() as (app, pilot):
        await pilot.press("6")
        await sees(app, "hello ")
        await pilot.press("enter")
        await sees(app, "you  now · stored")
        assert "\x1b" not in shown(app)
        await pilot.press("n")
        await sees(app, "Private message")
        await type_in(pilot, "second line")
        await sees(app, "draft kept")
        [draft] = (world.where.data / "drafts").rglob("private-*")
        assert "second" not in draft.read_text()
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
        await pilot.press("escape", "slash")
        await sees(app, "Search")
        await type_in(pilot, "hello")
        await pilot.press("enter")
        await sees(app, "1 found: hello")
        await pilot.press("enter")
        await sees(app, "second line")


async def test_a_watched_account_says_so(world: World) -> None:
    await world.watched()
    async with world.at_home() as (app, pilot):
        await pilot.press("6")
        await sees(app, "watched only")

"""The section of settings."""

from __future__ import annotations

from nostr_client.config import ClientConfig
from nostr_client.tui.panes.settings import setting_rows
from nostr_client.tui.targets import SectionTarget
from tests.tui.world import World, furnish, sees, shown, told

SECRET = "tor://ana:correct-horse@127.0.0.1:9050"


def test_what_is_in_effect_and_where_it_comes_from(world: World) -> None:
    config = ClientConfig(proxy=SECRET, copies=5, muted_kinds=(1985, 7))
    rows = setting_rows(config, {"proxy": SECRET, "copies": 5}, world.where, "dusk\x1b[2J")
    text = "\n".join(f"{row.label}: {row.words}" for row in rows)
    assert "set here: copies = 5" in text
    assert "set here: proxy = tor://" in text
    assert "correct-horse" not in text
    assert "default: muted_kinds = 1985, 7" in text
    assert "default: relays = the package's list" in text
    assert str(world.where.config / "config.toml") in text
    assert "\x1b" not in text
    named = {row.key for row in rows}
    assert len(named) == len(rows)
    assert {f"= {field}" for field in ("media", "own_relay", "lock_after")} <= named


async def test_the_section_of_settings(world: World) -> None:
    await furnish(world)
    world.where.config.mkdir(parents=True, exist_ok=True)
    (world.where.config / "config.toml").write_text("copies = 5\n")
    await world.watched()
    async with world.at_home() as (app, pilot):
        app.open(SectionTarget("settings"))
        await sees(app, "set here      copies")
        assert "config.toml" in shown(app)
        await pilot.press("v")
        await told(app, "Pictures ")
        await pilot.press("m")
        await sees(app, "What was said")

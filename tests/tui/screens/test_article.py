"""An article on a screen of its own."""

from __future__ import annotations

import pytest

from nostr_client.tui.app_messages import Open
from nostr_client.tui.screens.article import ArticleScreen
from nostr_client.tui.screens.main import MainScreen
from nostr_client.tui.targets import AddressTarget
from tests.tui.world import NARROW, World, sees, shown, until

TEXT = "# Ladders\n\nAsk [bank.example](http://evil.example/) for two.\x1b]0;PWNED\x07\n\n- long"


@pytest.mark.slow
async def test_an_article_is_read_and_commented(world: World) -> None:
    tags = (("d", "roof"), ("title", "The roof"), ("content-warning", "dust"))
    article = world.event("ben", 30023, TEXT, tags, 60)
    address = str(article.address)
    scope = (("A", address), ("K", "30023"), ("a", address), ("e", article.id), ("k", "30023"))
    comment = world.event("cy", 1111, "Well said.", scope, 30)
    await world.put(world.follows("ana", "ben"), world.named("ben"), article, comment)
    await world.watched()
    async with world.at_home(NARROW) as (app, pilot):
        await until(lambda: bool(app.main and app.main.front.selected))
        await pilot.press("enter")
        await sees(app, "article · 1 comment")
        assert isinstance(app.screen, ArticleScreen)
        assert "evil" not in shown(app), "it has a warning"
        await pilot.press("s")
        await sees(app, "bank.example ‹http://evil.example/› for two.")
        text = shown(app)
        assert "# Ladders" in text
        assert "• long" in text
        assert "PWNED" not in text
        assert "Well said." in text
        rows = app.screen.rows
        assert rows.note is not None
        assert rows.note.event == article
        await pilot.press("G")
        await until(lambda: rows.note is not None and rows.note.event == comment)
        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen)


@pytest.mark.slow
async def test_what_is_nowhere_is_said_to_be(world: World) -> None:
    await world.put(world.follows("ana", "ben"), world.note("ben", "hello"))
    await world.watched()
    async with world.at_home(NARROW) as (app, _):
        app.post_message(Open(AddressTarget(f"30023:{world.pubkey('ben')}:gone")))
        await sees(app, "this is not here")

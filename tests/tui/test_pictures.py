"""Pictures below notes: whose come by themselves, what stands there meanwhile, nothing moves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from textual.style import Style
from textual.widgets import Static

from nostr_client.config import ClientConfig
from nostr_client.errors import InvalidData
from nostr_client.nips import nip27
from nostr_client.nips.blurhash import encode_blurhash
from nostr_client.nips.nip92 import MediaItem
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.social.media.thumbnail_folder import Pixels
from nostr_client.social.media.thumbnails import Thumbnails
from nostr_client.social.views import NoteView, Profile
from nostr_client.tui.half_blocks import HALF
from nostr_client.tui.panes.registry import pane_named
from nostr_client.tui.pictures import Pictures, caption, place_of, wanted_by
from tests.tui.test_hostile import HOSTILE, check
from tests.tui.world import NARROW, WIDE, World, sees, shown, told, until

BLUE = encode_blurhash(bytes((20, 30, 220)) * 64, 8, 8)


def picture(number: int, *more: str) -> tuple[str, ...]:
    return ("imeta", f"url https://pics.example/{number}.png", "dim 300x200", *more)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> dict[str, asyncio.Future[Pixels]]:
    """By URL what was asked for: whoever gives it a result gives the picture."""
    asked: dict[str, asyncio.Future[Pixels]] = {}

    async def small(self: Thumbnails, item: MediaItem, author: str) -> Pixels:
        asked[item.url] = asyncio.get_running_loop().create_future()
        return await asked[item.url]

    async def large(
        self: Thumbnails, item: MediaItem, author: str, across: int, down: int
    ) -> Pixels:
        return Pixels(across, down, bytes((200, 10, 10)) * (across * down))

    monkeypatch.setattr(Thumbnails, "small", small)
    monkeypatch.setattr(Thumbnails, "large", large)
    for name in ("SSH_CONNECTION", "SSH_TTY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return asked


def place(app: object, words: str) -> int:
    """The line on which words stand."""
    return next(n for n, line in enumerate(shown(app).split("\n")) if words in line)  # type: ignore[arg-type]


@pytest.mark.slow
async def test_those_of_the_followed_come_and_nothing_moves(
    world: World, fetched: dict[str, asyncio.Future[Pixels]]
) -> None:
    await world.put(
        world.follows("ana", "ben"),
        world.named("ben"),
        world.note("ben", "Below the picture.", 300),
        world.note("ben", "See.", 200, (picture(1, "alt the roof", f"blurhash {BLUE}"),)),
        world.note("ben", "Closed.", 100, (picture(2), ("content-warning", "medical"))),
    )
    await world.watched()
    async with world.at_home(NARROW) as (app, pilot):
        await until(lambda: "https://pics.example/1.png" in fetched)
        await sees(app, "[picture · 300x200: the roof] pics.example/…")
        await until(lambda: HALF in shown(app))  # what stands in for it, while nothing came
        before = place(app, "Below the picture.")
        fetched["https://pics.example/1.png"].set_result(Pixels(30, 20, bytes(1800)))
        await pilot.pause()
        await until(lambda: shown(app).count(HALF) == 300)
        assert place(app, "Below the picture.") == before
        assert list(fetched) == ["https://pics.example/1.png"], "what is folded is not fetched"
        await pilot.press("s")
        await until(lambda: len(fetched) == 2)
        fetched["https://pics.example/2.png"].set_exception(InvalidData("no picture\x1b[2J"))
        await sees(app, "▒ no picture")
        check(app, "a picture that failed")
        app._environment = replace(app._environment, graphics=lambda pixels: Static("SHARP"))
        await pilot.press("j", "i")
        await sees(app, "SHARP")


@pytest.mark.slow
async def test_those_of_strangers_wait_to_be_asked_for(
    world: World, fetched: dict[str, asyncio.Future[Pixels]]
) -> None:
    hostile = picture(1, f"alt {HOSTILE}".replace("\r", ""))
    await world.put(
        world.follows("ana", "ben"),
        world.note("eve", "Look at this.", 200, (hostile, ("p", world.pubkey("ana")))),
        world.note("ben", "Mine.", 300, (picture(2), ("p", world.pubkey("ana")))),
        world.note("ben", "Words.", 400, (("p", world.pubkey("ana")),)),
    )
    await world.watched()
    async with world.at_home(WIDE) as (app, pilot):
        await pilot.press(pane_named("mentions").key)
        await sees(app, "[picture · 300x200: ")
        check(app, "a caption")
        await until(lambda: bool(fetched))
        assert list(fetched) == ["https://pics.example/2.png"], "those of a stranger wait"
        await pilot.press("i")
        await until(lambda: len(fetched) == 2)
        fetched["https://pics.example/1.png"].set_result(Pixels(30, 20, bytes(1800)))
        await until(lambda: HALF in shown(app))
        await pilot.press("i")
        await until(lambda: bool(app.screen.query("#picture")))
        await sees(app, HALF * 100)
        check(app, "a picture")
        await pilot.press("escape")
        await until(lambda: not app.screen.query("#picture"))
        await pilot.press("G", "i")
        await told(app, "This note has no pictures.")


async def test_titles_of_pages_are_asked_for_of_the_followed_alone() -> None:
    key, other = SecretKey.from_hex("1" * 64), SecretKey.from_hex("2" * 64)

    async def title(url: str) -> str:
        if url.endswith("gone"):
            raise InvalidData("no page")
        return HOSTILE + "Roofs"

    async def pubkeys() -> list[str]:
        return [key.public_key.hex]

    media = SimpleNamespace(titles=SimpleNamespace(get=title))
    client: Any = SimpleNamespace(media=media, follows=SimpleNamespace(pubkeys=pubkeys))
    pictures = Pictures(client, by_themselves=False, titles=True)
    assert await pictures.know_followed()

    def view(author: SecretKey) -> NoteView:
        text = "See https://roof.example/a, https://x.example/gone and http://10.0.0.1/ y.example"
        event = Draft(1, text, (), created_at=1).sign(author, 1)
        return NoteView(event, event, Profile(author.public_key.hex), nip27.parts(text))

    def lines(author: SecretKey) -> list[str]:
        return [line.plain for line in pictures.lines(view(author), 60, lambda name: Style())]

    assert lines(other) == []
    assert pictures.missing(view(other)) == []
    assert lines(key) == ["↗ roof.example/…", "↗ x.example/…"]
    for item in pictures.missing(view(key)):
        await pictures.load(view(key), item, lambda: None)
    assert pictures.missing(view(key)) == []
    first, second = lines(key)
    assert first.startswith("↗ roof.example/…  [@click")
    assert first.isprintable()
    assert second == "↗ x.example/…"


def test_they_come_by_themselves_where_that_is_cheap() -> None:
    ssh = {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}
    for config, here, there in (
        (ClientConfig(), True, False),
        (ClientConfig(pictures="always"), True, True),
        (ClientConfig(pictures="asked"), False, False),
        (ClientConfig(pictures="always", media=False), False, False),
    ):
        assert (wanted_by(config, {}), wanted_by(config, ssh)) == (here, there)
    assert not wanted_by(ClientConfig(), {"NO_COLOR": "1"})


def test_captions() -> None:
    film = MediaItem(url="https://v.example", type="video/mp4", duration=75.4, size=12_300_000)
    assert caption(film) == "[video · 1:15 · 12.3 MB] v.example"
    assert place_of("https://[::1/x") == "https://[::1/x"
    assert place_of("https://a.example/\x1b[2J") == "a.example/…"

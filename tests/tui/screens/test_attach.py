"""A picture for a note: sent, read back, named in the text and tagged."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.nips.nip92 import media_of
from nostr_client.tui.screens.attach import AttachScreen
from nostr_client.tui.screens.note_compose import NoteComposeScreen
from tests.social.media.blossom_host import blossom_host, said
from tests.social.media.pictures import jpeg
from tests.tui.test_hostile import HOSTILE, check
from tests.tui.world import WIDE, World, sees, type_in, until


@pytest.mark.slow  # two servers and a signer, key by key
async def test_a_picture_comes_into_the_note(world: World, tmp_path: Path) -> None:
    (photo := tmp_path / "photo.jpg").write_bytes(jpeg(comment=b"at home"))
    (film := tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(20))
    await world.put(world.follows("ana"), world.named("ana"))
    await world.account()
    async with (
        blossom_host() as good,
        blossom_host() as bad,
        world.at_home(WIDE) as (app, pilot),
    ):
        bad.instead = lambda method, path, body: said(
            403, reason=HOSTILE.replace("\r", "").encode("ascii", "ignore").decode()
        )
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, NoteComposeScreen))
        compose = app.screen
        assert isinstance(compose, NoteComposeScreen)
        await compose.takes_keys.wait()
        await type_in(pilot, "See:")
        await pilot.press("ctrl+o")
        await until(lambda: isinstance(app.screen, AttachScreen))
        await sees(app, "Name a media server")
        await type_in(pilot, str(film))
        await pilot.press("tab", "tab")
        await type_in(pilot, f"http://127.0.0.1:{bad.port}")
        await pilot.press("enter")
        await sees(app, "enter once more sends it as it is")
        await pilot.press("enter")
        await sees(app, "0 of 1 media servers have it")
        check(app, "a server's words")
        await type_in(pilot, f" http://127.0.0.1:{good.port}")
        file = app.screen.query_one("#file")
        file.value = str(photo)  # type: ignore[attr-defined]
        app.screen.query_one("#alt").value = "our roof"  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(lambda: app.screen is compose and compose.text.text != "See:")
        (digest,) = good.blobs
        url = f"http://127.0.0.1:{good.port}/{digest}.jpg"
        assert compose.text.text == f"See: {url} "
        assert b"at home" not in good.blobs[digest]
        await pilot.press("ctrl+s")
        main = app.main
        assert main is not None
        await until(lambda: any("See:" in note.event.content for note in main.front.items))
        (item,) = media_of(main.front.items[0].event)
        assert (item.url, item.alt, item.sha256) == (url, "our roof", digest)
        assert (item.width, item.height, len(item.blurhash)) == (6, 4, 28)

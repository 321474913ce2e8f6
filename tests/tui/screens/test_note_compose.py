"""The composer of a note: completion, warning, quote, and the person's own editor."""

from __future__ import annotations

import shlex
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from nostr_client.nips import nip19
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.social import drafts
from nostr_client.social.drafts import DraftFile
from nostr_client.tui.app import NostrApp
from nostr_client.tui.screens.note_compose import NoteComposeScreen
from tests.tui.world import World, burst, furnish, sees, shown, told, type_in, until


async def written(app: NostrApp, world: World) -> list[Event]:
    """The account's notes, the newest first."""
    assert app.main is not None
    mine = Filter.of(authors=[world.pubkey("ana")], kinds=[1])
    return await app.main.client.store.query([mine])


def draft_of(world: World, name: str) -> DraftFile:
    return DraftFile(world.where, world.pubkey("ana"), name)


async def composing(app: NostrApp) -> NoteComposeScreen:
    await until(lambda: isinstance(app.screen, NoteComposeScreen) and app.screen.text.has_focus)
    screen = app.screen
    assert isinstance(screen, NoteComposeScreen)
    await until(lambda: bool(screen._known.people))
    return screen


@pytest.mark.slow
async def test_a_person_is_completed_by_name(world: World) -> None:
    await world.account()
    await furnish(world)
    me, ben = world.pubkey("ana"), world.pubkey("ben")
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        await composing(app)
        await type_in(pilot, "thanks @be")
        await sees(app, "› @ben")
        assert "you follow" in shown(app)
        await pilot.press("tab")
        await sees(app, "thanks @ben")
        await sees(app, "12 characters, 1 named")
        await type_in(pilot, "and @")
        await type_in(pilot, "c")
        await sees(app, "› @cy")
        await pilot.press("escape")
        await until(lambda: "› @cy" not in shown(app))
        await type_in(pilot, "y\nbye")
        code = nip19.encode_npub(ben)
        await until(lambda: draft_of(world, "note").read() == f"thanks nostr:{code} and @cy\nbye")
        await pilot.press("escape", "c")
        await sees(app, "thanks @ben and @cy")
        await pilot.press("ctrl+s")
        await until(lambda: app.screen is app.main)
        await sees(app, "Kept here.")
        [note, _] = await written(app, world)
        assert note.content == f"thanks nostr:{code} and @cy\nbye"
        assert note.tags == (("p", ben),)
        assert note.pubkey == me


@pytest.mark.slow
async def test_tags_and_emoji_are_completed(world: World) -> None:
    cat = ("emoji", "cat_wave", "https://pictures.example/cat.png")
    await world.account()
    await world.put(
        world.named("ana"),
        world.note("ben", "a #Library", tags=(("t", "library"),)),
        world.event("ana", 10030, "", (cat,)),
    )
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        await composing(app)
        await type_in(pilot, "#li")
        await sees(app, "› #library")
        await type_in(pilot, "\n#lib")
        await sees(app, "› #library")
        await pilot.press("down", "enter")
        await type_in(pilot, ":ca")
        await sees(app, "› :cat_wave:")
        await pilot.press("tab", "ctrl+s")
        await sees(app, "Kept here.")
        [note] = await written(app, world)
        assert note.content == "#li\n#library :cat_wave:", "enter ends a line, unless one chose"
        assert cat in note.tags
        assert ("t", "library") in note.tags


@pytest.mark.slow
async def test_a_warning_stays_with_the_draft_and_goes_out(world: World) -> None:
    await world.account()
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        await type_in(pilot, "blood")
        await pilot.press("ctrl+t")
        await sees(app, "Fold it behind a content warning?")
        await type_in(pilot, "medical")
        await pilot.press("enter")
        await sees(app, "folded behind a content warning: medical")
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)
        assert draft_of(world, drafts.NEW_NOTE).read() == "Content-Warning: medical\n\nblood"
        await pilot.press("c")
        await sees(app, "folded behind a content warning: medical")
        await pilot.press("ctrl+s")
        await sees(app, "Kept here.")
        [note] = await written(app, world)
        assert (note.content, note.tags) == ("blood", (("content-warning", "medical"),))
        assert not draft_of(world, drafts.NEW_NOTE).path.exists()


@pytest.mark.slow
async def test_a_note_is_quoted(world: World) -> None:
    await world.account()
    await world.put(world.named("ana"), world.named("ben"), world.follows("ana", "ben"))
    roof = world.note("ben", f"The roof is fixed, nostr:{world.npub('ana')}.")
    await world.put(roof)
    async with world.at_home() as (app, pilot):
        await sees(app, "The roof is fixed, @ana.")
        await pilot.press("Q")
        await sees(app, "Note that quotes ben")
        assert "│ The roof is fixed, @ana." in shown(app)
        await type_in(pilot, "At last")
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)
        assert draft_of(world, drafts.name_of(quote=roof.id)).read() == "At last"
        await pilot.press("Q", "ctrl+s")
        await sees(app, "Kept here.")
        [note] = await written(app, world)
        assert note.content.startswith("At last\n\nnostr:nevent1")
        assert [tag[:2] for tag in note.tags] == [("p", roof.pubkey), ("q", roof.id)]


def editor(folder: Path, code: str) -> str:
    """A program that stands for an editor."""
    script = folder / "ed it.py"
    script.write_text(f"import os, pathlib, sys\nfile = pathlib.Path(sys.argv[-1])\n{code}\n")
    return shlex.join([sys.executable, str(script), "--wait"])


@pytest.mark.slow
async def test_the_text_goes_through_ones_own_editor(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "assert sys.argv[1] == '--wait' and file.stat().st_mode & 0o777 == 0o600\n"
        "assert not any('PASSWORD' in name for name in os.environ)\n"
        "kept = file.with_name('note.txt').read_text()\n"
        "file.write_text(f'{file.read_text()}, $(edited) while {kept}\\x1b[2J\\n')"
    )
    monkeypatch.setenv("VISUAL", editor(tmp_path, code))
    monkeypatch.setenv("NOSTR_CLIENT_PASSWORD", "hush")
    monkeypatch.setattr(NostrApp, "suspend", lambda app: nullcontext())
    await world.account()
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        await type_in(pilot, "begun here")
        await pilot.press("ctrl+g")
        await sees(app, "begun here, $(edited) while begun here[2J")
        file = draft_of(world, drafts.NEW_NOTE)
        await until(lambda: not file.editor_file.exists())
        assert file.read() == "begun here, $(edited) while begun here[2J"
        monkeypatch.setenv("VISUAL", editor(tmp_path, "file.write_text('aside'); sys.exit(1)"))
        await pilot.press("ctrl+g")
        await told(app, "the editor ended with code 1: the text is as it was; what was saved in it")
        assert [each.read_text() for each in file.path.parent.glob("*.refused-1")] == ["aside"]
        monkeypatch.setenv("VISUAL", editor(tmp_path, "sys.exit(3)"))
        await pilot.press("ctrl+g")
        await told(app, "the editor ended with code 3: the text is as it was")
        assert not list(file.path.parent.glob("*.refused-2")), "nothing was saved in it"
        for words, problem in (("", "no editor is set"), ("no-such-editor", "does not start")):
            monkeypatch.setenv("VISUAL", words)
            monkeypatch.setenv("EDITOR", "")
            await pilot.press("ctrl+g")
            await told(app, problem)
        assert "aside" not in shown(app)
        assert not file.editor_file.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
@pytest.mark.slow
async def test_what_was_saved_in_an_editor_that_is_killed_is_kept(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "file.write_text('saved there'); os.kill(os.getpid(), 9)"
    monkeypatch.setenv("VISUAL", editor(tmp_path, code))
    monkeypatch.setattr(NostrApp, "suspend", lambda app: nullcontext())
    await world.account()
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        await type_in(pilot, "begun")
        await pilot.press("ctrl+g")
        await sees(app, "saved there")
        await until(lambda: draft_of(world, drafts.NEW_NOTE).read() == "saved there")


@pytest.mark.slow
async def test_what_an_editor_saved_before_we_were_killed_is_the_draft(world: World) -> None:
    await world.account()
    file = draft_of(world, drafts.NEW_NOTE)
    file.write("as it was")
    file.editor_file.write_text("written on")
    async with world.at_home() as (app, _):
        burst(app, "c")
        await sees(app, "written on")
        assert not file.editor_file.exists()


async def test_a_terminal_that_cannot_be_left_to_an_editor_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "true")
    await world.account()
    async with world.at_home() as (app, _):
        burst(app, "ctext\x07")
        await told(app, "this terminal cannot be left to ")
        assert not draft_of(world, drafts.NEW_NOTE).editor_file.exists()

"""Where a note is, what the account survives, and its backup."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from nostr_client.kit.last_kit import last_kit
from nostr_client.kit.secret import Passphrase
from nostr_client.routing.survival import NoteCopies, PlacedCopy, Survival
from nostr_client.store.contract import Audited, Copy, CopyGrade, CopyState
from nostr_client.store.opening import open_store
from nostr_client.tui.copies_lines import copy_lines, operator_letters
from nostr_client.tui.screens import backup
from nostr_client.tui.screens.main import MainScreen
from nostr_client.tui.screens.survival import SurvivalScreen
from tests.tui.world import World, furnish, sees, shown, told, type_in, until

LISTED = [f"wss://home.h{n}.example" for n in range(3)]
FAR = "wss://far.example"
HOSTILE = "go \x1b[31maway\x07\u202e now"


async def placed(world: World) -> None:
    """Ana's note is on one relay, another took it, one dropped it, one refused it."""
    note = world.note("ana", "We moved today.", 900)
    tags = tuple(("r", url) for url in LISTED)
    await world.put(note, world.event("ana", 10002, "", tags, 10**6))
    async with open_store(world.where.data / "events.db") as store:
        ledger = store.ledger
        await ledger.want(note.id, [*LISTED, FAR])
        await ledger.confirm([(note.id, url) for url in LISTED])
        seen = Audited(
            note.id, LISTED[0], CopyState.CONFIRMED, CopyGrade.READ_AS_STRANGER, world.now + 900, 2
        )
        gone = Audited(note.id, LISTED[2], CopyState.DROPPED, CopyGrade.NONE, 0, 1, "not shown")
        await ledger.audited([seen, gone])
        await ledger.refuse(note.id, FAR, "blocked", HOSTILE, final=True, next_try=0)


async def test_where_a_note_is_and_what_the_account_survives(world: World) -> None:
    await furnish(world)
    await placed(world)
    await world.watched()
    async with world.at_home() as (app, pilot):
        await pilot.press("7")
        await until(lambda: bool(app.main and app.main.front.selected))
        await pilot.press("C")
        await sees(app, "where readers look: 2 of 3 · in reserve: 0")
        text = shown(app)
        assert "2 of 7 confirmed, 2 operators, 2 where readers look; survives any one" in text
        assert "● home.h0.example" in text
        assert "read back by a stranger, 2×" in text
        assert "◐ home.h1.example" in text
        assert "it said so, not seen yet" in text
        assert "dropped  just now" in text
        assert "not shown" in text
        assert "refused  just now" in text
        assert "blocked: go " in text
        assert not set("\x1b\x07\u202e") & set(text), "what a relay says commands no terminal"
        await pilot.press("escape", "1")
        await until(lambda: bool(app.main and app.main.front.selected))
        await pilot.press("C")
        await told(app, "Copies are counted of what you wrote yourself.")
        await pilot.press("S")
        await sees(app, "short of copies, the oldest")
        assert "none was made here" in shown(app)
        assert "home.h0.example" in shown(app)
        await pilot.press("q")
        assert isinstance(app.screen, MainScreen)


@pytest.mark.slow
async def test_a_backup_is_made_from_the_client(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "Passphrase", partial(Passphrase, log_n=4))
    account = await world.account()
    file = tmp_path / "ana.kit"
    async with world.at_home() as (app, pilot):
        await pilot.press("S")
        await sees(app, "none was made here")
        await pilot.press("b")
        await sees(app, "A backup of your account")
        await type_in(pilot, "a long passphrase")
        await pilot.press("enter")
        assert app.focused is not None
        assert app.focused.id == "again"
        await type_in(pilot, "another one")
        await pilot.press("enter")
        await sees(app, "the two passphrases differ")
        assert "passphrase\n" not in shown(app)
        assert "a long" not in shown(app)
        for name, text in (("file", str(file)), ("again", "a long passphrase")):
            app.screen.query_one(f"#{name}").value = text  # type: ignore[attr-defined]
        await pilot.press("enter")
        await told(app, "Backup made, opened again and compared")
        await until(lambda: isinstance(app.screen, SurvivalScreen))
        await sees(app, "events in it")
    kit = last_kit(world.where.data, account.pubkey)
    assert kit is not None
    assert Path(kit.path).read_bytes()[:4], file


def test_relays_of_one_operator_have_one_letter() -> None:
    assert operator_letters(["b", "a", "b"]) == {"b": "A", "a": "B"}


def test_what_is_here_takes_no_letter() -> None:
    placed = [
        PlacedCopy(Copy("ab" * 32, url, CopyState.CONFIRMED, 0, 0, "", "", 1), role, url)
        for url, role in (("ws://127.0.0.1:4869", "own"), (LISTED[0], "list"))
    ]
    here, listed, *_ = copy_lines(NoteCopies(tuple(placed), Survival(), 1, 0), 2)
    assert "own relay" in here.plain
    assert "home.h0.example        A " in listed.plain

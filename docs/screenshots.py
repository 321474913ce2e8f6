"""Draws the pictures of the terminal client in README.md and docs/ from a world that stands still.

Run it by `make screenshots`: each picture is an SVG beside this file. Real screens, a real store;
the people, their keys and the clock are always the same, so that the pictures change only when the
client does. `--check` compares what they say with what the client shows now.
"""

from __future__ import annotations

from tests.tui import still_clock  # noqa: F401 # isort: skip - before what keeps the time

import argparse
import asyncio
import html
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.targets import NoteTarget, PersonTarget, WhyTarget
from tests.tui.shots import PATIENCE, Size, Stand, difference, standing, steady, still
from tests.waiting import until

HERE: Final = Path(__file__).parent
WIDE: Final = (116, 32)
NARROW: Final = (80, 24)
NOTE: Final = "Just moved in. Five relays, and nobody asked for a phone number."
HINT: Final = "The pictures in docs/ show another client than this one: run `make screenshots`."


class Picture(NamedTuple):
    """`docs/NAME.svg`: how its screen is reached from home, and words that stand on it then."""

    name: str
    reach: Callable[[Stand], Awaitable[None]]
    words: tuple[str, ...]
    size: Size = WIDE
    theme: str = "dusk"


async def _home(stand: Stand) -> None:
    """On a note that says something, with its answers beside it."""
    await stand.press("j")


def _section(name: str) -> Callable[[Stand], Awaitable[None]]:
    async def reach(stand: Stand) -> None:
        stand.app.action_section(name)

    return reach


async def _thread(stand: Stand) -> None:
    stand.app.open(NoteTarget(stand.events["roof"]))


async def _room(stand: Stand) -> None:
    stand.app.action_section("messages")
    await stand.sees("lamp")
    await stand.press("enter")


async def _find(stand: Stand) -> None:
    await stand.press("slash", *"roof")


async def _why(stand: Stand) -> None:
    stand.app.open(WhyTarget(NoteTarget(stand.events["roof"])))


async def _profile(stand: Stand) -> None:
    stand.app.open(PersonTarget(stand.world.pubkey("cy")))


async def _writing(stand: Stand) -> None:
    await stand.press("c")
    await stand.sees("New note")
    screen = stand.app.screen
    if isinstance(screen, ComposeScreen):  # what was written before is kept as a draft
        await screen.takes_keys.wait()
        screen.text.clear()
    await stand.press(*NOTE)


async def _sent(stand: Stand) -> None:
    await _writing(stand)
    await stand.sees(NOTE)
    await stand.press("ctrl+s")
    await stand.sees("4 of 5")
    await stand.press("D")


PICTURES: Final = (
    Picture("home", _home, ("2 answers", "▌ cy · 6m")),
    Picture("narrow", _home, ("▌ cy · 6m",), NARROW),
    Picture("light", _home, ("2 answers", "▌ cy · 6m"), theme="paper"),
    Picture("terminal-colours", _home, ("2 answers", "▌ cy · 6m"), theme="terminal"),
    Picture("thread", _thread, ("the coffee was good",), NARROW),
    Picture("notifications", _section("notifications"), ("21 sats",)),
    Picture("messages", _room, ("cellar", "lamp")),
    Picture("find", _find, ("The library roof is fixed",)),
    Picture("why", _why, ("id and signature hold",)),
    Picture("relays", _section("relays"), ("connection refused", "ana@roof.example")),
    Picture("profile", _profile, ("Rye, and nothing else",)),
    Picture("writing", _writing, (NOTE, "draft kept")),
    Picture("sent", _sent, ("4 of 5",)),
)


def text_of(svg: str) -> str:
    """What a picture says, line by line, each where it stands."""
    rows: dict[str, list[tuple[float, str]]] = {}
    for x, y, text in re.findall(
        r'<text class="[^"]*-r\d+" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)', svg
    ):
        rows.setdefault(y, []).append((float(x), html.unescape(text)))
    lines = []
    for y in sorted(rows, key=float):
        line = ""
        for x, text in sorted(rows[y]):
            line = line.ljust(round(x / CELL)) + text.replace("\xa0", " ")
        lines.append(line.rstrip())
    return steady("\n".join(lines))


CELL: Final = 12.2
"""Width of a cell in a picture."""


async def draw(pictures: tuple[Picture, ...], *, check: bool) -> list[str]:
    """Draw the pictures, or compare them; what differs."""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        async with standing(Path(folder), WIDE) as stand:
            for one in pictures:
                path = HERE / f"{one.name}.svg"
                await stand.resize(one.size)
                await stand.home()
                stand.app.theme = one.theme
                try:
                    await one.reach(stand)
                    await stand.sees(*one.words)
                except AssertionError as error:
                    wrong.append(f"docs/{one.name}.svg: {error}")
                    continue

                def look() -> str:
                    return stand.app.export_screenshot(title="nostr-client")

                if not check:
                    await still(lambda: text_of(look()))
                    path.write_text(look())
                    continue
                kept = text_of(path.read_text()) if path.exists() else ""
                try:
                    await until(lambda kept=kept: text_of(look()) == kept, PATIENCE, 0.2)
                except TimeoutError:
                    wrong.append(difference(f"docs/{one.name}.svg", kept, text_of(look())))
    return wrong


def main() -> int:
    """Draw; with `--check` compare, and 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="names of pictures")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    chosen = tuple(one for one in PICTURES if not given.only or one.name in given.only)
    wrong = asyncio.run(draw(chosen, check=given.check))
    if wrong:
        sys.stdout.write("\n\n".join((*wrong, HINT, "")))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

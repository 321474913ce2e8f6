"""Takes every screen of the client, as text, out of a world that stands still.

`python -m tests.tui.shots` compares what is drawn with the files in `snapshots/` and says how it
differs; with `--update` it writes them anew (`make snapshots`). It is a process of its own, for the
clock stands in it. `pytest-textual-snapshot` would do such a thing, but does not know pytest 9.

A screen is waited for until it is as it was, and called another only when it stays so: what is read
from the disk and from relays comes when it comes.
"""

from __future__ import annotations

from tests.tui import still_clock  # noqa: F401 # isort: skip - before what keeps the time

import argparse
import asyncio
import difflib
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from rich.style import Style
from textual.pilot import Pilot

from nostr_client.config import ClientConfig
from nostr_client.tui.app import NostrApp
from nostr_client.tui.panes.registry import PANES
from nostr_client.tui.polling import POLL_EVERY
from nostr_client.tui.targets import (
    AddressTarget,
    NoteTarget,
    PersonTarget,
    RelayTarget,
    TagTarget,
    WhyTarget,
)
from tests.tui.still_world import HOME_RELAY, StillWorld, still_world
from tests.tui.world import shown, until

FOLDER: Final = Path(__file__).parent / "snapshots"
Size = tuple[int, int]
SIZES: Final = ((80, 24), (100, 30), (120, 40), (200, 50), (300, 80))
TWO: Final = ((80, 24), (120, 40))
THEMES: Final = ("dusk", "paper", "terminal")
LOOK: Final = 0.1
STILL: Final = round((POLL_EVERY + 0.5) / LOOK)
"""Looks in a row that find the same, until a screen that is written anew counts as it is: longer
than the client takes to look again at names and counts."""
PATIENCE: Final = 20.0
"""Seconds for a screen to become what it was."""
MOST_WRONG: Final = 4
"""Screens that differ, after which no others are looked at."""

HOME: Final = ("relays 4/5", "▌ cy · 4m")
"""What stands on the first screen, when all has come."""
VARIES: Final = re.compile(r"^.{0,24}\b(asked now|asked|brought|read at|came from)  +")
"""Labels of facts about relays: which of several is asked for what is a matter of a moment."""
LABEL: Final = re.compile(r"[a-z][a-z ]{0,12}  ")
HELD: Final = re.compile(r"( (?:list|reserve) +[A-Z] ).*")
"""What a relay holds of all that was written: how much of it was read back by now is another."""

Reach = Callable[["Stand"], Awaitable[None]]


@dataclass
class Stand:
    """Where pictures are taken: an app at home in its world."""

    world: StillWorld
    app: NostrApp
    pilot: Pilot[int]

    @property
    def events(self) -> Mapping[str, str]:
        """Ids, or addresses, by the names of scenes."""
        return self.world.events

    @property
    def text(self) -> str:
        """The screen."""
        return shown(self.app)

    async def sees(self, *words: str) -> None:
        """Wait until all of this stands on the screen."""
        try:
            await until(lambda: all(each in shown(self.app) for each in words), PATIENCE, LOOK)
        except TimeoutError:
            raise AssertionError(f"{words} do not come:\n{shown(self.app)}") from None

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def resize(self, size: Size) -> None:
        if tuple(self.app.size) != size:
            await self.pilot.resize_terminal(*size)
            await until(lambda: tuple(self.app.screen.size) == size)

    async def home(self) -> None:
        """Back to the main screen, at the top of its first section."""
        main = self.app.main
        assert main is not None
        while self.app.screen is not main:
            await self.app.pop_screen()
        self.app.action_section("home")
        await until(lambda: main.pane.name == "home")
        await self.press("g")
        await self.sees(*HOME)


class Shot(NamedTuple):
    """A screen: how it is reached from home at `sizes[0]`, and words that stand on it then."""

    name: str
    reach: Reach
    words: tuple[str, ...] = ()
    sizes: Sequence[Size] = TWO


def _section(name: str) -> Reach:
    async def reach(stand: Stand) -> None:
        stand.app.action_section(name)
        await until(lambda: stand.app.main is not None and stand.app.main.pane.name == name)

    return reach


def _keys(*keys: str) -> Reach:
    async def reach(stand: Stand) -> None:
        await stand.press(*keys)

    return reach


def _open(target: Callable[[Stand], object]) -> Reach:
    async def reach(stand: Stand) -> None:
        stand.app.open(target(stand))  # type: ignore[arg-type]

    return reach


def _note(name: str) -> Callable[[Stand], NoteTarget]:
    return lambda stand: NoteTarget(stand.events[name])


async def _compose(stand: Stand) -> None:
    await stand.press("c")
    await stand.sees("New note")
    await stand.press(*"Just moved in. Five relays, and nobody asked for a phone number.")


async def _complete(stand: Stand) -> None:
    await stand.press("r")
    await stand.sees("Answer to cy")
    await stand.press(*"Thanks, @e")


async def _room(stand: Stand) -> None:
    await _section("messages")(stand)
    await stand.sees("lamp")
    await stand.press("enter")


async def _find(stand: Stand) -> None:
    await stand.press("slash", *"roof")


WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "home": HOME,
    "notifications": ("21 sats",),
    "mentions": ("@mara",),
    "messages": ("lamp", "request"),
    "bookmarks": ("Rye, and nothing else",),
    "people": ("Roof crew",),
    "notes": ("Is anybody here",),
    "relays": ("gone.example", "connection refused"),
    "lists": ("all that version 1 holds", "public p eli"),
    "mutes": ("football",),
}
OF_SECTIONS: Final[Mapping[str, Sequence[Size]]] = {"home": SIZES, "relays": TWO[1:]}
"""How much is asked of a relay, and so what has room below it, is a matter of a moment, too."""
SECTIONS: Final = [
    Shot(
        pane.name,
        _section(pane.name),
        WORDS.get(pane.name, ()),
        OF_SECTIONS.get(pane.name, TWO),
    )
    for pane in PANES
]
SCREENS: Final = [
    Shot("thread", _open(_note("hello")), ("Always.",), SIZES),
    Shot("poll", _open(_note("concert")), ("4 people voted",)),
    Shot("article", _open(lambda s: AddressTarget(s.events["bread"])), ("How it goes",)),
    Shot("profile", _open(lambda s: PersonTarget(s.world.pubkey("ben"))), ("bicycles",), SIZES),
    Shot("stranger", _open(lambda s: PersonTarget(s.world.pubkey("hawker"))), ("has none",)),
    Shot("hashtag", _open(lambda s: TagTarget("birds")), ("oystercatchers",)),
    Shot("relay_feed", _open(lambda s: RelayTarget(HOME_RELAY)), ("roof",)),
    Shot("why_note", _open(lambda s: WhyTarget(NoteTarget(s.events["roof"]))), ("ben",)),
    Shot("why_relay", _open(lambda s: WhyTarget(RelayTarget(HOME_RELAY))), ("roof",), TWO[1:]),
    Shot("find", _find, ("The library roof is fixed",)),
    Shot("compose", _compose, ("draft kept",)),
    Shot("completion", _complete, ("eli",)),
    Shot("room", _room, ("cellar",)),
    Shot("help", _keys("question_mark"), ("On a note",)),
    Shot("command_line", _keys("colon", *"mut"), ("ute",)),
    Shot("palette", _keys("ctrl+p"), ("Search for commands",)),
    Shot("raw_event", _keys("J"), ('"pubkey"',), TWO[:1]),
    Shot("links", _keys("o"), ()),
    Shot("copy", _keys("y"), ()),
    Shot("mute", _keys("m"), ()),
    Shot("jump", _keys("semicolon"), ()),
    Shot("log", _keys("ctrl+n"), ()),
    Shot("survival", _keys("S"), ()),
]

SHOTS: Final = sorted((*SECTIONS, *SCREENS), key=lambda shot: shot.name == "notifications")
"""Notifications come last: once they are seen, they are counted nowhere."""


@asynccontextmanager
async def standing(
    folder: Path, size: Size, config: ClientConfig | None = None
) -> AsyncIterator[Stand]:
    """An app at home, with relays that answer."""
    async with still_world(folder, config) as world, world.at_home(size) as (app, pilot):
        yield Stand(world, app, pilot)


def style_digest(app: NostrApp) -> str:
    """How many cells of the screen have which colours: enough to see that some have changed."""
    cells: Counter[str] = Counter()
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            cells[_said(segment.style)] += segment.cell_length
    return "\n".join(f"{count:>6}  {style}" for style, count in sorted(cells.items()))


def _said(style: Style | None) -> str:
    """What of a style is seen: no links, and nothing that is for Textual alone."""
    return "plain" if style is None else str(style.clear_meta_and_links())


class Album:
    """Compares what is drawn with what is kept, or keeps it anew."""

    def __init__(self, *, update: bool) -> None:
        self._update = update
        self.taken: dict[str, dict[str, str]] = {}
        self.wrong: list[str] = []

    async def take(self, name: str, part: str, look: Callable[[], str]) -> None:
        """One picture: that of `part` (a size, a theme) in the file `name`."""
        if self._update:
            self.taken.setdefault(name, {})[part] = await still(look)
            print(name, part, file=sys.stderr)
            return
        if len(self.wrong) >= MOST_WRONG:
            return
        kept = parts_of(FOLDER / f"{name}.txt").get(part, "")
        kept = steady(kept)
        try:
            await until(lambda: look() == kept, PATIENCE, pause=LOOK)
        except TimeoutError:
            self.wrong.append(difference(f"{name} {part}", kept, look()))

    def keep(self, *, only: bool) -> None:
        """Write the files anew, and unless it was `only` some of them, take those away that are of
        nothing any more."""
        FOLDER.mkdir(exist_ok=True)
        for path in () if only else FOLDER.glob("*.txt"):
            path.unlink()
        for name, parts in self.taken.items():
            text = "".join(f"=== {part}\n{drawn}\n" for part, drawn in parts.items())
            (FOLDER / f"{name}.txt").write_text(text)


def parts_of(path: Path) -> dict[str, str]:
    """The pictures of one file, by their sizes."""
    if not path.exists():
        return {}
    parts = path.read_text().removeprefix("=== ").split("\n=== ")
    return {head: text.rstrip("\n") for head, _, text in (each.partition("\n") for each in parts)}


def difference(what: str, kept: str, drawn: str) -> str:
    """Line by line, `-` as it was, `+` as it is."""
    lines = difflib.unified_diff(
        kept.splitlines(), drawn.splitlines(), f"{what}, kept", f"{what}, drawn", lineterm="", n=1
    )
    return "\n".join(lines)


async def still(look: Callable[[], str]) -> str:
    """What is seen, once it stays the same."""
    last, times = look(), 0
    while times < STILL:
        await asyncio.sleep(LOOK)
        drawn = look()
        times = times + 1 if drawn == last else 0
        last = drawn
    return last


def steady(text: str) -> str:
    """The text of a screen without what is another each time."""
    lines, column = list[str](), 0
    text = re.sub(r"/\S+/(config/config\.toml|data|state)\b", r"~/\1", text)
    # Below a card the rail stands still, whether it has counted by then or not.
    text = text.replace("2 (5)", "2").replace("2 Notifications 5", "2 Notifications  ")
    for line in text.splitlines():
        if found := VARIES.match(line):
            column = found.start(1)
            lines.append(line[: found.end()] + "~")
        elif not column or not line[column:].strip() or LABEL.match(line[column:]):
            column = 0
            lines.append(HELD.sub(r"\1~", line))
    return "\n".join(lines)


def picture(app: NostrApp) -> Callable[[], str]:
    return lambda: steady(shown(app)).rstrip("\n")


async def take_all(album: Album, only: Sequence[str]) -> None:
    """Every screen there is, or those of these names."""
    wanted = [one for one in SHOTS if not only or one.name in only]
    with tempfile.TemporaryDirectory() as folder:
        async with standing(Path(folder), TWO[0]) as stand:
            if not only or "themes" in only:
                await stand.resize(TWO[1])
                await stand.home()
                for theme in THEMES[::-1]:
                    stand.app.theme = theme
                    await album.take("themes", theme, lambda: style_digest(stand.app))
            for shot in wanted:
                await stand.resize(shot.sizes[0])
                await stand.home()
                try:
                    await shot.reach(stand)
                    await stand.sees(*shot.words)
                except AssertionError as error:
                    album.wrong.append(f"{shot.name}: {error}")
                    continue
                for size in shot.sizes:
                    await stand.resize(size)
                    await album.take(shot.name, "x".join(map(str, size)), picture(stand.app))
    if not only or "themes" in only:
        await take_plain(album)


async def take_plain(album: Album) -> None:
    """Without colours, and without signs that are not ASCII."""
    for name, environ, config in (
        ("no_color", {"NO_COLOR": "1"}, ClientConfig()),
        ("ascii", {}, ClientConfig(glyphs="ascii")),
    ):
        os.environ.update(environ)
        with tempfile.TemporaryDirectory() as folder:
            async with standing(Path(folder), TWO[1], config) as stand:
                await stand.sees("relays 4/5", "2 Notifications 5")
                if name == "ascii":
                    await album.take(name, "home", picture(stand.app))
                else:
                    await album.take("themes", name, lambda: style_digest(stand.app))


def main() -> int:
    """Compare, or write anew; 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="names of screens")
    parser.add_argument("--update", action="store_true")
    given = parser.parse_args()
    album = Album(update=given.update)
    try:
        asyncio.run(take_all(album, given.only))
    finally:
        if given.update:
            album.keep(only=bool(given.only))
    print("\n\n".join(album.wrong))
    if len(album.wrong) >= MOST_WRONG:
        print("... and perhaps others: no more were looked at.")
    return bool(album.wrong)


if __name__ == "__main__":
    sys.exit(main())

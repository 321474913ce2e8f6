"""Records the story of five relays that are killed: real relays, two real terminal clients.

Run it by `make story`. It writes `story.cast` (asciinema, version 2) and a few pictures beside this
file. Everything runs on this machine and in a folder that is gone afterwards. What the client waits
for, ten minutes until a relay counts as dead for good, is shortened; nothing else is.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
import json
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style
from textual.pilot import Pilot
from textual.strip import Strip

from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.paths import Paths
from nostr_client.protocol.event import Draft
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.community import demo_folder
from nostr_client.rehearsal.foreign_reader import put
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.resilience.pace import Pace
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.store.contract import CopyGrade, CopyState
from nostr_client.tui.app import NostrApp
from nostr_client.tui.client_holder import ClientHolder, client_opener
from nostr_client.tui.run import environment_in

HERE = Path(__file__).parent
OUT = Console()
RELAYS = 14
KILLED = 5
HOMES = (0, 1, 2, 3)
"""Ana's relays, by number."""
NEIGHBOURS = {
    "ben": (4, 5, 3),
    "cy": (4, 6, 7),
    "dee": (8, 9, 10),
    "eli": (11, 12, 13),
}
"""Where the others write: with them in mind the reserve is chosen."""
CONFIG = ClientConfig(own_relay=False, allow_private_relays=("127.0.0.1",), copies=7)
PACE = Pace().sped_up(60)
LIMIT = 120.0
LEFT, RIGHT, ROWS = (96, 26), (54, 26), 28
EVERY = 0.4
"""Seconds between two looks at the screens."""
FIRST = "We moved to new relays today, and it took nine seconds."
NEXT = "Five relays are gone, and this note found its way."


class Seat:
    """One person before a terminal client. What touches the app runs in its own task."""

    def __init__(self, name: str, size: tuple[int, int], client: NostrClient, folder: Path) -> None:
        self.name = name
        self._size = size
        self._client = client
        self._folder = folder
        self._acts: asyncio.Queue[tuple[Callable[[], Awaitable[object]], asyncio.Future[None]]]
        self._acts = asyncio.Queue(8)
        self.ready = asyncio.Event()
        self.app: NostrApp
        self._pilot: Pilot[int]
        self._context: contextvars.Context

    async def sit(self) -> None:
        """Run the client until cancelled."""
        paths = Paths(*(self._folder / name for name in ("config", "data", "state")))

        @asynccontextmanager
        async def opened() -> AsyncIterator[NostrClient]:
            yield self._client

        environment = replace(environment_in(paths, CONFIG), demo=opened)
        async with ClientHolder(client_opener(paths, CONFIG)) as holder:
            self.app = NostrApp(environment, holder, demo=True)
            async with self.app.run_test(size=self._size) as self._pilot:
                self._context = contextvars.copy_context()
                self.ready.set()
                while True:
                    act, done = await self._acts.get()
                    await act()
                    done.set_result(None)

    async def press(self, *keys: str) -> None:
        """Press keys, as a person does."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def act() -> None:
            for key in keys:
                await self._pilot.press(key)

        await self._acts.put((act, done))
        await done

    def strips(self) -> list[Strip]:
        """The screen as it is; blank lines for one that is only being opened."""
        width, height = self._size
        shown = self._context.run(self.app.screen._compositor.render_strips)[:height]
        blank = [Strip.blank(width)] * (height - len(shown))
        return [strip.adjust_cell_length(width) for strip in [*shown, *blank]]

    async def sees(self, *words: str) -> None:
        """Wait until the screen shows all of these."""
        async with asyncio.timeout(LIMIT):
            while not all(each in self.text for each in words):  # noqa: ASYNC110
                await asyncio.sleep(EVERY / 2)

    @property
    def text(self) -> str:
        return "\n".join(strip.text for strip in self.strips())


class Recording:
    """Both screens side by side below a line that says what happens, as a cast and as pictures."""

    def __init__(self, left: Seat, right: Seat) -> None:
        self._seats = (left, right)
        self._began = time.monotonic()
        self._shown: dict[tuple[int, int], str] = {}
        self._console = Console(force_terminal=True, color_system="truecolor", file=io.StringIO())
        self.width = LEFT[0] + 1 + RIGHT[0]
        self.caption = ""
        self.lines: list[str] = []

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(EVERY)

    def look(self) -> None:
        """Write down which halves of lines are others now."""
        shown = {
            place: _short(Strip(half).simplify().render(self._console))
            for row, halves in enumerate(self._rows(), 1)
            for place, half in zip(((row, 1), (row, LEFT[0] + 1)), halves, strict=True)
        }
        changed = [place for place, text in shown.items() if self._shown.get(place) != text]
        self._shown = shown
        if changed:
            text = "".join(f"\x1b[{row};{column}H{shown[row, column]}" for row, column in changed)
            at = round(time.monotonic() - self._began, 2)
            self.lines.append(json.dumps([at, "o", text], ensure_ascii=False))

    def picture(self, name: str) -> None:
        """Write the screens as they are into `name`.svg."""
        console = Console(
            record=True,
            width=self.width,
            file=io.StringIO(),
            force_terminal=True,
            color_system="truecolor",
        )
        for row in self._rows():
            line = [*row[0], *row[1], Segment.line()]
            console.print(Segments(line), end="", soft_wrap=True)
        (HERE / f"{name}.svg").write_text(console.export_svg(title="nostr-client"))

    def write(self, path: Path) -> None:
        """Write the cast."""
        head = {
            "version": 2,
            "width": self.width,
            "height": ROWS,
            "idle_time_limit": 2.0,
            "title": "Five of seven relays are killed",
        }
        path.write_text("\n".join([json.dumps(head), *self.lines]) + "\n", encoding="utf-8")

    def _rows(self) -> Iterator[tuple[list[Segment], list[Segment]]]:
        """The left and the right half of each line."""
        said = Style(color="#15171c", bgcolor="#e0af68", bold=True)
        quiet = Style(color="#8f9bb3", bgcolor="#15171c")
        words = f" {self.caption}".ljust(self.width)
        yield [Segment(words[: LEFT[0]], said)], [Segment(words[LEFT[0] :], said)]
        left, right = self._seats
        names = f" {left.name}".ljust(LEFT[0]), f"  {right.name}".ljust(RIGHT[0] + 1)
        yield [Segment(names[0], quiet)], [Segment(names[1], quiet)]
        for one, other in zip(left.strips(), right.strips(), strict=True):
            yield list(one), [Segment("│", quiet), *other]


def _short(text: str) -> str:
    """The same with one escape sequence where two follow each other."""
    return re.sub(r"\x1b\[0m\x1b\[(?=[\d;]+m)", "\x1b[0;", text)


class Story:
    """Relays, people and what happens to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.relays: list[RelayProcess] = []
        self.keys = {name: SecretKey.generate() for name in ("ana", *NEIGHBOURS)}

    @asynccontextmanager
    async def world(self) -> AsyncIterator[tuple[NostrClient, NostrClient]]:
        """The relays listen, and the clients of ana and ben are open."""
        try:
            for number in range(RELAYS):
                self.relays.append(await RelayProcess.start(self.folder / f"relay-{number}"))
            await self._others_write()
            async with self._client("ana") as ana, self._client("ben") as ben:
                await ana.relays.first_run([self.relays[n].url for n in HOMES])
                await ana.profiles.update(name="ana", about="Keeps the library.")
                await self._follow(ana, "ben", "cy", "dee", "eli")
                await ben.relays.first_run([self.relays[n].url for n in NEIGHBOURS["ben"]])
                await ben.profiles.update(name="ben", about="Repairs roofs.")
                await self._follow(ben, "ana", "cy", "dee", "eli")
                yield ana, ben
        finally:
            await asyncio.gather(*(relay.kill() for relay in self.relays))

    @asynccontextmanager
    async def _client(self, name: str) -> AsyncIterator[NostrClient]:
        home = self.folder / name
        async with NostrClient.open(
            LocalSigner(self.keys[name]),
            paths=Paths(*(home / part for part in ("config", "data", "state"))),
            config=CONFIG,
            relays=[self.relays[n].url for n in (*HOMES, 4)],
            key_only_here=True,
            pace=PACE,
        ) as client:
            yield client

    async def _follow(self, client: NostrClient, *names: str) -> None:
        await client.follows.follow_all([self.keys[name].public_key.hex for name in names])
        client.start_reading()

    async def _others_write(self) -> None:
        """Profiles, relay lists and a note each, where they write and where newcomers ask."""
        now = int(time.time())
        notes = {
            "cy": "Rye with caraway tonight. First come, first served.",
            "dee": "Forty-one oystercatchers on the sandbank this morning.",
            "eli": "Sunday again? I bring the strings.",
        }
        for place, (name, text) in enumerate(notes.items()):
            urls = [self.relays[n].url for n in NEIGHBOURS[name]]
            drafts = (
                Draft(0, json.dumps({"name": name}), (), now - 9000),
                Draft(10002, "", tuple(("r", url) for url in urls), now - 9000),
                Draft(1, text, (), now - 1800 * (3 - place)),
            )
            events = [draft.sign(self.keys[name], now) for draft in drafts]
            for url in {*urls, *(self.relays[n].url for n in (*HOMES, 4))}:
                await put(url, events)

    async def kill(self, client: NostrClient, note_id: str) -> int:
        """Kill five of the relays that hold the note: all that it is found at but one, and two of
        the reserve. Returns how many hold it now."""
        homes = {self.relays[n].url for n in HOMES}
        held = [c.url for c in await client.copies.copies(note_id) if _is_there(c.state)]
        doomed = [url for url in held if url in homes][: len(homes) - 1]
        doomed += [url for url in held if url not in homes][: KILLED - len(doomed)]
        for relay in self.relays:
            if relay.url in doomed:
                await relay.kill()
        return len(held) - len(doomed)

    async def whole(self, client: NostrClient, note_id: str) -> None:
        """Wait until seven living relays show the note to a stranger."""
        alive = {relay.url for relay in self.relays if relay.alive}
        async with asyncio.timeout(LIMIT):
            while True:
                copies = await client.copies.copies(note_id)
                seen = [c for c in copies if c.url in alive and _is_there(c.state)]
                if sum(c.grade is CopyGrade.READ_AS_STRANGER for c in seen) >= CONFIG.copies:
                    return
                await asyncio.sleep(EVERY)


def _is_there(state: CopyState) -> bool:
    return state is CopyState.CONFIRMED


async def play(story: Story, recording: Recording, ana: Seat, ben: Seat, me: NostrClient) -> None:
    """The story, from the first note to the seventh copy."""

    def say(words: str, seconds: float = 0) -> None:
        recording.caption = words
        took = f" ({seconds:.0f} s)" if seconds else ""
        OUT.print(f"{words}{took}")

    say("Ana writes a note. Ben, who follows her, reads it.")
    await ana.press("c", *FIRST, "ctrl+s")
    await ana.sees("4 of 4")
    await ben.sees(FIRST[:40])
    note = (await me.store.query([Filter.of(authors=[me.pubkey], kinds=[1])]))[0].id
    await ana.press("escape", "3", "g", "C")
    say("Where is it? Four relays of her list, and three in reserve: seven, each read back.")
    await story.whole(me, note)
    await ana.sees("7 of 7 confirmed")
    await asyncio.sleep(3)
    recording.picture("story-1")
    began = time.monotonic()
    left = await story.kill(me, note)
    say(f"Five of the seven are killed, with all that they held. {left} are left.")
    await fallen(ana, recording, left)
    await ana.press("escape", "c", *NEXT, "ctrl+s")
    say("Ana writes again. Does Ben notice?")
    await ana.sees("waiting")
    await reads(ben, NEXT[:40])
    say("Ben reads on: one relay of her list is left, and he finds her there.")
    await asyncio.sleep(2)
    recording.picture("story-3")
    await ana.press("escape", "3", "G", "C")
    await ana.sees("where readers look")
    say("Her first note finds other relays by itself.")
    await story.whole(me, note)
    await ana.sees("7 of 7 confirmed")
    say("Seven of seven again, and nobody did anything.", time.monotonic() - began)
    await asyncio.sleep(3)
    recording.picture("story-4")
    await ana.press("E")
    await ana.sees("joins")
    say("Readers look at one of them alone. E plans what to do about it, and y does it.")
    await asyncio.sleep(3)
    await ana.press("y")
    await ana.sees("Done.")
    await ana.press("escape")
    await ana.sees("7 of 7 confirmed", "survives any")
    say("Her new list names relays that live. Any of them may be next.")
    await asyncio.sleep(3)
    recording.picture("story-5")


async def reads(seat: Seat, words: str) -> None:
    """Wait until somebody reads these; what is new waits above until `g` shows it."""
    async with asyncio.timeout(LIMIT):
        while words not in seat.text:
            if "g shows" in seat.text:
                await seat.press("g")
            await asyncio.sleep(EVERY)


async def fallen(ana: Seat, recording: Recording, left: int) -> None:
    """A picture of how few copies her client still counts, before it has found others."""
    fewest = CONFIG.copies
    async with asyncio.timeout(LIMIT):
        while fewest > left:
            await asyncio.sleep(EVERY)
            found = re.search(r"(\d+) of 7 confirmed", ana.text)
            if found is None:
                continue
            if int(found[1]) < fewest:
                fewest = int(found[1])
                recording.picture("story-2")
            elif int(found[1]) > fewest:
                return
    await asyncio.sleep(1)


async def main() -> None:
    os.environ.pop("NO_COLOR", None)
    with demo_folder() as folder:
        story = Story(folder)
        async with story.world() as (me, follower), asyncio.TaskGroup() as group:
            ana = Seat("ana, who writes", LEFT, me, folder / "ana-terminal")
            ben = Seat("ben, who follows her", RIGHT, follower, folder / "ben-terminal")
            tasks = [group.create_task(seat.sit()) for seat in (ana, ben)]
            await asyncio.gather(ana.ready.wait(), ben.ready.wait())
            await asyncio.gather(ana.sees("oystercatchers"), ben.sees("oystercatchers"))
            recording = Recording(ana, ben)
            tasks.append(group.create_task(recording.run()))
            await play(story, recording, ana, ben, me)
            recording.look()
            recording.write(HERE / "story.cast")
            for task in tasks:
                task.cancel()


def _tell(names: Sequence[str]) -> None:
    for name in names:
        OUT.print(f"{name}: {(HERE / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    asyncio.run(main())
    _tell(["story.cast", *(f"story-{number}.svg" for number in range(1, 6))])

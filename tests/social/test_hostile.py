"""Texts made to hold us up: no turn of the loop is long, however long a name or a note is."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nostr_client.nips import nip19, nip27
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.social.note_views import MOST_SHOWN, shown_parts
from nostr_client.social.profiles import MOST_ABOUT, MOST_NAME, parse_profile
from nostr_client.social.views import Profile
from tests.social.house import BEN, BEN_KEY, START, House, house, signed
from tests.waiting import until

SLOW_LETTERS = "\u0627\u200c"
"""A letter and a joiner that stands in its place: what costs `safe_text` most."""
MOST_LAG = 1.5
"""Seconds of this thread's own work. It takes some 0.05 s, and took from 5 s to 12 s: the bound is
far from both, so that neither a slow machine nor a round of the garbage collector decides."""


def note(text: str, at: int) -> Event:
    return signed(BEN, content=text, at=at)


def profile(fields: dict[str, str]) -> Event:
    content = json.dumps(fields, ensure_ascii=False)
    return signed(BEN, kinds.METADATA, content)


@asynccontextmanager
async def quick_turns() -> AsyncIterator[None]:
    """Fails when the loop does not turn for longer than MOST_LAG of this process's own work."""
    turns: list[float] = []

    async def tick() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.002)
            turns.append(time.thread_time() - before)

    task = asyncio.create_task(tick())
    await asyncio.sleep(0)
    yield
    seen = len(turns)
    await until(lambda: len(turns) > seen)
    task.cancel()
    assert max(turns) < MOST_LAG


async def _page_of(h: House, events: list[Event]) -> None:
    await h.keep(*events)
    async with quick_turns():
        page = await h.timeline.author(BEN_KEY, limit=50)
        for view in page:
            assert view.author.label
    assert len(page) == 50


async def test_a_name_of_megabytes_holds_nobody_up(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(profile({"display_name": SLOW_LETTERS * 200_000}))
        await _page_of(h, [note(f"note {i}", START - i) for i in range(50)])


async def test_a_page_full_of_mentions_holds_nobody_up(tmp_path: Path) -> None:
    def codes(start: int) -> str:
        people = (f"{start * 1000 + i:064x}" for i in range(201))
        return " ".join(f"nostr:{nip19.encode_npub(pubkey)}" for pubkey in people)

    async with house(tmp_path) as h:
        texts = [codes(i) * 7 for i in range(50)]
        await _page_of(h, [note(f"{i} {text}", START - i) for i, text in enumerate(texts)])


def test_names_and_words_are_cut_and_long_addresses_are_none() -> None:
    content = profile(
        {
            "name": "n" * 5_000_000,
            "about": "a" * 5_000_000,
            "picture": "https://x.example/" + "p" * 5_000_000,
            "nip05": "ben@x.example" + "y" * 5_000,
            "website": "https://x.example",
        }
    ).content
    assert parse_profile(content) == {
        "name": "n" * MOST_NAME,
        "about": "a" * MOST_ABOUT,
        "website": "https://x.example",
    }


def test_a_label_is_made_once() -> None:
    started = time.process_time()
    person = Profile(BEN_KEY, name=SLOW_LETTERS * 1_000_000, petname="\u202e" * 5_000_000)
    labels = {person.label for _ in range(1000)}
    assert time.process_time() - started < 2
    assert len(labels) == 1


def test_a_very_long_note_says_that_it_goes_on() -> None:
    assert shown_parts("x" * MOST_SHOWN) == (nip27.TextPart("x" * MOST_SHOWN),)
    *shown, rest = shown_parts("x" * (MOST_SHOWN + 1234))
    assert shown == [nip27.TextPart("x" * MOST_SHOWN)]
    assert rest == nip27.TextPart(" … (1,234 more characters)")

"""Hostile text in a real terminal, in every section and on every screen that something opens: no
byte that the terminal obeys comes through, and the screen stands."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Iterator

import pytest

from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.tui.panes.registry import PANES
from tests.tui.test_terminal import CONFIG, Terminal
from tests.tui.world import World

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there"),
]
TRIES = 10
TRY_FOR = 5.0
"""Seconds for a screen to come."""
PAYLOAD = "UFdORUQ"
HOSTILE = (
    f"Zb\x1b]0;{PAYLOAD}\x07\x1b]52;c;{PAYLOAD}\x07\x1b]8;;file:///{PAYLOAD}\x1b\\x\x1b]8;;\x1b\\"
    "\x1b[31337m\x9b31337m\x9d52;c;31337\x9c\x90q31337\x9c\x1bPq31337\x1b\\\x1b_G31337\x1b\\"
    "\x1b[2J\x1b[?1049l\x1bc\x07\x0e\r\x85 [red]Zm[/red][@click=app.quit]x[/] \u202e\u2066\u061c"
    + "\u200b\u0300" * 400
    + "漢" * 300
)
"""`Zb` and `Zm` are seen of it."""
ORDINARY = re.compile(
    rb"\x1b\[[0-9;:]*[mHJKABCDGdrXPLM]"  # colours, places, what is wiped
    rb"|\x1b\[[?>=<][0-9;:$]*[a-zA-Z]"  # modes of the terminal
    rb"|\x1b\[[0-9;]*[tcnqu]|\x1b\[\?[0-9;]*\$p"  # questions
    rb"|\x1b\]8;id=[0-9]+;https?://[\x21-\x7e]*\x1b\\"  # links of our own making
    rb"|\x1b\]8;;\x1b\\|\x1b\]22;[a-z-]*(?:\x1b\\|\x07)"
    rb"|\x1b[78=>M]|\x1b\([B0]|\x1bP\$q[^\x1b]*\x1b\\|\x1b_Gi=[^\x1b]*\x1b\\"
)
"""Sequences that Textual writes by itself."""
CLEAN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")


def furnish(world: World) -> dict[str, str]:
    """Everything that shows a word of somebody's; codes of what can be opened."""
    me, eve = world.pubkey("ana"), world.pubkey("eve")
    bad = json.dumps(dict.fromkeys(("name", "display_name", "about", "website", "lud16"), HOSTILE))
    note = world.note("eve", HOSTILE, 300, (("p", me), ("t", "zb"), ("subject", HOSTILE)))
    article = world.event(
        "eve",
        kinds.ARTICLE,
        f"# {HOSTILE}\n\n- {HOSTILE}\n\n> {HOSTILE}",
        (("d", "x"), ("title", HOSTILE), ("summary", HOSTILE)),
        250,
    )
    mine = world.note("ana", "mine", 400)
    tags = (("e", mine.id), ("p", me))
    imeta = ("imeta", "url https://x.example/a.jpg", "m image/jpeg", f"alt {HOSTILE}")
    people = (("p", eve), ("p", me))
    events = [
        *(note, article, mine),
        world.follows("ana", "eve"),
        world.event("eve", 0, bad, ago=900),
        world.note("eve", HOSTILE, 200, (("e", note.id, "", "root"), ("p", me))),
        world.note("eve", "x", 190, (("content-warning", HOSTILE),)),
        world.event("eve", kinds.PICTURE, HOSTILE, (("title", HOSTILE), imeta), 180),
        world.event("eve", kinds.HIGHLIGHT, HOSTILE, (("comment", HOSTILE), ("r", HOSTILE)), 170),
        world.event(
            "eve", kinds.POLL, HOSTILE, (("option", "a", HOSTILE), ("option", "b", "b")), 160
        ),
        world.event("eve", 12_345, HOSTILE, (("alt", HOSTILE),), 150),
        world.event("eve", 1337, HOSTILE, (("name", HOSTILE), ("l", HOSTILE)), 140),
        world.event("eve", kinds.REACTION, f":{HOSTILE[:60]}:", tags, 130),
        world.event("eve", kinds.REPOST, HOSTILE, tags, 120),
        world.event("eve", kinds.PUBLIC_MESSAGE, HOSTILE, (("p", me),), 110),
        world.event("eve", kinds.STATUS, HOSTILE, (("d", "general"),), 100),
        world.event("eve", kinds.RELAY_LIST, "", (("r", f"wss://x.example/{HOSTILE[:200]}"),), 100),
        world.event("eve", kinds.STARTER_PACK, "", (("d", "p"), ("title", HOSTILE), *people), 90),
        world.event("ana", kinds.FOLLOW_SET, "", (("d", "l"), ("title", HOSTILE), *people), 90),
        world.event("ana", kinds.BOOKMARKS, "", (("e", note.id), ("a", article.address or "")), 90),
        world.event("ana", kinds.MUTES, "", (("word", HOSTILE), ("t", HOSTILE)), 90),
        world.event("ana", kinds.RELAY_LIST, "", (("r", "ws://127.0.0.1:9"),), 90),
    ]
    asyncio.run(world.put(*events))
    asyncio.run(world.watched("ana"))
    return {
        "profile": nip19.encode_npub(eve),
        "thread": nip19.encode_note(note.id),
        "article": nip19.encode_event(article),
        "list": nip19.encode_event(events[-5]),
        "hashtag": "#zb",
        "relay": "ws://127.0.0.1:9",
    }


@pytest.fixture
def opened(world: World) -> Iterator[tuple[Terminal, dict[str, str]]]:
    world.where.config.mkdir(parents=True)
    (world.where.config / "config.toml").write_text(CONFIG)
    codes = furnish(world)
    terminal = Terminal(world.where.config.parent)
    yield terminal, codes
    terminal.child.close(force=True)


def told(written: bytes) -> set[bytes]:
    """What is left that a terminal obeys, when what Textual writes by itself is taken away."""
    rest = ORDINARY.sub(b"", written)
    return {rest[found.start() : found.start() + 40] for found in CLEAN.finditer(rest)}


def test_no_section_and_no_screen_lets_it_through(
    opened: tuple[Terminal, dict[str, str]],
) -> None:
    terminal, codes = opened
    terminal.wait_for("Zb")
    for pane in PANES:
        reach(terminal, pane.key or f":{pane.name}\r", f"read only {pane.name}")
        stands(terminal, pane.name)
        for keys in ("\r", "w", "o", "J", "y"):
            terminal.press(keys)
            terminal.press("\x1b[27u")
        terminal.press("\x1b[27u")
    for name, code in codes.items():
        reach(terminal, "/", "[all] people")
        terminal.child.send(f"\x1b[200~{code}\x1b[201~")
        terminal.press("\r")
        terminal.press("w")
        stands(terminal, name)
        terminal.press("\x1b[27u")
        terminal.press("\x1b[27u")
    terminal.child.send("\x11")
    assert terminal.ended() == 0
    written = bytes(terminal.written)
    # As text it may stand there: in the event as it was signed it does.
    assert set(re.findall(rb"\x1b\](\d+);", written)) <= {b"8", b"22"}, "links, the pointer's shape"
    assert not re.search(rb"\x1b\][^\x1b\x07]*(?:%b|31337)" % PAYLOAD.encode(), written)
    assert b"\x1b[31337" not in written
    assert not {"\u202e", "\u2066", "\u061c"} & set(written.decode(errors="replace"))
    assert told(written) == set()


def reach(terminal: Terminal, keys: str, words: str) -> None:
    """Close whatever is open, and go there; again, where a key was for what is closed by then."""
    for _ in range(TRIES):
        terminal.child.send("\x1b[27u")
        terminal.child.send(keys)
        with contextlib.suppress(AssertionError):
            terminal.wait_for(words, TRY_FOR)
            return
    terminal.wait_for(words)


def stands(terminal: Terminal, where: str) -> None:
    """The line of keys is where it belongs, and nothing has moved the screen."""
    assert terminal.lines[-1].strip(), f"{where}: {terminal.lines}"
    assert not any("\x1b" in line for line in terminal.lines), where

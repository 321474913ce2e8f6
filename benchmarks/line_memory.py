"""Memory of each command that reads lines, looked at while they pass.

What asks relays asks one of ours, on loopback; the memory of the relay is not counted. That of a
command is all that is resident (VmRSS), the pages of its files that it maps included.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import IO, Final

import msgspec

from benchmarks.table import Row
from nostr_client.exits import Exit
from nostr_client.nips.nip19 import encode_note, encode_npub
from nostr_client.nips.nip59 import Rumor, wrap
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.relay_process import RelayProcess

MARKS: Final = (20_000, 60_000, 120_000, 250_000, 500_000, 1_000_000)
"""Lines after which it is looked at."""
KEY: Final = SecretKey.from_hex("7" * 64)
OTHER: Final = SecretKey.from_hex("5" * 64)
AT_ONCE: Final = 500
"""Lines that are written at once."""
GOAL: Final = 1.25
"""What is held at the last mark, of that at the first, at most."""
NOBODY: Final = "ws://127.0.0.1:9"
RELAY: Final = "RELAY"
"""In the words of a command: the URL of a relay of ours."""


@dataclass(frozen=True, slots=True)
class LineVerb:
    """A command, and the lines that it is given: all are different, as far as that is no work."""

    words: tuple[str, ...]
    lines: Callable[[], Iterator[bytes]]
    most: int = MARKS[-1]
    """Lines that it is given at most."""
    codes: Collection[int] = (0,)
    """What it may end with: what is asked for is nowhere."""

    @property
    def name(self) -> str:
        return " ".join("URL" if word == RELAY else word[:8] for word in self.words)

    @property
    def asks(self) -> bool:
        return RELAY in self.words


def _hex() -> Iterator[str]:
    """Different ones, as ids and keys look; the same at each run."""
    chance = random.Random(20210109)
    while True:
        yield f"{chance.getrandbits(256):064x}"


def _drafts() -> Iterator[bytes]:
    for number, text in enumerate(_hex()):
        draft = {"kind": 1, "content": f"{number} {text}", "created_at": 1_700_000_000 + number}
        yield msgspec.json.encode(draft)


def _events() -> Iterator[bytes]:
    for number, text in enumerate(_hex()):
        yield Draft(1, f"{number} {text}", (), 1_700_000_000 + number).sign(KEY, 0).json


def _few_events() -> Iterator[bytes]:
    return cycle(list(islice(_events(), 5_000)))


def _filters() -> Iterator[bytes]:
    for id in _hex():
        yield msgspec.json.encode({"ids": [id]})


def _npubs() -> Iterator[bytes]:
    """Public keys need not be on the curve to be spelled."""
    return (encode_npub(text).encode() for text in _hex())


def _rumors() -> Iterator[bytes]:
    return (msgspec.json.encode({"kind": 14, "content": text}) for text in _hex())


def _few_wraps() -> Iterator[bytes]:
    from nostr_client.nips import nip44
    from nostr_client.nips.nip59 import seal_draft

    now, me = 1_700_000_000, KEY.public_key.hex
    made = []
    for text in islice(_hex(), 500):
        rumor = Rumor.of(Draft(14, text, (("p", me),), now), OTHER.public_key.hex, now)
        sealed = nip44.encrypt(rumor.json, nip44.conversation_key(OTHER, me))
        made.append(wrap(seal_draft(sealed, now).sign(OTHER, now), me, now).json)
    return cycle(made)


NOTHING_FOUND: Final = (0, Exit.NOT_FOUND)
VERBS: Final = (
    LineVerb(("filter", "-k", "1"), _few_events),
    LineVerb(("filter", "-t", "t=nostr"), _few_events),
    LineVerb(("verify",), _few_events),
    LineVerb(("decode",), _npubs),
    LineVerb(("encode", "note"), lambda: (text.encode() for text in _hex())),
    LineVerb(("req", "--print", "--stdin"), _filters),
    LineVerb(("event", "--stdin"), _drafts),
    LineVerb(("gift", "wrap", OTHER.public_key.hex), _rumors, 250_000),
    LineVerb(("gift", "unwrap"), _few_wraps, 250_000),
    LineVerb(("publish", RELAY), _events, 250_000),
    LineVerb(("event", "--stdin", RELAY), _drafts, 60_000),
    LineVerb(("req", RELAY), _filters, 250_000, NOTHING_FOUND),
    LineVerb(("count", RELAY), _filters, 60_000),
    LineVerb(
        ("fetch", "-r", RELAY),
        lambda: (encode_note(id).encode() for id in _hex()),
        60_000,
        NOTHING_FOUND,
    ),
    LineVerb(("req", "--offline", "--stdin"), _filters, 250_000, NOTHING_FOUND),
)


def rows(lines: int, names: Sequence[str] = ()) -> Iterator[Row]:
    """Each command's memory at each mark up to `lines`, or that of the commands whose names begin
    with one of `names`; what is said is the last beside the first."""
    for verb in VERBS:
        if names and not verb.name.startswith(tuple(names)):
            continue
        marks = [mark for mark in MARKS if mark <= min(lines, verb.most)] or [lines // 3, lines]
        held = watched(verb, marks)
        words = f"{verb.name}: memory after {marks[-1]:,} lines, of that after {marks[0]:,}"
        if not held:
            yield Row(words, None, GOAL, note="there is no /proc here")
            continue
        note = ", ".join(f"{kilobytes / 1024:.0f}" for kilobytes in held)
        yield Row(words, held[-1] / held[0], GOAL, note=f"{note} MiB")


def watched(verb: LineVerb, marks: Sequence[int]) -> list[int]:
    """Give it lines; what it holds, in kB, after each of `marks`. Nothing where the system does not
    say. Raises RuntimeError where it fails."""
    with tempfile.TemporaryDirectory() as folder, _relay_for(verb, Path(folder)) as url:
        words = [url if word == RELAY else word for word in verb.words]
        home = Path(folder) / "home"
        (home / "config").mkdir(parents=True)
        (home / "config" / "config.toml").write_text(
            f'relays = ["{url or NOBODY}"]\nown_relay = false\n'
            'allow_private_relays = ["127.0.0.1"]\n'
        )
        secrets = {"NOSTR_CLIENT_HOME": str(home), "NOSTR_CLIENT_KEY": bytes(KEY).hex()}
        with subprocess.Popen(
            [sys.executable, "-m", "nostr_client", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **secrets},
        ) as process:
            assert process.stdin is not None
            found = [_held(process.pid) for _ in _fed(process.stdin, verb.lines(), marks)]
            process.stdin.close()
            if process.wait(600) not in verb.codes:
                raise RuntimeError(f"{verb.name} ended with {process.returncode}")
    return [held for held in found if held]


def _fed(pipe: IO[bytes], lines: Iterator[bytes], marks: Sequence[int]) -> Iterator[None]:
    """Write lines, as fast as they are read, and pause at each of `marks`."""
    sent = 0
    for mark in marks:
        while sent < mark:
            some = list(islice(lines, min(AT_ONCE, mark - sent)))
            pipe.write(b"\n".join(some) + b"\n")
            sent += len(some)
        pipe.flush()
        yield


def _held(pid: int) -> int | None:
    """What a process has resident, in kB; None where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return None
    return int(status.partition("VmRSS:")[2].split()[0])


@contextmanager
def _relay_for(verb: LineVerb, folder: Path) -> Iterator[str]:
    """The URL of a relay of ours, where the command asks one; else nothing."""
    if not verb.asks:
        yield ""
        return
    with asyncio.Runner() as runner:
        relay = runner.run(RelayProcess.start(folder / "relay"))
        try:
            yield relay.url
        finally:
            runner.run(relay.stop())

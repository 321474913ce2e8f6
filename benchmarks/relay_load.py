"""What relays get under `benchmarks.relay` and its like: the same signed events, and questions."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, Final

from benchmarks import loading
from benchmarks.loading import frame
from benchmarks.network import Network, signed
from nostr_client.protocol.event import Draft
from nostr_client.protocol.filters import Filter

CLASSES: Final = (
    *("20 authors, limit 500", "single id", "#e thread"),
    *("kind + since", "#p notifications", "100 ids"),
)
NEWEST: Final = Filter.of(kinds=[1], limit=1)
LIVE: Final = 1000
_WORDS: Final = ("live", "from", "the", "bench")
Apart = Callable[..., Any]
"""Runs a scenario of `loading` with its arguments in a process of its own."""


class Load:
    """What every relay gets in one run: `events`, then the `questions` of each class; `first` on
    another empty database; `writes` for whoever asks and writes; `live` to be fanned out."""

    def __init__(self, count: int, reqs: int, authors: int, seed: int, *, first: int = 0) -> None:
        now = int(time.time()) - 3600
        network = Network(count + first + reqs, now, authors=authors, seed=seed)
        events = list(network.events())
        texts = [event_frame(data) for data in signed(network, events)]
        self.events, self.first = texts[:count], texts[count : count + first]
        self.writes = texts[count + first :]
        network.notes = [
            note for note in network.notes if note.created_at <= events[count - 1].created_at
        ]
        network.now = events[count - 1].created_at
        self.questions = questions_of(network, reqs)
        self.mix = [
            one for several in zip(*self.questions.values(), strict=True) for one in several
        ]
        random.Random(seed).shuffle(self.mix)
        self.live = [live_note(network, number) for number in range(2 * LIVE)]


def questions_of(network: Network, count: int) -> dict[str, list[bytes]]:
    """So many frames of each class that ask for what the network has."""
    questions = network.questions()
    return {name: [req(questions[name]()) for _ in range(count)] for name in CLASSES}


def req(f: Filter) -> bytes:
    return frame(json.dumps(["REQ", "q", f.to_dict()], separators=(",", ":")).encode())


def event_frame(data: bytes) -> bytes:
    return frame(b'["EVENT",' + data + b"]")


def live_note(network: Network, number: int) -> bytes:
    """A note of this moment."""
    key = network.rng.choice(network.keys)
    text = " ".join(network.rng.choices(_WORDS, k=40))
    return event_frame(Draft(1, f"{text} {number}").sign(key, int(time.time())).json)


@contextmanager
def generator() -> Iterator[Apart]:
    """A process that loads relays."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:

        def apart(scenario: Callable[..., Any], *arguments: Any) -> Any:
            return pool.submit(_apart, scenario, arguments).result(loading.LIMIT)

        yield apart


def _apart(scenario: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return loading.run(scenario(*arguments))

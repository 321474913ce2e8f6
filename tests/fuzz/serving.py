"""A relay in this process, whose clock is ours and whose errors are failures."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from nostr_client.protocol.event import Event
from relays.config.relay_config import RelayConfig
from tests.relays.serving import serving
from tests.relays.talk import Wire

PREFIXES = {
    *("invalid", "unsupported", "blocked", "restricted", "rate-limited", "error", "duplicate"),
    *("auth-required", "pow", "mute"),
}


class Clock:
    """Seconds since 1970, moved by hand."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def served(
    folder: Path, config: RelayConfig, clock: Callable[[], float]
) -> AsyncIterator[str]:
    """The URL of a relay over `folder`; nothing may be logged while the block runs."""
    with complaints_are_failures():
        async with serving(folder, config, clock) as relay:
            yield relay.url


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(self.format(record))


@contextmanager
def complaints_are_failures() -> Iterator[None]:
    """Raises AssertionError when a warning or an error was logged in the block."""
    complaints = _Complaints()
    root = logging.getLogger()
    root.addHandler(complaints)
    try:
        yield
    finally:
        root.removeHandler(complaints)
    assert not complaints.heard, "\n".join(complaints.heard)


async def publish_all(client: Wire, events: list[Event]) -> dict[str, tuple[bool, str]]:
    """Send all, none of them twice, then take the answers: by id, accepted and the reason."""
    for event in events:
        await client.offer(event)
    answers: dict[str, tuple[bool, str]] = {}
    for _ in events:
        label, id, accepted, reason = await client.recv()
        assert label == "OK"
        assert id not in answers, "answered twice"
        assert accepted or reason.partition(":")[0] in PREFIXES, reason
        answers[id] = (accepted, reason)
    return answers


async def ask(client: Wire, id: str, text: str) -> tuple[list[Any], list[Any]]:
    """Send a REQ; the events that came, and the frame that ended it."""
    await client.raw(text)
    events: list[Any] = []
    while True:
        frame = await client.recv()
        assert frame[1] == id, frame
        if frame[0] != "EVENT":
            return events, frame
        assert len(frame) == 3
        events.append(frame[2])


def spelled(event: Event) -> Any:
    return json.loads(event.json)

"""One peer through all scenes: a row of the table."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from nostr_client.errors import NostrError
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.nips.nip11 import MEDIA_TYPE
from nostr_client.nips.nip11 import parse as parse_info
from nostr_client.protocol.keys import SecretKey
from nostr_client.safe_text import safe_line
from tests.interop.cells import NIPS, Cell, Feature, Row, Verdict
from tests.interop.judgments import JUDGED
from tests.interop.our_client import our_client
from tests.interop.peer import Lacks, Peer, Wrong
from tests.interop.scenes import LIMIT, Stage, played
from tests.interop.their_clients import TheirClient
from tests.interop.their_relays import OURS, TheirRelay

_WORDS: Final = 300
"""Characters of what was seen that stand in the document."""
_PRIVATE: Final = (
    (re.compile(r"\bhttps://[^\s,;]+"), "its registry"),
    (re.compile(r"\b(?:ws|http)://(?:127\.0\.0\.1|localhost|\[::1\])[:\d]*/?"), "the relay"),
    (re.compile(r"(?<![\w.])/(?:[\w.@+-]+/)+[\w.@+-]*"), "..."),
    (re.compile(r"\b(?:127\.0\.0\.1|localhost)(?::\d+)?"), "loopback"),
    (re.compile(r"\b[0-9a-f]{16,}\b"), "..."),
    (re.compile(r"\s*\|\s*"), " "),
)
"""Of this machine and of this run, and no part of what was seen."""


class Visited(NamedTuple):
    """A peer in one of the tables."""

    table: str
    name: str


Met = tuple[Peer, str, SecretKey]
"""A peer, the relay's URL, and the peer's key."""
Meeting = Callable[[Path, SecretKey, bool], AbstractAsyncContextManager[Met]]
"""In a folder, with a new key; the relay asks who is there (and may know a guest), or not."""


def said(text: str) -> str:
    """What was seen, in words that can be published."""
    text = safe_line(text, 10 * _WORDS)
    for pattern, instead in _PRIVATE:
        text = pattern.sub(instead, text)
    return text if len(text) <= _WORDS else f"{text[:_WORDS]}..."


def today() -> str:
    return datetime.now(UTC).date().isoformat()


async def meet_client(client: TheirClient, built: Path) -> Row:
    """Another's client on a relay of ours."""
    if not client.program:
        why = "It can be had here, and nothing here speaks for it yet."
        return Row.not_had(client.name, client.version, today(), why)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with (
            OURS.running(Path(), folder / "open", "") as url,
            OURS.running(Path(), folder / "auth", "whoever says who he is") as wary,
        ):

            @asynccontextmanager
            async def meeting(_: Path, key: SecretKey, asks: bool) -> AsyncIterator[Met]:
                at = wary if asks else url
                async with client.running(built, at, key) as peer:
                    yield peer, at, key

            cells = {
                feature: await _cell(
                    Visited("clients", client.name), feature, meeting, folder, OURS.private_kind
                )
                for feature in Feature
            }
    return Row(client.name, client.version, today(), cells)


async def meet_relay(relay: TheirRelay, built: Path) -> Row:
    """Our client on another's relay."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        key = SecretKey.generate()

        @asynccontextmanager
        async def meeting(place: Path, other: SecretKey, asks: bool) -> AsyncIterator[Met]:
            who = key if asks else other
            async with our_client(place, who, url) as peer:
                yield peer, url, who

        cells: dict[Feature, Cell] = {}
        for guest in ("", key.public_key.hex):
            features = [one for one in Feature if (one is Feature.AUTH) is bool(guest)]
            try:
                async with relay.running(built, folder / (guest or "all"), guest) as url:
                    nips = await _supported(url)
                    for feature in features:
                        cells[feature] = await _relay_cell(relay, feature, nips, meeting, folder)
            except Wrong as error:
                for feature in features:
                    cells[feature] = _failed(Visited("relays", relay.name), feature, str(error))
                    _progress(Visited("relays", relay.name), feature, cells[feature], 0.0)
    return Row(relay.name, relay.version, today(), {one: cells[one] for one in Feature})


async def _relay_cell(
    relay: TheirRelay,
    feature: Feature,
    nips: frozenset[int] | None,
    meeting: Meeting,
    folder: Path,
) -> Cell:
    visited = Visited("relays", relay.name)
    if why := relay.lacks.get(feature) or _unsaid(feature, nips):
        cell = Cell(Verdict.NOT_OFFERED, why)
        _progress(visited, feature, cell, 0.0)
        return cell
    return await _cell(visited, feature, meeting, folder, relay.private_kind)


async def _supported(url: str) -> frozenset[int] | None:
    """The NIPs of its document; None: it has none."""
    try:
        answer = await http.get(url, DialOptions(private=True), accept=MEDIA_TYPE)
        return frozenset(parse_info(answer.body).supported_nips)
    except NostrError:
        return None


def _unsaid(feature: Feature, nips: frozenset[int] | None) -> str:
    """Why it counts as not offered, by the relay's own document; "": it is offered, or untold."""
    nip = NIPS.get(feature)
    if nip is None or nips is None or nip in nips:
        return ""
    return f"Its document (NIP-11) does not name NIP-{nip}."


async def _cell(
    visited: Visited, feature: Feature, meeting: Meeting, folder: Path, private_kind: int
) -> Cell:
    """Play one scene, and say what came of it."""
    key, began = SecretKey.generate(), time.monotonic()
    place = folder / f"{feature}"
    try:
        async with meeting(place / "peer", key, feature is Feature.AUTH) as (peer, url, key):
            await played(feature, Stage(peer, url, key, place, private_kind))
        cell = Cell(Verdict.PASS)
    except Lacks as why:
        cell = Cell(Verdict.NOT_OFFERED, said(str(why)))
    except TimeoutError:
        cell = _failed(visited, feature, f"no end of it in {LIMIT:g} s")
    except (Wrong, NostrError, OSError) as error:
        cell = _failed(visited, feature, str(error) or type(error).__name__)
    _progress(visited, feature, cell, time.monotonic() - began)
    return cell


def _failed(visited: Visited, feature: Feature, seen: str) -> Cell:
    """With what was found out about it before, by hand."""
    whose = JUDGED.get((*visited, feature), "Whose it is has not been found out yet.")
    return Cell(Verdict.FAIL, f"Seen: {said(seen)}. {whose}")


def _progress(visited: Visited, feature: Feature, cell: Cell, took: float) -> None:
    note = f" ({cell.note})" if cell.note else ""
    print(
        f"{visited.table}: {visited.name}: {feature}: {cell.verdict} {took:.1f} s{note}",
        file=sys.stderr,
        flush=True,
    )

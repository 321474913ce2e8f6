"""Relays that lie, hide and forget are asked as a stranger, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from nostr_client.errors import InvalidData
from nostr_client.net.pool import RelayPool
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.resilience.audit_report import NAMESPACE, read_report, report_draft
from nostr_client.resilience.censorship import FindingKind
from nostr_client.resilience.inquiry import AuditEvidence, Inquiry
from nostr_client.routing.relay_facts import RelayFactBook
from tests.routing.moody import Relay
from tests.routing.rooms import (
    ANA,
    DEAD,
    LIMIT,
    START,
    PlainVerifier,
    Rooms,
    forged,
    relay_list,
    rooms,
    signed,
)

DAY = 86_400
SINCE = START - 30 * DAY
FRESH = START - 5 * DAY
CONTROLS = [SecretKey.from_hex(f"{n}" * 64) for n in (5, 6, 7)]
ME = ANA.public_key.hex


def diary(key: SecretKey) -> list[Event]:
    """A note every half day, the newest half a day old."""
    return [signed(key, content=f"day {n / 2:g}", at=START - (n + 1) * DAY // 2) for n in range(30)]


ALL = [note for key in (ANA, *CONTROLS) for note in diary(key)]
MINE = [note for note in ALL if note.pubkey == ME]


def keeping(kept: Callable[[Event], bool] = lambda event: True) -> Relay:
    return Relay(*(event for event in ALL if kept(event)))


@asynccontextmanager
async def asked(
    folder: Path, relays: Sequence[Relay], *besides: str
) -> AsyncIterator[tuple[Rooms, Inquiry, AuditEvidence]]:
    """Who is at ANA's relays is asked about her."""
    async with AsyncExitStack() as stack:
        for relay in relays:
            await stack.enter_async_context(relay)
        urls = [*(relay.url for relay in relays), *besides]
        r = await stack.enter_async_context(rooms(folder, owner=None))
        await r.store.save([relay_list(ANA, *urls, at=SINCE)])

        def stranger() -> RelayPool:
            return RelayPool(verifier=PlainVerifier(), dial=r.policy)

        facts = RelayFactBook(folder / "facts.json", r.policy, clock=r.clock)
        inquiry = Inquiry(r.store, stranger, r.book, facts, r.clock)
        async with asyncio.timeout(LIMIT):
            yield r, inquiry, await inquiry.look(ME, urls, SINCE)


async def test_each_relay_is_told_apart(tmp_path: Path) -> None:
    """One drops an author, one prunes what is old, one wants to know who asks, one is down, one
    forges, one has old lists only; two are honest."""
    profiles = [
        signed(ANA, kinds.METADATA, '{"name":"old"}', at=SINCE),
        signed(ANA, kinds.METADATA, '{"name":"ana"}', at=SINCE + DAY),
    ]
    lie = forged(signed(ANA, content="never written", at=START - DAY))
    honest, other = keeping(), keeping()
    dropping = keeping(lambda event: event.pubkey != ME or event.created_at < FRESH)
    pruning = keeping(lambda event: event.created_at >= START - 7 * DAY)
    walled, forging, old = keeping(), keeping(), keeping()
    walled.words = "auth-required: who are you?"
    for relay in (honest, other):
        relay.keep(profiles[1])
    old.keep(profiles[0])
    forging.held.append(lie)
    relays = [honest, other, dropping, pruning, walled, forging, old]
    async with asked(tmp_path, relays, DEAD) as (r, inquiry, evidence):
        found = {(one.kind, one.relay, one.author) for one in evidence.findings}
        assert found == {
            (FindingKind.TARGETING, dropping.url, ME),
            (FindingKind.RETENTION, pruning.url, ""),
            (FindingKind.WALL, walled.url, ""),
            (FindingKind.OUTAGE, DEAD, ""),
            (FindingKind.FORGED, forging.url, ""),
            (FindingKind.STALE, old.url, ME),
        }
        [targeting] = [f for f in evidence.findings if f.kind is FindingKind.TARGETING]
        hidden = {note.id for note in MINE if note.created_at >= FRESH}
        assert set(targeting.ids) == hidden
        assert {honest.url, other.url} <= set(targeting.witnesses)
        assert set(evidence.controls) <= {key.public_key.hex for key in CONTROLS}
        assert await r.store.count([Filter(kinds=frozenset({kinds.NOTE, 0}))]) == 0, "none is saved"
        assert not any(relay.sent("AUTH") for relay in relays)

        # Whoever doubts it asks again.
        event = report_draft(evidence).sign(ANA, START)
        same, report = read_report(event.json)
        assert event.tags[:2] == (("L", NAMESPACE), ("l", "audited", NAMESPACE))
        assert tuple(event.values("r")) == tuple(evidence.ends), "the label is true of each of them"
        [author] = [tag for tag in event.tags if tag[0] == "p"]
        assert author == ("p", ME, next(url for url, end in evidence.ends.items() if end.answered))
        assert same == event
        [reported] = [one for one in report.findings if one.kind == "targeting"]
        assert ("r", dropping.url) in event.tags
        now = await inquiry.held_now(reported.ids, [reported.relay, *reported.held_by])
        counts = {one.relay: (len(one.ids), len(one.absent)) for one in now}
        assert counts[dropping.url] == (0, len(hidden))
        assert counts[honest.url] == counts[other.url] == (len(hidden), 0)
        for note in MINE:
            dropping.keep(note)
        [again] = await inquiry.held_now(reported.ids, [reported.relay])
        assert again.ids == hidden


async def test_what_may_rightly_be_missing_is_no_matter(tmp_path: Path) -> None:
    """One relay honours a deletion, the others do not; what expires is gone there, too."""
    deleted = MINE[:6]
    deletion = signed(
        ANA, kinds.DELETION, tags=tuple(("e", note.id) for note in deleted), at=START - DAY // 4
    )
    ends = [
        signed(ANA, content=f"soon {n}", tags=(("expiration", "9999999999"),), at=START - DAY + n)
        for n in range(6)
    ]
    obeying = keeping(lambda event: event not in deleted)
    obeying.keep(deletion)
    others = [keeping(), keeping()]
    for relay in others:
        for note in ends:
            relay.keep(note)
    async with asked(tmp_path, [obeying, *others]) as (_, _, evidence):
        assert evidence.findings == ()


async def test_a_report_that_was_changed_is_none(tmp_path: Path) -> None:
    async with asked(tmp_path, [keeping(), keeping()]) as (_, _, evidence):
        event = report_draft(evidence).sign(ANA, START)
    assert read_report(event.json)[1].author == ME
    bare = signed(kind=1985, tags=(("L", NAMESPACE),), content="{}")
    sig = {**msgspec.json.decode(event.json), "sig": "0" * 128}
    for wrong in (signed().json, bare.json, msgspec.json.encode(sig), b"{}", b" " * (2**20 + 1)):
        with pytest.raises(InvalidData):
            read_report(wrong)

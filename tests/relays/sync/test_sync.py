"""Sync with scripted peers: by comparison and by pages, within every bound, over every fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import ConfigError, ConnectFailed, Refused
from nostr_client.net import reconcile
from nostr_client.net.pool import RelayPool
from nostr_client.net.reconcile import ReconcileLimits
from nostr_client.net.session import subscriptions
from nostr_client.net.time_windows import TimeWindow
from nostr_client.nips.nip11 import RelayInfo
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.store.contract import EventStore, StoreOptions
from nostr_client.store.opening import open_store
from relays.engine.importing import EventImporter
from relays.policies.verdict import SourceType
from relays.sync import sync, transfer
from relays.sync.sync import Sync, SyncScope, check_filter
from relays.sync.transfer import PeerTransfer
from tests.net.scripted import (
    ALICE,
    LIMIT,
    Peer,
    PlainVerifier,
    Script,
    ScriptedRelay,
    forged,
    honest,
)
from tests.relays import talk
from tests.relays.rules import plain_rules

NOW = 1_750_000_000
LISTED = RelayInfo(supported_nips=(1, 77))
ALL = Filter()


def note(text: str, at: int = NOW, **options: Any) -> Event:
    return talk.note(text, at=at, **options)


class Bench:
    """A sync of ours beside a scripted peer."""

    def __init__(self, store: EventStore, peer: ScriptedRelay, pool: RelayPool) -> None:
        self.store = store
        self.peer = peer
        self.pool = pool
        self.importer = EventImporter(store, plain_rules(), SourceType.SYNC)
        self.transfer = PeerTransfer(pool, peer.url, self.importer)

    async def run(
        self,
        filter: Filter = ALL,
        *,
        info: RelayInfo | None = LISTED,
        down: bool = True,
        up: bool = True,
        since: int = 0,
    ) -> Sync:
        scope = SyncScope(down=down, up=up, since=since)
        one = Sync(self.transfer, info, scope, lambda: NOW)
        async with asyncio.timeout(LIMIT):
            await one.run(filter)
        return one

    async def ids(self) -> set[str]:
        return {id.hex() for _, id in await self.store.ids(ALL)}


@asynccontextmanager
async def bench(folder: Path, script: Script, mine: Sequence[Event] = ()) -> AsyncIterator[Bench]:
    async with (
        open_store(folder / "events.db", StoreOptions(clock=lambda: NOW)) as store,
        ScriptedRelay(script) as peer,
        RelayPool(verifier=PlainVerifier(), known=store.known) as pool,
    ):
        await store.save(mine)
        yield Bench(store, peer, pool)


def ids(events: Sequence[Event]) -> set[str]:
    return {event.id for event in events}


EVENTS = [note(f"note {n}", NOW - 1000 * n) for n in range(300)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost connections are dialled again at once."""
    monkeypatch.setattr("nostr_client.net.backoff.FIRST", 0.01)
    monkeypatch.setattr("nostr_client.net.backoff.RUSH", 0.0)


@pytest.mark.parametrize("most", [None, 1000])
async def test_both_ways_by_comparison_and_by_pages(tmp_path: Path, most: int | None) -> None:
    theirs = EVENTS[40:]
    async with bench(tmp_path, honest(theirs := list(theirs), most=most), EVENTS[:-70]) as b:
        done = await b.run()
        assert await b.ids() == ids(theirs) == ids(EVENTS)
        assert b.transfer.sent.accepted == 40
        assert b.importer.tally.stored == 70
        assert (done.progress.compared, done.progress.read) == ((1, 0) if most else (0, 1))
        assert ("unknown message" in done.progress.pages) is not bool(most)
        if most:  # only what was missing went over the wire
            asked = {id for req in b.peer.sent("REQ") for id in req[2]["ids"]}
            assert asked == ids(EVENTS[-70:])
        again = await b.run()
        assert b.transfer.sent.accepted == 40
        assert again.progress.compared == bool(most)


@pytest.mark.parametrize("most", [None, 1000])
@pytest.mark.parametrize("way", ["down", "up"])
async def test_one_way_only(tmp_path: Path, most: int | None, way: str) -> None:
    theirs = EVENTS[5:10]
    async with bench(tmp_path, honest(theirs, most=most), EVENTS[:7]) as b:
        await b.run(down=way == "down", up=way == "up")
        assert await b.ids() == ids(EVENTS[:10] if way == "down" else EVENTS[:7])
        sent = {event[1]["id"] for event in b.peer.sent("EVENT")}
        assert sent == (ids(EVENTS[:5]) if way == "up" else set())


async def test_a_filter_bounds_both_sides(tmp_path: Path) -> None:
    mine = [note("mine"), note("mine", kind=7), note("old", NOW - 500)]
    theirs = [note("theirs"), note("theirs", kind=7), note("older", NOW - 600)]
    async with bench(tmp_path, honest(list(theirs), most=10), mine) as b:
        await b.run(Filter.of(kinds=[1], since=NOW - 100))
        assert await b.ids() == ids([*mine, theirs[0]])
        assert [event[1]["id"] for event in b.peer.sent("EVENT")] == [mine[0].id]
        await b.run(since=NOW - 550)
        assert await b.ids() == ids([*mine, *theirs[:2]])


@pytest.mark.parametrize("here", [True, False])
async def test_a_set_that_is_too_large_is_cut_into_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: bool
) -> None:
    if here:
        monkeypatch.setattr(sync, "EVENTS", 40)
    theirs = EVENTS[100:]
    script = honest(theirs := list(theirs), most=1000 if here else 50)
    async with bench(tmp_path, script, EVENTS[:-100]) as b:
        done = await b.run()
        assert await b.ids() == ids(theirs) == ids(EVENTS)
        assert done.progress.compared >= 4
        assert done.progress.missed == done.progress.read == 0


async def test_a_peer_that_calls_every_window_too_large_is_read_by_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "CUTS", 5)
    theirs = EVENTS[:20]
    async with bench(tmp_path, honest(list(theirs), most=-1)) as b:
        done = await b.run()
        assert await b.ids() == ids(theirs)
        assert done.progress.missed > 0


async def test_more_differences_than_one_comparison_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = ReconcileLimits(differences=50, frame=4096)
    monkeypatch.setattr(sync, "limits_for", lambda info: limits)
    events = [note(f"many {n}", NOW - 1000 * n) for n in range(1000)]
    async with bench(tmp_path, honest(events, most=1000), events[::2]) as b:
        done = await b.run()
        assert await b.ids() == ids(events)
        assert done.progress.compared > 1


async def test_pages_of_a_peer_with_small_ones_and_many_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "PAGED", 120)
    monkeypatch.setattr(sync, "EVENTS", 30)
    same = [note(f"same {n}", NOW - 5000) for n in range(20)]
    theirs = [*EVENTS[::2], *same]
    async with bench(tmp_path, honest(theirs, cap=100), EVENTS[::3]) as b:
        done = await b.run(info=None)
        assert await b.ids() == ids(theirs)
        assert ids(theirs) == ids([*EVENTS[::2], *EVENTS[::3], *same])
        assert b.transfer.sent.duplicate == b.transfer.sent.refused == 0
        assert done.progress.read >= 2


BOB, CAROL = (SecretKey.from_hex(digit * 64) for digit in "23")


@pytest.mark.parametrize("cap", [20, 100])
async def test_a_second_that_fills_a_page_is_read_by_parts(tmp_path: Path, cap: int) -> None:
    at = NOW - 5500
    many = cap - 5
    theirs = [
        *EVENTS[::20],
        *(note(f"note {n}", at) for n in range(many)),
        *(note(f"{n}", at, kind=7, key=BOB) for n in range(many)),
    ]
    mine = note("mine", at, kind=30023, tags=(("d", "x"),))
    listed = RelayInfo(supported_nips=(1, 45))  # it counts, and is asked no more than it takes
    for info in (None, listed):
        folder = tmp_path / str(info is None)
        folder.mkdir()
        async with bench(folder, honest(list(theirs), cap=cap), [mine]) as b:
            done = await b.run(info=info)
            assert await b.ids() == ids([*theirs, mine])
            assert done.progress.crowded == []
            assert [event[1]["id"] for event in b.peer.sent("EVENT")] == [mine.id]


async def test_a_second_that_cannot_be_read_whole_is_named(tmp_path: Path) -> None:
    at = NOW - 5500
    alike = [note(f"note {n}", at) for n in range(150)]
    async with bench(tmp_path, honest([*EVENTS, *alike], cap=100)) as b:
        done = await b.run(info=None)
        assert ids(EVENTS) < await b.ids()
        assert len(await b.ids()) == len(EVENTS) + 100
        assert done.progress.crowded == [at]


async def test_authors_and_tags_divide_a_second_but_only_a_count_makes_sure(tmp_path: Path) -> None:
    at = NOW - 5500
    others = [note("hello", NOW - 10, key=key) for key in (BOB, CAROL)]
    crowd = [note(f"{n}", at, key=key) for n in range(60) for key in (BOB, CAROL)]
    topics = [note(f"{n}", at - 1, tags=(("t", f"{n % 4}"),)) for n in range(120)]
    theirs = [*others, *crowd, *topics]
    for info, unsure in ((None, [at, at - 1]), (RelayInfo(supported_nips=(1, 45)), [])):
        folder = tmp_path / str(info is None)
        folder.mkdir()
        async with bench(folder, honest(list(theirs), cap=100)) as b:
            done = await b.run(info=info)
            assert await b.ids() == ids(theirs)
            assert sorted(done.progress.crowded) == sorted(unsure)


async def test_a_peer_that_has_more_and_shows_nothing(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        while True:
            frame = await peer.listen()
            if frame[0] == "REQ":
                await peer.send("EOSE", frame[1], ["more"])
            elif frame[0] == "NEG-OPEN":
                await peer.send("NEG-ERR", frame[1], "error: no")

    async with bench(tmp_path, script) as b:
        assert (await b.run()).progress.crowded == [NOW]


@pytest.mark.parametrize("fault", ["silent", "gone", "nonsense", "closed"])
async def test_a_peer_that_cannot_compare_is_read_by_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(reconcile, "QUICK", 0.05)
    monkeypatch.setattr(reconcile, "UNTOLD", 0.05)
    follow = honest(EVENTS[:3])

    async def script(peer: Peer) -> None:
        listen = peer.listen

        async def without_neg() -> list[Any]:
            while (frame := await listen())[0].startswith("NEG-"):
                if fault == "gone":
                    await peer.socket.close()
                elif fault == "nonsense" and frame[0] == "NEG-OPEN":
                    await peer.send("NEG-MSG", frame[1], "ff")
                elif fault == "closed" and frame[0] == "NEG-OPEN":
                    await peer.send("CLOSED", frame[1], "error: no such thing")
            return frame

        monkeypatch.setattr(peer, "listen", without_neg)
        await follow(peer)

    async with bench(tmp_path, script) as b:
        done = await b.run(info=RelayInfo(supported_nips=(1,)))
        assert done.progress.pages
        assert await b.ids() == ids(EVENTS[:3])


async def test_a_connection_that_is_lost_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(sync, "EVENTS", 100)
    monkeypatch.setattr(transfer, "IDS", 20)
    follow = honest(list(EVENTS), most=1000)

    async def script(peer: Peer) -> None:
        listen, frames = peer.listen, 0

        async def some() -> list[Any]:
            nonlocal frames
            frames += 1
            if b.peer.connections < 3 and frames > 2:
                await peer.socket.close()
            return await listen()

        monkeypatch.setattr(peer, "listen", some)
        await follow(peer)

    async with bench(tmp_path, script) as b:
        await b.run()
        assert await b.ids() == ids(EVENTS)
        assert b.peer.connections == 3


async def test_a_peer_that_is_not_there(tmp_path: Path) -> None:
    async with bench(tmp_path, honest()) as b:
        b.transfer.url = "ws://127.0.0.1:1"
        with pytest.raises(ConnectFailed):
            await b.run()


async def test_a_peer_that_sends_a_part_of_what_is_asked_for_by_id(tmp_path: Path) -> None:
    async with bench(tmp_path, honest(EVENTS, cap=7, most=1000)) as b:
        await b.run(up=False)
        assert await b.ids() == ids(EVENTS)
        assert b.transfer.missing == 0


async def test_forged_events_are_not_taken(tmp_path: Path) -> None:
    good, bad = note("good"), forged(note("bad"))
    async with bench(tmp_path, honest([good, bad], most=10)) as b:
        await b.run()
        assert await b.ids() == {good.id}
        assert b.transfer.missing == 1


async def test_what_was_deleted_here_does_not_come_back(tmp_path: Path) -> None:
    gone = note("gone", NOW - 10, key=ALICE)
    deletion = note("", kind=5, tags=(("e", gone.id),), key=ALICE)
    async with bench(tmp_path, honest([gone], most=10), [gone, deletion]) as b:
        await b.run(up=False)
        assert await b.ids() == {deletion.id}
        assert b.importer.tally.left_out == {"deleted by its author": 1}
        await b.run(up=False)  # and is not fetched again
        assert len(b.peer.sent("REQ")) == 1


async def test_what_a_policy_refuses_stays_away_and_old_events_do_not(tmp_path: Path) -> None:
    protected = note("protected", tags=(("-",),))
    old = note("old", at=1000)
    async with bench(tmp_path, honest([protected, old], most=10)) as b:
        await b.run()
        assert await b.ids() == {old.id}
        assert b.importer.tally.refused == 1


async def test_what_does_not_go_up(tmp_path: Path) -> None:
    protected = note("protected", tags=(("-",),))
    wrapped = note("wrapped", kind=1059, tags=(("p", "a" * 64),))
    plain = note("plain")
    async with bench(tmp_path, honest([], most=10), [protected, wrapped, plain]) as b:
        await b.run()
        assert [event[1]["id"] for event in b.peer.sent("EVENT")] == [plain.id]
        assert b.transfer.sent.kept.total() == 2
        await b.run(Filter.of(kinds=[1059]))
        assert b.peer.sent("EVENT")[-1][1]["id"] == wrapped.id


def choosy(answer: Callable[[int], tuple[bool, str]]) -> Script:
    """A peer that holds nothing and answers the n-th event as `answer` says."""

    async def script(peer: Peer) -> None:
        count = 0
        while True:
            frame = await peer.listen()
            if frame[0] == "NEG-OPEN":
                await peer.send("NEG-MSG", frame[1], "61" + "000002" + "00")
            elif frame[0] == "EVENT":
                count += 1
                await peer.send("OK", frame[1]["id"], *answer(count))

    return script


async def test_refusals_are_counted_with_their_words(tmp_path: Path) -> None:
    script = choosy(lambda n: (n == 1, "" if n == 1 else "blocked: \x1b[31mnot you"))
    async with bench(tmp_path, script, EVENTS[:4]) as b:
        await b.run()
        assert b.transfer.sent.accepted == 1
        assert b.transfer.sent.refused == 3
        assert list(b.transfer.sent.reasons.values()) == [3]
        assert "\x1b" not in str(b.transfer.sent)


async def test_a_refusal_for_now_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PAUSES", (0.01, 0.01))
    script = choosy(lambda n: (n > 3, "rate-limited: slow down"))
    async with bench(tmp_path, script, EVENTS[:2]) as b:
        await b.run()
        assert b.transfer.sent.accepted == 2
        assert b.transfer.sent.refused == 0


async def test_a_peer_that_takes_nothing_is_not_sent_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PATIENCE", 100)
    async with bench(tmp_path, choosy(lambda n: (False, "restricted: no")), EVENTS) as b:
        await b.run()
        assert len(b.peer.sent("EVENT")) == 100
        assert b.transfer.sent.unsent == 200
        assert "takes nothing" in str(b.transfer.sent)


async def test_a_refused_request_is_an_error_after_some_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PAUSES", (0.01,))
    monkeypatch.setattr(subscriptions, "QUEUED", (0.01, 0.01))
    follow = honest(EVENTS[:3], most=10)

    async def script(peer: Peer) -> None:
        listen = peer.listen

        async def refusing() -> list[Any]:
            while (frame := await listen())[0] == "REQ":
                await peer.send("CLOSED", frame[1], "rate-limited: later")
            return frame

        monkeypatch.setattr(peer, "listen", refusing)
        await follow(peer)

    async with bench(tmp_path, script) as b:
        with pytest.raises(Refused, match="rate-limited"):
            await b.run()
        assert len(b.peer.sent("REQ")) == 6, "each of two requests, and twice again at once"


@given(
    st.none() | st.integers(0, 2 * NOW),
    st.none() | st.integers(0, 2 * NOW),
)
def test_halves_cover_exactly_the_whole(since: int | None, until: int | None) -> None:
    whole = TimeWindow(since, until)
    halves = whole.halves(NOW)
    if len(halves) == 1:
        assert halves == [whole]
        return
    older, newer = halves
    assert (older.since, newer.until) == (since, until)
    assert older.until is not None
    assert newer.since == older.until + 1
    assert (since or 0) <= older.until
    assert until is None or newer.since <= until


def test_filters_that_are_no_set() -> None:
    for filter in (
        Filter(limit=5),
        Filter(search="words"),
        Filter.from_dict({"#many": ["x"]}),
    ):
        with pytest.raises(ConfigError):
            check_filter(filter)
    assert check_filter(ALL) is ALL


async def test_a_peer_cannot_have_us_ask_our_neighbours() -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.split()[1])
        port = writer.get_extra_info("sockname")[1]
        place = f"Location: http://localhost:{port}/admin?reset"
        writer.write(f"HTTP/1.1 302 Found\r\n{place}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, asyncio.timeout(LIMIT):
        port = server.sockets[0].getsockname()[1]
        assert await sync.fetch_information(f"ws://127.0.0.1:{port}") is None
    assert asked == ["/"]

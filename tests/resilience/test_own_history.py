"""The own history comes here by itself: over real sockets and stores."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nostr_client.net.rejected_ids import RejectedIds
from nostr_client.nips.nip77 import Items, NegentropyServer
from nostr_client.paths import FolderLock
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.resilience import history, own_history
from nostr_client.resilience.comparison import Parts
from nostr_client.resilience.history import History
from nostr_client.resilience.history_progress import OwnHistoryStatus, OwnSet
from nostr_client.resilience.own_history import AGAIN, NO_ROOM, REST, TOO_MANY, WHOLE, OwnHistory
from nostr_client.routing.negentropy_trials import NegentropyTrials
from nostr_client.routing.relay_facts import RelayFactBook
from tests.net.scripted import Peer, ScriptedRelay, honest
from tests.routing.rooms import (
    ANA,
    BEN,
    DEAD,
    START,
    Clock,
    Relay,
    Rooms,
    relay_list,
    rooms,
    signed,
)
from tests.waiting import until

ME = ANA.public_key.hex
MINE, ABOUT_ME = OwnSet.WRITTEN, OwnSet.MENTIONS


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_history, "SCREEN_REST", 0.0)
    monkeypatch.setattr(own_history, "LOOK", 0.01)
    monkeypatch.setattr(own_history, "MOST_PAUSE", 0.0)
    monkeypatch.setattr(own_history, "PARTS", Parts(differences=50, paged=10, probes=0))


class Desk(NamedTuple):
    rooms: Rooms
    own: OwnHistory

    async def status(self) -> OwnHistoryStatus:
        return await self.own.status()

    async def read(self, which: OwnSet = MINE) -> OwnHistoryStatus:
        """Wait until all that the relays which answer have is here, as of now."""
        now = int(self.rooms.clock())

        async def done() -> bool:
            return (await self.own.status()).complete_since(which) >= now

        await until(done)
        return await self.own.status()

    async def held(self, filter: Filter) -> set[str]:
        return {event.id for event in await self.rooms.store.query([filter])}

    async def mine(self) -> set[str]:
        return await self.held(Filter.of(authors=[ME], kinds=[kinds.NOTE]))


@asynccontextmanager
async def desk(
    folder: Path,
    *relays: str,
    held: Sequence[Event] = (),
    clock: Clock | None = None,
    compares: bool = True,
) -> AsyncIterator[Desk]:
    """`compares`: it is not known of any relay that it does not."""
    async with rooms(folder, clock=clock) as r:
        await r.store.save([*held, relay_list(ANA, *relays, at=START)])
        trials = NegentropyTrials(
            folder / "negentropy.json", RelayFactBook(folder / "facts.json", r.policy), r.clock
        )
        for url in () if compares else relays:
            await trials.failed(url, "it does not")
        one = History(
            r.courier,
            trials,
            owner=ME,
            unwanted=RejectedIds(folder / "unwanted"),
            clock=r.clock,
        )
        async with OwnHistory(
            one,
            r.store,
            r.book,
            owner=ME,
            folder=folder,
            ready=lambda: True,
            clock=r.clock,
        ) as own:
            yield Desk(r, own)


def notes(number: int, *, step: int = 3600) -> list[Event]:
    return [signed(content=f"note {n}", at=START - step * n) for n in range(number)]


def ids(events: Sequence[Event]) -> set[str]:
    return {event.id for event in events}


async def test_everything_comes_from_whatever_relays_have_it(tmp_path: Path) -> None:
    """One compares, one is read by pages, one stands in an earlier relay list; old versions of
    lists are kept, too, and nothing is asked for twice."""
    mine = notes(60)
    profiles = [signed(kind=0, content=f'{{"name":"{n}"}}', at=START - n) for n in range(3)]
    mention = signed(BEN, 9735, "paid", tags=(("p", ME),))
    async with (
        ScriptedRelay(honest([*mine[:30], *profiles, mention], most=500)) as one,
        ScriptedRelay(honest(mine[20:50], cap=7)) as other,
        ScriptedRelay(honest(mine[45:])) as former,
        desk(
            tmp_path,
            one.url,
            other.url,
            held=[relay_list(ANA, former.url, at=START - 9)],
        ) as d,
    ):
        before = await d.status()
        assert before.complete_since() == 0
        assert set(before.sets[MINE]) == {one.url, other.url, former.url}
        d.own.start()
        status = await d.read()
        assert await d.mine() == ids(mine)
        assert len(await d.rooms.store.history(event_address(0, ME))) == 2
        await d.read(ABOUT_ME)
        assert await d.rooms.store.get(mention.id) is not None
        assert not str(status.sets[MINE][one.url])

        d.rooms.clock.now += AGAIN
        named = len([f for f in one.sent("REQ") if "ids" in f[2]])
        await d.read()
        assert len([f for f in one.sent("REQ") if "ids" in f[2]]) == named, "what is old stays old"


async def test_a_relay_that_is_down_is_named(tmp_path: Path) -> None:
    async with desk(tmp_path, DEAD) as d:
        d.own.start()
        await until(lambda: _asked(d, DEAD))
        status = await d.status()
        assert str(status.sets[MINE][DEAD]).startswith("cannot be reached (")
        assert status.complete_since() == 0


async def _asked(d: Desk, url: str) -> bool:
    return bool((await d.status()).sets[MINE][url].how)


async def test_pages_go_on_where_they_were_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also amid a second in which much was written."""
    mine = [signed(content=f"note {n}", at=START - n // 8) for n in range(60)]
    monkeypatch.setattr(own_history, "MOST_REQUESTS", 6)
    async with ScriptedRelay(honest(mine, cap=10)) as relay:
        clock = Clock(START)
        rounds = 0
        while True:
            async with desk(tmp_path, relay.url, clock=clock) as d:
                known = (await d.status()).sets[MINE][relay.url]
                begun = len(relay.sent("REQ"))
                d.own.start()
                await until(lambda d=d, due=known.due: _is_later(d, relay.url, due))  # type: ignore[misc]
                now = (await d.status()).sets[MINE][relay.url]
                wanted = [f[2] for f in relay.sent("REQ")[begun:] if "authors" in f[2]]
                assert wanted[0].get("until") == known.floor
                rounds += 1
                if now.complete_at:
                    break
                assert "goes on" in str(now)
                clock.now = max(one.due for one in (await d.status()).sets[MINE].values())
        assert rounds > 1
        async with desk(tmp_path, relay.url, clock=clock) as d:
            assert await d.mine() == ids(mine)


async def _is_later(d: Desk, url: str, due: int) -> bool:
    return (await d.status()).sets[MINE][url].due > due


async def test_what_another_device_writes_comes_with_the_next_look(tmp_path: Path) -> None:
    """Late and with an old date, too: at once where sets are compared, elsewhere after a while."""
    compared, paged = notes(5), notes(3)
    async with (
        ScriptedRelay(honest(compared, most=500)) as one,
        ScriptedRelay(honest(paged)) as other,
        desk(tmp_path, one.url, other.url) as d,
    ):
        d.own.start()
        await d.read()
        late = signed(content="late", at=START - 300 * 86_400)
        later = signed(content="later", at=START - 200 * 86_400)
        new = signed(content="new", at=START + 60)
        compared.append(late)
        paged += [later, new]
        d.rooms.clock.now += AGAIN
        await d.read()
        assert await d.mine() == ids([*compared, new])
        d.rooms.clock.now += WHOLE
        await d.read()
        assert later.id in await d.mine()


async def test_a_flood_of_mentions_is_bounded_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_history, "MOST_MENTIONS", 20)
    flood = [signed(BEN, content=f"{n}", tags=(("p", ME),), at=START - n) for n in range(100)]
    async with ScriptedRelay(honest(flood, cap=10)) as relay, desk(tmp_path, relay.url) as d:
        d.own.start()
        status = await d.read(ABOUT_ME)
        came = await d.held(Filter.of(authors=[BEN.public_key.hex]))
        assert 20 <= len(came) <= 30
        assert came == ids(flood[: len(came)]), "the newest"
        assert str(status.sets[ABOUT_ME][relay.url]) == TOO_MANY
        new = signed(BEN, content="new", tags=(("p", ME),), at=START + 5)
        flood.append(new)
        d.rooms.clock.now += WHOLE
        status = await d.read(ABOUT_ME)
        later = await d.held(Filter.of(authors=[BEN.public_key.hex]))
        assert later - came == {new.id}, "and nothing older from then on"
        assert str(status.sets[ABOUT_ME][relay.url]) == TOO_MANY


async def test_a_relay_that_wants_to_know_who_asks(tmp_path: Path) -> None:
    """It is named, asked again after a growing while, and at once when it has been told."""
    async with Relay(*notes(3)) as relay, desk(tmp_path, relay.url, compares=False) as d:
        relay.words = "auth-required: who are you?"
        d.own.start()
        await until(lambda: _asked(d, relay.url))
        shown = (await d.status()).sets[MINE][relay.url]
        assert str(shown).startswith("not allowed (auth-required: who are you?")
        assert (shown.due, shown.tries) == (START + REST, 1)
        d.rooms.clock.now = shown.due
        await until(lambda: _is_later(d, relay.url, shown.due))
        assert (await d.status()).sets[MINE][relay.url].due == shown.due + 2 * REST
        relay.words = ""
        d.own.hurry()
        assert not str((await d.read()).sets[MINE][relay.url])
        assert len(await d.mine()) == 3


async def test_a_nearly_full_disk_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    full = [True]

    def disk(path: object) -> Any:
        return usage._replace(free=1000) if full[0] else usage._replace(free=2**40)

    monkeypatch.setattr(own_history.shutil, "disk_usage", disk)
    async with Relay(*notes(3)) as relay, desk(tmp_path, relay.url, compares=False) as d:
        d.own.start()

        async def told() -> bool:
            return (await d.status()).problem == NO_ROOM

        await until(told)
        assert not relay.sent("REQ")
        full[0] = False
        assert not (await d.read()).problem
        assert len(await d.mine()) == 3


async def test_one_process_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    class Counted(FolderLock):
        def __enter__(self) -> FolderLock:
            nonlocal looks
            looks += 1
            return super().__enter__()

    monkeypatch.setattr(own_history, "FolderLock", Counted)
    async with Relay(*notes(3)) as relay, desk(tmp_path, relay.url, compares=False) as d:
        lock = FolderLock(tmp_path / f"own-history-{ME[:16]}.lock")
        with lock:
            d.own.start()
            await until(lambda: looks > 2)
            assert not relay.sent("REQ")
        await d.read()


async def test_ids_that_a_relay_makes_up_are_soon_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "IDS", 10)
    monkeypatch.setattr(own_history, "PARTS", Parts(probes=0))
    lies = [(START - n, bytes([n % 256, n // 256]) * 16) for n in range(500)]

    async def liar(peer: Peer) -> None:
        while True:
            frame = await peer.listen()
            if frame[0] == "NEG-OPEN":
                held = NegentropyServer(Items(sorted(lies)))
            if frame[0] in ("NEG-OPEN", "NEG-MSG"):
                said = held.answer(bytes.fromhex(frame[-1]))
                await peer.send("NEG-MSG", frame[1], said.hex())
            elif frame[0] == "REQ":
                await peer.send("EOSE", frame[1])

    async with ScriptedRelay(liar) as relay, desk(tmp_path, relay.url) as d:
        d.own.start()
        await until(lambda: _asked(d, relay.url))
        shown = (await d.status()).sets[MINE][relay.url]
        assert "names and does not send" in str(shown)
        assert shown.complete_at == 0
        named = [frame for frame in relay.sent("REQ") if "ids" in frame[2]]
        assert len(named) == history.PATIENCE

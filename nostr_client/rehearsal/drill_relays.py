"""The relays of a drill: real processes, of several sorts, at several sites."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.rehearsal.liars import Front
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.rehearsal.sites import HERE, RelaySite

RelaySort = Literal["plain", "prunes-30", "prunes-90", "slow", "indexer"]
SETTINGS: Final[dict[RelaySort, str]] = {
    "plain": "",
    "prunes-30": "[[retention.rules]]\nkinds = [1, 6, 7]\ndays = 30\n",
    "prunes-90": "[[retention.rules]]\nkinds = [1, 6, 7]\ndays = 90\n",
    "slow": '[rates.events]\nkey = "10/second"\nconnection = "10/second"\n',
    "indexer": "[events]\nkinds = [0, 3, 10002, 10050]\n",
}
"""What each sort keeps to: pruned after 30 or 90 days, 10 events a second."""
SORTS: Final[Sequence[RelaySort]] = ("plain", "plain", "prunes-30", "plain", "slow", "prunes-90")
"""What the relays are, in turn."""


class RelayCounts:
    """What relays counted, by the names of their figures."""

    def __init__(self) -> None:
        self.by_name: dict[str, float] = {}

    def add(self, name: str, value: float) -> None:
        """So many more."""
        self.by_name[name] = self.by_name.get(name, 0.0) + value

    def of(self, name: str) -> int:
        """The figure `nostr_relay_NAME`, 0 where nobody counted any."""
        return int(self.by_name.get(f"nostr_relay_{name}", 0))


KEEPS: Final[dict[RelaySort, int]] = {"prunes-30": 30 * 86_400, "prunes-90": 90 * 86_400}
"""Seconds that notes are kept, where not for ever."""


@dataclass
class DrillRelay:
    """One relay: its process, what it is, where it stands; behind a `front`, which is what others
    reach, where it lies, or announces its end."""

    process: RelayProcess
    sort: RelaySort
    site: RelaySite
    front: Front | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        return self.front.url if self.front else self.process.url

    @property
    def operator(self) -> str:
        """Whoever falls with it: its cloud, or it alone."""
        return self.site.cloud or self.url

    @property
    def alive(self) -> bool:
        return self.process.alive

    @property
    def is_honest(self) -> bool:
        return self.front is None or not self.front.lie

    def takes_notes_of(self, age: float) -> bool:
        """Notes that are `age` seconds old: or are they pruned here?"""
        return age < KEEPS.get(self.sort, age + 1)

    async def kill(self) -> None:
        """At once, as a seized machine ends."""
        await self.process.kill()
        if self.front:
            await self.front.close()

    async def count(self, counts: RelayCounts) -> None:
        """Add what it counted so far (`/metrics`). Raises NostrError."""
        url = self.process.url.replace("ws://", "http://") + "/metrics"
        answer = await http.get(url, DialOptions(private=True, proxy=None), accept="text/plain")
        for line in answer.body.decode().splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                counts.add(name, float(value))


async def start_relay(
    folder: Path, sort: RelaySort, site: RelaySite | None = None, front: Front | None = None
) -> DrillRelay:
    """Raises NostrError."""
    site = site or RelaySite()
    keeper = f'pubkey = "{site.keeper}"\n' if site.keeper else ""
    settings = await asyncio.to_thread(_written, folder, keeper + SETTINGS[sort])
    host = HERE if front else site.host
    options = ("--config", str(settings), "--host", host)
    relay = DrillRelay(await RelayProcess.start(folder / "data", *options), sort, site, front)
    if front is not None:
        await front.open(relay.process.url, site.host)
    return relay


def _written(folder: Path, settings: str) -> Path:
    folder.mkdir(parents=True)
    path = folder / "relay.toml"
    path.write_text(settings, encoding="utf-8")
    return path


def by_zipf(count: int) -> list[float]:
    """Weights of `count` ranks, the first the heaviest."""
    return [1 / rank for rank in range(1, count + 1)]


def drawn(
    chance: random.Random, among: Sequence[str], weights: Sequence[float], n: int
) -> list[str]:
    """`n` different ones of `among`, heavy ones more likely."""
    left = dict(zip(among, weights, strict=True))
    found: list[str] = []
    while left and len(found) < n:
        one = chance.choices(list(left), list(left.values()))[0]
        found.append(one)
        del left[one]
    return found

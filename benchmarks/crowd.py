"""The folder of somebody who follows 2,000 people, for `benchmarks.terminal`: made from a seed.

Each note begins with a number of its own (`n0000042`), so that a screen tells which one it shows.
Events are as in `benchmarks.network`, unsigned, for a store leaves signatures to its callers; what
arrives later over a relay is signed.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from benchmarks.network import Network, event
from nostr_client.accounts.account import Accounts
from nostr_client.client import NostrClient
from nostr_client.paths import Paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.store.contract import StoreOptions
from nostr_client.store.opening import open_store

FOLLOWS = 2_000
SEED = 7
ANSWERS = 499
PASSWORD = "correct horse"
READER = SecretKey(sha256(b"reader").digest())
"""Whose key is not here: the client opens without a question."""
WRITER = SecretKey(sha256(b"writer").digest())
"""Whose key is kept by `PASSWORD`."""
PART = 10_000
NEWEST = 600


class Crowd(Network):
    """People whose notes are numbered, in the order in which they were written."""

    numbered = 0

    def text(self, length: int) -> str:
        self.numbered += 1
        return f"n{self.numbered:07} {super().text(length)}"


@dataclass(frozen=True)
class Home:
    """A folder of the client. `newest`: the numbers of the newest notes of its timeline, newest
    first; the first of them has `ANSWERS` answers."""

    folder: Path
    crowd: Crowd
    newest: Sequence[str]

    @property
    def paths(self) -> Paths:
        return paths_in(self.folder)

    def configure(self, relay: str) -> None:
        """Use this relay, and no other."""
        configure(self.paths, relay)


def configure(paths: Paths, relay: str) -> None:
    """A client of these folders uses this relay, and no other."""
    (paths.config / "config.toml").write_text(
        f'relays = ["{relay}"]\nown_relay = false\nallow_private_relays = ["127.0.0.1"]\n'
    )


def paths_in(folder: Path) -> Paths:
    return Paths(folder / "config", folder / "data", folder / "state")


async def furnish(folder: Path, count: int, relay: str, unindexed: Path | None = None) -> Home:
    """Make the folder: `count` events of the people whom both accounts follow. `unindexed`: make
    this folder, too, in which nothing is ready to be searched."""
    now = int(time.time())
    crowd = Crowd(count, now - 120, authors=FOLLOWS, seed=SEED, hint="")
    paths = paths_in(folder)
    paths.config.mkdir(parents=True)
    paths.data.mkdir(parents=True)
    configure(paths, relay)
    accounts = Accounts(paths, work=4)
    await accounts.import_key(WRITER, "writer", password=PASSWORD)
    await accounts.add_watch_only(READER.public_key.hex, "reader", switch=True)
    async with open_store(paths.data / "events.db") as store:
        await store.save(_lists(crowd, now))
        made = crowd.events()
        while part := list(itertools.islice(made, PART)):
            await store.save(part)
        thread = _thread(crowd, now - 100)
        await store.save(thread)
    if unindexed is not None:
        await asyncio.to_thread(shutil.copytree, folder, unindexed)
    async with open_store(paths.data / "events.db", StoreOptions(search=True)) as store:
        await store.finish_index()  # which a client does in idle time, once
    return Home(folder, crowd, await _newest(paths))


async def _newest(paths: Paths) -> list[str]:
    async with NostrClient.open(
        pubkey=READER.public_key.hex, paths=paths, relays=[], own_relay=False
    ) as client:
        return [view.event.content.split()[0] for view in await client.timeline.home(limit=NEWEST)]


def _lists(crowd: Crowd, now: int) -> list[Event]:
    follows = tuple(("p", person) for person in crowd.people)
    lists = [Draft(kinds.FOLLOWS, "", follows, now - 9).sign(key, now) for key in (READER, WRITER)]
    names = [
        event(person, 0, now - 10**6, (), msgspec.json.encode({"name": f"person {n}"}).decode())
        for n, person in enumerate(crowd.people)
    ]
    return [*lists, *names]


def _thread(crowd: Crowd, at: int) -> list[Event]:
    """A note and `ANSWERS` answers, of strangers, each to one of those before it."""
    root = event(crowd.people[0], 1, at, (), f"{crowd.text(12)} thread")
    notes = [root]
    for number in range(ANSWERS):
        parent = crowd.rng.choice(notes)
        tags = [("e", root.id, "", "root"), ("p", root.pubkey)]
        if parent is not root:
            tags.insert(1, ("e", parent.id, "", "reply"))
        who = sha256(b"stranger %d" % (number % 50)).hexdigest()
        notes.append(event(who, 1, at + number * 90 // ANSWERS, tags, crowd.text(15)))
    return notes

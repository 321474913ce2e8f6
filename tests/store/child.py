"""A second process on a store: `python -m tests.store.child WHAT PATH ...`.

It prints one line for each thing done, once it is durable.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import StoreOptions
from nostr_client.store.opening import open_store
from nostr_client.store.sqlite import index_merge, search_index
from tests.store.samples import NOW, author, make

NOBODY = 65534


def writer(name: str) -> str:
    """The pubkey under which the child called `name` writes."""
    return sha256(name.encode()).hexdigest()


def batch(name: str, number: int, size: int) -> list[Event]:
    """Notes, with a profile that supersedes the last one and a deletion of what is held."""
    me = writer(name)
    notes = [
        make(
            me, 1, NOW - number, ("t", name), ("e", author(number)), content=f"{name} {number} {n}"
        )
        for n in range(size)
    ]
    profile = make(me, 0, NOW + number, ("t", "profile"), content=name)
    old = make(author(5), 1, NOW - number, content=f"{name} {number}")
    return [old, *notes, profile, make(author(5), 5, NOW, ("e", old.id))]


async def save(path: Path, name: str, size: int, count: int) -> None:
    """Save batches, and print the ids of the notes of each that was saved; index meanwhile."""
    search_index.QUIET = 0  # type: ignore[misc]
    search_index.FLOOD = 50  # type: ignore[misc]
    async with open_store(path, StoreOptions(search=True)) as store:
        for number in range(count):
            events = batch(name, number, size)
            results = await store.save(events)
            assert all(result.held for result in results), results
            print(" ".join(event.id for event in events[1:-2]), flush=True)


async def watch(path: Path, count: int) -> None:
    """Print the ids of notes as they come, after a line that says when it begins."""
    async with open_store(path) as store, store.watch([Filter.of(kinds=[1])]) as watching:
        print("watching", flush=True)
        for _ in range(count):
            print((await anext(watching)).id, flush=True)


async def full(path: Path) -> None:
    """Run against a limit of the system on the size of files, and recover when it is lifted."""
    async with open_store(path) as store:
        saved = [make(author(1), 1, NOW - n, content="x" * 1000) for n in range(300)]
        await store.save(saved)
        room = max(item.stat().st_size for item in path.parent.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (room + 200_000, resource.RLIM_INFINITY))
        more = [make(author(2), 1, NOW - n, content="y" * 1000) for n in range(1000)]
        for _ in range(2):
            try:
                await store.save(more)
            except StoreError as error:
                print(error, flush=True)
        assert await store.query([Filter()]) == saved, "reads go on, and nothing was half saved"
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert all(result.held for result in await store.save(more))
        assert await store.count([Filter()]) == 1300
        await store.check()
    print("recovered", flush=True)


async def unwritable(seed: Path) -> None:
    """A store in a folder that may be read and not written; also for root, who may write all."""
    async with open_store(seed) as store:  # so that nobody has to import anything later
        await store.save([make(author(1), 1, NOW)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "events.db"
        path.write_bytes(seed.read_bytes())
        path.chmod(0o444)
        folder.chmod(0o555)
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
        for target in (path, folder / "new.db"):
            try:
                async with open_store(target) as store:
                    await store.save([make(author(1), 1, NOW)])
            except StoreError as error:
                print(error, flush=True)
        if os.getuid() == 0:
            os.seteuid(0)
        assert path.read_bytes() == seed.read_bytes()
        folder.chmod(0o755)


def main() -> None:
    index_merge.ROUND = 128
    what, path = sys.argv[1], Path(sys.argv[2])
    match what:
        case "save":
            name, size, count = sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
            asyncio.run(save(path, name, size, count))
        case "watch":
            asyncio.run(watch(path, int(sys.argv[3])))
        case "full":
            asyncio.run(full(path))
        case "unwritable":
            asyncio.run(unwritable(path))


if __name__ == "__main__":
    random.seed(0)
    main()

"""Some nodes, each a process with a folder and a port of its own, and clients that use them all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.turned_clock import TurnedClock
from tests.nodes.database import free_port
from tests.nodes.load import Account, Asker, Reader, Writer
from tests.relays.talk import wire
from tests.waiting import until


class Node:
    """One relay process; started again, it is where it was."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}"
        self.clock = TurnedClock(folder.with_suffix(".clock"))
        self._log = folder.with_suffix(".log")
        self._process: RelayProcess | None = None

    async def start(self) -> None:
        """Raises NostrError where it does not listen."""
        arguments = (str(self._folder), self._url, str(self.port), str(self.clock.file))
        with self._log.open("ab") as log:
            self._process = await RelayProcess.running(
                self._folder, "tests.nodes.node", *arguments, log=log
            )

    async def kill(self) -> None:
        """At once."""
        if self._process is not None:
            await self._process.kill()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.alive

    @property
    def pid(self) -> int:
        assert self._process is not None, "it was never started"
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has written on its standard error."""
        return self._log.read_text("utf-8", "replace")


class Cluster:
    """Made by `nodes_on`: nodes of one relay."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.account = Account()
        self.readers: list[Reader] = []
        self.writers: list[Writer] = []

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    @asynccontextmanager
    async def working(
        self,
        *,
        writers: int = 3,
        readers: int = 3,
        window: int = 20,
        rate: float = 100.0,
        patience: float = 30.0,
    ) -> AsyncIterator[None]:
        """With clients at work until the block ends, and until all that was offered is answered and
        has reached every reader, or `patience` seconds are over."""
        self.writers = [
            Writer(number, self.urls, self.account, window=window, rate=rate)
            for number in range(writers)
        ]
        authors = [writer.author for writer in self.writers]
        self.readers = [Reader(number, self.urls, authors) for number in range(readers)]
        reading = [asyncio.create_task(reader.run()) for reader in self.readers]
        writing: list[asyncio.Task[None]] = []
        try:
            for reader in self.readers:
                await reader.ready.wait()
            writing += (asyncio.create_task(writer.run()) for writer in self.writers)
            yield
            for writer in self.writers:
                writer.finish()
            async with asyncio.timeout(2 * patience):
                await asyncio.gather(*writing)
            with contextlib.suppress(TimeoutError):  # whoever looks finds what is missing
                await until(lambda: not any(self.missed()), limit=patience, pause=0.2)
        finally:
            for task in (*reading, *writing):
                task.cancel()
            for ended in await asyncio.gather(*reading, *writing, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended

    @asynccontextmanager
    async def loaded(self) -> AsyncIterator[None]:
        """The same; then all that was acknowledged must be with every reader, once, and with every
        node that lives."""
        async with self.working():
            yield
        assert self.account.refused == []
        assert [len(missed) for missed in self.missed()] == [0] * len(self.readers)
        assert [reader.doubled for reader in self.readers] == [[]] * len(self.readers)
        for node in self.nodes:
            if node.alive:
                assert await self.lost_at(node.url) == set()
                assert "Traceback" not in node.log, node.log

    @asynccontextmanager
    async def asked(self) -> AsyncIterator[list[Asker]]:
        """Each node is asked all the time, and must answer or refuse, until the block ends."""
        askers = [Asker(url) for url in self.urls]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asker.run()) for asker in askers]
            yield askers
            for task in tasks:
                task.cancel()

    def missed(self) -> list[set[str]]:
        """Of each reader: what was acknowledged and did not reach him."""
        return [self.account.acknowledged.keys() - reader.seen.keys() for reader in self.readers]

    async def lost_at(self, url: str) -> set[str]:
        """What was acknowledged and is not there, by id."""
        ids = sorted(self.account.acknowledged)
        found: set[str] = set()
        async with wire(url) as client:
            for start in range(0, len(ids), 500):
                found |= {*await client.stored({"ids": ids[start : start + 500]})}
        return set(ids) - found


@asynccontextmanager
async def nodes_on(folder: Path, *urls: str) -> AsyncIterator[Cluster]:
    """A node on each of these URLs of a database, until the block ends."""
    nodes = [Node(folder / f"node-{number}", url) for number, url in enumerate(urls)]
    try:
        await nodes[0].start()  # it makes the tables
        await asyncio.gather(*(node.start() for node in nodes[1:]))
        yield Cluster(nodes)
    finally:
        await asyncio.gather(*(node.kill() for node in nodes))

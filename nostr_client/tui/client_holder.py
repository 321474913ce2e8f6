"""The one `NostrClient` behind the screens, opened and closed off their path.

A client is entered and left in one task of its own, which belongs to this room's task group. Its
end is awaited before the next one is opened, and before the program ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType

from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import NostrError
from nostr_client.paths import Paths
from nostr_client.signing.signer import Signer

CLOSE_LIMIT = 6.0
"""Seconds that a client may take to close before it is cancelled."""


@dataclass(frozen=True)
class Identity:
    """The account to open: with `signer` it writes, without it only reads as `pubkey` (hex).

    `key_only_here`: made by this program, and never left this machine. `locked`: the key is on this
    machine, though `signer` is None. `relays` stand in for the start relays, if given.
    """

    pubkey: str
    signer: Signer | None = None
    key_only_here: bool = False
    locked: bool = False
    relays: Sequence[str] | None = None


OpenClient = Callable[[Identity], AbstractAsyncContextManager[NostrClient]]


def client_opener(
    paths: Paths, config: ClientConfig, relays: Sequence[str] | None = None
) -> OpenClient:
    """Opens clients in these folders; `relays` stands in for the start relays, if given."""

    def open_client(identity: Identity) -> AbstractAsyncContextManager[NostrClient]:
        return NostrClient.open(
            identity.signer,
            pubkey=None if identity.signer else identity.pubkey,
            paths=paths,
            config=config,
            relays=relays if identity.relays is None else identity.relays,
            own_relay=config.own_relay,
            key_only_here=identity.key_only_here,
            locked=identity.locked,
        )

    return open_client


class ClientHolder:
    """`async with ClientHolder(open_client) as holder`: holds the client of the account in use."""

    def __init__(self, open_client: OpenClient) -> None:
        self._open = open_client
        self._group = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()
        self.client: NostrClient | None = None
        self.on_failure: Callable[[NostrError], None] = lambda error: None
        """Told when the client ends by itself."""

    async def __aenter__(self) -> ClientHolder:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
        # Nothing runs in the group any more; what the block raised stays as it is, not in a group.
        await self._group.__aexit__(None, None, None)

    async def use(self, identity: Identity) -> NostrClient:
        """Open the client of an account, after closing the one before. Raises NostrError."""
        return await self.enter(self._open(identity))

    async def enter(self, opening: AbstractAsyncContextManager[NostrClient]) -> NostrClient:
        """Hold what `opening` yields, after closing the client before. Raises NostrError."""
        await self.close()
        opened: asyncio.Future[NostrClient] = asyncio.get_running_loop().create_future()
        self._leave = asyncio.Event()
        self._task = self._group.create_task(self._hold(opening, opened, self._leave))
        self.client = await opened
        return self.client

    async def close(self) -> None:
        """Close the client, if there is one."""
        task, self._task = self._task, None
        self.client = None
        if task is None:
            return
        self._leave.set()
        _, late = await asyncio.wait([task], timeout=CLOSE_LIMIT)
        if late:
            task.cancel()
            await asyncio.wait([task], timeout=CLOSE_LIMIT)

    async def _hold(
        self,
        opening: AbstractAsyncContextManager[NostrClient],
        opened: asyncio.Future[NostrClient],
        leave: asyncio.Event,
    ) -> None:
        try:
            async with opening as client:
                opened.set_result(client)
                await leave.wait()
        except NostrError as error:
            if not opened.done():
                opened.set_exception(error)
            else:
                self.client = None
                self.on_failure(error)
        finally:
            if not opened.done():
                opened.cancel()

"""The key of an account that only reads: for an own relay that wants to know who does (NIP-42)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from nostr_client.errors import NostrError, SignerUnavailable, SigningRefused
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.signing.signer import Signer
from nostr_client.tasks import OwnedTasks


class LoginSigner(Signer):
    """Signs logins and nothing else. The key is unlocked when the first relay wants one: most
    readings need none, and to unlock takes a second.

    `problem` says why it could not be unlocked, which is tried once.
    """

    def __init__(self, pubkey: str, unlock: Callable[[], Awaitable[Signer]]) -> None:
        self.problem = ""
        self._pubkey = pubkey
        self._unlock = unlock
        self._signer: Signer | None = None
        self._one_at_a_time = asyncio.Lock()
        self._tasks = OwnedTasks()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._signer = None
        await self._tasks.__aexit__(kind, error, trace)

    @property
    def pubkey(self) -> str:
        return self._pubkey

    async def sign(self, draft: Draft) -> Event:
        """The signed login. Raises SigningRefused for anything else, SignerUnavailable."""
        if draft.kind != kinds.AUTH:
            raise SigningRefused("a command that reads signs nothing but logins")
        async with self._one_at_a_time:
            if self._signer is None and not self.problem:
                try:
                    await self._hold(await self._unlock())
                except NostrError as error:
                    self.problem = str(error)
        if self._signer is None:
            raise SignerUnavailable(self.problem)
        return await self._signer.sign(draft)

    async def _hold(self, signer: Signer) -> None:
        """Enter `signer`, until this is left: in one task."""
        entered: asyncio.Future[Signer] = asyncio.get_running_loop().create_future()

        async def hold() -> None:
            try:
                async with signer as inside:
                    entered.set_result(inside)
                    await asyncio.Event().wait()
            except NostrError as error:
                if entered.done():
                    raise
                entered.set_exception(error)

        self._tasks.start(hold())
        self._signer = await entered

"""A signer that is a bunker's (NIP-46): its key is on another machine, in another program."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from nostr_client.accounts.bunker_link import MOST_IN_FLIGHT, BunkerLink
from nostr_client.accounts.bunker_meeting import account_behind
from nostr_client.accounts.bunker_pairing import BunkerOptions, BunkerPairing
from nostr_client.errors import (
    InvalidEvent,
    PlaintextTooLong,
    SignerError,
    SignerUnavailable,
    SigningRefused,
)
from nostr_client.nips import nip19, nip44
from nostr_client.nips.nip46 import BunkerMethod
from nostr_client.protocol.event import Draft, Event
from nostr_client.signing.signer import Cipher, PeerText, Signer
from nostr_client.tasks import OwnedTasks, all_of

In = TypeVar("In")
Out = TypeVar("Out")


class RemoteSigner(Signer):
    """`async with RemoteSigner(pairing) as signer: await signer.sign(draft)`.

    Whoever the bunker signs for is asked for after each start, before anything else: should it be
    another account now, every request is refused, and says so. `owns_key`: nobody else needs the
    pairing's key, which is wiped at the end.
    """

    def __init__(
        self,
        pairing: BunkerPairing,
        options: BunkerOptions | None = None,
        *,
        owns_key: bool = False,
    ) -> None:
        self._pairing = pairing
        self._options = options or BunkerOptions()
        self._owns_key = owns_key
        self._link: BunkerLink | None = None
        self._stack = AsyncExitStack()
        self._greeting: asyncio.Task[None] | None = None
        self._is_known = False
        self._problem: SignerError | None = None

    @property
    def pubkey(self) -> str:
        return self._pairing.account

    async def __aenter__(self) -> Self:
        """Begins to listen, and waits for nobody. Raises ConfigError."""
        async with AsyncExitStack() as stack:
            bunker, relays = self._pairing.bunker, self._pairing.relays
            link = BunkerLink(self._pairing.key, bunker, relays, self._options)
            self._link = await stack.enter_async_context(link)
            self._tasks = await stack.enter_async_context(OwnedTasks())
            self._is_known = False
            self._greeting = self._tasks.start(self._greet(link))
            self._tasks.start(self._tend(link))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._link = None
        try:
            await self._stack.__aexit__(kind, error, trace)
        finally:
            if self._owns_key:
                self._pairing.key.wipe()

    async def sign(self, draft: Draft) -> Event:
        if draft.created_at is None:
            draft = msgspec.structs.replace(draft, created_at=int(self._options.clock()))
        fields = {
            "kind": draft.kind,
            "content": draft.content,
            "tags": draft.tags,
            "created_at": draft.created_at,
        }
        result = await self._ask(BunkerMethod.SIGN_EVENT, msgspec.json.encode(fields).decode())
        try:
            return Event.parse(result)
        except InvalidEvent as error:
            raise SigningRefused(f"the bunker gave back what is no event: {error}") from None

    async def nip44_encrypt(self, peer: str, plaintext: str) -> str:
        return await self._encrypt(PeerText(peer, plaintext))

    async def nip44_decrypt(self, peer: str, payload: str) -> str:
        return await self._decrypt(PeerText(peer, payload))

    async def nip04_encrypt(self, peer: str, plaintext: str) -> str:
        return await self._encrypt(PeerText(peer, plaintext, Cipher.NIP04))

    async def nip04_decrypt(self, peer: str, payload: str) -> str:
        return await self._decrypt(PeerText(peer, payload, Cipher.NIP04))

    async def sign_many(self, drafts: Sequence[Draft]) -> list[Event | SignerError]:
        return await _each(self.sign, drafts)

    async def encrypt_many(self, texts: Sequence[PeerText]) -> list[str | SignerError]:
        for each in texts:
            _refuse_long(each.text)
        return await _each(self._encrypt, texts)

    async def decrypt_many(self, payloads: Sequence[PeerText]) -> list[str | SignerError]:
        return await _each(self._decrypt, payloads)

    async def _encrypt(self, what: PeerText) -> str:
        _refuse_long(what.text)
        old = what.cipher is Cipher.NIP04
        method = BunkerMethod.NIP04_ENCRYPT if old else BunkerMethod.NIP44_ENCRYPT
        return await self._ask(method, what.peer, what.text)

    async def _decrypt(self, what: PeerText) -> str:
        old = what.cipher is Cipher.NIP04
        method = BunkerMethod.NIP04_DECRYPT if old else BunkerMethod.NIP44_DECRYPT
        return await self._ask(method, what.peer, what.text)

    async def _ask(self, method: BunkerMethod, *params: str) -> str:
        link = self._link
        if link is None:
            raise SignerUnavailable("the bunker is asked inside of `async with` only")
        if not self._is_known:
            await self._known(link)
        result = await link.ask(method, *params)
        if result is None:
            raise SigningRefused(f"the bunker answered {method} with nothing")
        return result

    async def _known(self, link: BunkerLink) -> None:
        """Whose account it is, asked for once by all who wait. Raises SignerError."""
        if self._greeting is None or (self._greeting.done() and not self._is_known):
            self._greeting = self._tasks.start(self._greet(link))
        await asyncio.wait([self._greeting])
        if not self._is_known:
            raise self._problem or SignerUnavailable("the bunker was not asked")

    async def _greet(self, link: BunkerLink) -> None:
        try:
            account = await account_behind(link)
        except SignerError as error:
            self._problem = error
            return
        if account == self.pubkey:
            self._is_known = True
            return
        self._problem = SigningRefused(
            f"the bunker now signs for another account, {nip19.encode_npub(account)}, and no longer"
            f" for {nip19.encode_npub(self.pubkey)}: connect to it again"
        )

    async def _tend(self, link: BunkerLink) -> None:
        """Go where the bunker goes."""
        if self._greeting is not None:
            await asyncio.wait([self._greeting])
        if self._is_known:
            await link.try_to_switch()
        await link.switch_now_and_then()

    def __repr__(self) -> str:
        return f"<RemoteSigner of {self.pubkey}>"


async def _each(
    ask: Callable[[In], Awaitable[Out]], things: Sequence[In]
) -> list[Out | SignerError]:
    """Each thing's answer, or why there is none, in order; several are under way at a time.

    A bunker that cannot be reached for one is not asked for those that still wait.
    """
    answers: dict[int, Out | SignerError] = {}
    waiting = iter(enumerate(things))
    gone: list[SignerUnavailable] = []

    async def work() -> None:
        for index, thing in waiting:
            if gone:
                answers[index] = gone[0]
                continue
            try:
                answers[index] = await ask(thing)
            except SignerUnavailable as error:
                answers[index] = error
                gone.append(error)
            except SignerError as error:
                answers[index] = error

    await all_of(work() for _ in range(min(MOST_IN_FLIGHT, len(things))))
    return [answers[index] for index in range(len(things))]


def _refuse_long(plaintext: str) -> None:
    """What we write is short enough for every program."""
    size, limit = len(plaintext.encode()), nip44.EXTENDED_LENGTH - 1
    if size > limit:
        raise PlaintextTooLong(size, limit)

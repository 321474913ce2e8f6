"""Secret keys in the operating system's own key store.

Only stores that encrypt are used: the backend that would really be written to is inspected, and
everything but the systems' own key stores is refused (plain files, null, unknown plug-ins). A
chain of backends is never used as a whole; its first trusted member is. Every call runs in a
thread of its own with a time limit, for a key store may ask its owner, or hang: the thread is
then left behind, and does not keep the program from ending.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeVar

from nostr_client.errors import AccountError, InvalidKey
from nostr_client.protocol.keys import SecretKey

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE: Final = "nostr-client"
ASK_LIMIT: Final = 60.0
"""Seconds for a call that may open a dialogue: the owner unlocks the key store."""
LOOK_LIMIT: Final = 5.0
"""Seconds to find out whether there is a key store at all."""
TRUSTED: Final = frozenset(
    f"keyring.backends.{name}" for name in ("SecretService", "libsecret", "kwallet", "Windows")
) | frozenset({"keyring.backends.macOS"})
"""The modules of the backends that hand a secret to the system, which keeps it encrypted."""

T = TypeVar("T")


def is_trusted(backend: KeyringBackend) -> bool:
    """Is it one of the systems' own key stores?"""
    return type(backend).__module__ in TRUSTED


class KeyringStore:
    """The system's key store, if it has one that can be trusted.

    `find` yields the backends to choose from (default: what the `keyring` package is configured
    to use, chains taken apart); `trust` decides about each.
    """

    def __init__(
        self,
        find: Callable[[], Iterable[KeyringBackend]] | None = None,
        trust: Callable[[KeyringBackend], bool] = is_trusted,
        *,
        look_limit: float = LOOK_LIMIT,
        ask_limit: float = ASK_LIMIT,
    ) -> None:
        self._find = find or _configured
        self._trust = trust
        self._look_limit = look_limit
        self._ask_limit = ask_limit
        self._hung = False

    async def problem(self) -> str:
        """Why it cannot be used, in words for its owner; empty when it can."""
        try:
            await self._backend()
        except AccountError as error:
            return str(error)
        return ""

    async def put(self, entry: str, key: SecretKey) -> None:
        """Keep `key` under the name `entry`, and read it back. Raises AccountError."""
        backend = await self._backend()

        def write() -> bool:
            backend.set_password(SERVICE, entry, bytes(key).hex())
            return backend.get_password(SERVICE, entry) == bytes(key).hex()

        if not await self._call(write, self._ask_limit):
            raise AccountError("the system's key store did not keep the key")

    async def get(self, entry: str) -> SecretKey:
        """The key kept under `entry`. Raises AccountError."""
        backend = await self._backend()
        text = await self._call(lambda: backend.get_password(SERVICE, entry), self._ask_limit)
        if text is None:
            raise AccountError("the system's key store does not hold this key")
        try:
            return SecretKey.from_hex(text)
        except InvalidKey:
            raise AccountError("the system's key store holds something else there") from None

    async def delete(self, entry: str) -> None:
        """Forget the key under `entry`; nothing happens if there is none."""
        backend = await self._backend()

        def drop() -> None:
            if backend.get_password(SERVICE, entry) is not None:
                backend.delete_password(SERVICE, entry)

        await self._call(drop, self._ask_limit)

    async def _backend(self) -> KeyringBackend:
        found = await self._call(lambda: list(self._find()), self._look_limit)
        for backend in found:
            if self._trust(backend):
                return backend
        named = ", ".join(sorted({_name(backend) for backend in found}))
        raise AccountError(
            "this system has no key store that encrypts"
            + (f" (found, and not trusted: {named})" if named else "")
        )

    async def _call(self, work: Callable[[], T], limit: float) -> T:
        if self._hung:
            raise AccountError("the system's key store does not answer")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def report(result: T | None, error: AccountError | None) -> None:
            if outcome.done():
                return
            if error is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(result)  # type: ignore[arg-type]

        def run() -> None:
            result, error = None, None
            try:
                result = work()
            # What a backend raises is not ours to know; its text may quote what it was given.
            except Exception as caught:  # noqa: BLE001
                error = AccountError(f"the system's key store failed ({type(caught).__name__})")
            if not loop.is_closed():
                loop.call_soon_threadsafe(report, result, error)

        threading.Thread(target=run, name="keyring", daemon=True).start()
        try:
            async with asyncio.timeout(limit):
                return await outcome
        except TimeoutError:
            self._hung = True
            raise AccountError(
                f"the system's key store did not answer within {limit:g} s"
            ) from None


def _configured() -> Iterable[KeyringBackend]:
    import keyring
    from keyring.backends.chainer import ChainerBackend

    backend = keyring.get_keyring()
    if isinstance(backend, ChainerBackend):
        return list(backend.backends)
    return [backend]


def _name(backend: KeyringBackend) -> str:
    return f"{type(backend).__module__}.{type(backend).__name__}"

"""The folder of the relay of one's own: what its files say, without asking or starting anything.

- `relay.lock` is held by the running relay for as long as it lives; `relay.json` (pid, url,
  started) is written once it listens. The file alone proves nothing, nor does an answer from its
  port, which anybody may have taken since.
- `start.lock` is held by whoever starts one.
- `token` is shown to it by the person's own processes: nobody else can read the file.
- `urls.json` names every URL that it has had: one relay, one database, whatever port was free.
- A file in `users`, locked, for each program that uses it; `keep` where it is to stay without any.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import (
    ConnectFailed,
    ConnectStep,
    FolderInUse,
    InvalidData,
    OwnRelayError,
    StoreError,
)
from nostr_client.paths import FolderLock, patient_lock, private_folder, translated, write_private
from nostr_client.protocol.urls import is_loopback, normalize_relay_url

MOST_URLS: Final = 20
LOCK_LOOKS: Final = 10
"""Looks at a lock that is held and does not say by whom yet."""


class RelayRecord(msgspec.Struct):
    """`relay.json`, as the relay writes it."""

    pid: int
    url: str
    started: float = 0


class OwnRelayFolder:
    """The folder `path`, which may be missing yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.token = path / "token"
        self._urls = path / "urls.json"

    def running(self) -> RelayRecord | None:
        """Who says that it runs here; proven by `holder` alone."""
        try:
            record = msgspec.json.decode((self.path / "relay.json").read_bytes(), type=RelayRecord)
            record.url = normalize_relay_url(record.url)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, InvalidData):
            return None
        return record if record.pid > 1 and is_loopback(record.url) else None

    def holder(self) -> int | None:
        """The process that holds the relay's lock: a living one, for the system frees the lock
        with its holder. A relay that starts meanwhile waits for us."""
        path = self.path / "relay.lock"
        if not path.exists():
            return None
        for _ in range(LOCK_LOOKS):
            try:
                with FolderLock(path):
                    return None
            except FolderInUse:
                with translated(f"cannot read {path}"):
                    number = path.read_text(errors="replace").rpartition(" ")[2]
            if number.isdecimal() and int(number) > 1:
                return int(number)
            time.sleep(0.005)  # whoever took it a moment ago is just writing who they are
        raise OwnRelayError(f"{path} is held, and does not say by whom")

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """While the block runs, the relay does not end by itself. Raises StoreError."""
        path = private_folder(self.path / "users") / f"{os.getpid()}-{secrets.token_hex(8)}.lock"
        with FolderLock(path):
            try:
                yield
            finally:
                with translated(f"cannot remove {path}"):
                    path.unlink(missing_ok=True)

    def headers(self, url: str) -> Mapping[str, str]:
        """What tells the relay at `url` that we are its owner's program (RFC 6750).

        Raises ConnectFailed where it does not run: whoever listens there now is a stranger.
        """
        record = self.running()
        try:
            runs = record is not None and record.url == url and record.pid == self.holder()
        except OwnRelayError as error:
            raise ConnectFailed(url, str(error), ConnectStep.ADDRESS) from None
        if not runs:
            raise ConnectFailed(url, "it has ended", ConnectStep.ADDRESS)
        try:
            return {"Authorization": f"Bearer {self.token.read_text('ascii')}"}
        except (OSError, UnicodeDecodeError):
            return {}

    def urls(self) -> tuple[str, ...]:
        """Where it listens, or did last, and then where it did before: one relay, one database."""
        try:
            return msgspec.json.decode(self._urls.read_bytes(), type=tuple[str, ...])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return ()

    def remember(self, url: str) -> None:
        """It listens at `url` now. Raises StoreError."""
        urls = self.urls()
        if urls[:1] != (url,):
            urls = (url, *(other for other in urls if other != url))
            write_private(self._urls, msgspec.json.encode(urls[:MOST_URLS]))

    @contextlib.asynccontextmanager
    async def start_lock(self, limit: float) -> AsyncIterator[None]:
        """While the block runs, nobody else starts or ends it; waited for at most `limit` seconds.

        Raises OwnRelayError.
        """
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(patient_lock(self.path / "start.lock", limit))
            except FolderInUse:
                raise OwnRelayError("another program is starting the own relay") from None
            except StoreError as error:
                raise OwnRelayError(str(error)) from error
            yield

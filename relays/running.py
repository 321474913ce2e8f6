"""One running relay: its folder and lock, its address, and its end.

The folder holds `events.db`, `relay.lock` (held for as long as the relay runs) and, while it
listens, `relay.json` with `pid`, `url` and `started` (seconds).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import ConfigError, InvalidData, StoreError
from nostr_client.paths import FolderLock, private_folder, write_private
from nostr_client.protocol.urls import normalize_relay_url
from relays.config import RelayConfig
from relays.listening import listen
from relays.relay import open_relay
from relays.web.pages import Pages

DATABASE: Final = "events.db"
_WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


class Note(msgspec.Struct, frozen=True):
    """`relay.json`: who is running here, and where it listens."""

    pid: int
    url: str
    started: int


def note_in(data: Path) -> Note | None:
    """What the relay in `data` wrote of itself; it may have ended without taking that back."""
    try:
        return msgspec.json.decode((data / "relay.json").read_bytes(), type=Note)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def service_urls(address: str, public: tuple[str, ...]) -> set[str]:
    """Every URL that means this relay. Raises ConfigError for one that is none."""
    port = address.rpartition(":")[2]
    local = {address, f"ws://127.0.0.1:{port}", f"ws://localhost:{port}"}
    try:
        return {normalize_relay_url(url) for url in (*local, *public)}
    except InvalidData as error:
        raise ConfigError(f"--url: {error}") from None


async def run(config: RelayConfig, data: Path, *, stop_on_eof: bool = False) -> None:
    """Run a relay until SIGINT, SIGTERM or, if so wished, the end of standard input.

    Prints its address on standard output once it listens. Raises StoreError when the folder is in
    use or cannot be used, ConfigError when the address cannot be listened on.
    """
    private_folder(data)
    with _locked(data):
        listener = bind(config.host, config.port)
        with listener:
            address = _address(listener, config.host)
            urls = service_urls(address, config.urls)
            async with (
                open_relay(data / DATABASE, config, service_urls=urls) as relay,
                listen({"/": relay}, Pages(config), listener),
            ):
                with _noted(data, Note(os.getpid(), address, int(time.time()))):
                    _say(address)
                    if sys.stderr.isatty():
                        sys.stderr.write(f"The relay keeps its events in {data}. Ctrl-C ends it.\n")
                    await _until_told_to_stop(stop_on_eof)


@contextlib.contextmanager
def _locked(data: Path) -> Iterator[None]:
    lock = FolderLock(data / "relay.lock")
    try:
        lock.__enter__()
    except StoreError as error:
        note = note_in(data)
        where = f": a relay listens at {note.url} (process {note.pid})" if note else ""
        raise StoreError(f"{error}{where}") from None
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


@contextlib.contextmanager
def _noted(data: Path, note: Note) -> Iterator[None]:
    write_private(data / "relay.json", msgspec.json.encode(note))
    try:
        yield
    finally:
        (data / "relay.json").unlink(missing_ok=True)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. It listens at once, so that a taken port shows now."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, number, _, place = found[0]
        listener = socket.socket(family, kind, number)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"cannot listen on {host}: {error}") from None
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(1024)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "the port is in use" if taken else str(error)
        raise ConfigError(f"cannot listen on {host} port {port}: {reason}") from None
    return listener


def _address(listener: socket.socket, host: str) -> str:
    port = listener.getsockname()[1]
    return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"


def _say(address: str) -> None:
    # Whoever started the relay may not listen to it any more; that is no reason to end.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()


async def _until_told_to_stop(stop_on_eof: bool) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(told.set))
        else:
            loop.add_signal_handler(number, told.set)
    if stop_on_eof:
        threading.Thread(target=_read_to_end, args=(loop, told), daemon=True).start()
    await told.wait()


def _read_to_end(loop: asyncio.AbstractEventLoop, told: asyncio.Event) -> None:
    """Wait for the end of standard input, on a thread: not every kind of file can be watched."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):  # the loop has ended before
        loop.call_soon_threadsafe(told.set)

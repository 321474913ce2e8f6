"""One running relay: its folder, its address, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import ConfigError, ConnectFailed, InvalidData
from nostr_client.net.local_network import announced_nearby
from nostr_client.protocol.urls import normalize_relay_url
from relays.config.relay_config import RelayConfig
from relays.config.sub_relays import SubRelay, local_urls
from relays.networks import Networks, is_loopback
from relays.process.assembly import serve
from relays.process.folder import (
    RunningRelay,
    announced,
    is_wanted,
    note_node,
    only_relay,
    open_folder,
)
from relays.process.reload import ConfigReloader, ConfigSource
from relays.server.connections import Gate
from relays.server.listen import listen
from relays.server.systemd import ALIVE, READY, STOPPING, Supervisor
from relays.server.tls import certificate
from relays.web.proxies import Proxies
from relays.web.token import read_token

_log = logging.getLogger(__name__)

LOOK: Final = 1.0
"""Seconds between two looks at whether anybody is here, or wants the relay to stay."""


def service_urls(address: str, public: tuple[str, ...], path: str = "/") -> set[str]:
    """Every URL that means the sub-relay at `path` when somebody signs for it (NIP-42, 62, 98).

    The public ones, or where there are none the local ones: whoever is to sign for a public relay
    must not be made to sign for a name that every machine has. Raises ConfigError for one that is
    none.
    """
    try:
        return {normalize_relay_url(url) for url in public or local_urls(address, path)}
    except InvalidData as error:
        raise ConfigError(f"--url: {error}") from None


class StopConditions(msgspec.Struct, frozen=True, kw_only=True):
    """What ends a relay beside signals: the end of standard input, if `stop_on_eof`; `idle` seconds
    in which nobody was here who was let in, nor wanted it to stay (`KEEP`, `USERS`)."""

    stop_on_eof: bool = False
    idle: float | None = None


async def run(
    config: RelayConfig,
    data: Path,
    *,
    source: ConfigSource | None = None,
    ends: StopConditions | None = None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Run a relay until SIGINT, SIGTERM, or what `ends` names.

    Prints its address on standard output once it listens. A changed configuration is taken over
    from `source` on SIGHUP and when its file changes. Raises StoreError when the folder is in use
    or cannot be used, ConfigError when the address cannot be listened on.
    """
    with open_folder(data, config.store or "", new=True) as stores, only_relay(data):
        note_node(data, stores)
        tls = certificate(config.web.tls_certificate, config.web.tls_key)
        token = read_token(config.web.token_file)
        proxies = Proxies(Networks(config.web.trusted_proxies), config.web.trusted_header)
        listener = bind(config.host, config.port)
        with listener:
            address = _address(listener, config.host, secure=tls is not None)

            def urls_of(sub_relay: SubRelay) -> frozenset[str]:
                return frozenset(service_urls(address, sub_relay.config.urls, sub_relay.path))

            async with serve(config, stores, urls_of, address=address, clock=clock) as host:
                gate = Gate(proxies, host.state.banned_address, token)
                context = None if tls is None else tls.context
                async with listen(
                    host.relays, host.site, listener, gate=gate, tls=context
                ) as server:
                    host.state.on_change(server.judge_again)
                    known = RunningRelay(os.getpid(), address, int(time.time()))
                    async with said_nearby(config, listener.getsockname()[1]):
                        with announced(data, known):
                            reloader = ConfigReloader(host, source, tls)
                            await _until_told_to_stop(
                                ends or StopConditions(),
                                reloader,
                                idle=lambda: server.idle if not is_wanted(data) else 0.0,
                                ready=lambda: _say(address, stores.place),
                            )


@contextlib.asynccontextmanager
async def said_nearby(config: RelayConfig, port: int) -> AsyncIterator[None]:
    """Say on the local network that this relay is at `port`, where its keeper wants that.

    Raises ConfigError where nobody could reach it, or where the package for that is missing.
    """
    if not config.web.announce:
        yield
        return
    if is_loopback(config.host):
        raise ConfigError(f"web.announce: {config.host} is reached from this machine only")
    everywhere = config.host in ("0.0.0.0", "::", "")  # noqa: S104 - what the keeper wrote
    tls = config.web.tls_certificate is not None
    async with contextlib.AsyncExitStack() as stack:
        try:
            said = announced_nearby(port, tls=tls, addresses=() if everywhere else [config.host])
            await stack.enter_async_context(said)
        except ConnectFailed as error:  # it serves all the same
            _log.warning("this relay is not said to be there: %s", error)
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. It listens at once, so that a taken port shows now."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, number, _, place = found[0]
        listener = socket.socket(family, kind, number)
    except (OSError, UnicodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise ConfigError(f"cannot listen on {host}: {reason}") from None
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(1024)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            reason = "the port is in use"
        raise ConfigError(f"cannot listen on {host} port {port}: {reason}") from None
    return listener


def _address(listener: socket.socket, host: str, *, secure: bool) -> str:
    port = listener.getsockname()[1]
    scheme = "wss" if secure else "ws"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _say(address: str, place: str) -> None:
    # Whoever started the relay may not listen any more, or where he keeps what it says may be full:
    # that is no reason to end.
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
    if sys.stderr.isatty():
        sys.stderr.write(f"The relay keeps its events in {place}. Ctrl-C ends it.\n")


async def _until_told_to_stop(
    ends: StopConditions,
    reloader: ConfigReloader,
    *,
    idle: Callable[[], float],
    ready: Callable[[], None],
) -> None:
    """`ready` is called when whoever hears of us may send signals; `idle` says for how long nobody
    has been here."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(told.set))
        else:
            loop.add_signal_handler(number, told.set)
    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGHUP, reloader.asked.set)
    if ends.stop_on_eof:
        threading.Thread(target=_read_to_end, args=(loop, told), daemon=True).start()
    supervisor = Supervisor()
    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(reloader.run()), group.create_task(_stay_alive(supervisor))]
        if ends.idle is not None:
            beside.append(group.create_task(_watch_idle(ends.idle, idle, told)))
        ready()
        supervisor.tell(READY)
        await told.wait()
        supervisor.tell(STOPPING)
        for task in beside:
            task.cancel()


async def _watch_idle(limit: float, idle: Callable[[], float], told: asyncio.Event) -> None:
    """Look every `LOOK` seconds: a lock is held or not, and tells nobody of it."""
    while True:
        await asyncio.sleep(LOOK)
        if idle() >= limit:
            told.set()


async def _stay_alive(supervisor: Supervisor) -> None:
    """Let the supervisor know, as often as it wants, that the loop turns."""
    while supervisor.pulse:
        supervisor.tell(ALIVE)
        await asyncio.sleep(supervisor.pulse)


def _read_to_end(loop: asyncio.AbstractEventLoop, told: asyncio.Event) -> None:
    """Wait for the end of standard input, on a thread: not every kind of file can be watched."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):  # the loop has ended before
        loop.call_soon_threadsafe(told.set)

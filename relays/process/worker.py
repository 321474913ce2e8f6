"""One worker process: a relay on a socket that it was handed, which tells its neighbours."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from nostr_client.errors import ConfigError, NostrError
from nostr_client.tasks import first_of
from relays.config.relay_config import RelayConfig
from relays.logs import write_logs
from relays.process.answering import Answering, Entrance, answering
from relays.process.bus import PARENT, Beat, Bus, Ready, Reload, Start, StartFailed, Stop
from relays.process.folder import open_folder
from relays.process.neighbours import Neighbours
from relays.process.reload import ConfigReloader, ConfigSource
from relays.process.stopping import LOOK, StopConditions, until_told_to_stop
from relays.process.worker_settings import WorkerSettings, share_of

T = TypeVar("T")


async def run_worker(pair: socket.socket, listener: socket.socket) -> int:
    """Answer on `listener` until the other end of `pair` says so, or is gone; the exit code."""
    start: asyncio.Future[Start] = asyncio.get_running_loop().create_future()
    bus = Bus()
    bus.on(Start, lambda _, message: start.set_result(message))
    bus.on(Stop, lambda *_: bus.ended.set())
    await bus.open(pair)
    told = await _unless(bus.ended, start)
    if told is None:
        return 0
    beating = asyncio.create_task(_beat(bus, lambda: 0.0))
    try:
        settings = msgspec.json.decode(told.settings, type=WorkerSettings)
        await _answer(bus, listener, told, settings, beating)
    except (NostrError, ExceptionGroup) as error:
        first = first_of(error) if isinstance(error, ExceptionGroup) else error
        if not isinstance(first, NostrError):
            raise
        bus.tell(StartFailed(str(first), isinstance(first, ConfigError)), PARENT)
        return 1
    finally:
        beating.cancel()
        await bus.close()
    return 0


async def _unless(ended: asyncio.Event, wanted: asyncio.Future[T]) -> T | None:
    """What comes; None where the end comes first."""
    waiting = asyncio.ensure_future(ended.wait())
    await asyncio.wait((waiting, wanted), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return wanted.result() if wanted.done() else None


async def _answer(
    bus: Bus,
    listener: socket.socket,
    start: Start,
    settings: WorkerSettings,
    beating: asyncio.Task[None],
) -> None:
    def read() -> RelayConfig:
        return share_of(settings.read(), start.workers)

    config = read()
    log = config.log
    write_logs(
        settings.log_format or log.format,
        addresses=log.addresses,
        level=log.level,
        worker=start.number + 1,
    )
    file = Path(settings.file) if settings.file else None
    with open_folder(Path(settings.data), config.store or "", new=True) as stores, listener:
        entrance = Entrance.of(config)
        where = settings.address
        async with answering(config, stores, listener, where, entrance=entrance) as relay:
            reloader = ConfigReloader(relay.host, ConfigSource(read, file), entrance.tls)
            bus.on(Reload, lambda *_: reloader.asked.set())
            async with Neighbours(bus, relay, start.workers).told():
                beating.cancel()
                await _until_the_end(bus, relay, reloader)


async def _until_the_end(bus: Bus, relay: Answering, reloader: ConfigReloader) -> None:
    async with asyncio.TaskGroup() as group:
        beating = group.create_task(_beat(bus, lambda: relay.server.idle))
        await until_told_to_stop(
            StopConditions(),
            reloader,
            idle=lambda: 0.0,
            ready=lambda: bus.tell(Ready(), PARENT),
            told=bus.ended,
        )
        beating.cancel()


async def _beat(bus: Bus, idle: Callable[[], float]) -> None:
    while True:
        bus.tell(Beat(idle()), PARENT)
        await asyncio.sleep(LOOK)

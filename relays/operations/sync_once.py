"""`relay sync`: one sync with one peer, beside the relay if it runs; its clients see what comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import ConfigError, InvalidData
from nostr_client.net.dial import DialPolicy
from nostr_client.net.pool import RelayPool
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.urls import normalize_relay_url
from relays.config.relay_config import RelayConfig
from relays.engine.importing import EventImporter, ImportReport
from relays.operations.progress_bar import Progress
from relays.policies.verdict import SourceType
from relays.process.offline import open_offline
from relays.sync.auth import logging_in
from relays.sync.crowded_seconds import words_of
from relays.sync.rejected_ids import Unwanted, unwanted_file
from relays.sync.sync import Steps, Sync, check, information
from relays.sync.transfer import Carrier, Sent

_SAY_EVERY: Final = 0.5
"""Seconds between two words on how it goes."""


class SyncReport(msgspec.Struct):
    """What a sync did. `missing`: events that the peer said to hold, and did not send."""

    steps: Steps
    tally: ImportReport
    sent: Sent
    missing: int = 0

    @property
    def incomplete(self) -> bool:
        """Is there something at the peer that was wanted and did not come?"""
        return bool(self.steps.crowded or self.missing)

    @property
    def refused(self) -> int:
        """Events that were refused, here or there."""
        return self.tally.refused + self.sent.refused + self.sent.unsent


class SyncTask(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be synchronized with the relay at `url`, and in which directions.

    `sub_relay`: None is that at `/`. `anew`: what came before and was not kept is fetched again.
    """

    url: str
    filters: Sequence[Filter] = (Filter(),)
    down: bool = True
    up: bool = True
    sub_relay: str | None = None
    proxy: str | None = None
    anew: bool = False


async def sync_once(
    data: Path, task: SyncTask, config: RelayConfig, *, say: Callable[[str], object] = str
) -> SyncReport:
    """Bring the relay in `data` and another one to the same events.

    `say` is told how it went. Raises ConfigError, RelayError, StoreError; what was carried before
    is stored.
    """
    try:
        peer = normalize_relay_url(task.url)
    except InvalidData as error:
        raise ConfigError(f"{task.url}: {error}") from None
    for filter in task.filters:
        check(filter)
    async with open_offline(config, data, task.sub_relay) as here:
        importer = EventImporter(
            here.store,
            here.check,
            SourceType.SYNC,
            check_async=here.check_async,
            requests=lambda: here.requests,
        )
        async with RelayPool(
            verifier=here.verifier,
            proxy=task.proxy,
            dial=DialPolicy(given=[peer]),
            known=here.store.known,
            authenticate=logging_in(here.key),
        ) as pool:
            unwanted = Unwanted(None if task.anew else unwanted_file(data, here.sub_relay.name))
            carrier = Carrier(pool, peer, importer, unwanted)
            info = await information(peer, task.proxy)
            sync = Sync(
                *(pool, carrier, info),
                down=task.down,
                up=task.up,
                clock=time.time,
                keeping=here.keeping,
            )
            report = SyncReport(sync.steps, importer.tally, carrier.sent)
            started = time.monotonic()
            try:
                async with _progress(report):
                    for filter in task.filters:
                        await sync.run(filter)
            finally:
                await unwanted.save()
                report.missing = carrier.missing
                say(_words(report, task, time.monotonic() - started))
    return report


@asynccontextmanager
async def _progress(report: SyncReport) -> AsyncIterator[None]:
    """Say how far it is, on a terminal."""
    with Progress(None) as progress:
        saying = asyncio.create_task(_keep_saying(report, progress))
        try:
            yield
        finally:
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)


async def _keep_saying(report: SyncReport, progress: Progress) -> None:
    while True:
        await asyncio.sleep(_SAY_EVERY)
        steps, sent = report.steps, report.sent
        windows = steps.read if steps.pages else steps.compared
        went = sent.accepted + sent.duplicate + sent.refused
        how = "read" if steps.pages else "compared"
        came = report.tally.lines
        progress.show(0, f"{windows:,} windows {how}, {came:,} events came, {went:,} went")


def _words(report: SyncReport, task: SyncTask, seconds: float) -> str:
    steps = report.steps
    lines = [f"read by pages, not compared: {steps.pages}"] if steps.pages else []
    if steps.missed:
        lines.append(f"{steps.missed} windows with more differences than can be compared")
    if steps.crowded:
        lines.append(f"not all of {words_of(steps.crowded)}: the relay shows only a part of it")
    if task.down:
        lines.append(f"down: {report.tally}")
        if report.missing:
            lines.append(f"  {report.missing} x not sent, though the relay has it")
    if task.up:
        lines.append(f"up: {report.sent}")
    return "\n".join([*lines, f"in {seconds:.1f} s"])

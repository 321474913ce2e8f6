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
from nostr_client.net.auth_demand import authenticator
from nostr_client.net.dial import DialPolicy
from nostr_client.net.pool import RelayPool
from nostr_client.net.rejected_ids import RejectedIds
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.urls import normalize_relay_url
from relays.config.relay_config import RelayConfig
from relays.engine.importing import EventImporter, ImportReport
from relays.operations.progress_bar import ProgressBar
from relays.policies.verdict import SourceType
from relays.process.offline import open_offline
from relays.sync.crowded_seconds import seconds_in_words
from relays.sync.mirror_context import unwanted_file
from relays.sync.sync import Sync, SyncCounts, SyncScope, check_filter, fetch_information
from relays.sync.transfer import PeerTransfer, SentCounts

_SAY_EVERY: Final = 0.5
"""Seconds between two words on how it goes."""


class SyncReport(msgspec.Struct):
    """What a sync did. `missing`: events that the peer said to hold, and did not send."""

    steps: SyncCounts
    tally: ImportReport
    sent: SentCounts
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
        check_filter(filter)
    async with open_offline(config, data, task.sub_relay) as here:
        importer = EventImporter(here.store, here.rules, SourceType.SYNC)
        async with RelayPool(
            verifier=here.verifier,
            proxy=task.proxy,
            dial=DialPolicy(given=[peer]),
            known=here.store.known,
            authenticate=authenticator(here.key, time.time),
        ) as pool:
            rejected = RejectedIds(None if task.anew else unwanted_file(data, here.sub_relay.name))
            transfer = PeerTransfer(pool, peer, importer, rejected)
            info = await fetch_information(peer, task.proxy)
            scope = SyncScope(down=task.down, up=task.up, keeping=here.retention)
            sync = Sync(transfer, info, scope)
            report = SyncReport(sync.progress, importer.tally, transfer.sent)
            started = time.monotonic()
            try:
                async with _progress(report):
                    for filter in task.filters:
                        await sync.run(filter)
            finally:
                await rejected.save()
                report.missing = transfer.missing
                say(_words(report, task, time.monotonic() - started))
    return report


@asynccontextmanager
async def _progress(report: SyncReport) -> AsyncIterator[None]:
    """Say how far it is, on a terminal."""
    with ProgressBar(None) as progress:
        saying = asyncio.create_task(_keep_saying(report, progress))
        try:
            yield
        finally:
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)


async def _keep_saying(report: SyncReport, progress: ProgressBar) -> None:
    while True:
        await asyncio.sleep(_SAY_EVERY)
        done, sent = report.steps, report.sent
        windows = done.read if done.pages else done.compared
        went = sent.accepted + sent.duplicate + sent.refused
        how = "read" if done.pages else "compared"
        came = report.tally.lines
        progress.show(0, f"{windows:,} windows {how}, {came:,} events came, {went:,} went")


def _words(report: SyncReport, task: SyncTask, seconds: float) -> str:
    done = report.steps
    lines = [f"read by pages, not compared: {done.pages}"] if done.pages else []
    if done.missed:
        lines.append(f"{done.missed} windows with more differences than can be compared")
    if done.crowded:
        where = seconds_in_words(done.crowded)
        lines.append(f"not all of {where}: the relay shows only a part of it")
    if task.down:
        lines.append(f"down: {report.tally}")
        if report.missing:
            lines.append(f"  {report.missing} x not sent, though the relay has it")
    if task.up:
        lines.append(f"up: {report.sent}")
    return "\n".join([*lines, f"in {seconds:.1f} s"])

"""The configuration and the certificate are read again, while clients stay."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import ConfigError, StoreError
from nostr_client.paths import FileStamp, file_stamp
from relays.config.relay_config import RelayConfig
from relays.process.assembly import RelayHost
from relays.server.tls import Certificate

LOOK: Final = 1.0
"""Seconds between two looks at whether one of them changed."""

_log = logging.getLogger(__name__)


class ConfigSource(msgspec.Struct, frozen=True):
    """Where the configuration comes from, so that it can be read again: `read` raises ConfigError.
    `path` is the file that is watched, if there is one."""

    read: Callable[[], RelayConfig]
    path: Path | None = None


class ConfigReloader:
    """Takes over what changed in the configuration and in the certificate, while clients stay."""

    def __init__(
        self, host: RelayHost, source: ConfigSource | None, tls: Certificate | None = None
    ) -> None:
        self._host = host
        self._source = source
        self._tls = tls
        self._first = host.config
        self._fault = ""
        self._stamp: FileStamp | None = None
        self._stamp = self._look()
        self.asked = asyncio.Event()

    async def run(self) -> None:
        """Look every `LOOK` seconds, and when `asked`, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(LOOK):
                    await self.asked.wait()
            except TimeoutError:
                pass
            await self._renew(by_request=self.asked.is_set())
            self.asked.clear()

    async def _renew(self, *, by_request: bool) -> None:
        stamp = self._look()
        changed, self._stamp = stamp != self._stamp, stamp
        try:
            if self._source is not None and (changed or by_request):
                config = self._source.read()
                await self._host.reconfigure(config)
                _log.warning("the configuration was read again")
                if late := _at_start_alone(self._first, config):
                    _log.warning("only a restart will change %s", ", ".join(late))
            if self._tls is not None and (by_request or self._tls.changed()):
                self._tls.reload()
                _log.warning("the certificate was read again")
            self._fault = ""
        except (ConfigError, StoreError) as error:
            # A certificate is tried at each look: what is wrong with it is said once.
            before, self._fault = self._fault, str(error)
            if changed or by_request or self._fault != before:
                _log.error("what changed is not in force: %s", error)

    def _look(self) -> FileStamp | None:
        if self._source is None or self._source.path is None:
            return None
        return file_stamp(self._source.path) or self._stamp  # while it is being replaced


def _at_start_alone(first: RelayConfig, now: RelayConfig) -> list[str]:
    """The settings that hold from the start to the end, and are others now."""
    held: list[tuple[str, object, object]] = [
        (name, getattr(first, name), getattr(now, name))
        for name in ("store", "host", "port", "workers", "urls")
    ]
    held += [
        (f"web.{name}", getattr(first.web, name), getattr(now.web, name))
        for name in (
            "trusted_proxies",
            "trusted_header",
            "tls_certificate",
            "tls_key",
            "token_file",
            "announce",
        )
    ]
    return [name for name, before, after in held if before != after]

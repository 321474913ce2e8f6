"""`relay doctor`: looks at everything that a relay needs, and says what to do where it lacks.

It changes nothing, works beside a running relay, and asks no other machine but the relay's own
public URLs and the peers that it was told to compare clocks with.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from nostr_client.errors import ConfigError, NostrError, StoreError
from nostr_client.net.dial import DialOptions, open_socket
from nostr_client.net.http import get
from nostr_client.nips.nip11 import MEDIA_TYPE
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import StoreOptions
from relays.config.relay_config import RelayConfig, read_config
from relays.networks import Networks, is_loopback
from relays.operations.doctor_machine import (
    Finding,
    look_at_certificate,
    look_at_disk,
    look_at_folder,
    look_at_limits,
)
from relays.process.folder import RunningRelay, holds_any, open_folder, running_relay
from relays.process.port import bind
from relays.process.stores import DATABASE, RelayStores, stores_of

WRONG_CLOCK: Final = 60.0
"""Seconds that this clock may differ from another's."""
_BORN: Final = 1_767_225_600
"""This program is not older than the year 2026: a clock that says so is wrong."""
_PATIENCE: Final = 10.0
_HERE: Final = DialOptions(proxy=None, private=True)
_STRAIGHT: Final = DialOptions(proxy=None)


async def examine(
    data: Path, path: Path | None, *, peers: tuple[str, ...] = (), database: str = ""
) -> AsyncIterator[Finding]:
    """All findings, one after the other; `path` is the configuration's, `database` the URL of what
    has the relay instead of the folder."""
    try:
        config, problems = read_config(path)
    except ConfigError as error:
        config, problems = RelayConfig(), [str(error)]
    for problem in problems:
        yield Finding(
            "bad", "configuration", problem, "correct it; `relay config check` looks again"
        )
    if not problems:
        yield Finding("ok", "configuration", str(path or "none: the profile `open`, on loopback"))
    for look in (look_at_folder, look_at_disk):
        for finding in _safely("machine", look(data)):
            yield finding
    for configured in (look_at_limits, look_at_certificate, look_at_proxies):
        for finding in _safely("configuration", configured(config)):
            yield finding
    with contextlib.ExitStack() as stack:
        stores = stores_of(data, database or config.store or "")
        refused = await _refused(stack, stores, data, database or config.store or "")
        if refused:
            yield Finding("bad", "folder", refused, "its databases were not looked at")
        else:
            for name in dict.fromkeys((DATABASE, *await stores.names())):
                yield await look_at_store(stores, name)
        async for finding in look_at_clock(None if refused else stores, peers):
            yield finding
    yield await look_at_port(data, config)
    for url in config.urls:
        yield await look_at_url(url)


async def _refused(
    stack: contextlib.ExitStack, stores: RelayStores, data: Path, database: str
) -> str:
    """Why what is there must not or cannot be opened; empty when it is held open by `stack`."""
    try:
        if database or holds_any(data):
            stack.enter_context(open_folder(data, database))
            await stores.names()
    except StoreError as error:
        return str(error)
    return ""


def _safely(subject: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    try:
        yield from findings
    except (OSError, NostrError, ValueError) as error:
        yield Finding("bad", subject, str(error), "correct it, and look again")


def look_at_proxies(config: RelayConfig) -> Iterator[Finding]:
    """Whose word on addresses is believed?"""
    trusted = config.web.trusted_proxies
    networks = Networks(trusted)
    if any(address in networks for address in ("1.1.1.1", "2606:4700::1111")):
        advice = "anybody could pretend to be anybody: name your own proxies only"
        yield Finding("bad", "proxies", f"{', '.join(trusted)} are trusted", advice)
    public = [url for url in config.urls if not _is_onion(url)]
    if public and not trusted and config.web.tls_certificate is None and is_loopback(config.host):
        advice = (
            "behind a proxy all clients seem to come from it, so that rates and bans by address"
            " reach nobody: name it in [web] trusted_proxies"
        )
        yield Finding("warn", "proxies", "none is trusted, and there are public URLs", advice)
    if any(map(_is_onion, config.urls)) and config.web.metrics_from:
        advice = "whoever comes by the onion address comes from this machine, too"
        if "127.0.0.1" in Networks(config.web.metrics_from):
            yield Finding("warn", "metrics", "this machine may read them", advice)


async def look_at_store(stores: RelayStores, name: str) -> Finding:
    """Is the database sound?"""
    if not await stores.has(name):
        return Finding("ok", "database", "there is none yet")
    try:
        async with stores.open(name, StoreOptions(read_only=True)) as store:
            await store.check()
    except NostrError as error:
        advice = "restore a backup (`relay restore`), or export what can be read and import it anew"
        return Finding("bad", "database", str(error), advice)
    return Finding("ok", "database", f"{stores.shown(name)} is sound")


async def look_at_clock(
    stores: RelayStores | None, peers: tuple[str, ...]
) -> AsyncIterator[Finding]:
    """Is it right? Events are judged by it. `stores`: None where they must not be opened."""
    now = time.time()
    advice = "set it, and keep it right (systemd-timesyncd, chrony)"
    if now < _BORN:
        yield Finding("bad", "clock", f"it says {time.strftime('%Y-%m-%d')}", advice)
        return
    newest = 0.0 if stores is None else await _newest(stores)
    if newest - now > 2 * 900:  # no event comes dated further ahead, unless a keeper lets it
        words = f"an event is dated {newest - now:.0f} seconds ahead: did the clock go back?"
        yield Finding("warn", "clock", words, advice)
    compared = 0
    for url in peers:
        off = await _difference(url)
        if off is None:
            continue
        compared += 1
        if abs(off) > WRONG_CLOCK:
            words = f"it differs by {off:+.0f} s from that of {url}"
            yield Finding("bad", "clock", words, advice)
        else:
            yield Finding("ok", "clock", f"it agrees with that of {url}")
    if not compared:
        yield Finding(
            "ok",
            "clock",
            "it was compared with no other",
            "" if peers else "name one to compare with: --peer wss://...",
        )


async def _newest(stores: RelayStores) -> float:
    if not await stores.has(DATABASE):
        return 0.0
    try:
        async with stores.open(DATABASE, StoreOptions(read_only=True)) as store:
            newest = await store.query([Filter(limit=1)])
    except NostrError:  # told by `look_at_store`
        return 0.0
    return newest[0].created_at if newest else 0.0


async def _difference(url: str) -> float | None:
    """Seconds that our clock is ahead of that of `url`; None where it does not say."""
    try:
        answer = await get(url, _STRAIGHT, accept=MEDIA_TYPE, timeout=_PATIENCE)
        there = parsedate_to_datetime(answer.headers.get("date", ""))
    except (NostrError, ValueError):
        return None
    return time.time() - there.timestamp()


async def look_at_port(data: Path, config: RelayConfig) -> Finding:
    """Is a relay of this folder listening, or could one?"""
    note = running_relay(data)
    if note is not None and await _answers(note):
        return Finding("ok", "port", f"a relay listens at {note.url} (process {note.pid})")
    try:
        bind(config.host, config.port).close()
    except ConfigError as error:
        advice = "another program has it, or it is a port for root only: choose another one"
        return Finding("bad", "port", str(error), advice)
    return Finding("ok", "port", f"{config.host} port {config.port} is free; no relay is running")


async def _answers(note: RunningRelay) -> bool:
    place = urlsplit(note.url)
    try:
        sock = await open_socket(note.url, place.hostname or "", place.port or 0, _HERE)
    except NostrError:
        return False
    sock.close()
    return True


async def look_at_url(url: str) -> Finding:
    """Does a relay answer at the public URL?"""
    if _is_onion(url):
        return Finding("ok", "url", f"{url} was not tried: that takes Tor")
    advice = "does its name point here, and is the port open in the firewall and the proxy?"
    try:
        answer = await get(url, _STRAIGHT, accept=MEDIA_TYPE, timeout=_PATIENCE)
    except NostrError as error:
        return Finding("bad", "url", str(error), advice)
    if answer.status != 200 or not answer.headers.get("content-type", "").startswith(MEDIA_TYPE):
        words = f"{url} answers, but not as a relay (status {answer.status})"
        return Finding("bad", "url", words, advice)
    return Finding("ok", "url", f"a relay answers at {url}")


def _is_onion(url: str) -> bool:
    return (urlsplit(url).hostname or "").endswith(".onion")

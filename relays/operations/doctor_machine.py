"""What the doctor finds on this machine: the disk, the limits, the rights on files."""

from __future__ import annotations

import os
import shutil
import stat
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from relays.config.relay_config import RelayConfig
from relays.process.stores import RelayStores
from relays.web.health import LEAST_FREE

SLOW_WRITE: Final = 0.02
"""Seconds a durable write may take before it is worth a word: each commit waits for one."""
_NO_DISK: Final = 0.00002
"""What takes less has hardly reached a disk."""
_WRITES: Final = 20
_SPARE_FILES: Final = 100
"""Open files of the relay that are no connections."""
_WARN_DAYS: Final = 14


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at: how it is, in words, and what to do about it."""

    level: Literal["ok", "warn", "bad"]
    subject: str
    words: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f"\n      {self.advice}" if self.advice else ""
        return f"{self.level:<4}  {self.subject}: {self.words}{advice}"


def look_at_folder(data: Path) -> Iterator[Finding]:
    """Who may read what is kept, and may the relay write it?"""
    if not data.is_dir():
        yield Finding("ok", "folder", f"{data} does not exist yet; the relay makes it")
        return
    if not os.access(data, os.W_OK | os.X_OK):
        advice = "run this as the relay's own user, or give the folder to it (chown)"
        yield Finding("bad", "folder", f"{data} cannot be written", advice)
        return
    if sys.platform == "win32":  # rights are lists there, inherited from the profile's folder
        return
    open_to = [path for path in (data, *data.iterdir()) if _others(path)]
    if open_to and not (data.stat().st_mode & 0o077):
        open_to = []  # nobody gets past the folder
    if open_to:
        names = ", ".join(path.name for path in open_to[:5])
        advice = f"chmod -R go= {data}"
        yield Finding("bad", "permissions", f"others may read {names} in {data}", advice)
    else:
        yield Finding("ok", "permissions", f"only its owner may read {data}")


def _others(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:  # a file of a moment
        return False
    return not stat.S_ISLNK(mode) and bool(mode & 0o077)


def look_at_disk(data: Path) -> Iterator[Finding]:
    """Is there room, and how long does a durable write take?"""
    folder = next(path for path in (data, *data.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    used = RelayStores(data).bytes_on_disk() if data.is_dir() else 0
    words = f"{_gib(free)} free, the database takes {_gib(used)}"
    if free < LEAST_FREE:
        advice = (
            "free some at once: soon nothing can be stored; see [retention] and `relay compact`"
        )
        yield Finding("bad", "disk", words, advice)
    elif free < used + LEAST_FREE:
        advice = "`relay compact` and a backup on this disk need as much as the database takes"
        yield Finding("warn", "disk", words, advice)
    else:
        yield Finding("ok", "disk", words)
    if os.access(folder, os.W_OK) and free >= LEAST_FREE:
        yield _judge_speed(time_writes(folder))


def time_writes(folder: Path) -> float:
    """Seconds that a small durable write takes there, the median of some. Raises OSError."""
    sync = getattr(os, "fdatasync", os.fsync)
    place = folder / f".doctor-{os.getpid()}"
    taken: list[float] = []
    fd = os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        for _ in range(_WRITES):
            os.write(fd, b"\0" * 4096)
            began = time.perf_counter()
            sync(fd)
            taken.append(time.perf_counter() - began)
    finally:
        os.close(fd)
        place.unlink()
    return statistics.median(taken)


def _judge_speed(seconds: float) -> Finding:
    words = f"a durable write takes {seconds * 1000:.3g} ms"
    if seconds > SLOW_WRITE:
        advice = "a disk of flash, not shared over a network, would let clients wait less"
        return Finding("warn", "disk speed", words, advice)
    if seconds < _NO_DISK:
        advice = "this is memory, or a disk that promises too much: a power cut may lose events"
        return Finding("warn", "disk speed", words, advice)
    return Finding("ok", "disk speed", words)


def look_at_limits(config: RelayConfig) -> Iterator[Finding]:
    """May this process have as many connections as the configuration allows?"""
    if sys.platform == "win32":
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = config.limits.connections + _SPARE_FILES
    words = f"{'any number of' if hard == resource.RLIM_INFINITY else hard} files may be open"
    if hard != resource.RLIM_INFINITY and hard < wanted:
        advice = (
            f"{config.limits.connections} connections need {wanted}: raise it (LimitNOFILE= in the"
            " unit, ulimit -Hn), or set limits.connections lower"
        )
        yield Finding("bad", "limits", words, advice)
    else:
        yield Finding("ok", "limits", f"{words}; {wanted} are needed")


def look_at_certificate(config: RelayConfig, now: datetime | None = None) -> Iterator[Finding]:
    """Is the certificate of our own TLS usable, and for how long?"""
    from relays.server.tls import certificate

    web = config.web
    if certificate(web.tls_certificate, web.tls_key) is None or not web.tls_certificate:
        return
    from cryptography import x509

    parsed = x509.load_pem_x509_certificate(Path(web.tls_certificate).expanduser().read_bytes())
    now = now or datetime.now(UTC)
    ends = parsed.not_valid_after_utc
    days = (ends - now).days
    words = f"the certificate holds until {ends:%Y-%m-%d}"
    if now >= ends or now < parsed.not_valid_before_utc:
        yield Finding("bad", "tls", f"{words}: not today", "renew it; the relay reads it again")
    elif days < _WARN_DAYS:
        yield Finding("warn", "tls", f"{words}: {days} days", "renew it; the relay reads it again")
    else:
        yield Finding("ok", "tls", words)
    key = Path(web.tls_key or "").expanduser()
    if sys.platform != "win32" and key.stat().st_mode & 0o007:
        yield Finding("bad", "tls", f"anybody may read {key}", f"chmod o= {key}")


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"

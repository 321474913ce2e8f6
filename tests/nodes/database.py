"""A PostgreSQL server of its own on loopback, that can die, stand still, and have a standby."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests import postgres

SETTINGS: Final = {"listen_addresses": "127.0.0.1", "max_connections": "80"}
"""All else is as it comes: what is acknowledged is on the disk."""
END_LIMIT: Final = 30.0


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


class Database:
    """Made by `running`, or by another one's `standby`. It blocks: call it on a thread."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._folder = folder
        self._settings = {**SETTINGS, **settings}
        self.port = free_port()
        self._server: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def running(cls, folder: Path, **settings: str) -> Iterator[Database]:
        """An empty one in `folder`, which everybody may enter, until the block ends."""
        self = cls(folder, settings)
        self._server = postgres.new_server(folder, self._settings, port=self.port)
        try:
            yield self
        finally:
            self.kill()

    def url(self, *more: int) -> str:
        """Of the database, by its own port, or by these instead."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in more or (self.port,))
        return f"postgresql://tests@{hosts}/postgres?search_path=public"

    def start(self) -> None:
        """Again, after it ended."""
        with suppress(FileNotFoundError):  # that of a server which could not tidy up
            (self._folder / "data" / "postmaster.pid").unlink()
        self._server = postgres.start(self._folder, self._settings, port=self.port)

    def stop(self) -> None:
        """As its keeper stops it: open transactions are undone, connections end."""
        self._running.send_signal(signal.SIGINT)
        self._running.wait(END_LIMIT)

    def kill(self) -> None:
        """All its processes at once, as when a machine loses its power."""
        if self._server is not None and self._server.poll() is None:
            self._tell(signal.SIGKILL)
            self._server.wait(END_LIMIT)

    def freeze(self) -> None:
        """It stands still: it answers nobody, and connections stay open."""
        self._tell(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._tell(signal.SIGCONT)

    @contextmanager
    def standby(self, folder: Path) -> Iterator[Database]:
        """A copy in `folder` without which nothing counts as durable, until the block ends."""
        copy = Database(folder, self._settings)
        owner = postgres.account()
        folder.mkdir()
        if owner is not None:
            shutil.chown(folder, owner)
        source = f"host=127.0.0.1 port={self.port} user=tests application_name=second"
        self._program("pg_basebackup", "-D", f"{folder}/data", "-d", source, "-c", "fast", "-R")
        copy._server = postgres.start(folder, copy._settings, port=copy.port)
        self.execute("ALTER SYSTEM SET synchronous_standby_names = 'second'")
        self.execute("SELECT pg_reload_conf()")
        self._until("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", "1")
        try:
            yield copy
        finally:
            copy.kill()

    def promote(self) -> None:
        """From now on it is the one that is written to, and it waits for no other."""
        self._program("pg_ctl", "promote", "-w", "-D", f"{self._folder}/data")
        self.execute("ALTER SYSTEM RESET synchronous_standby_names")
        self.execute("SELECT pg_reload_conf()")

    def execute(self, sql: str) -> str:
        """What psql says to it, without any frame."""
        url = f"postgresql://tests@127.0.0.1:{self.port}/postgres"
        return self._program("psql", "-X", "-A", "-t", "-c", sql, url).strip()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._server is not None, "it was never started"
        return self._server

    def _tell(self, number: int) -> None:
        """First the process that would start others."""
        pid = self._running.pid
        self._running.send_signal(number)
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    def _until(self, sql: str, wanted: str) -> None:
        deadline = time.monotonic() + END_LIMIT
        while self.execute(sql) != wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{sql}: not {wanted} in {END_LIMIT:g} s")
            time.sleep(0.02)

    @staticmethod
    def _program(name: str, *arguments: str) -> str:
        found = postgres.programs()
        assert found is not None
        command = [str(found / name), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, user=postgres.account(), cwd="/", check=False
        )
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr}")
        return done.stdout

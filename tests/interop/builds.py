"""Peers from their registries, at pinned versions, by the registries' own clients.

What was built is kept in the user's cache folder, by its recipe, and built again when that
changes. Compilers get one core and the lowest priority.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Protocol

import platformdirs

from nostr_client.paths import patient_lock
from nostr_client.processes import end_now

PROGRAMS: Final = Path(__file__).parent / "programs"
CACHE: Final = platformdirs.user_cache_path("nostr-client-interop")
LIMIT: Final = 300.0
"""Seconds for what installs or builds, but for a whole crate."""
CARGO_LIMIT: Final = 3600.0
_MODEST: Final = {
    "GOFLAGS": "-mod=mod -p=1",
    "GOTOOLCHAIN": "local",
    "CARGO_BUILD_JOBS": "1",
    "CARGO_PROFILE_DEV_DEBUG": "0",
}


class NotToBeHad(Exception):
    """The peer cannot be had here; the text says why, in words that can be published."""


class Build(Protocol):
    """A recipe. Equal recipes share what they make."""

    weight: ClassVar[int]
    """What takes longest is built last."""

    async def make(self) -> Path:
        """A folder or a program, ready. Raises NotToBeHad."""


@dataclass(frozen=True)
class Venv:
    """A virtual environment with these requirements from PyPI; its Python."""

    weight: ClassVar[int] = 1
    requirements: tuple[str, ...]

    async def make(self) -> Path:
        python_of = f"venv-{sys.version_info[0]}-{sys.version_info[1]}"
        async with place(python_of, repr(self)) as (folder, is_new):
            python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
            if is_new:
                await run((sys.executable, "-m", "venv", str(folder)), folder)
                install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
                await run((str(python), *install, *self.requirements), folder)
        return python


@dataclass(frozen=True)
class Npm:
    """A folder with these packages in its node_modules."""

    weight: ClassVar[int] = 2
    packages: tuple[str, ...]

    async def make(self) -> Path:
        found("node")
        async with place("npm", repr(self)) as (folder, is_new):
            if is_new:
                quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder))
                await run((found("npm"), "install", *quiet, *self.packages), folder)
        return folder


@dataclass(frozen=True)
class GoProgram:
    """A program of ours, a folder below `programs/`, with these modules."""

    weight: ClassVar[int] = 3
    source: str
    modules: tuple[str, ...]

    async def make(self) -> Path:
        source = PROGRAMS / self.source / "main.go"
        async with place("go", repr(self) + source.read_text("utf-8")) as (folder, is_new):
            if is_new:
                shutil.copy(source, folder)
                (folder / "go.mod").write_text(f"module {self.source}\n")
                await run((found("go"), "get", *self.modules), folder)
                await run((found("go"), "build", "-o", self.source, "."), folder)
        return folder / self.source


@dataclass(frozen=True)
class GoTool:
    """Somebody else's program, a Go module: `module@version`."""

    weight: ClassVar[int] = 3
    module: str

    async def make(self) -> Path:
        async with place("go", repr(self)) as (folder, is_new):
            if is_new:
                where = {"GOBIN": str(folder), "GOFLAGS": "-p=1"}
                await run((found("go"), "install", self.module), folder, **where)
        return folder / self.module.partition("@")[0].rpartition("/")[2]


@dataclass(frozen=True)
class Crate:
    """A program from crates.io, with the newest of its dependencies that fit: what it was locked to
    in its day does not compile for ever. Not optimised: the sooner it is there."""

    weight: ClassVar[int] = 4
    name: str
    version: str

    async def make(self) -> Path:
        words = ("install", self.name, "--version", self.version, "--debug", "--quiet")
        async with place("crate", repr(self)) as (folder, is_new):
            if is_new:
                command = (found("cargo"), *words, "--root", str(folder))
                half_done = CACHE / f"{self.name}-{self.version}"  # the next run goes on from there
                target = {"CARGO_TARGET_DIR": str(half_done)}
                await run(command, folder, limit=CARGO_LIMIT, **target)
                shutil.rmtree(half_done)
        return folder / "bin" / self.name


@dataclass(frozen=True)
class Named:
    """A program that an environment variable names, or else what `otherwise` makes."""

    weight: ClassVar[int] = 0
    variable: str
    otherwise: GoTool | None = None

    async def make(self) -> Path:
        if named := os.environ.get(self.variable):
            if not os.access(named, os.X_OK):
                raise NotToBeHad(f"What `{self.variable}` names cannot be run.")
            return Path(named)
        unnamed = f"`{self.variable}` names no program"
        if self.otherwise is None:
            raise NotToBeHad(f"No registry has it, and {unnamed}.")
        try:
            return await self.otherwise.make()
        except NotToBeHad as why:
            raise NotToBeHad(f"{str(why).rstrip('.')}; and {unnamed}.") from None


@dataclass(frozen=True)
class Here:
    """What this Python has already."""

    weight: ClassVar[int] = 0

    async def make(self) -> Path:
        return Path(sys.executable)


@asynccontextmanager
async def place(sort: str, recipe: str) -> AsyncIterator[tuple[Path, bool]]:
    """A folder of the cache for one recipe, and whether the block has to fill it: what was only
    begun is begun again the next time. Whoever else wants it meanwhile waits."""
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    folder = CACHE / f"{sort}-{digest}"
    CACHE.mkdir(parents=True, exist_ok=True)
    async with patient_lock(folder.with_suffix(".lock"), CARGO_LIMIT):
        ready = folder / "ready"
        if ready.exists():
            yield folder, False
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder, True
        ready.touch()


def found(tool: str) -> str:
    """Where a tool is. Raises NotToBeHad."""
    path = shutil.which(tool)
    if path is None:
        raise NotToBeHad(f"There is no {tool} here.")
    return path


async def run(
    command: Sequence[str], folder: Path, *, limit: float = LIMIT, **environment: str
) -> None:
    """Run to the end, within `limit` seconds. Raises NotToBeHad with the last of what it says."""
    modest = ("nice", "-n", "15") if shutil.which("nice") else ()
    process = await asyncio.create_subprocess_exec(
        *(*modest, *command),
        cwd=folder,
        env=os.environ | _MODEST | environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    name = Path(command[0]).name
    try:
        async with asyncio.timeout(limit):
            said, _ = await process.communicate()
    except TimeoutError:
        raise NotToBeHad(f"{name} did not end in {limit:g} s.") from None
    finally:
        await end_now(process)
    if process.returncode:
        lines = [line.strip() for line in said.decode(errors="replace").splitlines()]
        words = [line for line in lines if line and "complete log" not in line]
        raise NotToBeHad(f"{name} says: {' '.join(words[-1:]) or 'nothing'}")

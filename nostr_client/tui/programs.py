"""Programs that the client starts for its person: with arguments, never through a shell, and with
nothing secret of the environment."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Sequence
from typing import Final, NamedTuple

from nostr_client.errors import ConfigError
from nostr_client.paths import environment_for_children
from nostr_client.processes import end_now

MOST_OUTPUT: Final = 200_000
"""Bytes that are kept of what a program writes; one that writes more is ended."""


class ProgramResult(NamedTuple):
    """How a program ended: its exit code, what it wrote, and why it was ended, if we did it."""

    code: int
    output: bytes
    ended: str = ""


async def start(command: Sequence[str], **how: object) -> Process:
    """Start a program. Raises ConfigError where it does not."""
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            env=environment_for_children(),
            **how,  # type: ignore[arg-type]
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{command[0]} does not start: {reason}") from error


async def run(
    command: Sequence[str], given: bytes | None, seconds: float, *, heard: bool = True
) -> ProgramResult:
    """Run a program to its end, for which it has `seconds`; `given` is its standard input.

    `heard`: what it writes is kept; else nobody hears it. Raises ConfigError.
    """
    process = await start(
        command,
        stdin=DEVNULL if given is None else PIPE,
        stdout=PIPE if heard else DEVNULL,
        stderr=STDOUT,
        start_new_session=True,
    )
    output = bytearray()
    ended = ""
    try:
        async with asyncio.timeout(seconds):
            async with asyncio.TaskGroup() as tasks:
                if process.stdin is not None and given is not None:
                    tasks.create_task(_give(process.stdin, given))
                if process.stdout is not None and not await _read(process.stdout, output):
                    ended = "it wrote too much"
                    await end_now(process)
            await process.wait()
    except TimeoutError:
        ended = f"it took longer than {seconds:g} s"
    finally:
        await end_now(process)
    return ProgramResult(process.returncode or 0, bytes(output), ended)


async def _give(stream: asyncio.StreamWriter, given: bytes) -> None:
    # A program may end, or close its input, before it has read all.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(given)
        await stream.drain()
    stream.close()


async def _read(stream: asyncio.StreamReader, output: bytearray) -> bool:
    """Take what is written; was that all of it?"""
    while part := await stream.read(65_536):
        output += part
        if len(output) > MOST_OUTPUT:
            del output[MOST_OUTPUT:]
            return False
    return True

"""Tasks that belong together, and whose failure is the error that it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A TaskGroup that raises the first error of its tasks as itself.

    Whoever calls what is done by several tasks wants to catch a `StoreError`, and not a group that
    holds one: `except StoreError` passes over that, and a disk that is full ends the program.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as errors:
        error = first_of(errors)
        raise error from error.__cause__


def first_of(error: Exception) -> Exception:
    """The first error in a group of groups; any other is itself."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error

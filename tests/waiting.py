"""Waiting for what is wanted, and never for a while.

That something does *not* happen is seen at what comes after it: a later event, the end of stored
ones, another turn of the loop that would have done it.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

LIMIT: Final = 60.0
"""Seconds after which nothing comes any more, however busy the machine is."""
_PAUSE: Final = 0.01


async def until(holds: Callable[[], object], limit: float = LIMIT, pause: float = _PAUSE) -> Any:
    """Ask `holds`, which may be a coroutine function, until its answer is true; the answer.

    `pause`: seconds from one time to the next. Raises TimeoutError.
    """
    async with asyncio.timeout(limit):
        while True:
            answer = holds()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            await asyncio.sleep(pause)


def wait_until(holds: Callable[[], object], limit: float = LIMIT) -> Any:
    """The same for a test without a loop."""
    deadline = time.monotonic() + limit
    while not (answer := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not come in {limit:g} s")
        time.sleep(_PAUSE)
    return answer


def time_passes(seconds: float) -> None:
    """Set the loop's clock forward: what waits so long has waited long enough.

    That holds for all that is under way, the store's reading too: first let all else be done.
    """
    loop = asyncio.get_running_loop()
    clock = loop.time
    loop.time = lambda: clock() + seconds  # type: ignore[method-assign]


@contextmanager
def waits_for_nobody() -> Iterator[None]:
    """Fails where the block waits for a time limit, of seconds or more, to run out.

    The loop's clock goes slower in it: what ends because it is done takes no longer, but a limit of
    three seconds takes longer than `LIMIT`. No busy machine can be taken for one that waits.
    """
    loop, block = asyncio.get_running_loop(), asyncio.current_task()
    clock = loop.time
    begun, too_long = clock(), threading.Event()
    assert block is not None

    def give_up() -> None:
        too_long.set()
        block.cancel()

    watch = threading.Timer(LIMIT, loop.call_soon_threadsafe, (give_up,))
    watch.daemon = True
    loop.time = lambda: begun + (clock() - begun) / 30  # type: ignore[method-assign]
    watch.start()
    try:
        yield
    except asyncio.CancelledError:
        if not too_long.is_set():
            raise
        raise AssertionError("it waits until a time limit has run out") from None
    finally:
        watch.cancel()
        loop.time = clock  # type: ignore[method-assign]

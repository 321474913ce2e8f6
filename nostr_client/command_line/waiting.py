"""How a command, which is plain code, waits for work on a loop, and how signals end it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

T = TypeVar("T")


class Terminated(BaseException):
    """SIGTERM or SIGHUP came; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def wait_for(
    work: Coroutine[Any, Any, T],
    new_loop: Callable[[], AbstractEventLoop] | None = None,
) -> T:
    """Run `work` to its end, on a loop that `new_loop` makes.

    Ctrl-C raises KeyboardInterrupt, SIGTERM and SIGHUP Terminated, and either lets `work` clean up
    first.
    """
    import asyncio  # not before a command is known to need it
    import contextlib
    import signal

    stopped: list[int] = []

    async def main() -> T:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            stopped.append(number)
            if task is not None:
                task.cancel()

        for name in ("SIGTERM", "SIGHUP"):
            # Not on Windows, and in the main thread alone.
            with contextlib.suppress(AttributeError, NotImplementedError, ValueError):
                number = getattr(signal, name)
                loop.add_signal_handler(number, stop, number)
        return await work

    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(main())
    except asyncio.CancelledError:
        if stopped:
            raise Terminated(stopped[0]) from None
        raise

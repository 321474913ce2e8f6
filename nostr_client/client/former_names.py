"""Names that scripts may still use for one release, and what they are called today."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any


def warn_of(former: str, today: str, *, up: int = 1) -> None:
    """Tell whoever wrote the line, so many calls `up`, that `former` is `today` now."""
    words = f"{former} is called {today} now; the old name goes with the next release"
    warnings.warn(words, DeprecationWarning, stacklevel=up + 2)


class MethodOnceRoom(partial[Any]):
    """A method of one client whose name was that of a room: what the room has is found at it still.

    It stands in the client's own dictionary, before the class's method, which is a plain one.
    """

    def __new__(cls, method: Callable[..., Any], client: object, room: str) -> MethodOnceRoom:
        return super().__new__(cls, method, client)

    def __init__(self, method: Callable[..., Any], client: object, room: str) -> None:
        self.__dict__["_former"] = (method.__name__, room)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        former, room = self.__dict__["_former"]
        found = getattr(getattr(self.args[0], room), name)
        warn_of(f"client.{former}.{name}", f"client.{room}.{name}")
        return found

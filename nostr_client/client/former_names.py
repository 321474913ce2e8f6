"""Names that scripts may still use for one release, and what they are called today."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])


def warn_of(former: str, today: str, *, up: int = 1) -> None:
    """Tell whoever wrote the line, so many calls `up`, that `former` is `today` now."""
    words = f"{former} is called {today} now; the old name goes with the next release"
    warnings.warn(words, DeprecationWarning, stacklevel=up + 2)


def once_room(room: str) -> Callable[[_F], _F]:
    """For a method whose name was that of a room: what the room has is found at it still."""

    def decorate(method: _F) -> _F:
        found: Any = _OnceRoom(method, room)
        typed: _F = found
        return typed

    return decorate


class _OnceRoom:
    """Such a method, where the class has it."""

    def __init__(self, method: Callable[..., Any], room: str) -> None:
        self.__doc__, self.__name__ = method.__doc__, method.__name__
        self.__wrapped__ = method
        self._method = method
        self._room = room

    def __get__(self, client: object, owner: type) -> Any:
        return self._method if client is None else _MethodOrRoom(self._method, client, self._room)


class _MethodOrRoom(partial[Any]):
    """Such a method of one client."""

    def __new__(cls, method: Callable[..., Any], client: object, room: str) -> _MethodOrRoom:
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

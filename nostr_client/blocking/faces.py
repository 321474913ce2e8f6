"""The plain face of asynchronous objects, made from them: the same names, waited for here.

A coroutine function becomes a function, an asynchronous iterator an iterator, an asynchronous
context manager a context manager; what has such members is shown by a class made of its own. All of
it runs on the loop's thread (`loop_thread`), plain methods and properties too: state is touched
there alone.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from nostr_client.blocking.loop_thread import LoopThread, NotInTime, OneTask

T = TypeVar("T")

CLOSE_LIMIT: Final = 10.0
"""Seconds that closing may take."""
OURS: Final = "nostr_client."
_SPECIAL: Final = (
    "__enter__",
    "__exit__",
    "__call__",
    "__len__",
    "__contains__",
    "__getitem__",
    "__bool__",
    "__str__",
)
_WORDS: Final = (
    (re.compile(r"\bAsyncGenerator\[(.*), None\]"), r"Iterator[\1]"),
    (re.compile(r"\bAsyncGenerator\["), "Iterator["),
    (re.compile(r"\bAsync(Iterator|Iterable)\["), r"\1["),
    (re.compile(r"\bAbstractAsyncContextManager\["), "OpenedBy["),
)

_thread: Final = LoopThread()
_open: Final = weakref.WeakSet["OpenedBy[Any]"]()


class OpenedBy(Generic[T]):
    """What an asynchronous context manager opens: `with` it, or `start` it and `close` it later,
    as in the cells of a notebook. One that is forgotten is closed at the end, with a warning."""

    def __init__(self, manager: AbstractAsyncContextManager[T], name: str = "") -> None:
        self._manager = manager
        self._name = name or type(manager).__name__
        self._task = OneTask(_thread)
        self._is_open = False
        self._process = os.getpid()

    def __enter__(self) -> T:
        value = self._task.do(self._manager.__aenter__)
        self._is_open = True
        _open.add(self)
        face: T = plain(value)
        if isinstance(face, Plain):
            object.__setattr__(face, "_opened_by", self)
        return face

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Raises TimeoutError where it does not end within `CLOSE_LIMIT`."""
        if not self._is_open or self._process != os.getpid():  # it is the parent's to close
            return False
        self._is_open = False
        _open.discard(self)

        def leave() -> Coroutine[Any, Any, bool | None]:
            return self._manager.__aexit__(kind, error, trace)

        try:
            return bool(self._task.end_with(leave, CLOSE_LIMIT))
        except NotInTime:
            raise TimeoutError(f"{self._name} did not close in {CLOSE_LIMIT:g} s") from error

    def start(self) -> T:
        """Open it, until `close`."""
        return self.__enter__()

    def close(self) -> None:
        """Close what was started; once more is nothing."""
        self.__exit__(None, None, None)

    def __del__(self) -> None:
        if self._is_open and self._process == os.getpid():  # there is no waiting here
            self._is_open = False
            _warn(f"{self._name} was never closed")
            self._task.end_with(lambda: self._manager.__aexit__(None, None, None))


def _close_all() -> None:
    """At the end of the program."""
    for opened in tuple(_open):
        if opened._process != os.getpid():
            continue
        words = f"{opened._name} was never closed"
        try:
            opened.close()
        except BaseException as error:  # noqa: BLE001 - there is nobody left to catch it
            words = f"{words}, and did not close well: {error}"
        _warn(words)


def _warn(words: str) -> None:
    """In one line: there is no line of the program to be shown beside it."""
    warnings.warn_explicit(words, ResourceWarning, "nostr_client.blocking", 0)


_thread.before_end.append(_close_all)


def _iterate(items: AsyncIterator[T]) -> Generator[T, None, None]:
    """Each when it comes; leaving the loop ends what brings them."""
    task = OneTask(_thread)

    async def step() -> tuple[T] | None:
        try:
            return (await anext(items),)
        except StopAsyncIteration:
            return None

    async def leave() -> None:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()

    try:
        while (found := task.do(step)) is not None:
            yield plain(found[0])
    finally:
        task.end_with(leave, CLOSE_LIMIT)


class Plain:
    """The plain face of an object, which is `_inner`."""

    _inner: Any
    _process: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        made = _call(type(self)._face_of, args, kwargs, wrap=False)  # type: ignore[attr-defined]
        self._show(made)

    def _show(self, inner: Any) -> None:
        object.__setattr__(self, "_inner", inner)
        object.__setattr__(self, "_process", os.getpid())

    @classmethod
    def _showing(cls, inner: Any) -> Self:
        self = cls.__new__(cls)
        self._show(inner)
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return _call(getattr, (self._own(), name), {})

    def __setattr__(self, name: str, value: Any) -> None:
        _call(setattr, (self._own(), name, value), {})

    def _own(self) -> Any:
        """What is behind it. Raises RuntimeError in a fork: its loop runs in the parent alone."""
        if self._process != os.getpid():
            raise RuntimeError(
                f"this {type(self).__name__} is of the process that was forked: open one here"
            )
        return self._inner

    def __eq__(self, other: object) -> bool:
        return bool(self._inner == unwrapped(other))

    def __hash__(self) -> int:
        return hash(self._inner)

    def __repr__(self) -> str:
        return f"<blocking {self._inner!r}>"


def unwrapped(value: Any) -> Any:
    """The object behind a plain face; any other is itself."""
    return value._inner if isinstance(value, Plain) else value


def plain(value: Any) -> Any:
    """The plain face of a value, where it is asynchronous; else itself."""
    kind = type(value)
    if is_asynchronous(kind):
        return plain_class(kind)._showing(value)
    if isinstance(value, AsyncIterator):
        return _iterate(value)
    if isinstance(value, AbstractAsyncContextManager):
        return OpenedBy(value)
    if inspect.ismethod(value) and is_asynchronous(type(value.__self__)):
        return getattr(plain(value.__self__), value.__name__)
    return value


def _call(
    function: Callable[..., Any], args: tuple[Any, ...], given: dict[str, Any], *, wrap: bool = True
) -> Any:
    async def work() -> Any:
        value = function(
            *map(unwrapped, args), **{name: unwrapped(value) for name, value in given.items()}
        )
        return await value if inspect.iscoroutine(value) else value

    value = _thread.run(work())
    return plain(value) if wrap else value


# Classes

In = TypeVar("In")


def _once(work: Callable[[In], T]) -> Callable[[In], T]:
    """Each class is looked at once."""
    return functools.cache(work)


@_once
def is_asynchronous(kind: type) -> bool:
    """Is it a class of ours with something to wait for?"""
    if not f"{kind.__module__}.".startswith(OURS) or issubclass(kind, BaseException | Plain):
        return False
    return any(_is_waited_for(inspect.getattr_static(kind, name)) for name in dir(kind))


def _is_waited_for(member: object) -> bool:
    member = getattr(member, "__func__", member)  # of a class method
    return (
        inspect.iscoroutinefunction(member)
        or inspect.isasyncgenfunction(member)
        or opens(member)
        or "Async" in str(getattr(member, "__annotations__", {}).get("return", ""))
    )


def opens(member: object) -> bool:
    """Is it a function that gives an asynchronous context manager?"""
    return inspect.isasyncgenfunction(getattr(member, "__wrapped__", None))


def plain_words(annotation: str) -> str:
    """What an annotation says of the plain face."""
    for pattern, word in _WORDS:
        annotation = pattern.sub(word, annotation)
    return annotation


def plain_signature(function: Callable[..., Any]) -> inspect.Signature:
    """The same parameters; what comes back is there, and not yet to come."""
    signature = inspect.signature(function)
    returned = str(signature.return_annotation)
    if opens(function):
        returned = returned.replace("AsyncIterator[", "OpenedBy[", 1)
    if signature.return_annotation is inspect.Signature.empty:
        return signature
    return signature.replace(return_annotation=plain_words(returned))


@_once
def plain_class(kind: type) -> type[Plain]:
    """The class that shows objects of `kind`, with its names, signatures and docstrings."""
    bases = tuple(plain_class(base) for base in kind.__bases__ if is_asynchronous(base))
    namespace: dict[str, Any] = {
        "_face_of": kind,
        "__doc__": kind.__doc__,
        "__module__": "nostr_client.blocking",
        "__qualname__": kind.__qualname__,
        "__wrapped__": kind,
    }
    for name, member in vars(kind).items():
        if not name.startswith("_") or name in _SPECIAL:
            namespace[name] = _plain_member(kind, name, member)
    if hasattr(kind, "__aenter__"):
        namespace |= {"__enter__": _enter, "__exit__": _leave}
    if hasattr(kind, "__aiter__"):
        namespace["__iter__"] = _items
        if hasattr(kind, "__anext__"):
            namespace["__next__"] = lambda self: next(_items(self))
        if closes(kind):
            namespace["close"] = _close_items
    made: type[Plain] = type(kind.__name__, bases or (Plain,), namespace)
    if "__init__" in vars(kind):
        made.__signature__ = inspect.signature(kind)  # type: ignore[attr-defined]
    return made


def _items(self: Plain) -> Generator[Any, None, None]:
    """One iterator for all who ask: there is one behind it, too."""
    found: Generator[Any, None, None] | None = self.__dict__.get("_items")
    if found is None:
        found = _iterate(aiter(self._own()))
        object.__setattr__(self, "_items", found)
    return found


def closes(kind: type) -> bool:
    """Is it an iterator that its plain face can close, as every plain generator does?"""
    return hasattr(kind, "aclose") and not hasattr(kind, "close")


def _close_items(self: Plain) -> None:
    """End it here."""
    _items(self).close()


def _enter(self: Plain) -> Any:
    opened = OpenedBy(self._own(), type(self).__name__)
    object.__setattr__(self, "_entered", opened)
    return opened.__enter__()


def _leave(
    self: Plain,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
) -> bool:
    opened: OpenedBy[Any] = self.__dict__["_entered"]
    return opened.__exit__(kind, error, trace)


def _plain_member(kind: type, name: str, member: Any) -> Any:
    if isinstance(member, classmethod | staticmethod):
        return staticmethod(plain_function(getattr(kind, name)))
    if isinstance(member, property | functools.cached_property):

        def read(self: Plain) -> Any:
            return _call(getattr, (self._own(), name), {})

        return property(read, doc=member.__doc__)
    if not inspect.isfunction(member):
        return member

    def method(self: Plain, *args: Any, **given: Any) -> Any:
        return _called(member, (self._own(), *args), given)

    return _dressed(method, member)


def plain_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """The plain face of a function."""

    def call(*args: Any, **given: Any) -> Any:
        return _called(function, args, given)

    return _dressed(call, function)


def _called(function: Callable[..., Any], args: tuple[Any, ...], given: dict[str, Any]) -> Any:
    value = _call(function, args, given, wrap=False)
    if opens(function):
        return OpenedBy(value, function.__qualname__)
    return plain(value)


def _dressed(call: Callable[..., Any], as_: Callable[..., Any]) -> Callable[..., Any]:
    functools.update_wrapper(call, as_)
    del call.__wrapped__  # type: ignore[attr-defined]
    call.__signature__ = plain_signature(as_)  # type: ignore[attr-defined]
    return call

"""A keeper's own policies in Python: functions from an incoming event (or query) to a Verdict.

Named as `file.py:function` or `package.module:function`. The file is looked at now and then, and
loaded again when it has changed; one that cannot be loaded then leaves the function of before in
force, and says so in the log. What a function raises, or returns that is no Verdict, is a refusal.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import pkgutil
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from nostr_client.errors import ConfigError
from nostr_client.paths import FileStamp, file_stamp
from nostr_client.safe_text import safe_line
from relays.policies.verdict import IncomingEvent, IncomingQuery, Verdict, refused

_LOOK: Final = 1.0
"""Seconds between two looks at a file."""
_BROKEN: Final = refused("error: a policy of this relay has failed, try again later")
_TOO_LATE: Final = refused("error: a policy of this relay did not answer in time")

_log = logging.getLogger(__name__)


class PythonPolicy:
    """One function. Raises ConfigError when it cannot be loaded."""

    def __init__(self, name: str, *, folder: str = "", seconds: float = 10.0) -> None:
        self.name = name
        self.seconds = seconds
        place, _, function = name.rpartition(":")
        if not place or not function:
            raise ConfigError(f"policies: {name}: not file.py:function or package.module:function")
        self._file = Path(folder, place) if place.endswith(".py") else None
        self._function = function
        self._module: ModuleType | None = None
        self._looked_at = 0.0
        self._stamp: FileStamp | None = None
        self._call = self._load()
        self.is_async = _is_async(self._call)

    def check(self, incoming: IncomingEvent) -> Verdict:
        """The policy, if it is not async."""
        return self._ask(incoming)

    def check_query(self, query: IncomingQuery) -> Verdict:
        """The policy for queries."""
        return self._ask(query)

    async def check_async(self, incoming: IncomingEvent) -> Verdict:
        """The policy, if it is async."""
        self._look()
        try:
            async with asyncio.timeout(self.seconds):
                return self._checked(await self._call(incoming))
        except TimeoutError:
            _log.warning("policy %s did not answer within %g s", self.name, self.seconds)
            return _TOO_LATE
        except Exception as error:  # noqa: BLE001 - it is a keeper's, and may raise anything
            return self._failed(error)

    def _ask(self, what: IncomingEvent | IncomingQuery) -> Verdict:
        self._look()
        try:
            return self._checked(self._call(what))
        except Exception as error:  # noqa: BLE001 - it is a keeper's, and may raise anything
            return self._failed(error)

    def _checked(self, verdict: object) -> Verdict:
        if isinstance(verdict, Verdict):
            return verdict
        _log.warning("policy %s returned no Verdict: %s", self.name, type(verdict).__name__)
        return _BROKEN

    def _failed(self, error: Exception) -> Verdict:
        words = safe_line(f"{type(error).__name__}: {error}", 200)
        _log.warning("policy %s has failed: %s", self.name, words, exc_info=error)
        return _BROKEN

    def _look(self) -> None:
        """Load the file again if it has changed."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK:
            return
        self._looked_at = now
        if self._stamp == self._stamp_now():
            return
        try:
            call = self._load()
            if _is_async(call) is not self.is_async:
                kind = "not async" if self.is_async else "async"
                raise ConfigError(f"it is {kind} now: reload the relay's configuration")
        except ConfigError as error:
            _log.warning("policy %s stays as it was: %s", self.name, error)
            return
        self._call = call
        _log.warning("policy %s was loaded again", self.name)

    def _path(self) -> Path | None:
        if self._file is not None:
            return self._file
        source = getattr(self._module, "__file__", None)
        return None if source is None else Path(source)

    def _stamp_now(self) -> FileStamp | None:
        path = self._path()
        return None if path is None else file_stamp(path)

    def _load(self) -> Callable[[Any], Any]:
        self._stamp = self._stamp_now()
        try:
            module = self._module = self._loaded()
            found = getattr(module, self._function)
        except Exception as error:
            words = safe_line(f"{type(error).__name__}: {error}", 200)
            raise ConfigError(f"policies: {self.name}: {words}") from error
        self._stamp = self._stamp_now()
        if not callable(found):
            raise ConfigError(f"policies: {self.name}: {self._function} is no function")
        call: Callable[[Any], Any] = found
        return call

    def _loaded(self) -> ModuleType:
        if self._file is None:
            if self._module is not None:
                return importlib.reload(self._module)
            module: ModuleType = pkgutil.resolve_name(self.name.rpartition(":")[0])
            return module
        if not self._file.is_file():
            raise FileNotFoundError(f"there is no file {self._file}")
        # Compiled from the text: a file changed twice in a second has the same date.
        module = ModuleType(f"relay_policy_{self._file.stem}")
        module.__file__ = str(self._file)
        code = compile(self._file.read_bytes(), str(self._file), "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - the keeper's own program
        return module


def _is_async(call: Callable[[Any], Any]) -> bool:
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(
        getattr(call, "__call__", None)  # noqa: B004 - an object may have an async one
    )

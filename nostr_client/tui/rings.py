"""Where something is shown outside of the client: on the desktop, by the terminal, by its bell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module, util
from typing import Any, Final

from textual.app import App

from nostr_client.errors import ConfigError
from nostr_client.safe_text import safe_line
from nostr_client.tui.session_lock import IdleTime

REACH_LIMIT: Final = 5.0
"""Seconds for the desktop to take a notification."""
HERE_FOR: Final = 1.0
"""Minutes since the last key for which somebody is there, where the terminal does not tell."""
TITLE: Final = "nostr-client"
MISSING: Final = "desktop notifications need a package: pip install 'nostr-client[desktop]'"
_NO_MARKUP: Final = str.maketrans("<>&", "‹›＆")
"""A desktop may take these for markup, or show what escapes them: neither is what a name says."""
Ring = Callable[[str], Awaitable[None]]
"""Shows a text of safe lines. Raises ConfigError where it cannot."""


class InFront:
    """Does somebody see the app? As its terminal says, once it has said so (focus events); else as
    long as keys came a moment ago."""

    def __init__(self, app: App[Any], idle: IdleTime) -> None:
        self._app = app
        self._idle = idle
        self._told = not app.app_focus
        app.watch(app, "app_focus", self._changed, init=False)

    def _changed(self, _: bool) -> None:
        self._told = True

    def __call__(self) -> bool:
        return self._app.app_focus if self._told else self._idle.minutes < HERE_FOR


async def open_ring(kind: str, write: Callable[[str], object], bell: Callable[[], object]) -> Ring:
    """What `notify` in the settings names. Raises ConfigError."""
    if kind == "desktop":
        return await _desktop()
    return partial(_by_terminal, write) if kind == "terminal" else partial(_by_bell, bell)


async def _desktop() -> Ring:
    """Through `desktop-notifier`, an extra."""
    if util.find_spec("desktop_notifier") is None:
        raise ConfigError(MISSING)
    made: Any = await asyncio.to_thread(import_module, "desktop_notifier")
    notifier = made.DesktopNotifier(app_name=TITLE, app_icon=None)
    await _reached(notifier.get_capabilities())  # sending would only log that there is no desktop

    async def ring(text: str) -> None:
        await _reached(notifier.send(title=TITLE, message=text.translate(_NO_MARKUP)))

    return ring


async def _reached(answer: Awaitable[object]) -> None:
    try:
        async with asyncio.timeout(REACH_LIMIT):
            await answer
    except Exception as error:  # whatever a bus, a service or a binding of them raises
        words = safe_line(f"{type(error).__name__} {error}".strip(), 200)
        raise ConfigError(f"no desktop takes notifications here ({words})") from error


async def _by_terminal(write: Callable[[str], object], text: str) -> None:
    """As the terminal likes to show it (OSC 9), if it knows how. Our name stands before what
    others chose: some terminals take a number there for a command, up to starting a program."""
    write(f"\x1b]9;{TITLE}: {safe_line(text, 200)}\x07")


async def _by_bell(bell: Callable[[], object], text: str) -> None:
    bell()

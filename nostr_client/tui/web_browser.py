"""Pages of the web are opened by the person's own browser, where there is a screen for one.

The browser is started by a short-lived process without our terminal: what a browser, or what finds
one, says on its standard output would stand in the middle of the screen, and some stay until their
window is closed. It is given no secret of the environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

from nostr_client.paths import environment_for_children
from nostr_client.processes import end_now
from nostr_client.tui.targets import WebTarget

LIMIT: Final = 5.0
"""Seconds after which a browser that stays counts as opened."""
_COMMAND: Final = """
import sys, threading, webbrowser
failed = []
def show(): failed.append(not webbrowser.open(sys.argv[1]))
shows = threading.Thread(target=show, daemon=True)
shows.start()
shows.join(float(sys.argv[2]))
sys.exit(any(failed))
"""


def has_browser() -> bool:
    """Is there a desktop that shows a browser? One in this terminal would take it from us."""
    if sys.platform in ("darwin", "win32"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


async def open_page(target: WebTarget) -> bool:
    """Hand a page to the browser, if there is one; is it handed over?"""
    if not has_browser():
        return False
    nowhere = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _COMMAND, target.url, str(LIMIT)),
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
            env=environment_for_children(),
            start_new_session=True,
        )
    except OSError:
        return False
    try:
        async with asyncio.timeout(2 * LIMIT + 5):
            return await process.wait() == 0
    except TimeoutError:
        return False
    finally:
        await end_now(process)

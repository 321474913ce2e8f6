"""Pages of the web are opened by the person's own browser, where there is a screen for one."""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser

from nostr_client.tui.targets import WebTarget


def has_browser() -> bool:
    """Is there a desktop that shows a browser? One in this terminal would take it from us."""
    if sys.platform in ("darwin", "win32"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


async def open_page(target: WebTarget) -> bool:
    """Hand a page to the browser, if there is one; is it handed over?"""
    if not has_browser():
        return False
    return await asyncio.to_thread(webbrowser.open, target.url)

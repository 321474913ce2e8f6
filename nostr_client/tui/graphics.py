"""Sharp pictures where the terminal draws them itself: kitty's protocol, or sixels.

`textual-image`, an extra, asks the terminal what it can when it is imported, and takes the answer
from the keys: that works before the app starts, and not after. So it is imported then, and only in
terminals that say by their environment that they have it; everywhere else half blocks do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module, util
from typing import Any, Final

from textual.widget import Widget

from nostr_client.social.media.thumbnail_folder import Pixels

PictureWidget = Callable[[Pixels], Widget]
"""Makes a widget of pixels."""
_KITTY: Final = ("kitty", "ghostty")
_SIXEL: Final = ("foot", "wezterm", "mlterm", "contour", "iterm", "konsole", "mintty", "yaft")
MOST_SIDE: Final = 1600
"""Pixels of a side of what the terminal is sent."""


def terminal_graphics(environment: Mapping[str, str]) -> PictureWidget | None:
    """How this terminal is given a picture; None where it gets half blocks. To be called before
    the app starts: it may ask the terminal."""
    kind = _kind(environment)
    if not kind or util.find_spec("textual_image") is None or util.find_spec("PIL") is None:
        return None
    made: Any = getattr(import_module("textual_image.widget"), kind)

    def widget(pixels: Pixels) -> Widget:
        from PIL import Image

        size = (pixels.width, pixels.height)
        shown: Widget = made(Image.frombytes("RGB", size, pixels.data))
        return shown

    return widget


def _kind(environment: Mapping[str, str]) -> str:
    """The class of `textual_image.widget`; empty for none. Not over SSH: a picture is megabytes;
    not within tmux or screen, which pass little of it on."""
    if any(environment.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "TMUX", "STY")):
        return ""
    names = f"{environment.get('TERM', '')} {environment.get('TERM_PROGRAM', '')}".lower()
    if environment.get("KITTY_WINDOW_ID") or any(name in names for name in _KITTY):
        return "TGPImage"
    return "SixelImage" if any(name in names for name in _SIXEL) else ""

"""The client's own themes, beside Textual's: text is the brightest thing."""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

DUSK: Final = Theme(
    name="dusk",
    primary="#7aa2c9",
    secondary="#8f9bb3",
    accent="#e0af68",
    foreground="#e6e4df",
    background="#15171c",
    surface="#1b1e25",
    panel="#232731",
    success="#8fbf7f",
    warning="#e0af68",
    error="#d9776c",
    dark=True,
    variables={
        "scrollbar": "#2c313c",
        "scrollbar-background": "#15171c",
        "border-blurred": "#2c313c",
    },
)
PAPER: Final = Theme(
    name="paper",
    primary="#2f5d8a",
    secondary="#5d6675",
    accent="#9a5b00",
    foreground="#1f1d1a",
    background="#faf8f3",
    surface="#f2efe7",
    panel="#e8e4d9",
    success="#3c7a2f",
    warning="#9a5b00",
    error="#b0352a",
    dark=False,
    variables={
        "scrollbar": "#d8d3c5",
        "scrollbar-background": "#faf8f3",
        "border-blurred": "#d8d3c5",
    },
)
TERMINAL: Final = Theme(
    name="terminal",
    primary="ansi_blue",
    secondary="ansi_cyan",
    accent="ansi_magenta",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    ansi=True,
    variables={
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
        "border-blurred": "ansi_bright_black",
        "input-cursor-background": "ansi_default",
        "input-cursor-foreground": "ansi_default",
        "input-selection-background": "ansi_blue",
        "input-selection-foreground": "ansi_default",
        "screen-selection-background": "ansi_blue",
        "screen-selection-foreground": "ansi_default",
        "block-cursor-foreground": "ansi_default",
        "block-cursor-background": "ansi_default",
        "block-cursor-text-style": "reverse",
        "input-cursor-text-style": "reverse",
    },
)
"""The terminal's own palette and background, whatever they are."""
OWN: Final = (DUSK, PAPER, TERMINAL)
DEFAULT: Final = DUSK.name

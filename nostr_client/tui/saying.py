"""A word to the person, from anywhere: below all that asks for anything else."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message


@dataclass
class Say(Message):
    """A short word to the person; `text` is shown as it is, never as markup."""

    text: str
    severity: str = "information"

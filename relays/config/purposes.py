"""What a relay of each profile is for, in words; `profiles` has the settings.

It imports nothing of ours: the command line names profiles before it loads anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Profile = Literal["personal", "community", "public", "archive", "open"]

PURPOSES: Final[Mapping[str, str]] = {
    "personal": "one person: notes, an inbox for mentions, private messages, an archive",
    "community": "members, who write, read and invite",
    "public": "everybody, with proof of work for strangers, rates, a web of trust",
    "archive": "readers only; fed by imports and mirrors",
    "open": "anyone who reaches it; sizes, subscriptions and costs are bounded all the same",
}
"""Whom a relay of each profile is for."""

"""A keeper's desk: what is decided beside a store, and the actions on both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from nostr_client.store.contract import EventStore
from relays.moderation.actions import ModerationActions
from relays.moderation.state import ModerationState

URL = "wss://relay.example.com"


class Desk(msgspec.Struct):
    """What a test of moderation has before it."""

    actions: ModerationActions
    state: ModerationState
    store: EventStore
    folder: Path


OpenDesk = Callable[..., Awaitable[Desk]]

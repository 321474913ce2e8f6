"""What the app is handed: all from outside that its screens need. Tests hand in their own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from nostr_client.accounts.account import Accounts
from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.net.relay_check import CheckStep
from nostr_client.paths import Paths
from nostr_client.tui.graphics import PictureWidget
from nostr_client.tui.own_commands import OwnCommand
from nostr_client.tui.screens.first_relays import Probe, RelayOffer

OpenDemo = Callable[[], AbstractAsyncContextManager[NostrClient]]
"""Starts the demo's relays and people; the client of a guest among them."""

CheckRelay = Callable[[str], AsyncIterator[CheckStep]]
"""Looks at a relay step by step."""


@dataclass(frozen=True)
class Environment:
    """`offers` are the newcomer's first relays, from a list of the day `dated`; `probe` asks one.

    `keys` and `commands` are the person's own, the keys by the ids of what they do. `resolve` finds
    the pubkey (hex) of a name@domain, and relays; `check` looks at a relay step by step. `clocks`,
    in seconds, tell how long nobody has been there (`session_lock.IdleTime`). `graphics` makes
    sharp pictures, where the terminal draws them.
    """

    paths: Paths
    config: ClientConfig
    accounts: Accounts
    offers: Sequence[RelayOffer]
    dated: str
    probe: Probe
    resolve: Callable[[str], Awaitable[tuple[str, tuple[str, ...]]]]
    check: CheckRelay
    demo: OpenDemo
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    commands: Sequence[OwnCommand] = ()
    clocks: Sequence[Callable[[], float]] = (time.monotonic, time.time)
    graphics: PictureWidget | None = None

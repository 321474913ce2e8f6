"""The floors of retention (`relays.policies.retention`), which all nodes have in common: they are
among the keeper's records."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from nostr_client.paths import store_error
from relays.moderation.state import ModerationState

FILES: Final = "*.retention.json"
"""Where they stood before, one a sub-relay: a backup may still have them."""


class _NotedFloor(msgspec.Struct, frozen=True):
    floor: int = 0


class RecordedFloor:
    """That of one sub-relay: a `Floor`."""

    def __init__(self, state: ModerationState, sub_relay: str) -> None:
        self._state = state
        self._name = f"floor of {sub_relay}"

    @property
    def value(self) -> int:
        return int(self._state.settings.get(self._name, 0))

    async def put(self, value: int) -> None:
        await self._state.write(
            lambda tables: tables.settings.put(self._name, str(value)), frees=True
        )


async def open_floor(state: ModerationState, data: Path, sub_relay: str) -> RecordedFloor:
    """The floor of a sub-relay; what a file in the folder `data` says of it is taken over.

    Raises StoreError.
    """
    floor = RecordedFloor(state, sub_relay)
    path = data / FILES.replace("*", sub_relay)
    try:
        noted = msgspec.json.decode(path.read_bytes(), type=_NotedFloor).floor
    except FileNotFoundError:
        return floor
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        noted = 0  # a damaged one only means that some events come twice
    if noted > floor.value:
        await floor.put(noted)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise store_error(f"cannot remove {path}", error) from error
    return floor

"""When the last kit of an account was made: one small file an account, in the data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from nostr_client.kit.records import KitCounts
from nostr_client.paths import private_folder, translated, write_private
from nostr_client.protocol.event import MALFORMED

_LARGEST: Final = 1 << 16


class LastKit(msgspec.Struct, frozen=True, kw_only=True):
    """A kit that was made, opened again and compared: when (seconds), where, and what it held."""

    made_at: float
    path: str
    counts: KitCounts


def _path(data: Path, pubkey: str) -> Path:
    return data / f"kit-{pubkey[:16]}.json"


def last_kit(data: Path, pubkey: str) -> LastKit | None:
    """The last kit of the account `pubkey` (hex) whose data folder is `data`; None if none is known
    of. Raises StoreError."""
    path = _path(data, pubkey)
    with translated(f"cannot read {path}"):
        try:
            with path.open("rb") as file:
                return msgspec.json.decode(file.read(_LARGEST), type=LastKit)
        except FileNotFoundError:
            return None
        except MALFORMED:  # nothing is known of one then, which only makes others ask for one
            return None


def note_kit(data: Path, pubkey: str, made: LastKit) -> None:
    """Remember that this kit was made. Raises StoreError."""
    write_private(_path(private_folder(data), pubkey), msgspec.json.encode(made))


def is_fresh(data: Path, pubkey: str, max_age: float, now: float) -> bool:
    """Was a kit of the account made within the last `max_age` seconds?

    `now` is in seconds since 1970. One from the future does not count: a clock was set back. Where
    it may lie by now, on a stick or at a friend's, is not looked at. Raises StoreError.
    """
    last = last_kit(data, pubkey)
    return last is not None and 0 <= now - last.made_at <= max_age

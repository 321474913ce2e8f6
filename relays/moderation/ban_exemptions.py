"""What no ban may meet, whoever asks: those who run the relay, itself, this machine, everybody."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Collection, Mapping
from typing import Final

from nostr_client.errors import InvalidData
from relays.networks import Network, network_from

WIDEST: Final = {4: 8, 6: 19}
"""The fewest bits of a network that is banned, by the version of IP: some states, not the world."""
_LOCAL: Final = ("127.0.0.0/8", "0.0.0.0/32", "::1", "::")
_ANYWHERE: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that no packet is sent to."""


def check_key(pubkey: str, own: str, admins: Mapping[str, str]) -> None:
    """Raises InvalidData for the relay's `own` key and those of `admins`, by their names."""
    if pubkey == own:
        raise InvalidData("this is the relay's own key")
    if (name := admins.get(pubkey)) is not None:
        raise InvalidData(
            f"this is the key of {name}, who runs this relay: take it out of the settings first"
        )


def check_network(text: str, spared: Mapping[str, str]) -> None:
    """Raises InvalidData for a network that is too wide, or holds an address that is spared.

    `spared` says whose an address or network is. This machine's own are, whatever it says.
    """
    banned = network_from(text)
    if banned.prefixlen < WIDEST[banned.version]:
        raise InvalidData(
            f"{banned} is too much of the world: a network has at least"
            f" {WIDEST[banned.version]} bits"
        )
    whose = {**dict.fromkeys((*_LOCAL, *own_addresses()), "this machine's own"), **spared}
    for address, owner in whose.items():
        if _overlap(banned, address):
            raise InvalidData(f"{banned} would keep out {address}, which is {owner}")


def own_addresses() -> Collection[str]:
    """The addresses by which this machine reaches others; nothing is sent to learn them."""
    found: set[str] = set()
    for family, elsewhere in _ANYWHERE:
        with (
            contextlib.suppress(OSError),  # it reaches nobody
            socket.socket(family, socket.SOCK_DGRAM) as probe,
        ):
            probe.connect((elsewhere, 9))
            found.add(str(probe.getsockname()[0]))
    return found


def _overlap(banned: Network, address: str) -> bool:
    try:
        other = network_from(address.partition("%")[0])
    except InvalidData:  # a name, or nothing
        return False
    return banned.version == other.version and banned.overlaps(other)

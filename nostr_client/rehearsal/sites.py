"""Where the relays of a drill stand, and who keeps them: told as in the world, by addresses
(networks) and by what information documents say (NIP-11 `pubkey`).

Three clouds are a network of loopback addresses each; who stands at home is alone in his. Half of
a cloud's relays name a keeper, the same for the whole cloud; of the others the network alone tells
where they stand. Systems that have no loopback address but one (macOS) tell networks by nothing:
there all of a cloud name its keeper.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from nostr_client.protocol.keys import SecretKey

CLOUDS: Final = (("north", 0.25), ("east", 0.15), ("south", 0.15))
"""Their shares of all relays; the others stand at home."""
HERE: Final = "127.0.0.1"


@dataclass(frozen=True)
class RelaySite:
    """Where one relay stands: at the address `host`, in a `cloud` or at home (empty). `keeper` is a
    public key (hex), empty where the relay does not say."""

    host: str = HERE
    cloud: str = ""
    keeper: str = ""


def sites(count: int, spare: int, chance: random.Random) -> list[RelaySite]:
    """The sites of `count` relays, and of `spare` more, at home."""
    names = [name for name, _ in CLOUDS]
    places = [name for name, share in CLOUDS for _ in range(round(share * count))]
    places = [*places, *([""] * count)][:count]
    chance.shuffle(places)
    found: list[RelaySite] = []
    in_cloud = dict.fromkeys(names, 0)
    for number, place in enumerate([*places, *([""] * spare)]):
        if not place:
            found.append(RelaySite(_address(100 + number, 1), "", _keeper(f"home {number}")))
            continue
        in_cloud[place] += 1
        told = in_cloud[place] % 2 == 0 or not has_networks()
        host = _address(1 + names.index(place), in_cloud[place])
        found.append(RelaySite(host, place, _keeper(place) if told else ""))
    return found


def hosts(among: Sequence[RelaySite]) -> tuple[str, ...]:
    """The addresses of all, this machine's usual one among them."""
    return tuple(dict.fromkeys((HERE, *(site.host for site in among))))


def has_networks() -> bool:
    """Are all of 127.0.0.0/8 this machine's, without anybody's doing?"""
    return sys.platform in ("linux", "win32")


def _address(network: int, number: int) -> str:
    return f"127.{network}.0.{number}" if has_networks() else HERE


def _keeper(name: str) -> str:
    return SecretKey(sha256(f"keeper {name}".encode()).digest()).public_key.hex

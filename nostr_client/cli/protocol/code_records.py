"""What a code means, as a record: each has `type`, and what that sort of code says."""

from __future__ import annotations

import re
from typing import Any, Final

from nostr_client.errors import InvalidCode, InvalidKey
from nostr_client.nips import nip19
from nostr_client.protocol.keys import PublicKey, is_hex64, wiping
from nostr_client.protocol.kinds import MAX_KIND

_is_hex128: Final = re.compile("[0-9a-f]{128}").fullmatch
_is_name: Final = re.compile(
    r"([A-Za-z0-9._+-]{1,255})@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)"
).fullmatch
_is_address: Final = re.compile(r"(\d{1,5}):([0-9a-f]{64}):(.*)", re.DOTALL).fullmatch


def record_of(text: str, *, reveal: bool = False) -> dict[str, Any]:
    """What `text` is: `type` is npub, nsec, note, nprofile, nevent, naddr, ncryptsec, hex,
    signature, address, nip05, relay or bunker.

    A secret key is answered with its public key, and with itself (`secret`, in hex, and `nsec`)
    only with `reveal`. Raises InvalidCode, InvalidData; neither quotes `text`.
    """
    bare = _without_scheme(text.strip())
    small = bare.lower()
    if is_hex64(small):
        return _hex(small)
    if _is_hex128(small):
        return {"type": "signature", "hex": small}
    if small.startswith("nsec1"):
        return _secret(bare, reveal)
    if small.startswith("ncryptsec1"):
        return _locked(bare)
    if small.startswith(("ws://", "wss://")):
        from nostr_client.protocol.urls import normalize_relay_url

        return {"type": "relay", "url": normalize_relay_url(bare)}
    if small.startswith("bunker://"):
        return _bunker(bare)
    if found := _is_name(bare):
        return {"type": "nip05", "name": found[1].lower(), "domain": found[2].lower()}
    if (address := address_in(bare)) is not None:
        return _addressed("address", address)
    return _code(bare)


def address_in(text: str) -> nip19.Naddr | None:
    """The address that `kind:pubkey:name` spells, as `a` tags have it; None where it is none."""
    found = _is_address(text.strip())
    if found is None or int(found[1]) > MAX_KIND:
        return None
    return nip19.Naddr(int(found[1]), found[2], found[3])


def described(record: dict[str, Any]) -> str:
    """The same in lines for people: the sort, and under it what it says."""
    lines = [record["type"]]
    for name, value in record.items():
        values = value if isinstance(value, list) else [value]
        lines += [f"  {name}: {one}" for one in values if one is not None and name != "type"]
    return "\n".join(lines)


def _without_scheme(text: str) -> str:
    """`nostr:` and `web+nostr:` go, but not from before a secret key (NIP-21)."""
    head, colon, rest = text.partition(":")
    is_uri = bool(colon) and head.lower() in ("nostr", "web+nostr")
    if is_uri and rest.lower().startswith(("nsec1", "ncryptsec1")):
        raise InvalidCode("a secret key is no link: `nostr:` may not stand before it")
    return rest if is_uri else text


def _hex(digits: str) -> dict[str, Any]:
    """An id or a key: nobody can tell which, but for what is no point on the curve."""
    try:
        PublicKey(digits)
    except InvalidKey:
        npub = None
    else:
        npub = nip19.encode_npub(digits)
    return {"type": "hex", "hex": digits, "npub": npub, "note": nip19.encode_note(digits)}


def _secret(text: str, reveal: bool) -> dict[str, Any]:
    code = nip19.decode(text)
    if not isinstance(code, nip19.Nsec):
        raise InvalidCode("this nsec is damaged")
    with wiping(code.key) as key:
        pubkey = key.public_key.hex
        shown = {"secret": bytes(key).hex(), "nsec": nip19.encode_nsec(key)} if reveal else {}
    return {"type": "nsec", "pubkey": pubkey, "npub": nip19.encode_npub(pubkey), **shown}


def _locked(text: str) -> dict[str, Any]:
    from nostr_client.nips import nip49

    return {
        "type": "ncryptsec",
        "log_n": nip49.work_of(text),
        "security": nip49.security_of(text),
    }


def _bunker(text: str) -> dict[str, Any]:
    from nostr_client.nips.nip46 import BunkerUri

    found = BunkerUri.parse(text)
    relays = list(found.relays)
    return {
        "type": "bunker",
        "pubkey": found.pubkey,
        "relays": relays,
        "has_secret": bool(found.secret),
    }


def _addressed(sort: str, found: nip19.Naddr) -> dict[str, Any]:
    return {
        "type": sort,
        "kind": found.kind,
        "pubkey": found.pubkey,
        "identifier": found.identifier,
        "relays": list(found.relays),
        "address": found.address,
    }


def _code(text: str) -> dict[str, Any]:
    if not nip19.is_like_code(text):
        raise InvalidCode(f"{nip19.NO_CODE}, nor 64 hex digits, an address, a relay or name@domain")
    match nip19.decode(text):
        case nip19.Npub(pubkey):
            return {"type": "npub", "pubkey": pubkey}
        case nip19.Note(id):
            return {"type": "note", "id": id}
        case nip19.Nprofile(pubkey, relays):
            return {"type": "nprofile", "pubkey": pubkey, "relays": list(relays)}
        case nip19.Nevent(id, relays, author, kind):
            return {
                "type": "nevent",
                "id": id,
                "relays": list(relays),
                "author": author,
                "kind": kind,
            }
        case nip19.Naddr() as found:
            return _addressed("naddr", found)
    raise InvalidCode("not a code that is known here")

"""The codec of every frame between client and relay (NIP-01, 42, 45, 67, 77).

Frames are JSON arrays; `decode_client_message` is the relay's ear, `decode_relay_message` the
client's. Each message encodes itself to bytes; an event is spliced in as it was first encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from nostr_client.errors import InvalidData, InvalidMessage
from nostr_client.protocol.event import MALFORMED, Event, reason_of
from nostr_client.protocol.filters import Filter

MAX_SUBSCRIPTION_ID: Final = 64
MAX_ECHO: Final = 1024
"""Characters of a wrong subscription id that a refusal repeats."""
_QUESTIONS: Final = frozenset({"REQ", "COUNT", "NEG-OPEN", "NEG-MSG"})
MAX_COUNT: Final = 2**63 - 1
_encode = msgspec.json.Encoder().encode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_text_or_null = msgspec.json.Decoder(str | None).decode
_bool = msgspec.json.Decoder(bool).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode
is_hll = re.compile("[0-9a-fA-F]{512}").fullmatch


# From client to relay


class PublishEvent(msgspec.Struct, frozen=True):
    """`["EVENT", event]`"""

    event: Event

    def encode(self) -> bytes:
        return b'["EVENT",' + self.event.json + b"]"


class Auth(msgspec.Struct, frozen=True):
    """`["AUTH", event]` (NIP-42)"""

    event: Event

    def encode(self) -> bytes:
        return b'["AUTH",' + self.event.json + b"]"


class Req(msgspec.Struct, frozen=True):
    """`["REQ", id, filter, ...]`"""

    subscription_id: str
    filters: tuple[Filter, ...]

    def encode(self) -> bytes:
        return _encode(["REQ", self.subscription_id, *(f.to_dict() for f in self.filters)])


class Count(msgspec.Struct, frozen=True):
    """`["COUNT", id, filter, ...]` (NIP-45)"""

    subscription_id: str
    filters: tuple[Filter, ...]

    def encode(self) -> bytes:
        return _encode(["COUNT", self.subscription_id, *(f.to_dict() for f in self.filters)])


class Close(msgspec.Struct, frozen=True):
    """`["CLOSE", id]`"""

    subscription_id: str

    def encode(self) -> bytes:
        return _encode(["CLOSE", self.subscription_id])


class NegOpen(msgspec.Struct, frozen=True):
    """`["NEG-OPEN", id, filter, hex]` (NIP-77)"""

    subscription_id: str
    filter: Filter
    payload: bytes

    def encode(self) -> bytes:
        return _encode(
            ["NEG-OPEN", self.subscription_id, self.filter.to_dict(), self.payload.hex()]
        )


class NegMsg(msgspec.Struct, frozen=True):
    """`["NEG-MSG", id, hex]`, in both directions (NIP-77)"""

    subscription_id: str
    payload: bytes

    def encode(self) -> bytes:
        return _encode(["NEG-MSG", self.subscription_id, self.payload.hex()])


class NegClose(msgspec.Struct, frozen=True):
    """`["NEG-CLOSE", id]` (NIP-77)"""

    subscription_id: str

    def encode(self) -> bytes:
        return _encode(["NEG-CLOSE", self.subscription_id])


# From relay to client


class RelayEvent(msgspec.Struct, frozen=True):
    """`["EVENT", id, event]`: the event's form and id are checked, its signature is not."""

    subscription_id: str
    event: Event

    def encode(self) -> bytes:
        return b'["EVENT",' + _encode(self.subscription_id) + b"," + self.event.json + b"]"


class Ok(msgspec.Struct, frozen=True):
    """`["OK", event id, accepted, reason]`"""

    event_id: str
    accepted: bool
    reason: str = ""

    def encode(self) -> bytes:
        return _encode(["OK", self.event_id, self.accepted, self.reason])


class Eose(msgspec.Struct, frozen=True):
    """`["EOSE", id]`, with NIP-67's hints where the relay gives them."""

    subscription_id: str
    hints: tuple[str, ...] = ()

    def encode(self) -> bytes:
        tail = [list(self.hints)] if self.hints else []
        return _encode(["EOSE", self.subscription_id, *tail])


class Closed(msgspec.Struct, frozen=True):
    """`["CLOSED", id, reason]`"""

    subscription_id: str
    reason: str = ""

    def encode(self) -> bytes:
        return _encode(["CLOSED", self.subscription_id, self.reason])


class Notice(msgspec.Struct, frozen=True):
    """`["NOTICE", text]`"""

    text: str

    def encode(self) -> bytes:
        return _encode(["NOTICE", self.text])


class Challenge(msgspec.Struct, frozen=True):
    """`["AUTH", challenge]` (NIP-42)"""

    challenge: str

    def encode(self) -> bytes:
        return _encode(["AUTH", self.challenge])


class CountResult(msgspec.Struct, frozen=True):
    """`["COUNT", id, {"count": n, ...}]` (NIP-45); `hll` holds 256 registers, or nothing."""

    subscription_id: str
    count: int
    approximate: bool = False
    hll: bytes = b""

    def encode(self) -> bytes:
        result: dict[str, Any] = {"count": self.count}
        if self.approximate:
            result["approximate"] = True
        if self.hll:
            result["hll"] = self.hll.hex()
        return _encode(["COUNT", self.subscription_id, result])


class NegErr(msgspec.Struct, frozen=True):
    """`["NEG-ERR", id, reason]` (NIP-77), with the most records the relay takes, if it says."""

    subscription_id: str
    reason: str
    max_records: int | None = None

    def encode(self) -> bytes:
        tail = [] if self.max_records is None else [self.max_records]
        return _encode(["NEG-ERR", self.subscription_id, self.reason, *tail])


class Unknown(msgspec.Struct, frozen=True):
    """A well-formed frame of a type that nobody here knows; kept, so that it can be counted."""

    label: str
    raw: bytes

    def encode(self) -> bytes:
        return self.raw


ClientMessage = PublishEvent | Auth | Req | Count | Close | NegOpen | NegMsg | NegClose | Unknown
RelayMessage = (
    RelayEvent | Ok | Eose | Closed | Notice | Challenge | CountResult | NegMsg | NegErr | Unknown
)


def decode_client_message(data: bytes | str) -> ClientMessage:
    """What a relay hears. Raises InvalidMessage, InvalidEvent or InvalidFilter."""
    return _decode(data, _CLIENT)


def decode_relay_message(data: bytes | str) -> RelayMessage:
    """What a client hears. Raises InvalidMessage or InvalidEvent."""
    return _decode(data, _RELAY)


class _WithId(msgspec.Struct):
    id: str


_text_or_id = msgspec.json.Decoder(str | _WithId).decode


class Peek(msgspec.Struct, frozen=True):
    """What could be read of a frame: its type, and whom an answer to it would name."""

    label: str | None = None
    id: str | None = None


def peek(data: bytes | str) -> Peek:
    """As much of a frame as can be read when its decoding failed; raises nothing.

    `id` is the event's in EVENT, AUTH and OK, else the subscription's; None where it is missing or
    no string, or longer than the 64 characters of an event's. A subscription's may be as long as
    whoever waits for its end has made it, up to `MAX_ECHO`.
    """
    try:
        parts = _split(data)
        label = _text(parts[0])
    except (*MALFORMED, IndexError):
        return Peek()
    for part in parts[1:3]:
        try:
            found = _text_or_id(part)
        except MALFORMED:
            continue
        if isinstance(found, _WithId):
            found = found.id
        elif label == "EVENT":
            continue  # a relay's: the subscription comes first
        if label in _QUESTIONS:
            return Peek(label, found if len(found) <= MAX_ECHO else None)
        return Peek(label, found if 0 < len(found) <= MAX_SUBSCRIPTION_ID else None)
    return Peek(label)


# Decoding


_Parts = list[msgspec.Raw]
_M = TypeVar("_M")


def _decode(data: bytes | str, readers: dict[str, Callable[[_Parts], _M]]) -> _M | Unknown:
    try:
        parts = _split(data)
        if not parts:
            raise InvalidMessage("an empty frame")
        label = _text(parts[0])
        read = readers.get(label)
        if read is not None:
            return read(parts)
        text = data if isinstance(data, str) else data.decode()  # unread parts may be no UTF-8
        return Unknown(label, text.encode())
    except InvalidData:
        raise
    except IndexError:
        raise InvalidMessage("the frame is too short") from None
    except MALFORMED as error:
        raise InvalidMessage(reason_of(error)) from None


def _subscription_id(raw: msgspec.Raw) -> str:
    text = _text(raw)
    if not 0 < len(text) <= MAX_SUBSCRIPTION_ID:
        raise InvalidMessage(f"a subscription id has 1 to {MAX_SUBSCRIPTION_ID} characters")
    return text


def _filters(parts: _Parts) -> tuple[Filter, ...]:
    if not parts:
        raise InvalidMessage("no filter was given")
    return tuple(Filter.parse(raw) for raw in parts)


def _payload(raw: msgspec.Raw) -> bytes:
    text = _text(raw)
    payload = bytes.fromhex(text)
    if len(payload) * 2 != len(text):  # fromhex skips spaces
        raise InvalidMessage("not a message in hex")
    return payload


# A client reads on past what is odd at the edge of a relay's frame: an EOSE, a refusal or a count
# that went unheard would do more harm.


def _reason(parts: _Parts, index: int) -> str:
    return _text_or_null(parts[index]) or "" if len(parts) > index else ""


def _count_result(parts: _Parts) -> CountResult:
    result = _object(parts[2])
    count, hll = result.get("count"), result.get("hll")
    if type(count) is not int or not 0 <= count <= MAX_COUNT:
        raise InvalidMessage("COUNT without a count")
    registers = b""
    if isinstance(hll, str) and is_hll(hll):
        registers = bytes.fromhex(hll)
    return CountResult(_text(parts[1]), count, result.get("approximate") is True, registers)


def _eose(parts: _Parts) -> Eose:
    hints = _anything(parts[2]) if len(parts) > 2 else None
    if not isinstance(hints, list):
        hints = []
    return Eose(_text(parts[1]), tuple(hint for hint in hints if isinstance(hint, str)))


def _neg_err(parts: _Parts) -> NegErr:
    most = _anything(parts[3]) if len(parts) > 3 else None
    if isinstance(most, str) and most.isascii() and most.isdigit() and len(most) < 20:
        most = int(most)
    known = type(most) is int and 0 <= most <= MAX_COUNT
    return NegErr(_text(parts[1]), _reason(parts, 2), most if known else None)


def _anything(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except MALFORMED:
        return None


_CLIENT: Final[dict[str, Callable[[_Parts], ClientMessage]]] = {
    "EVENT": lambda p: PublishEvent(Event.parse(p[1])),
    "AUTH": lambda p: Auth(Event.parse(p[1])),
    "REQ": lambda p: Req(_subscription_id(p[1]), _filters(p[2:])),
    "COUNT": lambda p: Count(_subscription_id(p[1]), _filters(p[2:])),
    "CLOSE": lambda p: Close(_subscription_id(p[1])),
    "NEG-OPEN": lambda p: NegOpen(_subscription_id(p[1]), Filter.parse(p[2]), _payload(p[3])),
    "NEG-MSG": lambda p: NegMsg(_subscription_id(p[1]), _payload(p[2])),
    "NEG-CLOSE": lambda p: NegClose(_subscription_id(p[1])),
}
_RELAY: Final[dict[str, Callable[[_Parts], RelayMessage]]] = {
    "EVENT": lambda p: RelayEvent(_text(p[1]), Event.parse(p[2])),
    "OK": lambda p: Ok(_text(p[1]), _bool(p[2]), _reason(p, 3)),
    "EOSE": _eose,
    "CLOSED": lambda p: Closed(_text(p[1]), _reason(p, 2)),
    "NOTICE": lambda p: Notice(_text(p[1])),
    "AUTH": lambda p: Challenge(_text(p[1])),
    "COUNT": _count_result,
    "NEG-MSG": lambda p: NegMsg(_text(p[1]), _payload(p[2])),
    "NEG-ERR": _neg_err,
}

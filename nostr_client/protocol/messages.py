"""The codec of every frame between client and relay (NIP-01, 42, 45, 67, 77).

Frames are JSON arrays; `decode_client_message` is the relay's ear, `decode_relay_message` the
client's. Each message encodes itself to bytes; an event is spliced in as it was first encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Final

import msgspec

from nostr_client.errors import InvalidMessage
from nostr_client.protocol.event import MALFORMED, Event
from nostr_client.protocol.filters import Filter

MAX_SUBSCRIPTION_ID: Final = 64
_encode = msgspec.json.Encoder().encode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _WithId(msgspec.Struct):
    id: str


class _Message(msgspec.Struct, frozen=True):
    def encode(self) -> bytes:
        raise NotImplementedError


# From client to relay


class PublishEvent(_Message, frozen=True):
    """`["EVENT", event]`"""

    event: Event

    def encode(self) -> bytes:
        return b'["EVENT",' + self.event.json + b"]"


class Auth(_Message, frozen=True):
    """`["AUTH", event]` (NIP-42)"""

    event: Event

    def encode(self) -> bytes:
        return b'["AUTH",' + self.event.json + b"]"


class Req(_Message, frozen=True):
    """`["REQ", id, filter, ...]`"""

    subscription_id: str
    filters: tuple[Filter, ...]

    def encode(self) -> bytes:
        return _encode(["REQ", self.subscription_id, *(f.to_dict() for f in self.filters)])


class Count(_Message, frozen=True):
    """`["COUNT", id, filter, ...]` (NIP-45)"""

    subscription_id: str
    filters: tuple[Filter, ...]

    def encode(self) -> bytes:
        return _encode(["COUNT", self.subscription_id, *(f.to_dict() for f in self.filters)])


class Close(_Message, frozen=True):
    """`["CLOSE", id]`"""

    subscription_id: str

    def encode(self) -> bytes:
        return _encode(["CLOSE", self.subscription_id])


class NegOpen(_Message, frozen=True):
    """`["NEG-OPEN", id, filter, hex]` (NIP-77)"""

    subscription_id: str
    filter: Filter
    payload: bytes

    def encode(self) -> bytes:
        return _encode(
            ["NEG-OPEN", self.subscription_id, self.filter.to_dict(), self.payload.hex()]
        )


class NegMsg(_Message, frozen=True):
    """`["NEG-MSG", id, hex]`, in both directions (NIP-77)"""

    subscription_id: str
    payload: bytes

    def encode(self) -> bytes:
        return _encode(["NEG-MSG", self.subscription_id, self.payload.hex()])


class NegClose(_Message, frozen=True):
    """`["NEG-CLOSE", id]` (NIP-77)"""

    subscription_id: str

    def encode(self) -> bytes:
        return _encode(["NEG-CLOSE", self.subscription_id])


# From relay to client


class RelayEvent(_Message, frozen=True):
    """`["EVENT", id, event]`: the event's form and id are checked, its signature is not."""

    subscription_id: str
    event: Event

    def encode(self) -> bytes:
        return b'["EVENT",' + _encode(self.subscription_id) + b"," + self.event.json + b"]"


class Ok(_Message, frozen=True):
    """`["OK", event id, accepted, reason]`"""

    event_id: str
    accepted: bool
    reason: str = ""

    def encode(self) -> bytes:
        return _encode(["OK", self.event_id, self.accepted, self.reason])


class Eose(_Message, frozen=True):
    """`["EOSE", id]`, with NIP-67's hints where the relay gives them."""

    subscription_id: str
    hints: tuple[str, ...] = ()

    def encode(self) -> bytes:
        tail = [list(self.hints)] if self.hints else []
        return _encode(["EOSE", self.subscription_id, *tail])


class Closed(_Message, frozen=True):
    """`["CLOSED", id, reason]`"""

    subscription_id: str
    reason: str = ""

    def encode(self) -> bytes:
        return _encode(["CLOSED", self.subscription_id, self.reason])


class Notice(_Message, frozen=True):
    """`["NOTICE", text]`"""

    text: str

    def encode(self) -> bytes:
        return _encode(["NOTICE", self.text])


class Challenge(_Message, frozen=True):
    """`["AUTH", challenge]` (NIP-42)"""

    challenge: str

    def encode(self) -> bytes:
        return _encode(["AUTH", self.challenge])


class CountResult(_Message, frozen=True):
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


class NegErr(_Message, frozen=True):
    """`["NEG-ERR", id, reason]` (NIP-77), with the most records the relay takes, if it says."""

    subscription_id: str
    reason: str
    max_records: int | None = None

    def encode(self) -> bytes:
        tail = [] if self.max_records is None else [self.max_records]
        return _encode(["NEG-ERR", self.subscription_id, self.reason, *tail])


class Unknown(_Message, frozen=True):
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
    message: ClientMessage = _decode(data, _CLIENT)
    return message


def decode_relay_message(data: bytes | str) -> RelayMessage:
    """What a client hears. Raises InvalidMessage or InvalidEvent."""
    message: RelayMessage = _decode(data, _RELAY)
    return message


class Peek(msgspec.Struct, frozen=True):
    """What could be read of a frame: its type, and whom an answer to it would name."""

    label: str | None = None
    id: str | None = None


def peek(data: bytes | str) -> Peek:
    """As much of a frame as can be read when its decoding failed; raises nothing.

    `id` is the event's in EVENT and AUTH, the subscription's in REQ, COUNT, CLOSE and NEG-*; None
    where it is missing, no string, or longer than the 64 characters of either.
    """
    try:
        parts = _split(data)
        label = msgspec.json.decode(parts[0], type=str)
    except (*MALFORMED, IndexError):
        return Peek()
    for part in parts[1:3]:
        try:
            found = msgspec.json.decode(part, type=str | _WithId)
        except MALFORMED:
            continue
        if isinstance(found, _WithId):
            found = found.id
        elif label == "EVENT":
            continue  # a relay's: the subscription comes first
        return Peek(label, found if 0 < len(found) <= MAX_SUBSCRIPTION_ID else None)
    return Peek(label)


class Meaning(Enum):
    """What a refusal's prefix asks of the one who was refused."""

    LATER = "later"
    """`rate-limited`, `error`, and what nobody knows: the same again, later."""
    ACT = "act"
    """`auth-required`, `pow`: do something, then again."""
    KEY_REFUSED = "key-refused"
    """`blocked`, `restricted`: over, for this key on this relay."""
    EVENT_REFUSED = "event-refused"
    """`invalid`, `mute`, `unsupported`: over, for this event on this relay."""
    HELD = "held"
    """`duplicate`: the relay has it already; to be confirmed."""


_MEANINGS: Final = {
    "auth-required": Meaning.ACT,
    "pow": Meaning.ACT,
    "blocked": Meaning.KEY_REFUSED,
    "restricted": Meaning.KEY_REFUSED,
    "invalid": Meaning.EVENT_REFUSED,
    "mute": Meaning.EVENT_REFUSED,
    "unsupported": Meaning.EVENT_REFUSED,
    "duplicate": Meaning.HELD,
}


def split_reason(reason: str) -> tuple[str, str]:
    """NIP-01's prefix and the words after it; the prefix is empty where there is none."""
    prefix, colon, words = reason.partition(":")
    if colon and prefix and len(prefix) <= 32 and not any(c.isspace() for c in prefix):
        return prefix, words.strip()
    return "", reason.strip()


def meaning_of(prefix: str) -> Meaning:
    """What to do about a refusal; an unknown prefix means: again, later."""
    return _MEANINGS.get(prefix, Meaning.LATER)


# Decoding


def _decode(data: bytes | str, readers: dict[str, Callable[[list[Any]], Any]]) -> Any:
    try:
        parts = _split(data)
        if not parts:
            raise InvalidMessage("an empty frame")
        label = msgspec.json.decode(parts[0], type=str)
        read = readers.get(label)
        if read is None:
            return Unknown(label, data if isinstance(data, bytes) else data.encode())
        return read(parts)
    except InvalidMessage:
        raise
    except IndexError:
        raise InvalidMessage("the frame is too short") from None
    except (*MALFORMED, TypeError) as error:
        if isinstance(error, ValueError) and type(error).__module__ == "nostr_client.errors":
            raise
        raise InvalidMessage(str(error)) from None


def _text(raw: msgspec.Raw) -> str:
    return msgspec.json.decode(raw, type=str)


def _subscription_id(raw: msgspec.Raw) -> str:
    text = _text(raw)
    if not 0 < len(text) <= MAX_SUBSCRIPTION_ID:
        raise InvalidMessage(f"a subscription id has 1 to {MAX_SUBSCRIPTION_ID} characters")
    return text


def _filters(parts: Iterable[msgspec.Raw]) -> tuple[Filter, ...]:
    filters = tuple(Filter.parse(bytes(raw)) for raw in parts)
    if not filters:
        raise InvalidMessage("no filter was given")
    return filters


def _payload(raw: msgspec.Raw) -> bytes:
    return bytes.fromhex(_text(raw))


def _reason(parts: list[msgspec.Raw], index: int) -> str:
    return _text(parts[index]) if len(parts) > index else ""


def _count_result(parts: list[msgspec.Raw]) -> CountResult:
    result = msgspec.json.decode(parts[2], type=dict[str, Any])
    count = result.get("count")
    hll = result.get("hll", "")
    if type(count) is not int or count < 0 or not isinstance(hll, str):
        raise InvalidMessage("COUNT without a count")
    registers = bytes.fromhex(hll)
    if len(registers) not in (0, 256):
        raise InvalidMessage("an HLL value has 256 registers")
    return CountResult(_text(parts[1]), count, result.get("approximate") is True, registers)


def _eose(parts: list[msgspec.Raw]) -> Eose:
    hints = msgspec.json.decode(parts[2], type=list[Any]) if len(parts) > 2 else []
    return Eose(_text(parts[1]), tuple(hint for hint in hints if isinstance(hint, str)))


def _neg_err(parts: list[msgspec.Raw]) -> NegErr:
    most = msgspec.json.decode(parts[3]) if len(parts) > 3 else None
    return NegErr(
        _text(parts[1]), _reason(parts, 2), int(most) if isinstance(most, int | str) else None
    )


_CLIENT: Final[dict[str, Callable[[list[Any]], ClientMessage]]] = {
    "EVENT": lambda p: PublishEvent(Event.parse(bytes(p[1]))),
    "AUTH": lambda p: Auth(Event.parse(bytes(p[1]))),
    "REQ": lambda p: Req(_subscription_id(p[1]), _filters(p[2:])),
    "COUNT": lambda p: Count(_subscription_id(p[1]), _filters(p[2:])),
    "CLOSE": lambda p: Close(_subscription_id(p[1])),
    "NEG-OPEN": lambda p: NegOpen(
        _subscription_id(p[1]), Filter.parse(bytes(p[2])), _payload(p[3])
    ),
    "NEG-MSG": lambda p: NegMsg(_subscription_id(p[1]), _payload(p[2])),
    "NEG-CLOSE": lambda p: NegClose(_subscription_id(p[1])),
}
_RELAY: Final[dict[str, Callable[[list[Any]], RelayMessage]]] = {
    "EVENT": lambda p: RelayEvent(_text(p[1]), Event.parse(bytes(p[2]))),
    "OK": lambda p: Ok(_text(p[1]), msgspec.json.decode(p[2], type=bool), _reason(p, 3)),
    "EOSE": _eose,
    "CLOSED": lambda p: Closed(_text(p[1]), _reason(p, 2)),
    "NOTICE": lambda p: Notice(_text(p[1])),
    "AUTH": lambda p: Challenge(_text(p[1])),
    "COUNT": _count_result,
    "NEG-MSG": lambda p: NegMsg(_text(p[1]), _payload(p[2])),
    "NEG-ERR": _neg_err,
}

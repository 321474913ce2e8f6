"""NIP-77: two sets of events find out how they differ (negentropy protocol, version 1).

Both sides sort their items by time, then id, and talk about ranges of that order. Where the
fingerprints of a range differ, it is cut into sixteen, or its ids are listed. Pure: messages are
the binary ones, before NIP-77 writes them in hex.

Rules
- The `NegentropyClient` asks, and learns what it has and what it needs; the `NegentropyServer` only
  answers.
- A message is never larger than the frame limit: what does not fit is left as one range, to be
  gone on with. It is cut where the message really ends, so that nothing is taken for equal that
  was not compared.
- What comes is hostile: a message that is not exactly of the protocol's form raises InvalidData.
  The work for one is bounded by `MAX_RANGES`, its length and the frame limit, whatever it says.
- Nothing bounds how often a dishonest server differs: whoever runs a `NegentropyClient` counts the
  rounds.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import sha256
from itertools import accumulate, islice
from operator import eq
from typing import Final

import msgspec

from nostr_client.errors import InvalidData

VERSION: Final = 0x61
ID_BYTES: Final = 32
FINGERPRINT_BYTES: Final = 16
LEAST_FRAME: Final = 4096
"""The smallest frame limit, in bytes."""
MAX_RANGES: Final = 16_384
"""Ranges in one message to a server: more than 128 KiB hold in earnest."""
MAX_ANSWERED: Final = 131_072
"""Ranges in one message to a client: a server answers one range with up to sixteen."""
ITEM_BYTES: Final = 50
"""What one item costs in `Items`, in bytes."""

_INFINITY: Final = 2**64 - 1
_SKIP, _FINGERPRINT, _ID_LIST = 0, 1, 2
_BUCKETS: Final = 16
_RESERVE: Final = 200
"""Bytes of a frame kept for the range that stands for all the rest."""
_BLOCK: Final = 8
"""Items between two sums that are kept: the rest of a range's sum is added up when it is asked."""
_MAX_VARINT: Final = 10
_MASK: Final = 2**256 - 1

Bound = tuple[int, bytes]
"""Time and the beginning of an id, without zeros at its end: compares as the whole id does."""
_END: Final[Bound] = (_INFINITY, b"")
_number: Final = int.from_bytes


_EMPTY: Final = sha256(bytes(ID_BYTES + 1)).digest()[:FINGERPRINT_BYTES]  # of no items


def memory_of(count: int) -> int:
    """Bytes that so many items take, roughly."""
    return 200 + ITEM_BYTES * count


class Items:
    """A set of events, as (created_at, id) in order; what a reconciliation holds in memory.

    It takes `ITEM_BYTES` an item. The fingerprint of any range costs a few µs.
    """

    __slots__ = ("_ids", "_sums", "_times")

    def __init__(self, items: Iterable[tuple[int, bytes]]) -> None:
        """In any order. Raises InvalidData for an item that cannot be or comes twice."""
        ordered = sorted(items)
        if any(map(eq, ordered, islice(ordered, 1, None))):
            raise InvalidData("an item comes twice")
        if ordered and not 0 <= ordered[0][0] <= ordered[-1][0] < _INFINITY:
            raise InvalidData("an item's time must be a number from 0 to 2**64 - 2")
        if any(len(id) != ID_BYTES for _, id in ordered):
            raise InvalidData(f"an item's id must have {ID_BYTES} bytes")
        self._times = array("Q", [time for time, _ in ordered])
        self._ids = b"".join([id for _, id in ordered])
        numbers = (int.from_bytes(id, "little") for _, id in ordered)
        self._sums = list(islice(accumulate(numbers, initial=0), None, None, _BLOCK))

    def __len__(self) -> int:
        return len(self._times)

    @property
    def memory(self) -> int:
        """Bytes that it takes, roughly."""
        return memory_of(len(self._times))

    def id(self, index: int) -> bytes:
        return self._ids[index * ID_BYTES : (index + 1) * ID_BYTES]

    def ids(self, lower: int, upper: int) -> bytes:
        """The ids of a range, one after the other."""
        return self._ids[lower * ID_BYTES : upper * ID_BYTES]

    def at(self, index: int) -> Bound:
        """The bound just before an item."""
        return self._times[index], self.id(index)

    def find(self, bound: Bound, low: int = 0) -> int:
        """How many items are below `bound`, which is at or above the item `low`."""
        time, prefix = bound
        if time == _INFINITY:
            return len(self._times)
        first = bisect_left(self._times, time, low)
        if not prefix:
            return first
        last = bisect_left(self._times, time + 1, first)
        return bisect_left(range(last), prefix, first, key=self.id)

    def least_bound(self, index: int) -> Bound:
        """The shortest bound between an item and the one before it."""
        time, id = self.at(index)
        if time != self._times[index - 1]:
            return time, b""
        before = self.id(index - 1)
        length = next(n for n in range(ID_BYTES) if id[n] != before[n]) + 1
        return time, id[:length]

    def fingerprint(self, lower: int, upper: int) -> bytes:
        """Of the items from `lower` up to, not including, `upper`."""
        if lower == upper:
            return _EMPTY
        return _digest(self.sum(upper) - self.sum(lower), upper - lower)

    def sum(self, index: int) -> int:
        """The ids of the first `index` items, added up."""
        total = self._sums[index // _BLOCK]
        ids = self._ids
        end = index * ID_BYTES
        for place in range(end - index % _BLOCK * ID_BYTES, end, ID_BYTES):
            total += _number(ids[place : place + ID_BYTES], "little")
        return total


class RoundResult(msgspec.Struct, frozen=True):
    """What a client learned from one answer: ids, and what to say next (None: it is done).

    With a frame limit on either side the same id may come again in a later answer.
    """

    have: list[bytes]
    need: list[bytes]
    message: bytes | None


class NegentropyServer:
    """The side that answers; it keeps nothing but its items between two messages."""

    def __init__(self, items: Items, frame_limit: int = 0) -> None:
        """`frame_limit` in bytes; 0: none."""
        self.items = items
        self._limit = _checked(frame_limit)

    def answer(self, message: bytes) -> bytes:
        """What to say to `message`. Raises InvalidData; nothing has changed then."""
        if not _speaks(message):
            return bytes([VERSION])
        return bytes(_Reply(self.items, self._limit, message, None).make())


class NegentropyClient:
    """The side that asks: send `first()`, then what each `answer` says, until it is None."""

    def __init__(self, items: Items, frame_limit: int = 0) -> None:
        """`frame_limit` in bytes; 0: none."""
        self.items = items
        self._limit = _checked(frame_limit)

    def first(self, *, alike: bool = False) -> bytes:
        """The message of NEG-OPEN. `alike`: both sets are thought to be the same, which takes the
        shortest question and answer; where they are not, one answer more."""
        out, count = _Writer(), len(self.items)
        if alike:
            out.range(_END, _FINGERPRINT, self.items.fingerprint(0, count))
        else:
            _split(self.items, 0, count, _END, out)
        return bytes([VERSION]) + out.data

    def answer(self, message: bytes) -> RoundResult:
        """What the server's `message` says. Raises InvalidData, also for another version."""
        if not _speaks(message):
            raise InvalidData(f"the server speaks only version {message[0] - 0x60} of negentropy")
        found = RoundResult([], [], None)
        out = _Reply(self.items, self._limit, message, found).make()
        return found if len(out) == 1 else RoundResult(found.have, found.need, bytes(out))


# Reading and writing


class _Reader:
    """A message, from its beginning; times are written as differences."""

    __slots__ = ("_bound", "_data", "place")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._bound: Bound = (0, b"")
        self.place = 1

    @property
    def left(self) -> int:
        return len(self._data) - self.place

    def varint(self) -> int:
        data, number = self._data, 0
        start = self.place
        for place in range(start, min(start + _MAX_VARINT, len(data))):
            byte = data[place]
            if byte < 0x80:
                self.place = place + 1
                return number << 7 | byte
            if byte == 0x80 and place == start:
                break
            number = number << 7 | byte & 0x7F
        raise InvalidData("negentropy: not a number as the protocol writes it")

    def take(self, length: int) -> bytes:
        if length > self.left:
            raise InvalidData("negentropy: the message ends too early")
        self.place += length
        return self._data[self.place - length : self.place]

    def bound(self) -> Bound:
        """The next range's upper bound, never below the one before."""
        before = self._bound
        offset = self.varint()
        length = self.varint()
        if length > ID_BYTES:
            raise InvalidData("negentropy: a bound is longer than an id")
        prefix = self.take(length).rstrip(b"\0") if length else b""
        bound = (before[0] + offset - 1, prefix) if offset else _END
        if bound[0] >= _INFINITY and offset:
            raise InvalidData("negentropy: a bound's time is too large")
        if bound < before:
            raise InvalidData("negentropy: a bound is below the one before it")
        self._bound = bound
        return bound


class _Writer:
    """Ranges, encoded. `time` is that of the last bound."""

    __slots__ = ("data", "time")

    def __init__(self, time: int = 0) -> None:
        self.data = bytearray()
        self.time = time

    def range(self, bound: Bound, mode: int, payload: bytes = b"") -> None:
        time, prefix = bound
        if time == _INFINITY:
            self.data += b"\0"
        else:
            self.data += _varint(time - self.time + 1)
            self.time = time
        self.data += bytes((len(prefix),)) + prefix + bytes((mode,)) + payload


def _digest(total: int, count: int) -> bytes:
    """The fingerprint of so many items, whose ids add up to `total`."""
    whole = (total & _MASK).to_bytes(ID_BYTES, "little") + _varint(count)
    return sha256(whole).digest()[:FINGERPRINT_BYTES]


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


def _checked(frame_limit: int) -> int:
    if frame_limit and frame_limit < LEAST_FRAME:
        raise ValueError(f"a frame limit has at least {LEAST_FRAME} bytes")
    return frame_limit


def _speaks(message: bytes) -> bool:
    """Is this of our version? Raises InvalidData if it is of none."""
    if not message or not 0x60 <= message[0] <= 0x6F:
        raise InvalidData("negentropy: no message of any version")
    return message[0] == VERSION


def _split(items: Items, lower: int, upper: int, bound: Bound, out: _Writer) -> None:
    """Say what is in a range: its ids where they are few, else sixteen fingerprints."""
    count = upper - lower
    if count < _BUCKETS * 2:
        out.range(bound, _ID_LIST, _varint(count) + items.ids(lower, upper))
        return
    size, larger = divmod(count, _BUCKETS)
    before = items.sum(lower)
    for bucket in range(_BUCKETS):
        length = size + (bucket < larger)
        lower += length
        total = items.sum(lower)
        end = bound if lower == upper else items.least_bound(lower)
        out.range(end, _FINGERPRINT, _digest(total - before, length))
        before = total


class _Reply:
    """One message being read, and the answer to it being written; of a client if `found` is."""

    def __init__(self, items: Items, limit: int, message: bytes, found: RoundResult | None) -> None:
        self._items = items
        self._room = limit - _RESERVE if limit else 0
        self._reader = _Reader(message)
        self._found = found
        self._out = _Writer()
        self._out.data.append(VERSION)
        self._skipping = False

    def make(self) -> bytearray:
        reader, items, out = self._reader, self._items, self._out
        before: Bound = (0, b"")
        lower = ranges = 0
        full = False
        most = MAX_RANGES if self._found is None else MAX_ANSWERED
        while reader.left:
            ranges += 1
            if ranges > most:
                raise InvalidData(f"negentropy: a message may have {most} ranges")
            bound = reader.bound()
            mode = reader.varint()
            upper = items.find(bound, lower)
            if mode == _SKIP:
                self._skipping = True
            elif mode == _FINGERPRINT:
                theirs = reader.take(FINGERPRINT_BYTES)
                if theirs == items.fingerprint(lower, upper):
                    self._skipping = True
                else:
                    full = not self._differs(lower, upper, before, bound)
                    upper = lower if full else upper
            elif mode == _ID_LIST:
                theirs = reader.take(reader.varint() * ID_BYTES)
                if self._found is None:
                    upper = self._list(lower, upper, before, bound)
                    full = self._over(len(out.data))
                else:
                    self._compare(lower, upper, theirs, self._found)
            else:
                raise InvalidData("negentropy: a range of an unknown mode")
            if full:
                out.range(_END, _FINGERPRINT, items.fingerprint(upper, len(items)))
                break
            before, lower = bound, upper
        return out.data

    def _over(self, length: int) -> bool:
        return bool(self._room) and length > self._room

    def _skip(self, before: Bound, out: _Writer) -> None:
        """What was passed over so far is one range, up to `before`."""
        if self._skipping:
            self._skipping = False
            out.range(before, _SKIP)

    def _differs(self, lower: int, upper: int, before: Bound, bound: Bound) -> bool:
        """Say more of a range whose fingerprints differ; False if it does not fit any more."""
        self._skip(before, self._out)
        part = _Writer(self._out.time)
        _split(self._items, lower, upper, bound, part)
        if self._over(len(self._out.data) + len(part.data)):
            return False
        self._out.data += part.data
        self._out.time = part.time
        return True

    def _list(self, lower: int, upper: int, before: Bound, bound: Bound) -> int:
        """The server's ids of a range, or as many as fit; returns where the list ends."""
        written = len(self._out.data)
        self._skip(before, self._out)
        if self._room:
            fitting = (self._room - written) // ID_BYTES + 1
            if lower + fitting < upper:
                upper = lower + fitting
                bound = self._items.at(upper)
        ids = self._items.ids(lower, upper)
        self._out.range(bound, _ID_LIST, _varint(upper - lower) + ids)
        return upper

    def _compare(self, lower: int, upper: int, theirs: bytes, found: RoundResult) -> None:
        """The client learns from the server's ids of a range."""
        self._skipping = True
        # A dictionary, to keep their order.
        listed = dict.fromkeys(
            theirs[start : start + ID_BYTES] for start in range(0, len(theirs), ID_BYTES)
        )
        for index in range(lower, upper):
            id = self._items.id(index)
            if id in listed:
                del listed[id]
            else:
                found.have.append(id)
        found.need.extend(listed)

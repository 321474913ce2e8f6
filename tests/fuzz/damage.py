"""Messages, requests and frames of hostile clients: generated, damaged, cut, joined."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Callable
from typing import Any, Final

from nostr_client.nips import nip98
from tests.fuzz.world import World, key_of
from tests.relays.talk import HANDSHAKE

_TOKENS: Final = (
    *(
        b'"',
        b"\\",
        b"\\u",
        b"\\ud800",
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b":",
        b"\x00",
        b"\x7f",
        b"\xff",
    ),
    *(
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\xf4\x90\x80\x80",
        b"null",
        b"true",
        b"-1",
        b"1e9",
        b"NaN",
    ),
    *(b"9" * 30, b"9" * 5000, b"9223372036854775808", b"1.0", b'"id":', b'"kind":1,', b" ", b"\n"),
    *(b"[" * 3000, b'{"a":' * 3000, b'"#e":[],', b'"limit":0,', b"\xc3\xa9", b"\r\n", b"%", b"\t"),
)
_LABELS: Final = (
    *("EVENT", "REQ", "COUNT", "CLOSE", "AUTH", "NEG-OPEN", "NEG-MSG", "NEG-CLOSE"),
    *("OK", "EOSE", "", "req", "WHAT", "x" * 3000),
)


_CALLS: Final = (
    *("supportedmethods", "banpubkey", "unbanpubkey", "listbannedpubkeys", "banevent", "blockip"),
    *("listbannedevents", "listeventsneedingmoderation", "changerelayname", "unblockip"),
    *("createrole", "editrole", "deleterole", "assignrole", "listallowedkinds", "nonsense"),
)
"""Methods of NIP-86; none that could shut out a client that behaves."""


class Hostile:
    """Draws what a client that means no good may send to `url`, whose keeper may be careless too:
    his key is that of the first author."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self.rng = world.rng
        self._url = url.replace("ws://", "http://")

    # Messages

    def message(self) -> bytes:
        """JSON, mostly; well-formed now and then."""
        rng = self.rng
        data = self.world.text(self._frame()).encode("utf-8", "surrogatepass")
        return self.damaged(data) if rng.random() < 0.5 else data

    def _frame(self) -> Any:
        rng, world = self.rng, self.world
        id = rng.choice(("a", "b", "", "x" * 64, "x" * 65, "\u0000", "ç", '"\\'))
        match rng.randrange(12):
            case 0 | 1:
                return ["EVENT", self._event()]
            case 2 | 3:
                return [rng.choice(("REQ", "COUNT")), id, *world.filters()]
            case 4:
                return [rng.choice(("REQ", "COUNT", "NEG-OPEN")), id, self._odd_filter(), "61"]
            case 5:
                return ["CLOSE", rng.choice((id, None, 1, [id]))]
            case 6:
                return ["AUTH", rng.choice((self._event(), "challenge", {}, None))]
            case 7:
                return ["NEG-OPEN", id, world.filter(), self._negentropy()]
            case 8:
                return ["NEG-MSG", id, self._negentropy()]
            case 9:
                return ["NEG-CLOSE", id]
            case 10:
                return [rng.choice(_LABELS), *(self._value(3) for _ in range(rng.randrange(4)))]
            case _:
                return self._value(4)

    def _event(self) -> Any:
        event = json.loads(self.world.event().json)
        rng = self.rng
        if rng.random() < 0.5:
            name = rng.choice([*event, "extra"])
            match rng.randrange(4):
                case 0:
                    event.pop(name, None)
                case 1:
                    event[name] = self._value(2)
                case 2 if isinstance(event.get(name), str):
                    event[name] = event[name][::-1]
                case _:
                    event["tags"] = [[self._value(1) for _ in range(rng.randrange(3))]]
        return event

    def _odd_filter(self) -> Any:
        rng, world = self.rng, self.world
        match rng.randrange(5):
            case 0:
                return world.refused_filter()
            case 1:
                return {
                    "search": rng.choice(("a", "", '"', "NEAR(", "a* OR b", "x" * 9000, "-", "\0"))
                }
            case 2:
                return {"ids": [f"{n:064x}" for n in range(rng.choice((5_001, 6_000)))]}
            case 3:
                return {f"#{chr(97 + n)}": ["x"] for n in range(26)}
            case _:
                return self._value(3)

    def _negentropy(self) -> Any:
        rng = self.rng
        if rng.random() < 0.2:
            return rng.choice(("6", "zz", "", "62", "61" + "ff" * 30, 5, None, "61" * 40_000))
        body = b"\x61"
        for _ in range(rng.randrange(6)):
            varint = rng.choice(
                (b"\0", b"\1", b"\x02", b"\x81\x00", b"\xff" * 9 + b"\x7f", b"\x20")
            )
            body += varint + rng.randbytes(rng.choice((0, 1, 16, 32))) + bytes((rng.randrange(4),))
            body += rng.randbytes(rng.choice((0, 16, 33)))
        return body.hex()

    def _value(self, depth: int) -> Any:
        rng = self.rng
        chance = rng.random()
        if depth > 0 and chance < 0.3:
            return [self._value(depth - 1) for _ in range(rng.randrange(4))]
        if depth > 0 and chance < 0.6:
            names = ("id", "kinds", "ids", "#e", "limit", "since", "content", "x", "")
            return {rng.choice(names): self._value(depth - 1) for _ in range(rng.randrange(4))}
        return rng.choice((None, True, 0, -1, 1.5, 2**63, 10**40, "", "a", "0" * 64, "\u0000", "é"))

    def damaged(self, data: bytes) -> bytes:
        """Some pieces cut out, put in, doubled, turned."""
        rng = self.rng
        found = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(found) + 1)
            to = min(len(found), at + rng.choice((1, 2, 8, 64, 1000)))
            match rng.randrange(5):
                case 0:
                    found[at:to] = b""
                case 1:
                    found[at:at] = rng.choice(_TOKENS)
                case 2:
                    found[at:to] = rng.randbytes(to - at)
                case 3:
                    found[at:at] = found[at:to]
                case _ if at < len(found):
                    found[at] ^= 1 << rng.randrange(8)
        return bytes(found)

    # Frames (RFC 6455, section 5)

    def frames(self) -> bytes:
        """Bytes that follow a handshake."""
        return b"".join(self._some_frames() for _ in range(self.rng.choice((1, 2, 5, 20))))

    def _some_frames(self) -> bytes:
        rng = self.rng
        kinds: tuple[Callable[[], bytes], ...] = (self._broken, self._in_pieces, self._control)
        if rng.random() < 0.6:
            return frame(0x81, self.message(), rng)
        return rng.choice(kinds)()

    def _in_pieces(self) -> bytes:
        rng = self.rng
        left, first, found = self.message(), True, b""
        while left:
            size = rng.choice((0, 1, 7, 1000))
            piece, left = left[:size], left[size:]
            opcode = 1 if first or rng.random() < 0.02 else 0
            end = 0x80 if not left and rng.random() < 0.9 else 0
            found += frame(end | opcode, piece, rng)
            first = False
            if rng.random() < 0.2:
                found += self._control()
            if len(found) > 50_000:
                break
        return found

    def _control(self) -> bytes:
        rng = self.rng
        payload = rng.randbytes(rng.choice((0, 1, 2, 20, 125, 126, 70_000)))
        if rng.random() < 0.2:
            code = rng.choice((1000, 1001, 1005, 1006, 1015, 2999, 3000, 4999, 5000, 0))
            payload = code.to_bytes(2, "big") + rng.choice((b"", b"bye", b"\xff\xfe", b"x" * 200))
        return frame(rng.choice((0x89, 0x89, 0x8A, 0x88, 0x09)), payload, rng)

    def _broken(self) -> bytes:
        rng = self.rng
        match rng.randrange(7):
            case 0:  # reserved bits and opcodes
                return frame(rng.randrange(256), self.message()[:100], rng)
            case 1:  # not masked
                return b"\x81" + bytes((len(text := self.message()[:125]),)) + text
            case 2:  # a length that nobody has
                length = rng.choice((2**63, 2**64 - 1, 2**40, 2**31, 600_000))
                return b"\x81\xff" + length.to_bytes(8, "big") + rng.randbytes(40)
            case 3:  # a length spelled too long
                return b"\x81\xfe\x00\x05" + b"\0\0\0\0" + b"[1,2]"
            case 4:
                return frame(0x82, rng.randbytes(30), rng)
            case 5:
                return rng.randbytes(rng.choice((1, 30, 3000)))
            case _:  # what follows it is part of it
                return frame(0x81, self.message(), rng)[: rng.randrange(1, 40)]

    # Before the handshake

    def request(self) -> bytes:
        """Something that stands where a handshake should."""
        rng = self.rng
        match rng.randrange(8):
            case 0:
                return self.damaged(HANDSHAKE)
            case 1:
                return rng.randbytes(rng.choice((1, 100, 20_000)))
            case 2:  # what other protocols begin with
                tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(200)
                return rng.choice(
                    (tls, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"SSH-2.0-x\r\n", b"\n" * 99)
                )
            case 3:
                return self.damaged(self._post())
            case 4 | 5 | 6:
                return self._post()
            case _:
                return self._get()

    def _get(self) -> bytes:
        rng = self.rng
        paths = ("/", "/metrics", "/health", "/status", "/../etc/passwd", "*", "/?" + "a" * 7000)
        path = rng.choice((*paths, "http://other/", "/%00", "/.well-known/nostr.json"))
        accept = rng.choice(("application/nostr+json", "text/html", "*/*", "", "\x00", "a," * 3000))
        method = rng.choice(("GET", "GET", "GET", "HEAD", "OPTIONS", "PUT", "get", "G" * 9000))
        version = rng.choice(("1.1", "1.1", "1.0", "0.9", "2", "9.9", "1.1 "))
        lines = [f"{method} {path} HTTP/{version}", f"Host: {rng.choice(('x', '', 'a:b:c'))}"]
        lines += [f"Accept: {accept}"] * rng.choice((0, 1, 1, 300))
        lines += [rng.choice((" folded", "NoColon", ": empty", "X: \x7f", "Upgrade: h2c", "A: b"))]
        return "\r\n".join((*lines, "", "")).encode("latin-1")

    def _post(self) -> bytes:
        rng = self.rng
        body = self.world.text(self._call()).encode("utf-8", "surrogatepass")
        request = nip98.request(self._url, "POST", body).sign(key_of(0), int(time.time()))
        token = nip98.authorization(request).encode()
        if rng.random() < 0.2:
            body = self.damaged(body)
        if rng.random() < 0.3:
            told = base64.b64encode(rng.choice((self.world.event().json, b"{}", rng.randbytes(50))))
            token = rng.choice((b"Nostr ", b"Basic ", b"")) + told
        length = rng.choice((*[len(body)] * 6, 0, len(body) + 5, 10**9, 10**30, -1))
        lines = [b"POST / HTTP/1.1", b"Host: " + self._url.removeprefix("http://").encode()]
        lines.append(b"Content-Type: " + rng.choice((_RPC, _RPC, b"text/plain")))
        lines.append(b"Authorization: " + token)
        if rng.random() < 0.9:
            lines += [b"Content-Length: %d" % length] * rng.choice((1, 1, 1, 2))
        if rng.random() < 0.2:
            lines.append(b"Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        return b"\r\n".join((*lines, b"", body))

    def _call(self) -> Any:
        rng = self.rng
        if rng.random() < 0.1:
            return self._value(4)
        known = (key_of(7).public_key.hex, rng.choice(self.world.made).id, "192.0.2.7", "a reason")
        params = [
            rng.choice(known) if rng.random() < 0.6 else self._value(2)
            for _ in range(rng.randrange(4))
        ]
        return {"method": rng.choice(_CALLS), "params": params}


_RPC: Final = b"application/nostr+json+rpc"


def frame(first: int, payload: bytes, rng: random.Random) -> bytes:
    """A masked frame; `first` is its first byte."""
    size = len(payload)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 65_536:
        head = bytes((first, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 0xFF)) + size.to_bytes(8, "big")
    mask = rng.randbytes(4)
    pad = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return head + mask + masked.to_bytes(size, "big")

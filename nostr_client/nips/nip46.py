"""Signing from afar (NIP-46): what a client and a bunker, the remote signer, say to each other.

Both ends use this: the two codes that a connection begins with, requests, answers, permissions, and
the events that carry them, encrypted by NIP-44 between the client's key and the bunker's. All that
is read here came from somebody else: it is bounded, and no error quotes it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from nostr_client.errors import DecryptionFailed, InvalidCode, InvalidData, InvalidMessage
from nostr_client.nips import nip44
from nostr_client.protocol.event import MALFORMED, Draft, Event
from nostr_client.protocol.keys import PublicKey, SecretKey
from nostr_client.protocol.kinds import MAX_KIND, NOSTR_CONNECT
from nostr_client.protocol.urls import normalize_relay_url

ACK: Final = "ack"
PONG: Final = "pong"
AUTH_URL: Final = "auth_url"

MAX_URI: Final = 8192
"""Characters of a `bunker://` or `nostrconnect://` code."""
MAX_RELAYS: Final = 8
"""Relays of one connection; those beyond are left out."""
MAX_SECRET: Final = 256
MAX_ID: Final = 128
MAX_METHOD: Final = 64
MAX_PARAMS: Final = 8
MAX_PERMISSIONS: Final = 256
MAX_NAME: Final = 256
"""Characters of what a client says of itself, each part; what is longer is cut."""
MAX_AUTH_URL: Final = 2048

_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode
_is_word = re.compile("[A-Za-z0-9_.-]{1,64}").fullmatch
_is_https = re.compile(r"https://[^\s\x00-\x20\x7f\"<>\\^`{|}]+", re.IGNORECASE).fullmatch


class BunkerMethod(StrEnum):
    """What a bunker may be asked. An open set: what is not here is answered with an error."""

    CONNECT = "connect"
    SIGN_EVENT = "sign_event"
    PING = "ping"
    GET_PUBLIC_KEY = "get_public_key"
    NIP04_ENCRYPT = "nip04_encrypt"
    NIP04_DECRYPT = "nip04_decrypt"
    NIP44_ENCRYPT = "nip44_encrypt"
    NIP44_DECRYPT = "nip44_decrypt"
    SWITCH_RELAYS = "switch_relays"
    LOGOUT = "logout"


class BunkerFault(StrEnum):
    """What an error means. NIP-46 has no such words: these are ours, and stand first in ours."""

    DENIED = "denied"
    """The person behind the bunker, or what was set up there, says no."""
    NOT_CONNECTED = "not connected"
    """The bunker does not know this client, or no longer: it must connect again."""
    UNKNOWN_METHOD = "unknown method"
    CANNOT_DECRYPT = "cannot decrypt"
    """No retry opens it."""
    INVALID = "invalid"
    """The request itself is wrong."""
    LATER = "later"
    """Locked, busy or without its person: the same again, later."""
    OTHER = "error"

    def said(self, words: str = "") -> str:
        """The error that a bunker of ours sends."""
        return f"{self}: {words}" if words else self.value


_FAULTS: Final = (
    (BunkerFault.UNKNOWN_METHOD, r"(unknown|unsupported|invalid) (method|command)|not (supported"
     r"|implemented)|unsupported|unimplemented|method not found"),
    (BunkerFault.NOT_CONNECTED, r"not connected|not paired|unknown client|no such (client|session)"
     r"|no session|(invalid|wrong|bad|used|expired) (secret|token)|secret (is )?(invalid|wrong"
     r"|used|expired)"),
    (BunkerFault.DENIED, r"denied|reject|refus|declin|unauthori[sz]ed|not authori[sz]ed|forbidden"
     r"|permission|not allowed|disallow|cancel"),
    (BunkerFault.LATER, r"later|locked|busy|rate.?limit|time[d ]*out|timeout|unavailable"),
    (BunkerFault.CANNOT_DECRYPT, r"decrypt|\bh?mac\b|padding|payload|cipher|base64"
     r"|encryption version"),
    (BunkerFault.INVALID, r"invalid|malformed|bad request|missing"),
)  # fmt: skip
_RECOGNIZED: Final = tuple((fault, re.compile(words, re.I).search) for fault, words in _FAULTS)
_OWN_WORDS: Final = {fault.value: fault for fault in BunkerFault}


def fault_of(error: str) -> BunkerFault:
    """What a bunker's error seems to mean: our own words exactly, others' by what they contain."""
    own = _OWN_WORDS.get(error.partition(":")[0])
    if own is not None:
        return own
    return next((fault for fault, fits in _RECOGNIZED if fits(error[:500])), BunkerFault.OTHER)


class Permission(msgspec.Struct, frozen=True):
    """`method` or `method:parameter`; the parameter of `sign_event` is a kind."""

    method: str
    parameter: str = ""

    @property
    def kind(self) -> int | None:
        """The kind that may be signed; None for every one, and where nothing is signed."""
        return int(self.parameter) if self._is_of_kind and self.parameter else None

    def covers(self, method: str, kind: int | None = None) -> bool:
        """Is this request, for signing with the event's `kind`, among what is permitted?"""
        if method != self.method:
            return False
        return not self.parameter or (self._is_of_kind and kind == self.kind)

    @property
    def _is_of_kind(self) -> bool:
        return self.method == BunkerMethod.SIGN_EVENT

    def __str__(self) -> str:
        return f"{self.method}:{self.parameter}" if self.parameter else self.method


def parse_permissions(text: str) -> tuple[Permission, ...]:
    """A comma-separated list. What cannot be read is left out: so nothing more is permitted."""
    found: dict[Permission, None] = {}
    for part in text[: MAX_PERMISSIONS * (MAX_METHOD + 8)].split(","):
        method, colon, parameter = part.strip().partition(":")
        if not _is_word(method) or (colon and not _is_word(parameter)):
            continue
        if method == BunkerMethod.SIGN_EVENT and colon:
            if not (parameter.isdigit() and len(parameter) <= 5 and int(parameter) <= MAX_KIND):
                continue
            parameter = str(int(parameter))
        found[Permission(method, parameter)] = None
    return tuple(found)[:MAX_PERMISSIONS]


def format_permissions(permissions: Iterable[Permission]) -> str:
    return ",".join(map(str, permissions))


class ClientMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a client says of itself: hearsay, to be shown through `safe_text` and believed by
    nobody."""

    name: str = ""
    url: str = ""
    image: str = ""

    @classmethod
    def parse(cls, text: str) -> ClientMetadata:
        """From the JSON of `connect`'s fourth parameter; what cannot be read is empty."""
        try:
            fields = _fields(text) if len(text) <= MAX_URI else {}
        except MALFORMED:
            return cls()
        return cls.of({name: _text(raw) or "" for name, raw in fields.items()})

    @classmethod
    def of(cls, fields: dict[str, str]) -> ClientMetadata:
        return cls(*(fields.get(name, "")[:MAX_NAME] for name in cls.__struct_fields__))

    def encode(self) -> str:
        """JSON; empty where there is nothing to say."""
        return "" if self == ClientMetadata() else _encode(self).decode()


class BunkerRequest(msgspec.Struct, frozen=True):
    """What a client asks. `method` is one of `BunkerMethod`, or a word that nobody knows."""

    id: str
    method: str
    params: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> BunkerRequest:
        """From decrypted JSON. A parameter that is no string is taken as the JSON that it is, and
        null as the empty one, as some clients write them. Raises InvalidMessage."""
        fields = _object(text)
        id, method = _id(fields), _text(fields.get("method"))
        if not method or len(method) > MAX_METHOD:
            raise InvalidMessage(f"a request names a method of 1 to {MAX_METHOD} characters")
        try:
            params = _parts(fields.get("params", b"[]"))
        except MALFORMED:
            raise InvalidMessage("the parameters of a request are a list") from None
        if len(params) > MAX_PARAMS:
            raise InvalidMessage(f"a request has at most {MAX_PARAMS} parameters")
        return cls(id, method, tuple(_text(each) or "" for each in params))

    def param(self, index: int) -> str:
        """A parameter, empty where it was left out."""
        return self.params[index] if index < len(self.params) else ""

    def encode(self) -> str:
        return _encode(self).decode()

    def __repr__(self) -> str:
        return f"<BunkerRequest {self.id!r} {self.method!r}>"


class BunkerResponse(msgspec.Struct, frozen=True):
    """What a bunker answers: a `result`, or an `error`; with both, see `auth_url`."""

    id: str
    result: str | None = None
    error: str | None = None

    @classmethod
    def parse(cls, text: str) -> BunkerResponse:
        """From decrypted JSON; a result that is no string is taken as the JSON that it is. An
        error that is empty is none. Raises InvalidMessage."""
        fields = _object(text)
        return cls(_id(fields), _text(fields.get("result")), _text(fields.get("error")) or None)

    @property
    def asks_for_visit(self) -> bool:
        """Must the person do something elsewhere first? A second answer of this id follows."""
        return self.result == AUTH_URL and self.error is not None

    @property
    def auth_url(self) -> str:
        """Where the person is asked to go: shown as text, and opened by nobody but him.

        Raises InvalidMessage unless it is an `https:` address.
        """
        url = self.error or ""
        if len(url) > MAX_AUTH_URL or not _is_https(url):
            raise InvalidMessage("the bunker asks for a visit at an address that is not https")
        return url

    def encode(self) -> str:
        fields = {"id": self.id, "result": self.result}
        return _encode(fields if self.error is None else fields | {"error": self.error}).decode()

    def __repr__(self) -> str:
        return f"<BunkerResponse {self.id!r}{', an error' if self.error else ''}>"


class ConnectParams(NamedTuple):
    """The parameters of `connect`: the bunker's key (hex), and what may follow."""

    bunker: str
    secret: str = ""
    permissions: tuple[Permission, ...] = ()
    metadata: ClientMetadata = ClientMetadata()

    @classmethod
    def of(cls, request: BunkerRequest) -> ConnectParams:
        """What a client sent. Raises InvalidMessage."""
        bunker, secret, permissions, metadata = (request.param(index) for index in range(4))
        if len(secret) > MAX_SECRET:
            raise InvalidMessage(f"a secret has at most {MAX_SECRET} characters")
        return cls(bunker, secret, parse_permissions(permissions), ClientMetadata.parse(metadata))

    def encode(self) -> tuple[str, ...]:
        """As the request's parameters; each has its place, so what comes before stays, empty."""
        given = [
            self.bunker,
            self.secret,
            format_permissions(self.permissions),
            self.metadata.encode(),
        ]
        while len(given) > 1 and not given[-1]:
            given.pop()
        return tuple(given)

    def __repr__(self) -> str:
        return f"<ConnectParams for {self.bunker[:64]}>"


class BunkerUri(msgspec.Struct, frozen=True):
    """`bunker://…`: the bunker's key (hex), where it listens, and the secret of a first meeting."""

    pubkey: str
    relays: tuple[str, ...]
    secret: str = ""

    @classmethod
    def parse(cls, text: str) -> BunkerUri:
        """Raises InvalidCode, which never quotes `text`."""
        pubkey, query = _uri(text, "bunker")
        return cls(pubkey, _relays_in(query), _secret_in(query))

    def format(self) -> str:
        """The code. Whoever has it may connect: it is a secret."""
        pairs = [("relay", url) for url in self.relays]
        if self.secret:
            pairs.append(("secret", self.secret))
        return f"bunker://{self.pubkey}?{_query(pairs)}"

    def __repr__(self) -> str:
        return f"<BunkerUri of {self.pubkey}>"


class NostrConnectUri(msgspec.Struct, frozen=True):
    """`nostrconnect://…`: the client's key (hex), where it listens, and what the bunker is to send
    back (`secret`), so that nobody else answers in its place."""

    pubkey: str
    relays: tuple[str, ...]
    secret: str
    permissions: tuple[Permission, ...] = ()
    metadata: ClientMetadata = ClientMetadata()

    @classmethod
    def parse(cls, text: str) -> NostrConnectUri:
        """The code as it stands, or with all about the client in `metadata`, as it was once.

        Raises InvalidCode, which never quotes `text`.
        """
        pubkey, query = _uri(text, "nostrconnect")
        secret = _secret_in(query)
        if not secret:
            raise InvalidCode("this nostrconnect code has no secret: anybody could answer it")
        given = dict(query[::-1])  # of what stands twice, the first
        metadata = ClientMetadata.of(given)
        if metadata == ClientMetadata() and "metadata" in given:
            metadata = ClientMetadata.parse(given["metadata"])
        permissions = parse_permissions(given.get("perms", ""))
        return cls(pubkey, _relays_in(query), secret, permissions, metadata)

    def format(self) -> str:
        """The code."""
        pairs = [("relay", url) for url in self.relays] + [("secret", self.secret)]
        if self.permissions:
            pairs.append(("perms", format_permissions(self.permissions)))
        of_client: dict[str, str] = msgspec.structs.asdict(self.metadata)
        pairs += [(name, value) for name, value in of_client.items() if value]
        return f"nostrconnect://{self.pubkey}?{_query(pairs)}"

    def is_answered_by(self, result: str | None) -> bool:
        """Is this what only a bunker can know that was shown this code?"""
        return hmac.compare_digest((result or "").encode(), self.secret.encode())

    def __repr__(self) -> str:
        return f"<NostrConnectUri of {self.pubkey}>"


def is_acknowledged(result: str | None, secret: str) -> bool:
    """Does a bunker's answer to our `connect` say yes? By "ack", or by our own secret."""
    said = (result or "").encode()
    return said == ACK.encode() or bool(secret and hmac.compare_digest(said, secret.encode()))


def relays_of(result: str | None) -> tuple[str, ...] | None:
    """The answer to `switch_relays`; None where nothing changes. Raises InvalidMessage."""
    if result is None or result.strip() in ("", "null"):
        return None
    try:
        urls = msgspec.json.decode(result, type=list[Any])
    except MALFORMED:
        raise InvalidMessage("a list of relays is a JSON list") from None
    return _normal(url for url in urls if isinstance(url, str)) or None


def sealed(
    message: BunkerRequest | BunkerResponse,
    key: SecretKey,
    peer: str,
    conversation_key: bytes | bytearray,
    now: int,
    *,
    limit: int = nip44.EXTENDED_LENGTH - 1,
) -> Event:
    """The event that carries `message` from `key` to `peer` (hex); `now` is in seconds.

    `conversation_key` is NIP-44's of the two. Raises PlaintextTooLong beyond `limit` bytes.
    """
    content = nip44.encrypt(message.encode(), conversation_key, limit=limit)
    return Draft(NOSTR_CONNECT, content, (("p", peer),)).sign(key, now)


def opened(event: Event, conversation_key: bytes | bytearray) -> str:
    """What such an event says, to be parsed. Its author and signature are for the caller to check.

    Raises DecryptionFailed.
    """
    if is_old(event):
        raise DecryptionFailed("its encryption is old: this is NIP-04, and NIP-46 wants NIP-44")
    return nip44.decrypt(event.content, conversation_key)


def is_old(event: Event) -> bool:
    """Is it encrypted as NIP-04 has it, which NIP-46 gave up?"""
    return "?iv=" in event.content[-64:]


def _object(text: str) -> dict[str, msgspec.Raw]:
    if len(text) > nip44.MAX_PLAINTEXT:
        raise InvalidMessage(f"a message has at most {nip44.MAX_PLAINTEXT} characters")
    try:
        return _fields(text)
    except MALFORMED:
        raise InvalidMessage("not a JSON object") from None


def _id(fields: dict[str, msgspec.Raw]) -> str:
    id = _text(fields.get("id"))
    if not id or len(id) > MAX_ID:
        raise InvalidMessage(f"a message has an id of 1 to {MAX_ID} characters")
    return id


def _text(raw: msgspec.Raw | None) -> str | None:
    """A string; null and nothing are None; anything else is the JSON that it is."""
    if raw is None:
        return None
    data = bytes(raw)
    if data == b"null":
        return None
    try:
        return msgspec.json.decode(data, type=str) if data[:1] == b'"' else data.decode()
    except MALFORMED:
        raise InvalidMessage("a field is not valid text") from None


def _uri(text: str, scheme: str) -> tuple[str, list[tuple[str, str]]]:
    """The key in hex, and the parameters."""
    bare = text.strip("\ufeff\"'<>` \t\r\n")
    if len(bare) > MAX_URI:
        raise InvalidCode(f"a {scheme} code has at most {MAX_URI} characters")
    found, colon, rest = bare.partition("://")
    if not colon or found.lower() != scheme:
        raise InvalidCode(f"a {scheme} code begins with {scheme}://")
    key, _, query = rest.partition("?")
    try:
        pubkey = PublicKey(key.rstrip("/").lower()).hex
        pairs = parse_qsl(query.partition("#")[0], keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise InvalidCode(
            f"a {scheme} code holds a public key of 64 hex digits, and what belongs to it"
        ) from None
    return pubkey, pairs


def _query(pairs: list[tuple[str, str]]) -> str:
    """Escaped where a URL needs it, and nowhere else: a code that is to be scanned is short."""
    return urlencode(pairs, safe="/:,", quote_via=quote)


def _relays_in(query: list[tuple[str, str]]) -> tuple[str, ...]:
    relays = _normal(value for name, value in query if name == "relay")
    if not relays:
        raise InvalidCode("this code names no relay that could be asked")
    return relays


def _normal(urls: Iterable[str]) -> tuple[str, ...]:
    normal: dict[str, None] = {}
    for url in urls:
        try:
            normal[normalize_relay_url(url)] = None
        except InvalidData:  # the others may do
            continue
    return tuple(normal)[:MAX_RELAYS]


def _secret_in(query: list[tuple[str, str]]) -> str:
    secret = next((value for name, value in query if name == "secret"), "")
    if len(secret) > MAX_SECRET:
        raise InvalidCode(f"a secret has at most {MAX_SECRET} characters")
    return secret

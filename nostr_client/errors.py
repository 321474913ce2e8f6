"""Every exception of the project, in one tree.

What is expected is a value, not an error: `SaveResult`, `Verdict`, `PublishReport`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

MOST_TOLD: Final = 3
"""Relays that the message of one error names."""


class NostrError(Exception):
    """The root: catching it catches everything this project raises on purpose."""


class InvalidData(NostrError, ValueError):
    """Something from outside does not have the form that it must have."""


class InvalidKey(InvalidData):
    """Not a secp256k1 key. The message never quotes the key."""


class InvalidEvent(InvalidData):
    """Not a valid event, or a draft that no network would take."""


class AuthorsDisagree(InvalidEvent):
    """A sealed event says that somebody else wrote it than sealed it (NIP-17)."""


class Outdated(InvalidEvent):
    """A newer version of this replaceable event is stored already."""


class InvalidFilter(InvalidData):
    """Not a NIP-01 filter."""


class InvalidMessage(InvalidData):
    """Not a frame of the relay protocol."""


class InvalidCode(InvalidData):
    """Not a NIP-19 or NIP-49 code, or one of another kind than was asked for."""


class PlaintextTooLong(InvalidData):
    """More than an encrypted text may hold (NIP-44); `size` and `limit` are bytes, `what` says of
    what."""

    def __init__(self, size: int, limit: int, what: str = "this") -> None:
        super().__init__(f"{what} is {size} bytes long: at most {limit} can be encrypted")
        self.size = size
        self.limit = limit


class SignerError(NostrError):
    """The signer did not do what was asked."""


class SigningRefused(SignerError):
    """The signer, or the person behind it, said no. Also: a watch-only account."""


class NotConfirmed(SigningRefused):
    """A guard objects, and nobody said that it is wanted all the same.

    `objection` is what it said, as a `signing.guards.Objection`.
    """

    def __init__(self, message: str, objection: Any) -> None:
        super().__init__(message)
        self.objection = objection


class SecretFound(SigningRefused):
    """What was to be signed holds a secret key. The message never quotes it."""


class SignerUnavailable(SignerError):
    """The signer cannot be reached, or its key is locked."""


class DecryptionFailed(SignerError):
    """A wrong password, a wrong key, or a damaged ciphertext."""


class RelayError(NostrError):
    """Something went wrong with one relay, `url`."""

    def __init__(self, url: str, message: str) -> None:
        super().__init__(f"{url}: {message}")
        self.url = url
        self.message = message


class ConnectStep(Enum):
    """Where on its way to a relay a connection failed."""

    ADDRESS = "refused"
    """Nothing was tried: this address is not dialled."""
    DNS = "dns"
    TCP = "tcp"
    PROXY = "proxy"
    """The proxy itself is not there or refuses; of a host that it cannot reach it is `TCP`."""
    TLS = "tls"
    HTTP = "http"
    WEBSOCKET = "websocket"


class ConnectFailed(RelayError):
    """No connection could be made: `step` failed, and `words` say how.

    `status` is that of the HTTP answer, where the relay gave one instead of a WebSocket.
    """

    def __init__(
        self, url: str, words: str, step: ConnectStep | None = None, status: int | None = None
    ) -> None:
        super().__init__(url, f"{step.value}: {words}" if step else words)
        self.words = words
        self.step = step
        self.status = status

    @property
    def turned_away(self) -> bool:
        """Is the relay up, and will not have us?"""
        return self.status in (401, 403)


class ConnectionLost(RelayError):
    """The connection ended before the answer came."""


class RelayTimeout(RelayError):
    """The relay did not answer in time; the message says which limit ran out."""


class Refused(RelayError):
    """The relay said no: NIP-01's `prefix` (an open set, may be empty) and its own words."""

    def __init__(self, url: str, prefix: str, message: str) -> None:
        super().__init__(url, f"{prefix}: {message}" if prefix else message)
        self.prefix = prefix


class AuthRequired(Refused):
    """The relay wants NIP-42 authentication first."""

    def __init__(self, url: str, message: str) -> None:
        super().__init__(url, "auth-required", message)


class PublishFailed(NostrError):
    """No relay accepted the event; `report` is the `PublishReport` that says why, relay by relay.

    Raised only by `PublishReport.raise_if_failed`.
    """

    def __init__(self, report: Any) -> None:
        super().__init__(str(report))
        self.report = report


class FeedRefused(NostrError):
    """Every relay of a feed refused it for good: nothing new can come. `ends` says of each how its
    part ended, as an `End`, with the relay's own words."""

    def __init__(self, ends: Sequence[Any]) -> None:
        told = "; ".join(str(end) for end in ends[:MOST_TOLD])
        more = f"; and {len(ends) - MOST_TOLD} more" if len(ends) > MOST_TOLD else ""
        super().__init__(f"no relay lets it be followed: {told}{more}")
        self.ends = tuple(ends)


class UploadFailed(NostrError):
    """No media server serves the file; `report` is the `UploadReport` that says why, one by one."""

    def __init__(self, report: Any) -> None:
        super().__init__(str(report))
        self.report = report


class StoreError(NostrError):
    """The local store could not do its work: locked, full, damaged, of a newer version."""


class FolderInUse(StoreError):
    """Another process has locked a folder of ours."""


class StoreFull(StoreError):
    """There is no room on the disk: what was to be written was not, and what is there is sound."""


class KitDamaged(StoreError):
    """A backup of an account is not as it was written: changed, cut short, or not whole."""


class QueryTimeout(StoreError):
    """A question to the store was too broad to be answered in time."""


class TooMany(StoreError):
    """More events match than whoever asked can take."""


class ConfigError(NostrError):
    """A configuration file or option that cannot be used."""


class ListNotRead(NostrError):
    """A list was not published: its latest version could not be read with certainty first.

    `none_found`: every relay that must have answered did, and none has any version. `may_begin`: a
    relay that is to be added stands ready, and the person may say that the list begins with it.
    """

    def __init__(self, message: str, *, none_found: bool = False, may_begin: bool = False) -> None:
        super().__init__(message)
        self.none_found = none_found
        self.may_begin = may_begin


class ListNotUnderstood(ListNotRead):
    """A list or profile was not changed: what its latest version holds would be lost by that."""


class AccountError(NostrError):
    """No such account, two that fit, or one that cannot be kept as was asked."""


class ReleaseRefused(NostrError):
    """A release of this program was not taken, and nothing was changed. `why` says it in a word:
    `keyless`, `unsigned`, `forged`, `other-key`, `withdrawn`, `stale`, `downgrade`, `mixed-up`,
    `platform`, `damaged`, `key-change` or `not-found`."""

    def __init__(self, why: str, message: str) -> None:
        super().__init__(message)
        self.why = why


class NotWritten(NostrError):
    """What a command says cannot be written where it should go: a full disk, a closed device."""


class OwnRelayError(NostrError):
    """The relay of this person's own could not be started, asked or stopped."""


class MessageNotSent(NostrError):
    """A private message was not written: somebody cannot be reached by one. `obstacles` says for
    each of these keys (hex) why, as a `social.messages.views.Reachability`."""

    def __init__(self, message: str, obstacles: dict[str, Any]) -> None:
        super().__init__(message)
        self.obstacles = obstacles

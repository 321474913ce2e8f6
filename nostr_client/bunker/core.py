"""What a bunker makes of each request (pure: no I/O, no clock, no loop).

It decides and remembers; `service` carries out. Rules
- Who is not connected is heard for `connect` alone, within `limits`, and answered within them;
  everything else of strangers goes unanswered, but for those who were revoked: they are told.
  Nothing of theirs is remembered at the cost of what is remembered of clients.
- What is older than `OLD` seconds, or as far in the future, is not looked at: a relay may keep
  requests, and show them again.
- The same request is worked on once, and answered alike each time (`answers`).
- What the rules of a client do not say is for its person to say: `Perform.ask`.
- What names itself is hearsay, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from nostr_client.bunker.answers import (
    GivenAnswers,
    RequestKey,
    SignedEvent,
    SignedEvents,
    fingerprint,
    request_key,
)
from nostr_client.bunker.limits import StrangerAnswers, StrangerLimit
from nostr_client.bunker.state import BunkerClient, BunkerState, Invitation, Ruling
from nostr_client.errors import InvalidData, InvalidEvent, InvalidMessage
from nostr_client.nips.nip46 import (
    ACK,
    PONG,
    BunkerFault,
    BunkerMethod,
    BunkerRequest,
    BunkerResponse,
    ConnectParams,
    Permission,
)
from nostr_client.protocol.event import MALFORMED, Draft, Event, Tags, reason_of
from nostr_client.protocol.keys import PublicKey
from nostr_client.protocol.kinds import NOSTR_CONNECT

OLD: Final = 600
"""Seconds by which a request's date may differ from our clock."""
SEEN: Final = 16_384
"""Events that are remembered as read, whichever relays bring them again."""

NOT_INVITED: Final = "this code is none of this bunker's"
NEW_CODE: Final = "ask for a new one"
REVOKED: Final = "it was revoked"


class Ignore(msgspec.Struct, frozen=True):
    """No answer; `why` is for the log."""

    why: str


class AnswerNow(msgspec.Struct, frozen=True):
    """This is the answer. `again`: it was given before."""

    response: BunkerResponse
    again: bool = False


class Welcome(msgspec.Struct, frozen=True):
    """Somebody comes with an invitation, which is used up by that."""

    params: ConnectParams
    invitation: Invitation


class Farewell(msgspec.Struct, frozen=True):
    """The client logs out."""


class MoveClient(msgspec.Struct, frozen=True):
    """The client asks where to go, and thinks that we are elsewhere."""


class Perform(msgspec.Struct, frozen=True):
    """To be signed (`draft`), or encrypted or decrypted (`text`, with `peer`): if `ask`, once the
    person has said yes."""

    method: BunkerMethod
    ask: bool
    draft: Draft | None = None
    peer: str = ""
    text: str = ""

    @property
    def permission(self) -> Permission:
        """What covers it, and no more."""
        return Permission(self.method, str(self.draft.kind) if self.draft else "")


Decision = Ignore | AnswerNow | Welcome | Farewell | MoveClient | Perform


class BunkerCore:
    """Decides for the account `pubkey` (hex), as the bunker with the key `bunker` (hex).

    `relays` are where it wants to be asked; `yes_to` is what everybody connected may without being
    asked about; `signed` what was signed before a restart.
    """

    def __init__(
        self,
        pubkey: str,
        bunker: str,
        relays: tuple[str, ...],
        *,
        yes_to: Iterable[Permission] = (),
        signed: Iterable[SignedEvent] = (),
    ) -> None:
        self.pubkey = pubkey
        self.bunker = bunker
        self.relays = relays
        self.answers = GivenAnswers()
        self.signed = SignedEvents(signed)
        self._yes_to = tuple(yes_to)
        self._strangers = StrangerLimit()
        self._stranger_answers = StrangerAnswers()
        self._seen: dict[str, None] = {}
        self._seen_of_strangers: dict[str, None] = {}

    def admits(self, event: Event, state: BunkerState, now: float) -> bool:
        """Is this event worth being decrypted?"""
        if event.kind != NOSTR_CONNECT or abs(event.created_at - now) > OLD:
            return False
        if event.id in self._seen or event.id in self._seen_of_strangers:
            return False
        if self.bunker not in event.values("p"):
            return False
        seen = self._seen
        if state.client(event.pubkey) is None:
            if event.pubkey not in state.revoked and not state.hears_strangers(int(now)):
                return False
            if not self._strangers.admits(event.pubkey, now):
                return False
            seen = self._seen_of_strangers
        seen[event.id] = None
        if len(seen) > SEEN:
            del seen[next(iter(seen))]
        return True

    def decide(self, client: str, request: BunkerRequest, state: BunkerState, now: int) -> Decision:
        """What to do about the request of `client` (a key in hex).

        After anything but `Ignore` the caller ends it: `end`.
        """
        held = state.client(client)
        was_ours = client in state.revoked
        if held is None and request.method != BunkerMethod.CONNECT and not was_ours:
            return Ignore("not connected")
        key = request_key(client, request)
        if (given := self.answers.given(key)) is not None and held is not None:
            return AnswerNow(given, again=True)
        if not self.answers.begin(key):
            return Ignore("under way already")
        try:
            decision = self._decided(held, request, key, state, now)
        except InvalidData as error:
            decision = _refused(request, BunkerFault.INVALID, str(error))
        if held is None and not isinstance(decision, Welcome):
            was_ours = was_ours or state.end_of(request.param(1), now) is not None
            if not self._stranger_answers.admits(now, was_ours=was_ours):
                self.answers.end(key, None)
                return Ignore("too many strangers")
        return decision

    def end(self, key: RequestKey, response: BunkerResponse | None, state: BunkerState) -> None:
        """A request was answered; None: it may be asked again. In `state` it was decided."""
        self.answers.end(key, response if state.client(key[0]) else None)

    def _decided(
        self,
        held: BunkerClient | None,
        request: BunkerRequest,
        key: RequestKey,
        state: BunkerState,
        now: int,
    ) -> Decision:
        if request.method == BunkerMethod.CONNECT:
            return self._connecting(held, request, state, now)
        if held is None:
            return _refused(request, BunkerFault.NOT_CONNECTED, REVOKED)
        match request.method:
            case BunkerMethod.PING:
                return _done(request, PONG)
            case BunkerMethod.GET_PUBLIC_KEY:
                return _done(request, self.pubkey)
            case BunkerMethod.LOGOUT:
                return Farewell()
            case BunkerMethod.SWITCH_RELAYS:
                return MoveClient() if held.relays != self.relays else _done(request, "null")
            case BunkerMethod.SIGN_EVENT:
                draft = _draft_of(request.param(0), self.pubkey)
                event = self.signed.event(draft, self.pubkey, key)
                if event is not None and self.signed.was_for(event, held.pubkey):
                    return AnswerNow(BunkerResponse(request.id, event.json.decode()), again=True)
                what = Perform(BunkerMethod.SIGN_EVENT, False, draft)
                return self._permitted(held, request, now, what)
            case (
                BunkerMethod.NIP44_ENCRYPT
                | BunkerMethod.NIP44_DECRYPT
                | BunkerMethod.NIP04_ENCRYPT
                | BunkerMethod.NIP04_DECRYPT
            ):
                peer, text = PublicKey(request.param(0).lower()).hex, request.param(1)
                if not text:
                    raise InvalidMessage("there is no text")
                what = Perform(BunkerMethod(request.method), False, peer=peer, text=text)
                return self._permitted(held, request, now, what)
        return _refused(request, BunkerFault.UNKNOWN_METHOD, "")

    def _connecting(
        self,
        held: BunkerClient | None,
        request: BunkerRequest,
        state: BunkerState,
        now: int,
    ) -> Decision:
        params = ConnectParams.of(request)
        if params.bunker not in ("", self.bunker):
            raise InvalidMessage("this is for another bunker")
        if held is not None:
            return _done(request, ACK)
        invitation = state.invitation(params.secret, now)
        if invitation is None:
            end = state.end_of(params.secret, now)
            words = f"this code {end.value}: {NEW_CODE}" if end else NOT_INVITED
            return _refused(request, BunkerFault.NOT_CONNECTED, words)
        return Welcome(params, invitation)

    def _permitted(
        self, client: BunkerClient, request: BunkerRequest, now: int, what: Perform
    ) -> Decision:
        kind = what.draft.kind if what.draft else None
        verdict = client.verdict(what.method, kind, now)
        if verdict is Ruling.REFUSE:
            return _refused(request, BunkerFault.DENIED, f"{what.permission} is not permitted")
        if verdict is Ruling.ASK and not self.says_yes(what.method, kind):
            return msgspec.structs.replace(what, ask=True)
        return what

    def says_yes(self, method: str, kind: int | None) -> bool:
        """May everybody who is connected do this?"""
        return any(permission.covers(method, kind) for permission in self._yes_to)

    def has_signed(self, key: RequestKey, event: Event, now: int) -> SignedEvent:
        """Remember it; what is to be kept on disk before the answer goes out."""
        entry = SignedEvent(event.id, event.sig, event.created_at, fingerprint(key), now, key[0])
        self.signed.add(entry)
        return entry


class _UnsignedEvent(msgspec.Struct):
    kind: int
    content: str = ""
    tags: Tags = ()
    created_at: int | None = None
    pubkey: str = ""


_unsigned = msgspec.json.Decoder(_UnsignedEvent).decode


def _draft_of(text: str, pubkey: str) -> Draft:
    """What a client wants signed. Raises InvalidEvent."""
    try:
        fields = _unsigned(text)
    except MALFORMED as error:
        raise InvalidEvent(f"this is no event to sign: {reason_of(error)}") from None
    if fields.pubkey not in ("", pubkey):
        raise InvalidEvent("this event is to be signed by another key")
    return Draft(fields.kind, fields.content, fields.tags, fields.created_at)


def _done(request: BunkerRequest, result: str) -> AnswerNow:
    return AnswerNow(BunkerResponse(request.id, result))


def _refused(request: BunkerRequest, fault: BunkerFault, words: str) -> AnswerNow:
    return AnswerNow(BunkerResponse(request.id, error=fault.said(words)))

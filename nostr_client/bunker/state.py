"""Who may ask a bunker for what: its clients, the rules for each, and open invitations (pure).

Every change makes a new value: what is kept on disk is one of them, whole.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from enum import Enum
from hashlib import sha256
from typing import Final

import msgspec

from nostr_client.errors import InvalidData
from nostr_client.nips.nip46 import BunkerMethod, ClientMetadata, NostrConnectUri, Permission
from nostr_client.safe_text import safe_line

INVITATION_LIFE: Final = 600
"""Seconds for which an invitation may be used."""
REMEMBERED: Final = 3600
"""Seconds beyond its life for which an invitation's end is told to whoever comes with it."""
LEAVING: Final = 600
"""Seconds for which a client's old relays are listened to after it was told of others."""
MOST_CLIENTS: Final = 128
MOST_INVITATIONS: Final = 16
"""Open ones; and as many of those that are good no longer."""
MOST_RULES: Final = 256

GUARDED: Final = frozenset(
    {
        BunkerMethod.SIGN_EVENT,
        BunkerMethod.NIP44_ENCRYPT,
        BunkerMethod.NIP44_DECRYPT,
        BunkerMethod.NIP04_ENCRYPT,
        BunkerMethod.NIP04_DECRYPT,
    }
)
"""What takes a permission. All else that is known is free to whoever is connected."""


class Ruling(Enum):
    """What the rules say to a request."""

    ALLOW = "allow"
    ASK = "ask"
    REFUSE = "refuse"


class ClientRule(msgspec.Struct, frozen=True):
    """`permission` is given or (`allow` False) denied; `until`, in seconds, 0 for good."""

    permission: Permission
    allow: bool = True
    until: int = 0

    def holds(self, now: int) -> bool:
        """Does it count at `now`?"""
        return not self.until or now < self.until


class Invitation(msgspec.Struct, frozen=True):
    """One `bunker://` code that was given out: of its secret only the SHA-256 is kept.

    `permissions` are given to whoever comes with it; `relays` are those in the code. `heard`: the
    bunker that runs listens for strangers since, so that the code may be used.
    """

    digest: str
    expires_at: int
    relays: tuple[str, ...]
    permissions: tuple[Permission, ...] = ()
    heard: bool = False

    @classmethod
    def of(
        cls,
        secret: str,
        now: int,
        relays: tuple[str, ...],
        permissions: tuple[Permission, ...] = (),
        life: int = INVITATION_LIFE,
    ) -> Invitation:
        """For `secret`, good for `life` seconds."""
        return cls(_digest(secret), now + life, relays, permissions)

    def opens_with(self, secret: str) -> bool:
        """Is this its secret?"""
        return bool(secret) and _is_same(self.digest, _digest(secret))


class CodeEnd(Enum):
    """Why a code that we gave out is good no longer."""

    USED = "was used already"
    EXPIRED = "has expired"
    WITHDRAWN = "was withdrawn"


class SpentCode(msgspec.Struct, frozen=True):
    """What is left of an invitation until `until`: whoever comes with it is told its `end`, at the
    `relays` where he asks."""

    digest: str
    until: int
    relays: tuple[str, ...]
    end: CodeEnd

    @classmethod
    def of(cls, invitation: Invitation, end: CodeEnd) -> SpentCode:
        """What becomes of `invitation`."""
        until = invitation.expires_at + REMEMBERED
        return cls(invitation.digest, until, invitation.relays, end)


class BunkerClient(msgspec.Struct, frozen=True):
    """A program that may ask. `metadata` is what it says of itself, and believed by nobody.

    `relays` are where it thinks that we are; `leaving` those where it was told so before, heard
    until `leaving_until`. `greeting` is the secret of its `nostrconnect://` code, for the time
    until it was sent back to it, at most until `greet_until`.
    """

    pubkey: str
    connected_at: int
    relays: tuple[str, ...]
    metadata: ClientMetadata = ClientMetadata()
    rules: tuple[ClientRule, ...] = ()
    leaving: tuple[str, ...] = ()
    leaving_until: int = 0
    greeting: str = ""
    greet_until: int = 0

    @classmethod
    def of_uri(
        cls, uri: NostrConnectUri, now: int, permissions: Iterable[Permission] = ()
    ) -> BunkerClient:
        """Who showed us a `nostrconnect://` code, and is to be greeted."""
        client = cls(
            uri.pubkey,
            now,
            uri.relays,
            uri.metadata,
            greeting=uri.secret,
            greet_until=now + INVITATION_LIFE,
        )
        return client.ruled(permissions)

    @property
    def label(self) -> str:
        """Who it is, safe to print: its key, and its own name as the hearsay that it is."""
        name = safe_line(self.metadata.name, 40)
        return f"{self.pubkey[:12]}{f' (calls itself “{name}”)' if name else ''}"

    def verdict(self, method: str, kind: int | None, now: int) -> Ruling:
        """What its rules say: of those that fit, one for the kind before one for all, and a no
        before a yes."""
        fitting = [
            rule for rule in self.rules if rule.holds(now) and rule.permission.covers(method, kind)
        ]
        if not fitting:
            return Ruling.ASK
        first = min(fitting, key=lambda rule: (not rule.permission.parameter, rule.allow))
        return Ruling.ALLOW if first.allow else Ruling.REFUSE

    def ruled(
        self, permissions: Iterable[Permission], *, allow: bool = True, until: int = 0
    ) -> BunkerClient:
        """With these permissions given, or denied, in place of what was said of each before."""
        new = {one: ClientRule(one, allow, until) for one in permissions if one.method in GUARDED}
        kept = [rule for rule in self.rules if rule.permission not in new]
        rules = tuple([*kept, *new.values()][-MOST_RULES:])
        return msgspec.structs.replace(self, rules=rules)

    def moved(self, relays: tuple[str, ...], now: int) -> BunkerClient:
        """Told that we are at `relays` from now on."""
        return msgspec.structs.replace(
            self, relays=relays, leaving=self.relays, leaving_until=now + LEAVING
        )

    def places(self, now: int) -> tuple[str, ...]:
        """The relays where it may ask."""
        return (*self.relays, *(self.leaving if now < self.leaving_until else ()))

    def pruned(self, now: int) -> BunkerClient:
        """Without what is over."""
        rules = tuple(rule for rule in self.rules if rule.holds(now))
        greeting = self.greeting if now < self.greet_until else ""
        if rules == self.rules and greeting == self.greeting:
            return self
        return msgspec.structs.replace(self, rules=rules, greeting=greeting)

    def __repr__(self) -> str:
        return f"<BunkerClient {self.pubkey}>"


class BunkerState(msgspec.Struct, frozen=True):
    """All of it. `version` is that of the file."""

    clients: tuple[BunkerClient, ...] = ()
    invitations: tuple[Invitation, ...] = ()
    spent: tuple[SpentCode, ...] = ()
    revoked: tuple[str, ...] = ()
    """Keys of clients that were revoked lately: they are told so."""
    version: int = 1

    def client(self, pubkey: str) -> BunkerClient | None:
        """The client with this key, if it is connected."""
        return next((client for client in self.clients if client.pubkey == pubkey), None)

    def found(self, who: str) -> list[BunkerClient]:
        """Those that a person may mean: by the beginning of the key, or by the name that it gives
        itself."""
        by_key = [client for client in self.clients if client.pubkey.startswith(who.lower())]
        name = who.casefold()
        return by_key or [c for c in self.clients if safe_line(c.metadata.name).casefold() == name]

    def with_client(self, client: BunkerClient) -> BunkerState:
        """With `client`, in place of what was known of it.

        Raises InvalidData where it would be one too many: nobody is put out for a new one.
        """
        kept = tuple(held for held in self.clients if held.pubkey != client.pubkey)
        if len(kept) >= MOST_CLIENTS:
            raise InvalidData(f"this bunker has {MOST_CLIENTS} programs: revoke one first")
        revoked = tuple(one for one in self.revoked if one != client.pubkey)
        return msgspec.structs.replace(self, clients=(*kept, client), revoked=revoked)

    def without(self, pubkey: str) -> BunkerState:
        """Without that client."""
        kept = tuple(held for held in self.clients if held.pubkey != pubkey)
        return msgspec.structs.replace(self, clients=kept)

    def revoking(self, pubkey: str) -> BunkerState:
        """Without that client, which will hear of it."""
        revoked = (*(one for one in self.revoked if one != pubkey), pubkey)[-MOST_CLIENTS:]
        return msgspec.structs.replace(self.without(pubkey), revoked=revoked)

    def invited(self, invitation: Invitation, now: int) -> BunkerState:
        """With one more invitation; of too many the oldest goes."""
        state = self.pruned(now)
        kept = (*state.invitations, invitation)[-MOST_INVITATIONS:]
        return msgspec.structs.replace(state, invitations=kept)

    def invitation(self, secret: str, now: int) -> Invitation | None:
        """The open one that `secret` belongs to."""
        fitting = (one for one in self.invitations if now < one.expires_at)
        return next((one for one in fitting if one.opens_with(secret)), None)

    def end_of(self, secret: str, now: int) -> CodeEnd | None:
        """Why the code with this secret is good no longer; None where it is none of ours."""
        digest = _digest(secret)
        return next((one.end for one in self._spent(now) if _is_same(one.digest, digest)), None)

    def hears_strangers(self, now: int) -> bool:
        """Is anybody invited, or was lately?"""
        is_open = any(now < one.expires_at for one in self.invitations)
        return is_open or bool(self._spent(now))

    def code_relays(self, now: int) -> list[str]:
        """Where those are heard who come with a code of ours, open or spent."""
        opened = [one.relays for one in self.invitations if now < one.expires_at]
        spent = [one.relays for one in self._spent(now)]
        return [url for relays in (*opened, *spent) for url in relays]

    def _spent(self, now: int) -> list[SpentCode]:
        over = [one for one in self.invitations if now >= one.expires_at]
        spent = (*self.spent, *(SpentCode.of(one, CodeEnd.EXPIRED) for one in over))
        return [one for one in spent if now < one.until]

    def all_heard(self, until: BunkerState) -> BunkerState:
        """The invitations that there were in the state `until` are listened for."""
        known = {one.digest for one in until.invitations}
        heard = (
            msgspec.structs.replace(one, heard=one.heard or one.digest in known)
            for one in self.invitations
        )
        return msgspec.structs.replace(self, invitations=tuple(heard))

    def used(self, invitation: Invitation) -> BunkerState:
        """Without an invitation: each is good for one connection."""
        return self._ended([invitation], CodeEnd.USED)

    def withdrawn(self) -> BunkerState:
        """Without the invitations that are open."""
        return self._ended(self.invitations, CodeEnd.WITHDRAWN)

    def _ended(self, over: Iterable[Invitation], end: CodeEnd) -> BunkerState:
        ended = {one.digest: SpentCode.of(one, end) for one in over}
        return msgspec.structs.replace(
            self,
            invitations=tuple(one for one in self.invitations if one.digest not in ended),
            spent=(*self.spent, *ended.values())[-MOST_INVITATIONS:],
        )

    def pruned(self, now: int) -> BunkerState:
        """Without what is over."""
        return msgspec.structs.replace(
            self,
            clients=tuple(client.pruned(now) for client in self.clients),
            invitations=tuple(one for one in self.invitations if now < one.expires_at),
            spent=tuple(self._spent(now)[-MOST_INVITATIONS:]),
        )


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())

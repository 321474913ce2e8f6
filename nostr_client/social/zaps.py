"""Zaps as the account sees them: claimed, until the recipient's provider vouches for the receipt.

A provider is asked only when the person wants to know (`look_up`), where the recipient's profile
says (LUD-16, else LUD-06), through the proxy, and not at all where files are not fetched. Its
answer is believed for a day.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import Final, NamedTuple

from nostr_client.errors import InvalidData, InvalidEvent, NostrError
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.nips.nip57 import (
    Zap,
    ZapProvider,
    is_of_provider,
    lnurl_provider_url,
    provider_url,
    read_provider,
    read_receipt,
)
from nostr_client.protocol.event import Event
from nostr_client.social.profiles import Profiles
from nostr_client.social.views import Profile, ZapSum

PROVIDER_LIMIT: Final = 8.0
"""Seconds for a provider to answer."""
PROVIDER_BYTES: Final = 64 * 1024
BELIEVED: Final = 86_400.0
"""Seconds for which a provider's answer is believed; that there was none, a hundredth of that."""
MOST_PROVIDERS: Final = 500
MOST_LOOKED_UP: Final = 8
"""People whose providers are asked at once."""
MOST_READ: Final = 5_000
"""Receipts that are remembered as they were read."""


class _Asked(NamedTuple):
    """What a provider said, None for nothing of use, and when."""

    provider: ZapProvider | None
    at: float


class Zaps:
    """`media`: how files are fetched, None: they are not. `clock` counts seconds since 1970."""

    def __init__(
        self,
        profiles: Profiles,
        media: DialOptions | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._profiles = profiles
        self._media = media
        self._clock = clock
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        """By recipient."""
        self._read: OrderedDict[str, Zap | str] = OrderedDict()
        """By a receipt's id what it says, or why it says nothing."""

    def read(self, receipt: Event) -> Zap | None:
        """What a receipt says; None where its parts do not agree (`problem` says why)."""
        found = self._found(receipt)
        return found if isinstance(found, Zap) else None

    def problem(self, receipt: Event) -> str:
        """Why a receipt says nothing; empty where it does."""
        found = self._found(receipt)
        return found if isinstance(found, str) else ""

    def is_checked(self, zap: Zap) -> bool:
        """Has the recipient's provider been asked, and does it vouch for this receipt?"""
        asked = self._asked.get(zap.recipient)
        return asked is not None and asked.provider is not None and self._vouches(asked, zap)

    def sum_of(self, receipts: Iterable[Event]) -> ZapSum:
        """What these receipts come to; each request counts once, whoever has a receipt for it."""
        best: dict[str, tuple[bool, int]] = {}
        for receipt in receipts:
            if (zap := self.read(receipt)) is not None:
                found = self.is_checked(zap), zap.msat
                best[zap.request.id] = max(best.get(zap.request.id, found), found)
        checked = sum(msat for vouched, msat in best.values() if vouched)
        claims = [msat for vouched, msat in best.values() if not vouched]
        return ZapSum(checked, sum(claims), len(claims))

    async def look_up(self, receipts: Collection[Event]) -> str:
        """Ask the providers of those to whom these were paid, `MOST_LOOKED_UP` people at most, and
        nobody who was asked lately. What went wrong last, in words, empty if nothing did.

        Raises StoreError.
        """
        read = [zap for receipt in receipts if (zap := self.read(receipt)) is not None]
        people = [p for p in dict.fromkeys(zap.recipient for zap in read) if self._is_due(p)]
        if not people:
            return ""
        if self._media is None:
            return "nothing is fetched from the web here (media = false): zaps stay claimed"
        problem = ""
        profiles = await self._profiles.get_many(people[:MOST_LOOKED_UP])
        for pubkey, profile in profiles.items():
            provider, trouble = await self._ask(profile, self._media)
            problem = trouble or problem
            self._asked[pubkey] = _Asked(provider, self._clock())
            self._asked.move_to_end(pubkey)
            while len(self._asked) > MOST_PROVIDERS:
                self._asked.popitem(last=False)
        return problem

    async def _ask(self, person: Profile, media: DialOptions) -> tuple[ZapProvider | None, str]:
        if not person.lud16 and not person.lud06:
            return None, "the profile names no lightning address"
        try:
            url = provider_url(person.lud16) if person.lud16 else lnurl_provider_url(person.lud06)
            answer = await http.get(url, media, timeout=PROVIDER_LIMIT, max_bytes=PROVIDER_BYTES)
            if answer.status != 200:
                raise InvalidData(f"the provider answered with status {answer.status}")
            return read_provider(url, answer.body), ""
        except NostrError as error:
            return None, str(error)

    def _is_due(self, pubkey: str) -> bool:
        asked = self._asked.get(pubkey)
        if asked is None:
            return True
        kept = BELIEVED if asked.provider is not None else BELIEVED / 100
        return not 0 <= self._clock() - asked.at < kept

    def _vouches(self, asked: _Asked, zap: Zap) -> bool:
        fresh = 0 <= self._clock() - asked.at < BELIEVED
        return fresh and asked.provider is not None and is_of_provider(zap, asked.provider)

    def _found(self, receipt: Event) -> Zap | str:
        found = self._read.get(receipt.id)
        if found is None:
            try:
                found = read_receipt(receipt)
            except InvalidEvent as error:
                found = str(error)
            self._read[receipt.id] = found
            if len(self._read) > MOST_READ:
                self._read.popitem(last=False)
        return found

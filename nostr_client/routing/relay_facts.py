"""What is known of relays before anything is entrusted to them: their documents (NIP-11) and the
networks that they stand in, kept in a file so that no start asks anew.

A document is asked for once in `FRESH` seconds, after a failure once in `RETRY`. Names are resolved
here only where relays are dialled without a proxy: behind one, no resolver hears of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from math import inf
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import ConnectFailed, NostrError, StoreError
from nostr_client.net import http
from nostr_client.net.dial import DialOptions, DialPolicy, host_and_port, resolve
from nostr_client.nips import nip11
from nostr_client.nips.nip11 import Limitation, RelayInfo, Retention
from nostr_client.paths import write_private
from nostr_client.protocol.urls import host_of, is_private_host
from nostr_client.routing.operators import RelayFacts, network_of
from nostr_client.tasks import all_of

log = logging.getLogger(__name__)

FRESH: Final = 7 * 86_400
RETRY: Final = 86_400
MOST: Final = 500
AT_ONCE: Final = 8
LIMIT: Final = 10.0
"""Seconds for one relay's document."""
_WORDS: Final = 64
_MOST_LISTED: Final = 200
_MOST_RULES: Final = 20


class RelayFactBook:
    """Facts of relays by URL (normal spelling). Used on one event loop.

    `policy` says what may be dialled, `proxy` is a URL as `ProxyAddress` takes it.
    """

    def __init__(
        self,
        path: Path,
        policy: DialPolicy,
        proxy: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._policy = policy
        self._proxy = proxy
        self._clock = clock
        self._facts: dict[str, RelayFacts] | None = None

    async def known(self) -> Mapping[str, RelayFacts]:
        """All that is known now; nobody is asked."""
        if self._facts is None:
            found = await asyncio.to_thread(_read, self._path)
            if self._facts is None:  # nobody else read it meanwhile, and wrote
                self._facts = found
        return self._facts

    def limits_of(self, url: str) -> Limitation:
        """What the relay's document says that it takes at most, as far as that was read already; of
        what its refusals taught lately the strictest."""
        facts = (self._facts or {}).get(url)
        if facts is None:
            return Limitation()
        said = dict(facts.limits)
        if 0 <= self._clock() - facts.learned_at < FRESH:
            said |= {name: min(n, said.get(name) or n) for name, n in facts.learned.items()}
        return nip11.limitation_of(said)

    async def learn(self, url: str, limits: Limitation) -> None:
        """Remember what its refusals taught of what a relay takes, for as long as a document."""
        known = await self.known()
        facts = known.get(url) or RelayFacts(url)
        learned, at = facts.learned | _limits(limits), int(self._clock())
        facts = msgspec.structs.replace(facts, learned=learned, learned_at=at)
        await self._keep({**known, url: facts})

    async def look_up(
        self, urls: Iterable[str], *, within: float = FRESH, retry: float = RETRY
    ) -> Mapping[str, RelayFacts]:
        """Ask those of `urls` of which nothing is known, or what is old: of those that answered
        what is older than `within` seconds, of others than `retry`; all that is known then.

        That a relay does not answer is a fact, too.
        """
        known = await self.known()
        each = dict.fromkeys(urls)
        wanted = [url for url in each if not self._is_fresh(known.get(url), within, retry)]
        if not wanted:
            return known
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(url: str) -> RelayFacts:
            async with gate:
                return await self._ask(url)

        found = await all_of(one(url) for url in wanted[:MOST])
        known = await self.known()  # something may have been learned meanwhile
        return await self._keep({**known, **{f.url: _learned(f, known.get(f.url)) for f in found}})

    async def _keep(self, facts: Mapping[str, RelayFacts]) -> Mapping[str, RelayFacts]:
        newest = sorted(facts.values(), key=lambda fact: -max(fact.at, fact.learned_at))[:MOST]
        self._facts = {fact.url: fact for fact in newest}
        try:
            data = msgspec.json.encode(newest)
            await asyncio.to_thread(write_private, self._path, data)
        except StoreError as error:
            log.warning("what is known of relays was not saved: %s", error)
        return self._facts

    def _is_fresh(self, facts: RelayFacts | None, within: float, retry: float) -> bool:
        if facts is None:
            return False
        age = self._clock() - facts.at
        return 0 <= age < (within if facts.answered else retry)

    async def _ask(self, url: str) -> RelayFacts:
        at = int(self._clock())
        networks = await self._networks(url)
        try:
            dial = DialOptions.through(self._proxy, private=self._policy.allows_private(url))
            answer = await http.get(
                url, dial, timeout=LIMIT, max_bytes=nip11.MAX_SIZE, accept=nip11.MEDIA_TYPE
            )
            if answer.status != 200:
                return RelayFacts(url, at, networks=networks)
            info = nip11.parse(answer.body)
        except NostrError as error:
            log.debug("no document of %s: %s", url, error)
            return RelayFacts(url, at, networks=networks)
        return RelayFacts(
            url,
            at,
            answered=True,
            pubkey=info.pubkey or "",
            networks=networks,
            countries=tuple(c[:_WORDS] for c in info.relay_countries[:_MOST_LISTED]),
            walls=walls(info),
            nips=info.supported_nips[:_MOST_LISTED],
            max_message=info.limitation.max_message_length or 0,
            max_limit=info.limitation.max_limit or 0,
            lower_limit=info.limitation.created_at_lower_limit or 0,
            retention=info.retention[:_MOST_RULES],
            name=(info.name or "")[:_WORDS],
            contact=(info.contact or "")[:_WORDS],
            software=(info.software or "")[:_WORDS],
            limits=_limits(info.limitation),
        )

    async def _networks(self, url: str) -> tuple[str, ...]:
        named = host_of(url).strip("[]")
        if network := network_of(named):  # it is an address: there is nothing to be resolved
            return (network,)
        if self._proxy or is_private_host(named):
            return ()
        try:
            host, port, _ = host_and_port(url)
            found = await resolve(url, host, port, private=False)
        except ConnectFailed:
            return ()
        networks = {network_of(str(info[4][0])) for info in found}
        return tuple(sorted(networks - {""}))


def _learned(facts: RelayFacts, before: RelayFacts | None) -> RelayFacts:
    """Its document says nothing of what its refusals taught."""
    if before is None:
        return facts
    learned = before.learned
    return msgspec.structs.replace(facts, learned=learned, learned_at=before.learned_at)


def reach_of(facts: RelayFacts, kind: int) -> float:
    """How many seconds an event of this kind may lie back for the relay to take it, and to keep it,
    as far as its document says (NIP-11)."""
    naming = [rule for rule in facts.retention if _names(rule, kind)]
    others = [rule for rule in facts.retention if not rule.kinds]
    limits = [rule.time for rule in naming or others if rule.time is not None]
    return min([*limits, *([facts.lower_limit] if facts.lower_limit else [])], default=inf)


def _names(rule: Retention, kind: int) -> bool:
    ranges = ((item, item) if isinstance(item, int) else item for item in rule.kinds)
    return any(first <= kind <= last for first, last in ranges)


def _limits(said: Limitation) -> dict[str, int]:
    """The numbers among them; what is a door is among the `walls`."""
    found = {name: getattr(said, name) for name in said.__struct_fields__}
    return {name: n for name, n in found.items() if isinstance(n, int) and n is not True and n}


def walls(info: RelayInfo) -> tuple[str, ...]:
    """Why not everybody may write there, as far as the document says."""
    limits = info.limitation
    said = {
        "auth": limits.auth_required,
        "payment": limits.payment_required or bool(info.fees.admission or info.fees.publication),
        "restricted": limits.restricted_writes,
        "pow": bool(limits.min_pow_difficulty),
    }
    return tuple(name for name, there in said.items() if there)


def _read(path: Path) -> dict[str, RelayFacts]:
    """Blocks. What is damaged is asked anew."""
    try:
        facts = msgspec.json.decode(path.read_bytes(), type=list[RelayFacts])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("what is known of relays was not read: %s", error)
        return {}
    return {fact.url: fact for fact in facts}

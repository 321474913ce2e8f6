"""Is a relay down for everyone, or just for me? One step after the other, each said with its time.

DNS, TCP, TLS, WebSocket, the NIP-11 document, reading, writing, the AUTH wall, and a verdict. The
URL comes from the person, so private addresses are allowed. The event of the write step is
ephemeral and signed by a key made for the purpose, unless a signer is given: relays pass it on and
do not keep it. Where the relay cannot be reached, other relays are tried: if they can be, it is
the relay; if none can be, it is this end.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from time import monotonic
from typing import Any, Final

import msgspec

from nostr_client.errors import ConnectFailed, ConnectStep, NostrError, SignerError
from nostr_client.net import http
from nostr_client.net.dial import (
    DialOptions,
    DialPolicy,
    connect_first,
    host_and_port,
    proxy_at,
    resolve,
)
from nostr_client.net.pool import RelayPool
from nostr_client.net.report import Answer
from nostr_client.net.websocket import HANDSHAKE_LIMIT, open_websocket
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.refusals import wants_auth
from nostr_client.protocol.urls import host_of, is_onion, is_private_host, normalize_relay_url
from nostr_client.safe_text import safe_line
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import Signer
from nostr_client.tasks import all_of

STEP_LIMIT: Final = 10.0
"""Seconds for reading, for writing and for each document."""
PROBE_KIND: Final = 29_011
"""An ephemeral kind that nothing else is known to use."""
_WORDS: Final = 160


class CheckStep(msgspec.Struct, frozen=True):
    """One step: `ok` is None where it says neither good nor bad; `detail` is safe to print."""

    name: str
    ok: bool | None
    detail: str
    seconds: float


class _Stop(Exception):
    """A step failed in such a way that none can follow."""


async def check_relay(
    url: str,
    *,
    signer: Signer | None = None,
    proxy: str | None = None,
    others: Sequence[str] = (),
    tls: ssl.SSLContext | None = None,
    limit: float = STEP_LIMIT,
) -> AsyncIterator[CheckStep]:
    """Check a relay; the last step is called "verdict". `others` are relays that many use:
    reached, they show that this end of the network works. `limit`: seconds that the relay has for
    each answer. Raises InvalidData for what is no URL,
    and ConfigError for a proxy that cannot be used."""
    check = _Check(normalize_relay_url(url), signer, proxy, tls, limit)
    began = monotonic()
    try:
        for step in (check.network, check.tls, check.websocket, check.document):
            async for said in step():
                yield said
        async for said in check.use():
            yield said
    except _Stop:
        ok, verdict = await check.why_not(others)
    else:
        ok, verdict = check.verdict()
    yield CheckStep("verdict", ok, verdict, monotonic() - began)


class _Check:
    def __init__(
        self,
        url: str,
        signer: Signer | None,
        proxy: str | None,
        tls: ssl.SSLContext | None,
        limit: float,
    ) -> None:
        self._limit = limit
        self._url = url
        self._host, self._port, self._secure = host_and_port(url)
        self._signer = signer or LocalSigner(SecretKey.generate())
        self._proxy = proxy
        self._proxy_address = proxy_at(proxy)
        self._tls = tls
        self._addresses: list[Any] = []
        self._failure: ConnectFailed | None = None
        self._reads: bool | None = None
        self._writes: bool | None = None
        self._wants_auth: list[str] = []
        self._refusal = ""

    async def network(self) -> AsyncIterator[CheckStep]:
        """DNS and TCP; a proxy does both out of our sight."""
        if self._proxy_address is not None:
            yield CheckStep("dns", None, "left to the proxy", 0.0)
            yield CheckStep("tcp", None, "left to the proxy", 0.0)
            return
        began = monotonic()
        try:
            found = await resolve(self._url, self._host, self._port, private=True)
        except ConnectFailed as error:
            if is_onion(self._url):
                self._failure = error
                yield CheckStep("dns", None, "no resolver is asked: it is an onion service", 0.0)
                yield CheckStep("tcp", None, safe_line(error.message, _WORDS), 0.0)
                raise _Stop from error
            yield self._failed("dns", error, began)
            raise _Stop from error
        self._addresses = found
        listed = ", ".join(dict.fromkeys(str(info[4][0]) for info in found))
        yield CheckStep("dns", True, listed, monotonic() - began)
        began = monotonic()
        try:
            sock = await connect_first(self._url, found)
        except ConnectFailed as error:
            yield self._failed("tcp", error, began)
            raise _Stop from error
        peer = sock.getpeername()
        sock.close()
        yield CheckStep("tcp", True, f"connected to {peer[0]} port {peer[1]}", monotonic() - began)

    async def tls(self) -> AsyncIterator[CheckStep]:
        """Certificate and version, on a connection of its own."""
        if not self._secure:
            yield CheckStep("tls", None, "none: ws:// is not encrypted", 0.0)
            return
        if self._proxy_address is not None:
            yield CheckStep("tls", None, "seen by the next step, through the proxy", 0.0)
            return
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        began = monotonic()
        try:
            detail = await self._tls_words(self._tls)
        except ConnectFailed as error:
            yield self._failed("tls", error, began)
            raise _Stop from error
        yield CheckStep("tls", True, detail, monotonic() - began)

    async def _tls_words(self, context: ssl.SSLContext) -> str:
        sock = await connect_first(self._url, self._addresses)
        try:
            async with asyncio.timeout(min(HANDSHAKE_LIMIT, self._limit)):
                _, writer = await asyncio.open_connection(
                    sock=sock, ssl=context, server_hostname=self._host
                )
        except TimeoutError:
            sock.close()
            words = f"no handshake within {min(HANDSHAKE_LIMIT, self._limit):g} s"
            raise ConnectFailed(self._url, words, ConnectStep.TLS) from None
        except OSError as error:
            sock.close()
            words = getattr(error, "verify_message", "") or getattr(error, "reason", "")
            raise ConnectFailed(self._url, str(words or error), ConnectStep.TLS) from error
        session: ssl.SSLObject = writer.get_extra_info("ssl_object")
        certificate = session.getpeercert() or {}
        writer.transport.abort()
        until = f", certificate until {certificate['notAfter']}" if certificate else ""
        return f"{session.version()}{until}"

    @property
    def _dial(self) -> DialOptions:
        return DialOptions(proxy=self._proxy_address, private=True, tls=self._tls)

    async def websocket(self) -> AsyncIterator[CheckStep]:
        """The upgrade to a WebSocket."""
        began = monotonic()
        try:
            socket, latency = await open_websocket(self._url, self._dial)
        except ConnectFailed as error:
            yield self._failed("websocket", error, began)
            raise _Stop from error
        await socket.end()
        yield CheckStep(
            "websocket", True, f"handshake in {latency * 1000:.0f} ms", monotonic() - began
        )

    async def document(self) -> AsyncIterator[CheckStep]:
        """The relay's description of itself; a relay may well have none."""
        began = monotonic()
        try:
            answer = await http.get(
                self._url,
                self._dial,
                timeout=self._limit,
                accept="application/nostr+json",
            )
            detail, ok = _document_words(answer)
        except NostrError as error:
            detail, ok = f"none: {error}", None
        yield CheckStep("nip-11", ok, safe_line(detail, _WORDS), monotonic() - began)

    async def use(self) -> AsyncIterator[CheckStep]:
        """Read something, write something, and see whether a login is asked for."""
        began = monotonic()
        async with self._pool() as pool:
            read = await self._read(pool)
            challenges = pool.health(self._url).counters.challenges
        yield self._reading(read, began)  # never inside of a pool: who listens may stop
        began = monotonic()
        async with self._pool() as pool:
            wrote = await self._write(pool)
            challenges += pool.health(self._url).counters.challenges
        yield self._writing(wrote, began)
        if self._wants_auth:
            wall = f"login needed to {' and to '.join(self._wants_auth)}"
            yield CheckStep("auth", None, wall, 0.0)
        elif challenges:
            yield CheckStep("auth", True, "offered, not required for this", 0.0)
        else:
            yield CheckStep("auth", True, "not asked for", 0.0)

    def _pool(self) -> RelayPool:
        policy = DialPolicy(given=[self._url])
        return RelayPool(verifier=_Plain(), proxy=self._proxy, dial=policy, tls=self._tls)

    async def _read(self, pool: RelayPool) -> tuple[bool | None, str]:
        fetched = await pool.fetch([Filter.of(limit=1)], [self._url], timeout=self._limit)
        end = fetched.ends[self._url]
        if not end.answered and end.prefix.lower() in (
            "invalid",
            "unsupported",
            "blocked",
            "error",
        ):
            asked = [Filter.of(kinds=[0, 1], limit=1)]  # some refuse a filter that names nothing
            fetched = await pool.fetch(asked, [self._url], timeout=self._limit)
            end = fetched.ends[self._url]
        forged = pool.health(self._url).counters.forged
        if forged:
            return False, f"it sent {forged} events with false signatures"
        if end.answered:
            return True, "sent an event" if fetched.events else "answered, with nothing to show"
        if wants_auth(end.prefix):
            self._wants_auth.append("read")
            return None, end.reason
        return False, end.words

    async def _write(self, pool: RelayPool) -> Answer | str:
        """What the relay said, or why it was not asked."""
        try:
            event = await self._signer.sign(Draft(kind=PROBE_KIND, content="relay check"))
        except SignerError as error:
            return f"not signed: {error}"
        report = await pool.publish(event, [self._url], timeout=self._limit)
        return report.answers[0]

    def _reading(self, result: tuple[bool | None, str], began: float) -> CheckStep:
        self._reads, detail = result
        return CheckStep("read", self._reads, safe_line(detail, _WORDS), monotonic() - began)

    def _writing(self, answer: Answer | str, began: float) -> CheckStep:
        if isinstance(answer, str):
            self._writes, detail = False, answer
        elif answer.accepted or answer.prefix.lower() == "mute":  # nobody listened, as expected
            self._writes, detail = True, "took an ephemeral event"
        elif answer.accepted is None:
            self._writes, detail = False, answer.problem
        else:
            self._refusal = str(answer.cause)
            self._writes, detail = None, f"refused: {self._refusal}"
            if wants_auth(answer.prefix):
                self._wants_auth.append("write")
        return CheckStep("write", self._writes, safe_line(detail, _WORDS), monotonic() - began)

    def _failed(self, name: str, error: ConnectFailed, began: float) -> CheckStep:
        self._failure = error
        words = error.words if error.step and error.step.value == name else error.message
        return CheckStep(name, False, safe_line(words, _WORDS), monotonic() - began)

    def verdict(self) -> tuple[bool | None, str]:
        """For a relay that was reached."""
        if self._reads and self._writes:
            return True, "it works, from here"
        if self._wants_auth:
            return None, f"it is up, and wants a login to {' and to '.join(self._wants_auth)}"
        if self._reads:
            if self._refusal:
                return None, f"it is up and reads; writes it refuses: {self._said()}"
            return False, "it is up and reads, but does not answer writes: the relay"
        if self._writes:
            return False, "it is up and takes writes, but does not answer reads: the relay"
        return False, "it is up, but answers neither reads nor writes: the relay"

    def _said(self) -> str:
        return safe_line(self._refusal, _WORDS)

    async def why_not(self, others: Sequence[str]) -> tuple[bool | None, str]:
        """For a relay that was not reached: is it that one, or this end?"""
        if self._failure is not None and self._failure.turned_away:
            return False, "it is up, but turns you away: it may well serve others"
        if is_onion(self._url) and self._proxy_address is None:
            return None, "it was not tried: set `proxy` in config.toml to that of Tor, and again"
        if self._failure is not None and self._failure.step is ConnectStep.PROXY:
            return False, "it is you, or your proxy: nothing is sent without it"
        if is_private_host(host_of(self._url)):
            return False, "it is down: it stands in this network, so nobody else can tell"
        asked = [url for url in others if normalize_relay_url(url) != self._url]
        if not asked:
            return False, "it was not reached, and there is no other relay to compare with"
        reached = await self._reach(asked)
        if not reached:
            return False, f"it is you: none of {len(asked)} other relays was reached either"
        if self._failure is not None and self._failure.step is ConnectStep.TLS:
            return False, "it is the relay: its certificate is not to be trusted from here"
        return False, f"it is the relay: {len(reached)} of {len(asked)} others were reached"

    async def _reach(self, urls: Sequence[str]) -> list[str]:
        async def reach(url: str) -> str | None:
            try:
                socket, _ = await open_websocket(url, self._dial)
            except ConnectFailed:
                return None
            await socket.end()
            return url

        reached = await all_of(reach(url) for url in map(normalize_relay_url, urls))
        return [url for url in reached if url is not None]


class _Plain:
    """For the handful of events of a check: no worker process is worth its start."""

    async def verify_all(self, events: Sequence[Event]) -> list[bool]:
        return [event.verify() for event in events]


def _document_words(answer: http.Response) -> tuple[str, bool | None]:
    if answer.status != 200:
        return f"none: status {answer.status}", None
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return "none: what came is not JSON", None
    if not isinstance(document, dict):
        return "none: what came is no JSON object", None
    named = [document.get(key) for key in ("name", "software", "version")]
    words = [item for item in named if isinstance(item, str) and item]
    limits = document.get("limitation")
    if isinstance(limits, dict):
        walls = ("auth_required", "payment_required", "restricted_writes")
        words += [wall.replace("_", " ") for wall in walls if limits.get(wall) is True]
    return ", ".join(words) or "present, without a name", True

"""`nostr-client relays watch`: relays as they come and go, one line a change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any, Final

from nostr_client.cli.command import ASKING, add_command
from nostr_client.cli.protocol.relay_arguments import relays_given
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.net.health import RelayHealth

LOOK: Final = 0.2
"""Seconds between two looks at what the connections say."""


def watch(
    context: ClientContext,
    urls: Annotated[
        list[str] | None, Argument(metavar="[URL]...", help="Default: your relays.")
    ] = None,
    *,
    count: Annotated[
        int | None, Option("--count", "N", "End after so many lines.", 1, 1_000_000)
    ] = None,
    every: Annotated[
        float, Option("--every", "SECONDS", "How often one that is down is tried again.", 1, 86_400)
    ] = 30.0,
) -> None:
    """Keep connections to relays, and print a line whenever one comes up or goes down."""
    named = relays_given(urls)

    async def work() -> int:
        from nostr_client.cli.history import asked_relays
        from nostr_client.cli.protocol.asking import asking

        shown = 0
        async with asking(context, named) as client:
            watched = named or await asked_relays(client, None)
            try:
                async with asyncio.timeout(context.timeout):
                    async for health in _changes(client, watched, every):
                        context.out.emit(_record(health), _line(health))
                        shown += 1
                        if shown == count:
                            return shown
            except TimeoutError:
                pass  # what came until then was asked for
        return shown

    shown = wait_for(work())
    if count is not None and shown < count:
        raise CommandError(f"{shown} of {count} changes came in time", Exit.TIMED_OUT)


async def _changes(
    client: NostrClient, urls: Sequence[str], every: float
) -> AsyncIterator[RelayHealth]:
    """Each relay once it is known how it is, and then whenever that changes: also after an outage
    that was over between two looks."""
    said: dict[str, tuple[str, int]] = {}
    loop = asyncio.get_running_loop()
    retry_at = loop.time() + every
    with ExitStack() as kept:
        for url in urls:
            kept.enter_context(client.pool.kept(url))
        while True:
            for url in urls:
                health = client.pool.health(url)
                now = (_state(health), health.counters.connected)
                if now[0] and said.get(url, ("", 0)) != now:
                    said[url] = now
                    yield health
            if loop.time() >= retry_at:
                client.pool.retry_now(urls)
                retry_at = loop.time() + every
            await asyncio.sleep(LOOK)


def _state(health: RelayHealth) -> str:
    """Up, down or refusing; empty while that is not known."""
    from nostr_client.net.health import DOWN, REFUSING, SLOW_STATE, UP

    names = {UP: "up", SLOW_STATE: "up", DOWN: "down", REFUSING: "refusing"}
    return names.get(health.state, "")


def _record(health: RelayHealth) -> dict[str, Any]:
    return {
        "relay": health.url,
        "state": _state(health),
        "at": health.since,
        "latency": health.latency,
        "problem": health.problem,
        "last_word": health.last_word,
    }


def _line(health: RelayHealth) -> str:
    from nostr_client.cli.plain_lines import when
    from nostr_client.safe_text import safe_line

    latency = f"  {health.latency * 1000:.0f} ms" if health.latency is not None else ""
    problem = f"  {safe_line(health.problem, 160)}" if health.problem else ""
    return f"{when(int(health.since))}  {health.url}  {_state(health)}{latency}{problem}"


def add_to(group: Group) -> None:
    """It stands among the relays' commands."""
    add_command(group, "watch", watch, ASKING)

"""`nostr-client history`: what you wrote, on other relays and here."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.resilience.comparison import Comparison
    from nostr_client.resilience.history_progress import OwnSet, RelayHistory

Relays = Annotated[
    list[str] | None, Argument(metavar="RELAY...", help="Where to look. Default: your relays.")
]
Since = Annotated[str, Option("--since", metavar="WHEN", help="Nothing older: 30d, or 2026-01-31.")]


def fetch(
    context: ClientContext,
    relays: Relays = None,
    *,
    mentions: Annotated[bool, Option("--mentions", help="Also what names you.")] = False,
    since: Since = "",
) -> None:
    """Bring here all that you wrote, from whatever relays still have it."""
    from nostr_client.cli import times

    begin = times.since(since, time.time())
    account = context.must_act()

    finished: list[Comparison] = []

    def say(compared: Comparison) -> None:
        finished.append(compared)
        context.out.emit(_record(compared), _fetched_line(compared))

    async def work() -> None:
        from nostr_client.cli.progress import progress, started

        async with context.reading(account) as client:
            urls = await asked_relays(client, relays)
            begun, came = int(time.time()), started(client, urls)
            async with progress(
                context, lambda: f"{len(finished)} of {len(urls)} relays done{came()}"
            ):
                done = await client.comparisons.fetch(
                    urls, mentions=mentions, since=begin, on_done=say
                )
            if begin is None:
                await client.own_history.learn(done, begun)
            _conclude(context, done)

    wait_for(work())


def import_(
    context: ClientContext,
    file: Annotated[Path, Argument("FILE", "One event a line (JSON), as `keep export` writes.")],
) -> None:
    """Bring here all that you wrote out of a file; from then on it is sent to your relays."""
    account = context.must_act()

    async def work() -> None:
        from nostr_client.resilience.event_file import take_own

        async with context.reading(account) as client:
            taken = await take_own(file, client.pubkey, client.store, client.verifier)
            record = {name: getattr(taken, name) for name in taken.__struct_fields__}
            words = [f"{taken.new} new", f"{taken.held} were here"]
            words += [f"{taken.others} by others, not taken"] if taken.others else []
            words += [f"{taken.invalid} lines are no events"] if taken.invalid else []
            context.out.emit(record, ", ".join(words))
            if taken.invalid:
                context.exit_code = Exit.INCOMPLETE
            elif not taken.new + taken.held:
                context.exit_code = Exit.NOT_FOUND

    wait_for(work())


def status(context: ClientContext) -> None:
    """Whether all that you wrote is here, and what names you. A client that runs brings it."""
    account = context.must_act()

    async def work() -> None:
        async with context.reading(account, offline=True) as client:
            found = await client.own_history.status()
        if found.problem:
            context.out.note(found.problem, {"problem": found.problem})
        for which, relays in found.sets.items():
            since = found.complete_since(which)
            record = {"set": which.value, "complete_since": since or None, "relays": relays}
            context.out.emit(record, "\n".join(_status_lines(which, since, relays)))

    wait_for(work())


def _status_lines(which: OwnSet, since: int, relays: Mapping[str, RelayHistory]) -> Iterator[str]:
    from nostr_client.cli.plain_lines import when
    from nostr_client.safe_text import safe_line

    what = {"own": "own history", "mentions": "mentions"}[which.value]
    yield f"{what}: " + (f"complete since {when(since)}" if since else "not complete yet")
    for url, one in relays.items():
        last = f"all here at {when(one.complete_at)}" if one.complete_at else ""
        words = "; ".join(filter(None, (last, str(one))))
        yield f"  {safe_line(url, 200)}: {words}"


def compare(context: ClientContext, relays: Relays = None, *, since: Since = "") -> None:
    """What relays have of what you wrote, and you have not; and the other way round."""
    from nostr_client.cli import times
    from nostr_client.protocol.filters import Filter

    begin = times.since(since, time.time())
    account = context.must_act()

    async def work() -> None:
        async with context.reading(account) as client:
            mine = Filter(authors=frozenset({client.pubkey}), since=begin)
            done: list[Comparison] = []
            for url in await asked_relays(client, relays):
                compared = await client.comparisons.compare(url, mine)
                context.out.emit(_record(compared), _compared_line(compared))
                done.append(compared)
            _conclude(context, done)

    wait_for(work())


async def asked_relays(client: NostrClient, relays: Sequence[str] | None) -> list[str]:
    """The relays that the person named, in their normal spelling, else those of the account.

    Raises InvalidData, and CommandError where there are none.
    """
    from nostr_client.protocol.urls import normalize_relay_url

    if relays:
        urls = list(dict.fromkeys(map(normalize_relay_url, relays)))
        client.book.policy.allow(urls)
        return urls
    await client.courier.fetch_lists([client.pubkey])
    rows = [row.url for row in await client.relays.rows() if not row.own]
    if not rows:
        raise CommandError("there is no relay to ask: name some", Exit.USAGE)
    return rows


def _conclude(context: ClientContext, done: Sequence[Comparison]) -> None:
    """Say which relays did not answer to the end, and end with a code for it."""
    missed = [compared.end for compared in done if not compared.end.answered]
    for end in missed:
        context.out.note(str(end), {"relay": end.url, "how": end.how.value, "problem": end.words})
    if len(missed) == len(done):
        context.exit_code = Exit.NO_ANSWER
    elif missed or not all(compared.complete for compared in done):
        context.exit_code = Exit.INCOMPLETE


def _record(compared: Comparison) -> dict[str, Any]:
    return {
        "relay": compared.url,
        "mentions": compared.mentions,
        "how": compared.end.how.value,
        "road": compared.road.value,
        "why": compared.why,
        "both": compared.both,
        "only_here": sorted(id.hex() for id in compared.here),
        "only_there": sorted(id.hex() for id in compared.there),
        "complete": compared.complete,
        "windows": compared.windows,
        "requests": compared.requests,
        "bytes_sent": compared.sent,
        "bytes_received": compared.received,
        "new": compared.new,
        "unsent": compared.unsent,
    }


def _compared_line(compared: Comparison) -> str:
    found = f"{compared.both} in both, {len(compared.here)} only here, {len(compared.there)} there"
    return _line(compared, found)


def _fetched_line(compared: Comparison) -> str:
    unsent = f", {compared.unsent} that it has and does not send" if compared.unsent else ""
    return _line(compared, f"{compared.new} new{unsent}, {compared.both} were here")


def _line(compared: Comparison, found: str) -> str:
    from nostr_client.safe_text import safe_line

    if not compared.end.answered and not compared.both + compared.new:
        return f"{safe_line(compared.url, 200)}: {compared.end.how.value}"
    road = compared.road.value + (f" ({safe_line(compared.why, 80)})" if compared.why else "")
    size = (compared.sent + compared.received) / 1000
    more = "" if compared.complete else "; there may be more"
    return f"{safe_line(compared.url, 200)}: {found}{more}; {road}, {size:.1f} kB"


def add_to(root: Group) -> None:
    """They stand in a group of their own."""
    group = root.group(
        "history", "What you wrote, on relays and here: fetch, status, compare, import."
    )
    add_command(group, "fetch", fetch, CLIENT)
    add_command(group, "status", status, CLIENT)
    add_command(group, "compare", compare, CLIENT)
    add_command(group, "import", import_, CLIENT)

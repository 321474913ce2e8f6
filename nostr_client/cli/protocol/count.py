"""`nostr-client count`: how many events match a filter, as relays count them (NIP-45)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nostr_client.cli.command import ASKING, add_command
from nostr_client.cli.protocol.filter_options import FilterOptions
from nostr_client.cli.protocol.filter_source import FilterSource, Stdin
from nostr_client.cli.protocol.relay_arguments import Auth, Relays, relays_given
from nostr_client.command_line.tree import Group
from nostr_client.command_line.waiting import wait_for

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client.counting import EventCount
    from nostr_client.exits import CommandError
    from nostr_client.net.outcome import End
    from nostr_client.protocol.filters import Filter


def count(
    context: ClientContext,
    relays: Relays = None,
    *,
    options: FilterOptions,
    stdin: Stdin = False,
    auth: Auth = False,
) -> None:
    """Say how many events match, as relays count them (COUNT); of several as one number.

    One relay's number is exact for it; of several it is an estimate where they say whom they
    counted (HyperLogLog), and else a lower bound: they hold the same in part.
    """
    urls = relays_given(relays)
    source = FilterSource(context, options, stdin=stdin, may_be_bare=bool(urls))
    login = context.signer() if auth else None
    problems: list[CommandError] = []

    async def work() -> None:
        from nostr_client.cli.outcomes import say_missed
        from nostr_client.cli.protocol.asking import ANSWER_LIMIT, asking

        limit = context.timeout or ANSWER_LIMIT
        async with asking(context, urls, login) as client:
            async for wanted in source.each(client):
                found = await client.count(wanted, relays=urls or None, timeout=limit)
                context.out.emit(_record(wanted, found), str(found))
                if found.count is None:
                    problems.append(_uncounted(found))
                else:
                    say_missed(context, _ends(found))

    wait_for(work())
    source.conclude()
    if problems:
        raise problems[0]


def _record(wanted: Filter, found: EventCount) -> dict[str, Any]:
    return {
        "filter": wanted.to_dict(),
        "count": found.count,
        "precision": found.precision.value,
        "authors": found.authors,
        "relays": [
            {
                "relay": answer.url,
                "count": answer.count,
                "approximate": answer.approximate,
                "hll": answer.hll.hex() or None,
                "how": answer.how.value,
                "problem": "" if answer.count is not None else str(answer.cause),
            }
            for answer in found.answers
        ],
    }


def _ends(found: EventCount) -> dict[str, End]:
    """How each relay's part ended."""
    from nostr_client.net.outcome import End

    return {
        answer.url: End(
            url=answer.url,
            how=answer.how,
            prefix=answer.cause.prefix,
            reason=answer.cause.reason,
            problem=answer.cause.problem,
            status=answer.cause.status,
        )
        for answer in found.answers
    }


def _uncounted(found: EventCount) -> CommandError:
    """Why there is no number."""
    from nostr_client.cli.outcomes import not_found

    return not_found("nobody counted", _ends(found))


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "count", count, ASKING)

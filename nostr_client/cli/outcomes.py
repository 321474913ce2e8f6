"""What a command that reads came to: in words, as an exit code, and for programs.

It ends with 0 where it showed something, whoever else did not answer: that is said beside it. What
is known not to be all ends with 9. Where nothing is shown, that there is nothing, that nobody
answered and that it may not be read are three codes. With `--json` the same stands on standard
error, as one line with `outcome` and `missed`, unless there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from nostr_client.exits import CommandError, Exit
from nostr_client.net.outcome import (
    WORDS_SHOWN,
    End,
    How,
    Outcome,
    in_words,
    missed_of,
    outcome_of,
)
from nostr_client.routing.authentication import DENIED, NOT_TOLD
from nostr_client.safe_text import safe_line

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient

CODES: Final = {
    Outcome.FOUND: Exit.DONE,
    Outcome.INCOMPLETE: Exit.INCOMPLETE,
    Outcome.NOTHING: Exit.NOT_FOUND,
    Outcome.NO_ANSWER: Exit.NO_ANSWER,
    Outcome.NOT_ALLOWED: Exit.NOT_ALLOWED,
}


def say_missed(context: ClientContext, ends: Mapping[str, End], hint: str = "") -> None:
    """Something was shown: say who did not answer, and whether it is known not to be all."""
    if words := in_words(ends.values(), found=True):
        context.exit_code = CODES[outcome_of(ends.values(), found=True)]
        say = context.out.note if context.exit_code == Exit.DONE else context.out.fault
        say(words + hint, outcome_record(ends.values(), found=True))


def not_found(what: str, ends: Mapping[str, End], hint: str = "") -> CommandError:
    """Nothing was found: `what` says of what, and the relays say why."""
    outcome = outcome_of(ends.values(), found=False)
    words = f"{what}: {in_words(ends.values(), found=False)}{hint}"
    return CommandError(words, CODES[outcome], outcome_record(ends.values(), found=False))


async def conclude(
    context: ClientContext,
    client: NostrClient,
    ends: Mapping[str, End],
    *,
    shown: bool,
    nothing: str,
) -> None:
    """Say what came of asking; `nothing` are the words where nothing is `shown`.

    Raises CommandError for that.
    """
    hint = await login_hint(context, client, ends.values())
    if not shown:
        raise not_found(nothing, ends, hint)
    say_missed(context, ends, hint)


async def login_hint(context: ClientContext, client: NostrClient, ends: Iterable[End]) -> str:
    """What lets the account in, where a relay wants to know who reads; else empty."""
    walls = {end.url: end for end in missed_of(ends) if end.how is How.NOT_ALLOWED}
    untold = [url for url, end in walls.items() if end.problem in (NOT_TOLD, DENIED)]
    locked = walls.keys() & await client.book.account_relays() - set(untold)
    if context.login_problem and locked:
        return f" ({context.login_problem})"
    return f" ({allow_hint(untold)})" if untold else ""


def untold_hint(client: NostrClient) -> str:
    """The same of every relay that wanted to know who asks, in this run, and was not told."""
    untold = list(client.authenticator.untold) if client.authenticator is not None else []
    return f" ({allow_hint(untold)})" if untold else ""


def allow_hint(urls: Sequence[str]) -> str:
    """How the person lets relays know who they are."""
    url = safe_line(urls[0], WORDS_SHOWN) if len(urls) == 1 else "URL"
    return f"`nostr-client relays auth allow {url}` tells it that it is you"


def outcome_record(ends: Iterable[End], *, found: bool) -> dict[str, Any]:
    every = list(ends)
    return {
        "outcome": outcome_of(every, found=found).value,
        "missed": [
            {
                "relay": end.url,
                "how": end.how.value,
                "events": end.events,
                "prefix": end.prefix,
                "reason": end.reason,
                "problem": end.problem,
            }
            for end in missed_of(every)
        ],
    }

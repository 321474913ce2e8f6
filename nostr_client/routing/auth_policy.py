"""Who is told who we are (NIP-42). Pure: facts in, verdict out.

Rules, the first that fits:

- What the person said about a relay counts, whatever it is, for every purpose.
- The account's own relays are told: those of its relay list, of the configuration, its message
  relays (kind 10050), the own relay.
- Where somebody reads whom an event of ours addresses, the relay is told when that event is brought
  there: a message relay wants it against spam (NIP-17). What that shows is said once.
- A relay that is read only since somebody whom we read writes there is not told until the person
  says so, who is asked; but not about one that only strangers name: a note that leads there would
  put the question.
- Nobody else is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from nostr_client.net.session.pending import Purpose
from nostr_client.nips import nip10
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter

MOST_NAMED: Final = 3
"""People whom one purpose names."""


@dataclass(frozen=True, slots=True)
class AuthFacts:
    """What a relay is to the account, for one purpose.

    `own`: one of the account's own relays. `writes`: an event was brought there, and it is an
    `inbox` of somebody whom that addresses. `in_use`: more than strangers name this relay.
    """

    own: bool = False
    writes: bool = False
    inbox: bool = False
    in_use: bool = False


class AuthVerdict(Enum):
    """Is the relay told who we are?"""

    YES = "yes"
    SAID_ONCE = "yes, and the person hears once what that shows"
    ASK = "not until the person says so"
    NO = "no"


def judge_demand(facts: AuthFacts, word: bool | None) -> AuthVerdict:
    """What the rules say; `word` is the person's about this relay, None where there is none."""
    if word is not None:
        return AuthVerdict.YES if word else AuthVerdict.NO
    if facts.own:
        return AuthVerdict.YES
    if facts.writes:
        return AuthVerdict.SAID_ONCE if facts.inbox else AuthVerdict.NO
    return AuthVerdict.ASK if facts.in_use else AuthVerdict.NO


def disclosure(url: str) -> str:
    """What is said once, when `url`, where somebody reads, was told who writes to them."""
    return (
        f"{url} was told who you are, since you write to somebody who reads there: it keeps spam "
        "away that way. It learns that you write to somebody there, and your network address. "
        "Other relays where people get messages are told, too, when you write there and they ask; "
        "this is said once"
    )


def recipients(event: Event) -> tuple[str, ...]:
    """Whom a gift wrap is for: by their message relays it is known where they read."""
    return tuple(nip10.people_of(event)) if event.kind in kinds.GIFT_WRAPS else ()


def purpose_words(purpose: Purpose, owner: str, name: Callable[[str], str]) -> str:
    """What is wanted of a relay: "to read the notes of ben"; `name` gives that of a pubkey, safe to
    show, and `owner` is the account's."""
    if isinstance(purpose, Event):
        wrapped = purpose.kind in kinds.GIFT_WRAPS
        return "to send a private message" if wrapped else f"to send {_an_event(purpose.kind)}"
    told = dict.fromkeys(_reading(filter, owner) for filter in purpose)
    words = " and ".join(list(told)[:2])
    people = sorted(frozenset().union(*(filter.authors or () for filter in purpose)) - {owner})
    if not people:
        return f"to read {words}"
    named = ", ".join(name(pubkey) for pubkey in people[:MOST_NAMED])
    more = f" and {len(people) - MOST_NAMED} more" if len(people) > MOST_NAMED else ""
    return f"to read {words} of {named}{more}"


_NAMES: Final = (
    ("profiles", {kinds.METADATA}),
    ("lists", {kinds.FOLLOWS, kinds.MUTES, kinds.RELAY_LIST, kinds.DM_RELAYS}),
    ("profiles and lists", {kinds.METADATA, kinds.FOLLOWS, kinds.RELAY_LIST, kinds.DM_RELAYS}),
    ("private messages", {*kinds.GIFT_WRAPS, kinds.DIRECT_MESSAGE}),
    ("reactions", {kinds.REACTION}),
    ("comments", {kinds.COMMENT}),
)


def _reading(filter: Filter, owner: str) -> str:
    wanted = filter.kinds or frozenset()
    fits: Iterable[str] = (words for words, known in _NAMES if wanted and wanted <= known)
    what = "notes" if kinds.NOTE in wanted else next(iter(fits), "events")
    if owner and owner in filter.tags.get("p", ()):
        if what.endswith("lists"):
            return f"{what} that name you"
        return "what was written to you" if what == "events" else f"{what} to you"
    if filter.ids is not None or "e" in filter.tags:
        return f"single {what} and what was answered" if "e" in filter.tags else f"single {what}"
    return what


def _an_event(kind: int) -> str:
    names = {kinds.NOTE: "a note", kinds.REACTION: "a reaction", kinds.DELETION: "a deletion"}
    return names.get(kind, f"an event of kind {kind}")

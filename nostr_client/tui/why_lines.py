"""Why a note, a person or a relay is here, and what is waited for: facts into rows. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from nostr_client.net.outcome import How
from nostr_client.routing.auth_policy import purpose_words
from nostr_client.safe_text import safe_line
from nostr_client.social.sets import NamedSet
from nostr_client.social.views import ReadPart
from nostr_client.social.why import Because, Ground, Waiting, WhyNote, WhyPerson, WhyRelay
from nostr_client.tui.faces.zaps import shares_words
from nostr_client.tui.fact_rows import FactRow, headed
from nostr_client.tui.targets import PersonTarget, RelayTarget
from nostr_client.tui.time_format import date, passed
from nostr_client.tui.widgets.send_progress import relay_name

NAMED: Final = 3
MOST_ROWS: Final = 40
"""Rows of one sort: relays that brought a note, or questions to a relay."""
_WORDS: Final = 300
NameOf = Callable[[str], str]
_ROLES: Final = {
    "own": "what you wrote, and your lists",
    "mentions": "what others write to you",
    "indexed": "your profile and lists, as they are looked up",
}


def note_rows(why: WhyNote, lists: Sequence[NamedSet], name: NameOf, now: float) -> list[FactRow]:
    """Why a note is here, where it came from, what was checked."""
    rows = list(_reasons((*why.reasons, *why.author.reasons), name, now))
    rows += _lists(lists)
    rows += _writes(why.author, name, now)
    came = [
        FactRow(f"from {url}", "", f"{relay_name(url)}  {_at(at, now)}", opens=RelayTarget(url))
        for url, at in why.brought[:MOST_ROWS]
    ]
    if not came:
        came = [FactRow("from", "", "no relay that is remembered: it was written here, or inside")]
    rows += headed("came from", came)
    if why.own_relay is not None:
        words = "here too" if why.own_relay else "not there"
        rows.append(FactRow("own relay", "own relay", words))
    if goes := shares_words(why.event, name):
        rows.append(FactRow("zaps", "zaps", goes.removeprefix("zaps ")))
    checked = "id and signature hold" if why.signed else "its id or signature does NOT hold"
    tone = "list--good" if why.signed else "list--bad"
    rows.append(FactRow("checked", "checked", f"{checked}, looked at just now", tone))
    return rows


def person_rows(
    why: WhyPerson, lists: Sequence[NamedSet], name: NameOf, now: float
) -> list[FactRow]:
    """What the account has to do with somebody, and where they are read."""
    return [*_reasons(why.reasons, name, now), *_lists(lists), *_writes(why, name, now)]


def relay_rows(why: WhyRelay, owner: str, name: NameOf, now: float) -> list[FactRow]:
    """Why a relay is connected, what is asked of it for whom, and what it brought."""
    because = [FactRow(f"role {n}", "", words) for n, words in enumerate(why.roles)]
    if why.writers:
        words = f"{why.writers} of {why.followed} people you follow write there"
        because.append(FactRow("writers", "", words))
    if why.blocked:
        because = [FactRow("blocked", "", "you blocked it: it is never dialled", "list--bad")]
    rows = headed("because", because or [FactRow("because", "", "no list of yours names it")])
    rows += headed("reads", [_part(part, "") for part in why.parts])
    asked = [
        FactRow(
            f"asked {n}",
            "",
            f"{purpose_words(one.filters, owner, name)}  · {'goes on' if one.live else 'once'}, "
            f"since {_at(int(one.since), now)}, {_events(one.came)}",
        )
        for n, one in enumerate(why.asked[:MOST_ROWS])
    ]
    if more := len(why.asked) - len(asked):
        asked.append(FactRow("asked more", "", f"and {more} questions more"))
    rows += headed("asked now", asked or [FactRow("asked", "", "nothing")])
    rows.append(FactRow("brought", "brought", _delivered(why)))
    return rows


def waiting_rows(waiting: Waiting, now: float) -> list[FactRow]:
    """What the background reading waits for, relay by relay."""
    status = waiting.status
    if not status.running:
        words = "nothing is read at the moment"
    elif not status.planned:
        words = "for the lists that say who is read, and where"
    elif not waiting.parts:
        words = f"for nothing: {status.relays} relays have sent what they store"
    else:
        done = "the timeline is shown as it is" if status.is_complete else "the timeline fills up"
        words = f"{status.caught_up} of {status.relays} relays are through; {done}"
    rows = [FactRow("status", "waiting", words)]
    if status.problem:
        rows.append(FactRow("problem", "trouble", safe_line(status.problem, _WORDS), "list--bad"))
    silent = [_part(part, f"{relay_name(part.url)}: ") for part in waiting.parts[:MOST_ROWS]]
    return rows + headed("for", silent)


# Inside


def _reasons(reasons: Iterable[Because], name: NameOf, now: float) -> Iterator[FactRow]:
    rows = [
        FactRow(
            f"reason {n}",
            "",
            _because(reason, name, now),
            opens=PersonTarget(reason.people[0]) if reason.people else None,
        )
        for n, reason in enumerate(reasons)
    ]
    yield from headed("because", rows)


def _because(reason: Because, name: NameOf, now: float) -> str:
    people = ", ".join(name(pubkey) for pubkey in reason.people[:NAMED])
    if len(reason.people) > NAMED:
        people += f" and {len(reason.people) - NAMED} more"
    topics = ", ".join(f"#{safe_line(topic, 40)}" for topic in reason.names[:NAMED])
    when = f"{'at least ' if reason.at_least else ''}{date(reason.since, now)}"
    return {
        Ground.OWN: "it is yours",
        Ground.FOLLOWED: f"you follow the author, since {when}",
        Ground.REPOSTED: f"{people} reposted it, {_at(reason.since, now)}",
        Ground.NAMES_YOU: "it mentions you",
        Ground.ANSWERS_YOU: "it answers you",
        Ground.TOPIC: f"it is on {topics}, which you follow",
        Ground.KNOWN: f"{people}, whom you follow, follow the author",
        Ground.UNKNOWN: "nobody you follow is known to follow the author: it came with a thread, "
        "a search or something that was opened",
    }[reason.ground]


def _lists(lists: Sequence[NamedSet]) -> list[FactRow]:
    rows = [
        FactRow(f"list {one.address}", "", safe_line(one.title or one.identifier, 80))
        for one in lists[:MOST_ROWS]
    ]
    return headed("in your list", rows)


def _writes(why: WhyPerson, name: NameOf, now: float) -> list[FactRow]:
    who = name(why.pubkey)
    if why.source == "list":
        words = f"{who} writes to {_relays(why.writes)} (relay list of {date(why.list_at, now)})"
    elif why.source == "hint":
        words = f"{who} has no relay list here; others name {_relays(why.writes)}"
    else:
        words = f"nobody says where {who} writes: your own relays are asked"
    read = [
        FactRow(
            f"read {part.role} {part.url}",
            "",
            f"{relay_name(part.url)}: {_how(part)}",
            opens=RelayTarget(part.url),
        )
        for part in why.read[:MOST_ROWS]
    ]
    return [FactRow("writes", "writes to", words), *headed("read at", read)]


def _relays(urls: Sequence[str]) -> str:
    named = ", ".join(map(relay_name, urls[:NAMED]))
    more = f" and {len(urls) - NAMED} more" if len(urls) > NAMED else ""
    return f"{named}{more}" if named else "none that can be used"


def _part(part: ReadPart, before: str) -> FactRow:
    count = len(part.people)
    people = "1 person" if count == 1 else f"{count} people"
    what = _ROLES.get(part.role) or (
        f"posts of {people}"
        if part.role == "streamed"
        else f"whether it has more of {people} than others sent"
    )
    key = f"{part.role} {part.url}"
    return FactRow(key, "", f"{before}{what}: {_state(part)}", opens=RelayTarget(part.url))


def _how(part: ReadPart) -> str:
    word = "read live" if part.role == "streamed" else "compared with what others sent"
    return f"{word}: {_state(part)}"


def _state(part: ReadPart) -> str:
    if part.end.how is How.SILENT and not part.settled:
        return "waited for"
    if part.end.answered:
        return f"it sent what it stores, {_events(part.end.events)}"
    return safe_line(part.end.words or part.end.how.value, 160)


def _delivered(why: WhyRelay) -> str:
    known = why.came + why.lacked
    share = f"{why.came / known:.0%} of what is known of those who write there" if known else ""
    since = f"{_events(why.heard)} since the start"
    return f"{share}; {since}" if share else since


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"


def _at(at: int, now: float) -> str:
    """The very second, where it was today."""
    if not 0 <= now - at < 86_400:
        return passed(at, now)
    return time.strftime("%H:%M:%S", time.localtime(at))

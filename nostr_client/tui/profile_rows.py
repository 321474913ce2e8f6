"""What is told of a person beside what they wrote: facts into rows. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from nostr_client.protocol.event import Event
from nostr_client.routing.planner import PersonRelays
from nostr_client.safe_text import safe_line
from nostr_client.social.views import Profile
from nostr_client.social.why import WhyPerson
from nostr_client.tui.fact_rows import FactRow, headed
from nostr_client.tui.note_targets import web_target
from nostr_client.tui.targets import PersonTarget, RelayTarget, WhyTarget
from nostr_client.tui.time_format import date
from nostr_client.tui.widgets.send_progress import relay_name

MOST_PEOPLE: Final = 500
"""People of a follow list that are shown."""
MOST_NAMED: Final = 20
"""Identities elsewhere that are shown."""
_STATES: Final = {
    "valid": "its domain says so too",
    "invalid": "its domain says otherwise",
    "unreachable": "its domain does not answer",
    "unchecked": "not checked yet",
}


def mutual_words(*, follows_you: bool, names: Sequence[str], count: int | None) -> str:
    """`follows you · followed by Ana and 3 you follow`; `names` are safe, and `count` is of all
    whom the account follows that follow them, None where that is not known."""
    parts = ["follows you"] if follows_you else []
    if names:
        others = (count or len(names)) - 1
        more = f" and {others} more whom you follow" if others > 0 else ", whom you follow"
        parts.append(f"followed by {names[0]}{more}")
    return " · ".join(parts)


def about_rows(profile: Profile, status: str, identities: Iterable[Event]) -> list[FactRow]:
    """What they say of themselves; identities elsewhere are claimed, and not checked here."""
    rows = [FactRow("npub", "npub", profile.npub)]
    if profile.nip05:
        state = _STATES.get(profile.nip05_state, _STATES["unchecked"])
        rows.append(FactRow("nip05", "name", f"{safe_line(profile.nip05, 100)}: {state}"))
    if status:
        rows.append(FactRow("status", "now", safe_line(status, 300)))
    if site := safe_line(profile.website, 200).strip():
        opens = web_target(site)
        rows.append(FactRow("website", "website", site, opens=opens))
    if address := safe_line(profile.lud16 or profile.lud06, 200).strip():
        rows.append(FactRow("lud16", "lightning", address))
    if profile.bot:
        rows.append(FactRow("bot", "bot", "they say that they are a program"))
    named = dict.fromkeys(
        safe_line(tag[1], 120)
        for event in identities
        for tag in event.tags
        if tag[0] == "i" and len(tag) > 1 and tag[1].strip()
    )
    claims = [
        FactRow(f"identity {n}", "", f"{name}  (claimed, not checked)")
        for n, name in enumerate(list(named)[:MOST_NAMED])
    ]
    rows += headed("elsewhere", claims)
    if text := safe_line(profile.about, 2_000).strip():
        rows.append(FactRow("about", "about", text))
    return rows


def follow_rows(
    people: Sequence[str], profiles: Mapping[str, Profile], yours: Collection[str]
) -> list[FactRow]:
    """Whom they follow, in the order of their list; enter opens one."""
    if not people:
        return [FactRow("none", "", "No follow list of theirs is here; relays are asked for it.")]
    count = "1 person" if len(people) == 1 else f"{len(people):,} people"
    rows = [FactRow("count", "", count, "list--dim")]
    for pubkey in people[:MOST_PEOPLE]:
        person = profiles.get(pubkey) or Profile(pubkey)
        mark = "you too" if pubkey in yours else ""
        rows.append(FactRow(pubkey, mark, person.label, opens=PersonTarget(pubkey), person=person))
    if (more := len(people) - MOST_PEOPLE) > 0:
        rows.append(FactRow("more", "", f"and {more} more", "list--dim"))
    return rows


def relay_rows_of(relays: PersonRelays, why: WhyPerson, now: float) -> list[FactRow]:
    """Where they write and are written to, and what of that is used here."""
    if why.source != "list":
        words = "No relay list of theirs is here."
        if relays.write:
            words += " Others say that they write here:"
        rows = [FactRow("list", "", words, "list--dim")]
    else:
        rows = [FactRow("list", "", f"their list of {date(why.list_at, now)}", "list--dim")]
    used = {part.url: part for part in why.read}
    for url in dict.fromkeys((*relays.write, *relays.read, *used)):
        here = ""
        if (part := used.get(url)) is not None:
            word = "read live" if part.role == "streamed" else "compared with what others sent"
            here = f"  · {word}" if part.settled else f"  · {word}, waited for"
        role = _role(writes=url in relays.write, reads=url in relays.read)
        opens = WhyTarget(RelayTarget(url))
        rows.append(FactRow(url, role, f"{relay_name(url)}{here}", opens=opens))
    return rows


def _role(*, writes: bool, reads: bool) -> str:
    if writes and reads:
        return "both"
    return "writes" if writes else "reads" if reads else "besides"

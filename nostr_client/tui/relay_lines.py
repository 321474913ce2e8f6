"""All that is known of one relay, as the lines below the list of relays. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from nostr_client.net.health import DOWN, REFUSING, SLOW_STATE, UP
from nostr_client.safe_text import safe_line
from nostr_client.social.relay_portraits import RelayPortrait
from nostr_client.tui.copies_lines import DIM
from nostr_client.tui.keymap import key_for
from nostr_client.tui.time_format import latency, passed
from nostr_client.tui.widgets.send_progress import relay_name

_STYLES = {
    UP: "$text-success",
    SLOW_STATE: "$text-warning",
    DOWN: "$text-error",
    REFUSING: "$text-error",
}
_WORDS = 200
MOST_WORDS = 3
MOST_ASKED = 3


def portrait_lines(relay: RelayPortrait, now: float) -> Iterator[Content]:
    """What it is, how it fares, what it delivered, what is asked of it, what it said."""
    yield _title(relay)
    since = f", since {passed(relay.since, now)}" if relay.since else ""
    took = f", {latency(relay.latency)}" if relay.latency is not None else ""
    style = "$text-error" if relay.blocked else _STYLES.get(relay.state, "")
    yield _row("health", (f"{safe_line(relay.health, _WORDS)}{took}{since}", style))
    yield _row("took", _taken(relay))
    yield _row("delivered", _delivered(relay))
    yield _row("operator", _operator(relay))
    yield _row("document", _document(relay))
    asked = [safe_line(words, _WORDS) for words in relay.asked[:MOST_ASKED]] or ["nothing"]
    if more := len(relay.asked) - len(asked):
        asked[-1] += f"  (and {more} more: {key_for('relays.why')} says all)"
    for place, words in enumerate(asked):
        yield _row("asked" if place == 0 else "", words)
    for place, words in enumerate(reversed(relay.words[-MOST_WORDS:])):
        yield _row("said" if place == 0 else "", safe_line(words, 300))
    limits = relay.facts.limits.items()
    if each := [f"{safe_line(_short(name), 30)} {value:,}" for name, value in limits]:
        yield _row("limits", ", ".join(each))


def _row(name: str, words: str | tuple[str, str]) -> Content:
    return Content.assemble((f"{name:<10} ", DIM), words)


def _short(limit: str) -> str:
    """`max_message_length` as people say it."""
    return limit.removeprefix("max_").removesuffix("_limit").replace("_", " ")


def _title(relay: RelayPortrait) -> Content:
    facts = relay.facts
    software = safe_line(facts.software.rsplit("/", 1)[-1], 40)
    return Content.assemble(
        (safe_line(facts.name, 60) or relay_name(relay.url), "bold"),
        ("  in reserve" if relay.reserve else "", DIM),
        (f"  {software}" if software else "", DIM),
    )


def _taken(relay: RelayPortrait) -> str:
    asked = relay.taken + relay.refused
    if not asked:
        return "nothing was sent to it since the start"
    return f"{relay.taken} of {asked} sent to it" + (
        f" · {relay.refused} refused" if relay.refused else ""
    )


def _delivered(relay: RelayPortrait) -> str:
    forged = f" · {relay.forged} forged" if relay.forged else ""
    if relay.share is None:
        return f"nothing is known yet{forged}"
    people = "1 author" if relay.people == 1 else f"{relay.people} authors"
    bar = "█" * round(relay.share * 10)
    return f"{relay.share:.0%} of what is known of {people}  {bar:░<10}{forged}"


def _operator(relay: RelayPortrait) -> str:
    facts = relay.facts
    where = safe_line(", ".join(facts.countries[:3]), 30)
    contact = safe_line(facts.contact, 60)
    said = " · ".join(part for part in (contact, where) if part)
    others = ", ".join(map(relay_name, relay.neighbours[:4]))
    shared = f"falls with {others}" if others else "falls with none of yours"
    return f"{said} · {shared}" if said else shared


def _document(relay: RelayPortrait) -> str:
    facts = relay.facts
    if not facts.answered:
        return "it gives none" if facts.at else "not asked for yet"
    nips = ", ".join(map(str, facts.nips[:24])) or "none named"
    parts = [f"NIPs {nips}"]
    if facts.walls:
        parts.append(f"wants {', '.join(facts.walls)}")
    return " · ".join(parts)

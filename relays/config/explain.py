"""What a configuration means, in plain words: for a keeper who wants to know what he has set."""

from __future__ import annotations

from collections.abc import Iterator

from nostr_client.safe_text import safe_line
from relays.config.purposes import PURPOSES
from relays.config.relay_config import RelayConfig
from relays.config.sections import Rated
from relays.config.store_url import shown
from relays.config.sub_relays import SubRelay, sub_relays
from relays.networks import is_loopback

_WRITE = {
    "anyone": "anyone",
    "trusted": "people in the web of trust",
    "members": "members",
    "listed": "the keeper and the admins",
    "nobody": "nobody; imports, sync and mirrors go on",
}


def meaning(config: RelayConfig) -> list[str]:
    """Lines that say what holds, one sub-relay after the other."""
    lines = [f"profile: {config.profile} (for {PURPOSES[config.profile]})", _place(config)]
    lines.append(f"processes that answer: {_workers(config)}")
    lines += [f"known as: {', '.join(config.urls)}"] if config.urls else []
    if config.store is not None:
        lines.append(f"kept in {shown(config.store)}, by any number of nodes")
    if config.keepers:
        lines.append(f"keeper and admins: {len(config.keepers)}")
    if config.web.trusted_proxies:
        lines.append(f"addresses of clients: as told by {', '.join(config.web.trusted_proxies)}")
    every = sub_relays(config)
    for sub_relay in every:
        if len(every) > 1:
            kept = "" if config.store else f" (kept in {sub_relay.database})"
            lines += ["", f"{sub_relay.path}{kept}"]
        indent = "  " if len(every) > 1 else ""
        lines += [indent + line for line in _of_sub_relay(sub_relay)]
    return lines


def _place(config: RelayConfig) -> str:
    reach = "this machine only" if is_loopback(config.host) else "every machine that reaches it"
    port = f"port {config.port}" if config.port else "a free port"
    said = "; said on the local network" if config.web.announce else ""
    return f"listens on {config.host}, {port}: {reach}{said}"


def _workers(config: RelayConfig) -> str:
    if config.workers == "auto":
        return "by the machine's cores"
    return str(config.workers)


def _of_sub_relay(sub_relay: SubRelay) -> Iterator[str]:
    config = sub_relay.config
    yield f"name: {safe_line(config.name, 80)}"
    yield from _who(config)
    yield from _what(config)
    yield from _how_much(config)
    own = config.policies
    for what, names in (("plugin", own.plugins), ("policy", own.python), ("policy", own.questions)):
        for name in names:
            yield f"{what} of your own: {safe_line(name, 80)} (answers within {own.seconds:g} s)"


def _who(config: RelayConfig) -> Iterator[str]:
    access = config.access
    writers, readers = config.writers_are, config.readers_are
    named = f", and {len(access.writers)} more by name" if access.writers else ""
    demanded = ", once they have authenticated" if access.authenticated else ""
    yield f"who may write: {_WRITE[writers]}{named}{demanded}"
    named = f", and {len(access.readers)} more by name" if access.readers else ""
    reading = "the keeper" if readers == "nobody" else _WRITE[readers]
    demanded = "" if readers == "anyone" else ", once they have authenticated"
    yield f"who may read: {reading}{named}{demanded}"
    if access.authenticated_wraps:
        yield "who brings a gift wrap must authenticate"
    if access.greet:
        yield "everybody is asked to authenticate at once"
    if not access.scans:
        yield "questions must name ids, authors, kinds or tags"
    spares = config.events.work_of == "strangers" and config.events.work
    if "trusted" in (writers, readers) or spares:
        trust = config.trust
        roots = len(trust.roots) or len(config.keepers)
        far = f", and those whom {trust.followers} or more of these follow"
        if roots:
            yield (
                f"web of trust: whom {roots} {'person follows' if roots == 1 else 'people follow'}"
                f"{far if trust.depth > 1 else ''}, by the follow lists that this relay holds"
            )
        else:
            yield "web of trust: nobody (neither trust.roots nor pubkey is set)"


def _what(config: RelayConfig) -> Iterator[str]:
    events, limits = config.events, config.limits
    if events.kinds:
        yield f"kinds: only {_listed(events.kinds)}"
    if events.refused_kinds:
        yield f"kinds refused: {_listed(events.refused_kinds)}"
    if events.to:
        yield f"only what names certain people ({len(events.to)}), or is theirs"
    if events.authors:
        yield f"authors: only {len(events.authors)} by name"
    if events.refused_authors:
        yield f"authors refused: {len(events.refused_authors)}"
    if events.words:
        yield f"words refused: {len(events.words)}"
    for rule in events.rules:
        yield f"kinds {_listed(rule.kinds)} have a rule of their own"
    if events.work:
        whose = "of everybody" if events.work_of == "everyone" else "of strangers"
        yield f"proof of work: {events.work} bits {whose} (some {2**events.work:,} tries)"
    twice = events.duplicates
    if twice.by_one:
        yield f"the same text: {twice.by_one} times by one key within {twice.seconds} s"
    if twice.by_many:
        yield f"the same text: by {twice.by_many} keys within {twice.seconds} s"
    behind = limits.created_at_behind
    old = "as old as they like" if behind is None else f"not older than {behind} s"
    yield (
        f"events: up to {limits.message_bytes:,} bytes and {limits.event_tags:,} tags, {old},"
        f" not more than {limits.created_at_ahead} s ahead"
    )


def _how_much(config: RelayConfig) -> Iterator[str]:
    rated = [("events", config.rates.events), ("queries", config.rates.queries)]
    for what, rates in (*rated, ("bytes served", config.rates.bytes)):
        said = list(_rates(rates))
        if said:
            yield f"{what}: {'; '.join(said)}"
    if config.rates == type(config.rates)():
        yield "rates: none"


def _rates(rated: Rated) -> Iterator[str]:
    for name in ("address", "key", "connection"):
        rate = getattr(rated, name)
        if rate is not None:
            yield f"{rate} for one {name}"


def _listed(kinds: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, kinds[:10]))
    return shown if len(kinds) <= 10 else f"{shown} and {len(kinds) - 10} more"

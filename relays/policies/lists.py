"""Which kinds, authors and people: lists that a keeper made."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from relays.config.sections import EventRules, KindRule
from relays.policies.verdict import ACCEPTED, IncomingEvent, Policy, Verdict, refused


def only_kinds(kinds: Collection[int]) -> Policy:
    """Nothing but these."""
    allowed = frozenset(kinds)

    def check(incoming: IncomingEvent) -> Verdict:
        if incoming.event.kind in allowed:
            return ACCEPTED
        return refused(f"blocked: events of kind {incoming.event.kind} are not kept here")

    return check


def not_kinds(kinds: Collection[int]) -> Policy:
    """None of these."""
    refusals = frozenset(kinds)

    def check(incoming: IncomingEvent) -> Verdict:
        if incoming.event.kind not in refusals:
            return ACCEPTED
        return refused(f"blocked: events of kind {incoming.event.kind} are not kept here")

    return check


def only_authors(authors: Collection[str]) -> Policy:
    """Nothing but what these public keys (hex) wrote."""
    allowed = frozenset(authors)

    def check(incoming: IncomingEvent) -> Verdict:
        if incoming.event.pubkey in allowed:
            return ACCEPTED
        return refused("blocked: this relay keeps the events of certain authors only")

    return check


def not_authors(authors: Collection[str]) -> Policy:
    """Nothing of what these public keys (hex) wrote."""
    refusals = frozenset(authors)

    def check(incoming: IncomingEvent) -> Verdict:
        if incoming.event.pubkey not in refusals:
            return ACCEPTED
        return refused("blocked: this relay does not keep this author's events")

    return check


def naming(people: Collection[str]) -> Policy:
    """Only what names one of `people` in a `p` tag, and what they wrote themselves."""
    wanted = frozenset(people)

    def check(incoming: IncomingEvent) -> Verdict:
        event = incoming.event
        if event.pubkey in wanted or any(pubkey in wanted for pubkey in event.values("p")):
            return ACCEPTED
        return refused("blocked: only what names this relay's keeper (a p tag) is kept here")

    return check


def by_kind(rules: Iterable[KindRule]) -> Policy:
    """What holds for single kinds; the work that they ask for is another policy's."""
    of_kind: dict[int, list[Policy]] = {}
    for rule in rules:
        for kind in rule.kinds:
            of_kind.setdefault(kind, []).extend(_checks(rule, kind))

    def check(incoming: IncomingEvent) -> Verdict:
        for policy in of_kind.get(incoming.event.kind, ()):
            verdict = policy(incoming)
            if not verdict.accepted:
                return verdict
        return ACCEPTED

    return check


def _checks(rule: KindRule, kind: int) -> list[Policy]:
    checks: list[Policy] = []
    if rule.authors:
        checks.append(_of_authors(rule.authors, kind, wanted=True))
    if rule.refused_authors:
        checks.append(_of_authors(rule.refused_authors, kind, wanted=False))
    if (rule.content_length, rule.tags, rule.people) != (None, None, None):
        checks.append(_of_size(rule, kind))
    return checks


def _of_authors(authors: Collection[str], kind: int, *, wanted: bool) -> Policy:
    listed = frozenset(authors)

    def check(incoming: IncomingEvent) -> Verdict:
        if (incoming.event.pubkey in listed) is wanted:
            return ACCEPTED
        return refused(f"blocked: this author's events of kind {kind} are not kept here")

    return check


def _of_size(rule: KindRule, kind: int) -> Policy:
    most_content, most_tags, most_people = rule.content_length, rule.tags, rule.people

    def check(incoming: IncomingEvent) -> Verdict:
        event = incoming.event
        if most_content is not None and len(event.content) > most_content:
            return refused(
                f"invalid: the content of kind {kind} may have {most_content} characters here"
            )
        if most_tags is not None and len(event.tags) > most_tags:
            return refused(f"invalid: an event of kind {kind} may have {most_tags} tags here")
        if most_people is not None and sum(1 for _ in event.values("p")) > most_people:
            return refused(f"invalid: an event of kind {kind} may name {most_people} here (p tags)")
        return ACCEPTED

    return check


def lists(events: EventRules, always: Collection[int] = ()) -> list[Policy]:
    """The policies that a keeper's lists ask for; no list of kinds keeps `always` out."""
    policies: list[Policy] = []
    if events.kinds:
        policies.append(only_kinds({*events.kinds, *always}))
    if events.refused_kinds:
        policies.append(not_kinds(events.refused_kinds))
    if events.authors:
        policies.append(only_authors(events.authors))
    if events.refused_authors:
        policies.append(not_authors(events.refused_authors))
    if events.to:
        policies.append(naming(events.to))
    if events.rules:
        policies.append(by_kind(events.rules))
    return policies

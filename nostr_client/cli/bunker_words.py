"""What a bunker's person is shown: who asks, for what, and what was asked. Whatever a client says
goes through `safe_text`, and its lines begin with a bar: none can pass for one of ours."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from nostr_client.bunker.files import RequestLogEntry
from nostr_client.bunker.questions import Consented, Question
from nostr_client.bunker.state import BunkerClient, BunkerState, ClientRule
from nostr_client.cli.plain_lines import BAR, when
from nostr_client.nips import nip19
from nostr_client.nips.nip46 import BunkerMethod, Permission
from nostr_client.protocol.event import Draft
from nostr_client.safe_text import first_lines, safe_line

LINES: Final = 6
CHARACTERS: Final = 500
TAGS: Final = 6
WIDTH: Final = 100
_KINDS: Final = {
    0: "profile",
    1: "note",
    3: "follow list",
    4: "private message of the old form",
    5: "deletion",
    6: "repost",
    7: "reaction",
    13: "sealed private message",
    62: "request to vanish: relays delete everything of yours",
    1059: "gift wrap",
    1111: "comment",
    1984: "report",
    10000: "mute list",
    10002: "relay list",
    10050: "list of message relays",
    22242: "login to a relay",
    27235: "login to a website",
    30023: "article",
}
_METHODS: Final = {
    BunkerMethod.NIP44_ENCRYPT: "encrypt texts",
    BunkerMethod.NIP44_DECRYPT: "decrypt what is for you, private messages too",
    BunkerMethod.NIP04_ENCRYPT: "encrypt texts in the old form (NIP-04)",
    BunkerMethod.NIP04_DECRYPT: "decrypt what is for you in the old form (NIP-04)",
}
CHOICES: Final = {
    "y": Consented.YES,
    "n": Consented.NO,
    "a": Consented.ALWAYS,
    "h": Consented.HOUR,
    "v": Consented.NEVER,
}


def question_text(question: Question) -> str:
    """All lines of a question but the one that is answered."""
    who = question.client.label
    if question.connecting:
        lines = [f"{who} asks to be allowed, without a question each time, to"]
        lines += [f"  - {permission_words(one)}" for one in question.permissions]
        return "\n".join(lines)
    lines = [f"{who} wants to {permission_words(question.permissions[0], once=True)}"]
    if question.peer:
        lines.append(f"  with {nip19.encode_npub(question.peer)}")
    if question.draft is not None:
        lines += _draft_lines(question.draft)
    elif question.text and question.permissions[0].method.endswith("_encrypt"):
        lines += [f"{BAR}{line}" for line in first_lines(question.text, LINES, CHARACTERS)]
    if question.objection:
        lines.append(f"WARNING: {safe_line(str(question.objection))}")
    return "\n".join(lines)


def choices(question: Question) -> str:
    """What may be answered, on the line where it is."""
    if question.objection and question.objection.phrase:
        return f"Type “{question.objection.phrase}” to sign it all the same; else [n]o: "
    if question.objection:
        return "Sign it all the same? [y]es, [n]o: "
    if question.connecting:
        return "[y]es, [n]o: ask me each time, for an [h]our, ne[v]er: "
    what = question.permissions[0]
    return f"[y]es once, [n]o, [a]lways ({what}), for an [h]our, ne[v]er: "


def choice_of(question: Question, typed: str) -> Consented | None:
    """What was meant; None where that is not clear."""
    if question.objection and (phrase := question.objection.phrase):
        return Consented.YES if typed.strip() == phrase else Consented.NO
    chosen = CHOICES.get(typed.strip().casefold()[:1])
    plain = (Consented.YES, Consented.NO)
    if question.objection and chosen not in plain:
        return None
    if question.connecting and chosen is Consented.ALWAYS:
        return Consented.YES
    return chosen


def permission_words(permission: Permission, *, once: bool = False) -> str:
    """As a person understands it, with the words of the NIP; `once`: of one request."""
    if permission.method != BunkerMethod.SIGN_EVENT:
        words = _METHODS.get(BunkerMethod(permission.method), "") if _known(permission) else ""
        return f"{words} ({permission})" if words else f"do “{safe_line(str(permission), 60)}”"
    if permission.kind is None:
        return "sign events of every kind (sign_event)"
    name = _KINDS.get(permission.kind)
    what = "an event" if once else "events"
    return f"sign {what} of kind {permission.kind}{f': {name}' if name else ''}"


def client_lines(client: BunkerClient, now: int) -> Iterator[str]:
    """A client and its rules."""
    yield f"{client.label}  since {when(client.connected_at)}"
    if url := safe_line(client.metadata.url, 80):
        yield f"    says it is at {url}"
    for rule in client.rules:
        if rule.holds(now):
            yield f"    {_rule_words(rule)}"


def log_line(entry: RequestLogEntry, state: BunkerState) -> str:
    """One request; or strangers."""
    at = f"{when(entry.at)[:10]} {time.strftime('%H:%M:%S', time.localtime(entry.at))}"
    if not entry.client:
        requests = "1 request" if entry.count == 1 else f"{entry.count} requests"
        return f"{at}  {requests} of programs that are not connected"
    client = state.client(entry.client)
    who = client.label if client else entry.client[:12]
    kind = "" if entry.kind is None else f":{entry.kind}"
    event = f"  {entry.event[:12]}" if entry.event else ""
    return f"{at}  {who}  {entry.method}{kind}  {entry.outcome}{event}"


def permissions_text(permissions: Iterable[Permission]) -> str:
    """Several, one a line."""
    return "\n".join(f"  - {permission_words(one)}" for one in permissions)


def _known(permission: Permission) -> bool:
    return permission.method in frozenset(BunkerMethod)


def _rule_words(rule: ClientRule) -> str:
    until = f" until {when(rule.until)}" if rule.until else ""
    return f"{'may' if rule.allow else 'may not'} {permission_words(rule.permission)}{until}"


def _draft_lines(draft: Draft) -> list[str]:
    lines = [f"{BAR}{line}" for line in first_lines(draft.content, LINES, CHARACTERS)]
    lines += [f"{BAR}{_tag(tag)}" for tag in draft.tags[:TAGS]]
    if len(draft.tags) > TAGS:
        lines.append(f"{BAR}… {len(draft.tags)} tags in all")
    if draft.created_at is not None:
        lines.append(f"  dated {when(draft.created_at)}")
    return lines


def _tag(tag: Sequence[str]) -> str:
    return safe_line(" ".join(item[:WIDTH] for item in tag[:4]), WIDTH)

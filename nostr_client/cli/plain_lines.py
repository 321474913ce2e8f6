"""How records look in plain lines. Every text from the network passes through safe_text here.

Nor can a text pass for a line of ours: each line of what somebody wrote begins with a bar, also
where a terminal would wrap it, and no head of a note does. What a head says of a person after the
name stands in round brackets and between middle dots, which are taken out of names.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from nostr_client.cli.json_records import not_understood
from nostr_client.cli.outcomes import allow_hint
from nostr_client.errors import InvalidCode
from nostr_client.net.report import OVERTAKEN, Left
from nostr_client.nips import nip19
from nostr_client.protocol.kinds import NOTE
from nostr_client.routing.authentication import DENIED, NOT_TOLD
from nostr_client.safe_text import cells, first_lines, safe_line, safe_text
from nostr_client.store.rules import read_address

if TYPE_CHECKING:
    from nostr_client.accounts.account import Account
    from nostr_client.net.relay_check import CheckStep
    from nostr_client.protocol.event import Event
    from nostr_client.social.notification_views import Notification
    from nostr_client.social.relay_portraits import RelayPortrait
    from nostr_client.social.views import NoteView, Posted, Profile, Quote, RelayRow, ThreadView
    from nostr_client.store.contract import Copy

WORDS = 100
"""Terminal cells for a relay's own words."""
MOST_NAMED: Final = 3
"""People, or relays, whom one line names."""
BAR: Final = "│ "
END: Final = "└ "
FORK: Final = "├ "
"""Begins a line of ours between what people wrote."""
_NARROWEST: Final = 20
_OURS: Final = str.maketrans(
    {
        **dict.fromkeys("(（❨﴾⁽₍", "["),
        **dict.fromkeys(")）❩﴿⁾₎", "]"),
        **dict.fromkeys("·•∙⋅・‧", "."),
    }
)
_NOT_A_NAME: Final = re.compile("^[\\s\u2500-\u259f|]+")
"""Bars and frames, before a name."""


def account_line(account: Account) -> str:
    mark = "*" if account.current else " "
    name = safe_line(account.name) or "-"
    return f"{mark} {name}  {account.npub}  {account.protection}"


def notification_line(row: Notification, person: Profile, strange: bool) -> str:
    """When, what, who, and what it is about; safe, one line."""
    others = f" and {row.count - 1} more" if row.count > 1 else ""
    event = row.event if row.sort.is_said else row.target
    words = [f"{safe_line(person.label, WORDS).translate(_OURS)}{others}"]
    words += ["(nobody you know follows them)"] if strange else []
    if row.zapped.claims:
        words.append(f"· {row.zapped.claimed // 1000:,} sats claimed")
    words += [f"· {safe_line(event.content, WORDS)}"] if event else []
    return f"{when(row.at)}  {row.sort.value:<8}  {' '.join(words)}"


def when(seconds: int) -> str:
    """A time in the person's own zone; a number where the calendar ends."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def name_of(profile: Profile) -> str:
    """A person's label as a head shows it: nothing in it looks like what we say."""
    return _NOT_A_NAME.sub("", profile.label).translate(_OURS) or profile.short_npub


def quoted(text: str, width: int = 0) -> list[str]:
    """The lines of what somebody wrote, each behind a bar and at most `width` cells wide.

    0 is without limit: then whoever shows them does not wrap.
    """
    room = max(width - len(BAR), _NARROWEST) if width else 0
    return [BAR + part for line in safe_text(text).split("\n") for part in _wrapped(line, room)]


def _wrapped(line: str, room: int) -> Iterator[str]:
    if not room:
        yield line
        return
    line = line.expandtabs()
    start = used = 0
    for place, char in enumerate(line):
        before = line[place - 1 : place]
        wide = cells(before + char) - cells(before)  # a selector makes what is before it wider
        if used + wide > room:
            blank = line.rfind(" ", start + room // 2, place)
            end = blank + 1 if blank > 0 else place
            yield line[start:end]
            start, used = end, cells(line[end:place])
        used += wide
    yield line[start:]


def note_lines(note: NoteView, depth: int = 0, width: int = 0, most: int = 0) -> str:
    """A note as people read it, ended by its code, with which it can be answered.

    `width` is that of the terminal in cells, 0 without one; `most` lines of it are shown, 0 is all.
    """
    margin = "  " * min(depth, 8)
    room = width - len(margin) if width else 0
    lines = [_head(note)]
    if note.orphan_of:
        lines.append(f"{FORK}answers a note that is not here: {named(note.orphan_of)}")
    if not note.missing:
        said = quoted(_body(_text(note.event), note.warning), room)
        if most and len(said) > most:
            said[most:] = [f"{BAR}… {len(said) - most} more lines: nostr-client thread shows them"]
        lines += said
        for quote in note.quotes:
            lines += _quote(quote, room)
    counts = [
        f"{count} {one if count == 1 else many}"
        for count, one, many in (
            (note.replies, "reply", "replies"),
            (note.reactions, "reaction", "reactions"),
            (note.reposts, "repost", "reposts"),
        )
        if count
    ]
    if note.wanted:
        counts.append(f"{note.copies or 0} of {note.wanted} copies")
    code = nip19.encode_note(note.missing) if note.missing else code_of(note.event)
    lines.append(END + " · ".join([code, *counts]))
    return "\n".join(margin + line for line in lines) + "\n"


def _head(note: NoteView) -> str:
    who = name_of(note.author)
    if note.author.handle:
        who += f" ({note.author.handle})"
    kind = "" if note.event.kind == NOTE or note.missing else f" · kind {note.event.kind}"
    head = f"{who} · {when(note.event.created_at)}{kind}"
    if note.missing:
        return f"{head} · reposted a note that is not here"
    if note.reposted_by is not None:
        head += f" · reposted by {name_of(note.reposted_by)}"
    if note.reply_to is not None:
        head += f" · to {name_of(note.reply_to)}"
    return head


def _text(event: Event) -> str:
    """What an event says: where it is no note its title first, or what it says of itself (NIP-31)
    where there is no text."""
    if event.kind == NOTE:
        return event.content
    title = event.value("title") or ""
    return "\n".join(filter(None, (title, event.content))) or event.value("alt") or ""


def named(key: str) -> str:
    """The code of what is not here: of an event by its id, or by its address."""
    found = read_address(key)
    if found is None:
        return nip19.encode_note(key)
    try:
        return nip19.encode_naddr(*found)
    except InvalidCode:  # a long identifier has none
        return safe_line(key, WORDS)


def _body(text: str, warning: str | None) -> str:
    if warning is None:
        return text
    return f"[content warning: {safe_line(warning, WORDS) or 'no reason given'}]\n{text}"


def _quote(quote: Quote, room: int) -> list[str]:
    """The beginning of a note that another one quotes, under a line of ours: below that line the
    author of the other note has no more words."""
    if quote.event is None or quote.author is None:
        return [f"{FORK}quotes a note that is not here: {named(quote.id)}"]
    event = quote.event
    head = f"{FORK}quotes {name_of(quote.author)} · {when(event.created_at)} · {code_of(event)}"
    text = "" if quote.warning is not None else "\n".join(first_lines(_text(event)))
    return [head, *quoted(_body(text, quote.warning).rstrip("\n"), room)]


def missing_words(view: ThreadView) -> str:
    """How many notes of a thread are not here, and who was asked for them."""
    asked = [url for url, end in view.ends.items() if end.answered]
    named = ", ".join(safe_line(url, WORDS) for url in asked[:MOST_NAMED])
    more = f" and {len(asked) - MOST_NAMED} more" if len(asked) > MOST_NAMED else ""
    where = f"; asked: {named}{more}" if asked else ""
    count = len(view.missing)
    return f"{count} {'note' if count == 1 else 'notes'} of this thread could not be found{where}"


def sent_lines(sent: int, unsent: int, left: Sequence[Copy]) -> str:
    """What became of what waited: how many notes a relay has now, and which relays have not."""
    if not (sent or unsent or left):
        return "nothing waits to be sent"
    words = f"{sent} sent" if sent or unsent else "every note has a relay"
    if unsent:
        words += f", {unsent} kept here and tried again"
    relays: dict[str, list[Copy]] = {}
    for copy in left:
        relays.setdefault(copy.url, []).append(copy)
    lines = [
        f"  {safe_line(url)}: {len(copies)} waiting"
        + (f": {safe_line(copies[-1].reason, WORDS)}" if copies[-1].reason else "")
        for url, copies in sorted(relays.items())
    ]
    return "\n".join([words, *lines])


def profile_lines(profile: Profile, width: int = 0) -> str:
    """Who somebody says they are; `width` as in `note_lines`."""
    lines = [name_of(profile), profile.npub]
    said = {
        f"nip05 ({profile.nip05_state})": safe_line(profile.nip05, WORDS),
        "website": safe_line(profile.website, 300),
        "lud16": safe_line(profile.lud16, 300),
        "picture": safe_line(profile.picture, 300),
    }
    lines += [f"{what}: {text}" for what, text in said.items() if text]
    if profile.about:
        lines += quoted(profile.about, width)
    if raw := not_understood(profile):
        lines += ["this profile is not understood; it says:", *quoted(raw, width)]
    return "\n".join(lines)


_of_the_clock: Final = re.compile("created_?at|future|timestamp|clock|too (?:new|old)", re.I).search
"""What relays say of a date that is not theirs."""


def code_of(event: Event) -> str:
    """The code that names it: NIP-19's note for a note, nevent for any other kind."""
    if event.kind == NOTE:
        return nip19.encode_note(event.id)
    return nip19.encode_nevent(event.id, (), event.pubkey, event.kind)


def posted_lines(posted: Posted, own: str) -> str:
    """The event's code, each relay's answer, and the sum of it."""
    lines = [code_of(posted.event)]
    answers = [answer for answer in posted.report.answers if answer.url != own]
    for answer in answers:
        mark = "+" if answer.accepted else "x" if answer.accepted is False else "?"
        lines.append(f"  {mark} {safe_line(str(answer), 2 * WORDS)}")
    took = sum(bool(answer.accepted) for answer in answers)
    here = (
        "the copy here and on your own relay" if own in posted.report.accepted else "the copy here"
    )
    total = f"{took} of {len(answers)}, and {here}"
    pending = sum(answer.url != own for answer in posted.report.pending)
    if pending:
        total += "; what is missing is tried again"
    elif took < len(answers):
        total += "; who refused it does not take it"
    elif not answers:
        total = f"no relay is on your list yet; {here} is kept (`nostr-client relays add URL`)"
    if any(_of_the_clock(answer.reason) for answer in posted.report.refused):
        total += f"; is this machine's clock right? It says {when(int(time.time()))}"
    if untold := [a.url for a in posted.report.refused if a.problem in (NOT_TOLD, DENIED)]:
        total += f"; {allow_hint(untold)}"
    if posted.report.overtaken:
        total += f"; {OVERTAKEN}"
    if posted.report.instead:
        others = ", ".join(safe_line(url, WORDS) for url in posted.report.instead)
        lines.append(f"relays of your list are down, so it was sent to others too: {others}")
    lines += _left_out(posted.report.left_out)
    return "\n".join([*lines, total])


def _left_out(left: Mapping[str, Left]) -> list[str]:
    """One line for each reason: who, and why."""
    lines: list[str] = []
    for why in Left:
        people = [nip19.encode_npub(pubkey) for pubkey, one in left.items() if one is why]
        if people:
            more = f" and {len(people) - MOST_NAMED} more" if len(people) > MOST_NAMED else ""
            named = ", ".join(people[:MOST_NAMED])
            lines.append(f"not sent where these read, for {why.value}: {named}{more}")
    return lines


def relay_line(row: RelayRow) -> str:
    role = ("own" if row.own else "") or "".join(
        letter for letter, has in (("r", row.read), ("w", row.write)) if has
    )
    parts = [safe_line(row.url, 2 * WORDS), role or "-"]
    if row.fallback:
        parts.append("stands in: no relay list yet")
    if row.gone:
        parts.append(row.gone)
    if row.last_word:
        parts.append(safe_line(row.last_word, WORDS))
    return "  ".join(parts)


def short_name(pubkey: str) -> str:
    """Somebody whose name is not looked for."""
    from nostr_client.social.views import Profile

    return Profile(pubkey).short_npub


def portrait_lines(relay: RelayPortrait) -> list[str]:
    """All that is known of a relay, one thing a line."""
    facts = relay.facts
    share = "nothing known" if relay.share is None else f"{relay.share:.0%} of what is known"
    walls = f"; wants {', '.join(facts.walls)}" if facts.walls else ""
    nips = f"NIPs {', '.join(map(str, facts.nips))}{walls}" if facts.answered else "none"
    each = {
        "relay": f"{relay.url}  {facts.name}  {facts.software}",
        "health": relay.health,
        "delivered": f"{share}, of {relay.people} people",
        "falls with": ", ".join(relay.neighbours) or "none of yours",
        "document": nips,
        "contact": facts.contact,
        "said": " | ".join(relay.words),
    }
    return [f"{name:<11}{safe_line(words, 4 * WORDS)}" for name, words in each.items() if words]


def step_line(step: CheckStep) -> str:
    mark = {True: "+", False: "x", None: "?"}[step.ok]
    took = f"  {step.seconds * 1000:.0f} ms" if step.seconds else ""
    return f"{mark} {safe_line(step.name, WORDS)}: {safe_line(step.detail, 2 * WORDS)}{took}"

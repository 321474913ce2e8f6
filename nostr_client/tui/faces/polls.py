"""Polls: the question, its answers, and how they stand (NIP-88)."""

from __future__ import annotations

from typing import Final

from textual.content import Content

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.social.poll_views import PollOption, PollView, poll_view
from nostr_client.social.views import NoteView
from nostr_client.tui.faces.face import Face
from nostr_client.tui.faces.sheet import Sheet
from nostr_client.tui.time_format import ahead, passed

MOST_OPTIONS: Final = 20
BAR: Final = 10
"""Cells of a bar that stands for everybody."""


def _option(poll: PollView, option: PollOption) -> str:
    """`● Yay ██████░░░░ 60 % · 3 votes`; the filled sign is one's own choice."""
    sign = "●" if option.mine else "○"
    if not poll.voters:
        return f"{sign} {option.label}"
    share = poll.share(option)
    filled = round(share * BAR)
    votes = "1 vote" if option.votes == 1 else f"{option.votes:,} votes"
    bar = "█" * filled + "░" * (BAR - filled)
    return f"{sign} {bar} {share:.0%} · {votes} · {option.label}"


def _rules(poll: PollView, now: float) -> str:
    words = "several answers can be chosen" if poll.multiple else "one answer can be chosen"
    voters = {0: "no votes here yet", 1: "1 person voted"}
    words += f" · {voters.get(poll.voters, f'{poll.voters:,} people voted')}"
    if poll.ends_at is None:
        return words
    over = now > poll.ends_at
    when = f"ended {passed(poll.ends_at, now)}" if over else f"ends {ahead(poll.ends_at, now)}"
    return f"{words} · {when}"


def _lines(view: NoteView, sheet: Sheet) -> list[Content]:
    poll = view.poll or poll_view(view.event)
    lines = sheet.body(view)
    if poll is None:
        return lines + sheet.words("a poll without answers")
    for option in poll.options[:MOST_OPTIONS]:
        lines += sheet.line(_option(poll, option), "text")
    if len(poll.options) > MOST_OPTIONS:
        lines += sheet.words(f"… and {len(poll.options) - MOST_OPTIONS} more")
    return lines + sheet.words(_rules(poll, sheet.now))


def _summary(event: Event) -> str:
    poll = poll_view(event)
    labels = [option.label for option in poll.options[:MOST_OPTIONS]] if poll else []
    return f"{event.content}\n{' '.join(f'○ {label}' for label in labels)}"


def _vote(view: NoteView, sheet: Sheet) -> list[Content]:
    return sheet.words(_voted(view.event))


def _voted(event: Event) -> str:
    return "votes in a poll"


FACES: Final = (
    Face((kinds.POLL,), "poll", _lines, _summary),
    Face((kinds.VOTE,), "vote", _vote, _voted),
)

"""Polls: what they have come to, a vote, and asking oneself."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from nostr_client.errors import InvalidEvent, NostrError
from nostr_client.protocol import kinds
from nostr_client.protocol.event import MALFORMED
from nostr_client.safe_text import safe_line
from nostr_client.social.poll_views import PollView
from nostr_client.social.views import NoteView, Posted
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import AccountAct, NoteAct
from nostr_client.tui.held_acts import HeldAct
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog
from nostr_client.tui.time_format import ahead

FETCH_LIMIT: Final = 3.0
"""Seconds that a poll's relays have to show votes before they are counted."""
DAY: Final = 86_400
MOST_DAYS: Final = 366


async def vote(actions: Actions, note: NoteView) -> None:
    """Show what a poll has come to, and vote, which can be taken back for a moment."""
    from nostr_client.tui.screens.choice import ChoiceDialog, Offered

    polls, event = actions.client.polls, note.event
    if event.kind != kinds.POLL:
        actions.say("This is no poll.")
        return
    try:
        await polls.fetch(event, limit=FETCH_LIMIT)
        poll = await polls.view(event)
    except NostrError as error:
        actions.say(str(error), "error")
        return
    if poll is None:
        actions.say("This poll offers nothing to choose.")
        return
    choices = [
        Offered(option.id, f"{option.votes:>4} {poll.share(option):>4.0%}  {option.label}")
        for option in poll.options
    ]
    dialog = ChoiceDialog(
        poll.question, choices, poll_words(poll), many=poll.multiple, chosen=poll.mine
    )
    chosen = await actions.ask(dialog)
    if not chosen or set(chosen) == set(poll.mine):
        return
    if poll.ended:
        actions.say("This poll has ended.")
        return
    labels = [safe_line(option.label, 30) for option in poll.options if option.id in chosen]
    content = msgspec.json.encode(chosen).decode()
    await actions.hold(HeldAct("vote", event.id, content, words=f"vote: {', '.join(labels)}"))


async def send_vote(actions: Actions, held: HeldAct) -> Posted:
    """Raises InvalidEvent, SignerError, StoreError."""
    try:
        chosen = msgspec.json.decode(held.content, type=tuple[str, ...])
    except MALFORMED:
        raise InvalidEvent("this vote cannot be read any more") from None
    poll = await actions.client.notes.find(held.event)
    return await actions.client.polls.vote(poll, chosen)


def poll_words(poll: PollView) -> str:
    """How many voted, until when, and how: `12 votes · ends in 2d · several answers`."""
    words = [f"{poll.voters:,} {'vote' if poll.voters == 1 else 'votes'}"]
    if poll.ended:
        words.append("ended")
    elif poll.ends_at is not None:
        words.append(f"ends {ahead(poll.ends_at, time.time())}")
    words.append("several answers" if poll.multiple else "one answer")
    return " · ".join(words)


async def ask_poll(actions: Actions, _: None = None) -> None:
    """Ask a question with answers to choose from; shows it whole before it goes out."""
    question = await actions.ask(PromptDialog("Ask", "the question", yes="go on"))
    if not question:
        return
    hint = "answers, with | between them; * at the end: several may be chosen"
    text = await actions.ask(PromptDialog(f"Answers to: {question}", hint, yes="go on"))
    if not text:
        return
    many = text.rstrip().endswith("*")
    options = [part.strip() for part in text.rstrip().removesuffix("*").split("|") if part.strip()]
    days = await actions.ask(PromptDialog("For how many days?", "", yes="go on", offered="3"))
    if not days:
        return
    if not (days.isascii() and days.isdigit() and len(days) < 4 and 0 < int(days) <= MOST_DAYS):
        actions.say(f"A poll is open for 1 to {MOST_DAYS} days.", "error")
        return
    detail = f"{' | '.join(options)}; {'several answers' if many else 'one answer'}, {days} days"
    if await actions.ask(ConfirmDialog(f"Ask everybody: {question}", detail, yes="publish")):
        ends = int(time.time()) + int(days) * DAY
        polls = actions.client.polls
        await actions.tell("Asked", polls.ask(question, options, multiple=many, ends_at=ends))


ACTS: Final = (
    NoteAct(
        "vote", "v", "A poll's votes; vote (u takes it back)", vote, place=60, finish=send_vote
    ),
    AccountAct("poll", "", "Ask a poll", ask_poll, place=60),
)

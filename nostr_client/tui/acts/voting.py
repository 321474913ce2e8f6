"""Polls: what they have come to, a vote, and asking oneself."""

from __future__ import annotations

import time
from typing import Final, NamedTuple

import msgspec

from nostr_client.errors import InvalidEvent, NostrError, StoreError
from nostr_client.protocol import kinds
from nostr_client.protocol.event import MALFORMED
from nostr_client.safe_text import safe_line
from nostr_client.social.drafts import POLL, DraftFile, DraftSaver
from nostr_client.social.poll_views import PollView
from nostr_client.social.views import NoteView, Posted
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import AccountAct, NoteAct
from nostr_client.tui.held_acts import HeldAct
from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog
from nostr_client.tui.time_format import ahead

FETCH_LIMIT: Final = 3.0
"""Seconds that a poll's relays have to show votes before they are counted."""
DAY: Final = 86_400
MOST_DAYS: Final = 366
HOW: Final = (
    "The question, and below it a line for each answer: - tea\n"
    "With * instead of - several may be chosen."
)
KEPT: Final = "It is kept as a draft."
_ANSWER: Final = frozenset("-*")


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


class PollText(NamedTuple):
    """A poll as it is written: the question, and below it a line for each answer."""

    question: str
    options: tuple[str, ...]
    multiple: bool

    @classmethod
    def of(cls, text: str) -> PollText:
        """Lines that begin with `-` are answers, all that stands above them is the question; with
        `*` instead several may be chosen."""
        lines = [line.strip() for line in text.strip().splitlines()]
        first = next((n for n, line in enumerate(lines) if line[:1] in _ANSWER), len(lines))
        answers = [line for line in lines[first:] if line]
        options = (line[1:].strip() if line[0] in _ANSWER else line for line in answers)
        many = any(line[0] == "*" for line in answers)
        return cls("\n".join(lines[:first]).strip(), tuple(filter(None, options)), many)


async def ask_poll(actions: Actions, _: None = None) -> None:
    """Ask a question with answers to choose from; shows it whole before it goes out, and until it
    did it is a draft."""
    saver = DraftSaver(DraftFile(actions.client.paths, actions.client.pubkey, POLL))
    written: list[str] = []
    screen = ComposeScreen(
        saver, lambda text, _: written.append(text), title="Ask a poll", answered=HOW
    )
    await actions.ask(screen)
    if not written:
        return
    try:
        await saver.flush()
        asked = await _ask_written(actions, PollText.of(written[0]))
        if asked:
            await saver.sent(written[0])
    except StoreError as error:
        actions.say(f"The draft of the poll: {error}", "error")


async def _ask_written(actions: Actions, poll: PollText) -> bool:
    """Ask it, if the person confirms; was it asked?"""
    days = await actions.ask(PromptDialog("For how many days?", "", yes="go on", offered="3"))
    if not days:
        return False
    if not (days.isascii() and days.isdigit() and len(days) < 4 and 0 < int(days) <= MOST_DAYS):
        actions.say(f"A poll is open for 1 to {MOST_DAYS} days. {KEPT}", "error")
        return False
    answers = "several answers" if poll.multiple else "one answer"
    detail = f"{' | '.join(poll.options)}; {answers}, {days} days"
    question = ConfirmDialog(f"Ask everybody: {poll.question}", detail, yes="publish")
    if not await actions.ask(question):
        return False
    ends = int(time.time()) + int(days) * DAY
    asking = actions.client.polls.ask(
        poll.question, poll.options, multiple=poll.multiple, ends_at=ends
    )
    return await actions.tell("Asked", asking)


ACTS: Final = (
    NoteAct(
        "vote",
        "v",
        "A poll's votes; vote ({app.take_back} takes it back)",
        vote,
        place=60,
        finish=send_vote,
    ),
    AccountAct("poll", "", "Ask a poll", ask_poll, place=60),
)

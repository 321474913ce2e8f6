"""`nostr-client relay reports`: what is complained of (NIP-56), and what is done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.exits import CommandError
from relays.cli.command import STORES, add_command
from relays.cli.moderation import Consent, Reason, events, moderate, shown, when

if TYPE_CHECKING:
    from relays.cli.context import RelayContext
    from relays.moderation.actions import ModerationActions
    from relays.moderation.reports import Target

Reported = Annotated[str, Argument("TARGET", "The event or key that was reported.")]


def list_(context: RelayContext) -> None:
    """List what is complained of, the gravest first."""

    async def work(actions: ModerationActions) -> None:
        for case in await actions.reports.queue():
            known = f", {case.known} of them known" if case.known else ""
            said = f"{case.reason}; {case.reporters} reported it{known}"
            lines = [
                f"{case.score:4}  {shown(case.sort, case.target)}",
                f"      {said}; last {when(case.latest)}",
            ]
            if case.sort == "event":
                lines.append(f"      written by {shown('pubkey', case.author)}")
            lines += [f"      > {' '.join(words.split())[:200]}" for words in case.words]
            context.out.emit(case, "\n".join(lines))

    moderate(context, work, reads=True)


def dismiss(context: RelayContext, target: Reported, *, reason: Reason = "") -> None:
    """Nothing is to be done about it."""

    async def work(actions: ModerationActions) -> None:
        from relays.moderation.admins import KEEPER

        found = await _target(actions, target)
        heard = await actions.reports.dismiss(found.value, by=KEEPER, reason=reason)
        record = {"dismissed": found.value, "reporters": heard}
        context.out.emit(record, f"dismissed, and {heard} reporters heard")

    moderate(context, work)


def act(
    context: RelayContext,
    target: Reported,
    *,
    author: Annotated[
        bool, Option("--author", help="Of an event: ban its author as well.")
    ] = False,
    reason: Reason = "",
    consent: Consent,
) -> None:
    """Remove what was reported, and keep it out."""

    async def work(actions: ModerationActions) -> None:
        found = await _target(actions, target)
        await _act(context, actions, found, author, reason=reason, consent=consent)

    moderate(context, work, frees=True)


async def _act(
    context: RelayContext,
    actions: ModerationActions,
    target: Target,
    with_author: bool,
    *,
    reason: str,
    consent: Consent,
) -> None:
    from relays.moderation.admins import KEEPER

    author = target.value if target.sort == "pubkey" else ""
    if with_author and not author:
        event = await actions.find_event(target.value)
        if event is None:
            raise CommandError("this event is not held, so its author is not known")
        author = event.pubkey
    going = 0
    if author:
        going += await actions.count_by_pubkey(actions.bannable_key(author))
    if target.sort == "event":
        event = await actions.find_event(target.value)
        by_author = event is not None and event.pubkey == author
        going += 0 if by_author else await actions.count_event(target.value)
    name = shown(target.sort, target.value)
    record = {"ban": target.sort, "value": target.value}
    if not consent.given(context, f"banning {name}", record, going):
        return
    said = {"by": KEEPER, "reason": reason}
    removed = 0
    if target.sort == "event":
        removed += await actions.ban_event(target.value, **said)
    if author:
        removed += await actions.ban_pubkey(author, **said)
    done = {"banned": target.value, "author": author, "removed": removed}
    context.out.emit(done, f"banned {name}; {events(removed)} removed")


async def _target(actions: ModerationActions, text: str) -> Target:
    """What was reported: hex digits alone do not say whether they are a key's or an event's."""
    from nostr_client.errors import InvalidData
    from nostr_client.nips.nip19 import event_of, pubkey_of
    from relays.moderation.reports import Target

    if text.startswith(("npub", "nprofile", "nostr:npub", "nostr:nprofile")):
        return Target("pubkey", pubkey_of(text))
    value = event_of(text).id
    if text.lower() != value:
        return Target("event", value)
    sorts = {case.sort for case in await actions.reports.queue() if case.target == value}
    if not sorts and await actions.find_event(value) is not None:
        sorts = {"event"}
    if len(sorts) != 1:
        raise InvalidData("nobody reported this; say npub or nevent for what is meant")
    return Target(sorts.pop(), value)


def add_to(root: Group) -> None:
    """They stand in a group of their own."""
    group = root.group("reports", "What is complained of, the gravest first.", default="list")
    add_command(group, "list", list_, STORES)
    add_command(group, "dismiss", dismiss, STORES)
    add_command(group, "act", act, STORES)

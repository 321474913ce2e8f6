"""`nostr-client lists`: earlier versions of your lists, compared, taken back, put together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from nostr_client.cli.command import CLIENT, CONSENTING, add_command
from nostr_client.cli.people import Without
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.social.list_history import Restored
    from nostr_client.social.list_versions import ItemChange, ListItem
    from nostr_client.social.views import Posted

Name = Annotated[
    str,
    Argument(
        "LIST",
        "follows, mutes, relays, dm-relays, bookmarks, private-relays, profile; or its kind.",
    ),
]
Which = Annotated[str, Argument("VERSION", "Its number (1 is the newest), or its id's beginning.")]
Offline = Annotated[bool, Option("--offline", help="Ask nobody: what is here.")]


def versions(context: ClientContext, name: Name, *, offline: Offline = False) -> None:
    """List the versions of a list that were kept here, the newest first."""
    from nostr_client.cli.list_lines import version_line, version_record
    from nostr_client.cli.outcomes import conclude
    from nostr_client.social.list_words import size_of

    kind, account = _kind(name), context.must_act()

    async def work() -> None:
        async with context.reading(account, offline=offline) as client:
            asked = None if offline else await client.lists.list_of(kind).fetch()
            each = await client.lists.versions(kind)
            for number, event in enumerate(each, 1):
                before = each[number] if number < len(each) else None
                size = size_of(event, before)
                record = version_record(number, event, size)
                context.out.emit(record, version_line(number, event, size))
            ends = asked.ends if asked else {}
            await conclude(context, client, ends, shown=bool(each), nothing="no version was found")

    wait_for(work())


def show(context: ClientContext, name: Name, version: Which = "1") -> None:
    """Show what one version holds, its private part too."""
    from nostr_client.cli.list_lines import item_record
    from nostr_client.social.list_words import item_line

    kind = _kind(name)

    async def act(client: NostrClient) -> None:
        found = await client.lists.version(kind, version)
        for item in found.items:
            context.out.emit(item_record(item), item_line(item))
        _say_closed(context, found.is_closed)

    _read(context, act)


def diff(
    context: ClientContext,
    name: Name,
    before: Annotated[
        str, Argument("[BEFORE]", "As VERSION; by default the one before AFTER.")
    ] = "2",
    after: Annotated[str, Argument("[AFTER]", "By default the newest.")] = "1",
) -> None:
    """Say what is different between two versions: + came, - went, ~ changed."""
    from nostr_client.social.list_versions import changes_between

    kind = _kind(name)

    async def act(client: NostrClient) -> None:
        old, new = [await client.lists.version(kind, which) for which in (before, after)]
        changes = changes_between(old.items, new.items)
        _emit_changes(context, changes)
        if not changes:
            context.out.note("they hold the same")
        _say_closed(context, old.is_closed or new.is_closed)

    _read(context, act)


def undo(
    context: ClientContext,
    name: Name,
    version: Annotated[
        str, Argument("[VERSION]", "What to go back to; by default the one before the newest.")
    ] = "2",
    *,
    without: Without = None,
) -> None:
    """Publish what an earlier version held, as a new one.

    What another device changed since stays; what cannot be had both ways is said.
    """
    kind = _kind(name)

    async def act(client: NostrClient) -> Restored:
        seen = await client.lists.version(kind)
        target = await client.lists.version(kind, version)
        return await client.lists.restore(target, seen, waiver=_waiver(without))

    _restore(context, act)


def merge(
    context: ClientContext,
    name: Name,
    mine: Annotated[str, Argument("MINE", "As VERSION; it stands where both changed the same.")],
    theirs: Annotated[str, Argument("THEIRS", "As VERSION.")],
    *,
    base: Annotated[
        str,
        Option("--base", "VERSION", "What both were made from. Else: the last before both."),
    ] = "",
    without: Without = None,
) -> None:
    """Publish what two versions come to together, each with what it changed."""
    kind = _kind(name)

    async def act(client: NostrClient) -> Restored:
        lists = client.lists
        one, other = [await lists.version(kind, which) for which in (mine, theirs)]
        began = base or str(max(one.number, other.number) + 1)
        return await lists.merge(
            one,
            other,
            await lists.version(kind, began),
            await lists.version(kind),
            waiver=_waiver(without),
        )

    _restore(context, act)


def _kind(name: str) -> int:
    from nostr_client.protocol.kinds import KindClass, kind_class
    from nostr_client.social.list_versions import NAMES

    kind = int(name) if name.isdecimal() and len(name) <= 5 else NAMES.get(name)
    if kind is None or kind_class(kind) is not KindClass.REPLACEABLE:
        raise CommandError(f"a list is one of {', '.join(NAMES)}, or a kind", Exit.USAGE)
    return kind


def _waiver(without: list[str] | None) -> Any:
    from nostr_client.routing.list_reading import Waiver

    return Waiver(without=without or ())


def _read(context: ClientContext, act: Callable[[NostrClient], Awaitable[None]]) -> None:
    """Do `act`, with the key where there is one: it opens the private part. Nothing is asked."""
    account = context.must_act()
    signer = context.signer() if account.can_sign else None

    async def work() -> None:
        if signer is None:
            async with context.reading(account, offline=True) as client:
                await act(client)
        else:
            async with context.writing(signer, earlier=0) as client:
                await act(client)

    wait_for(work())


def _restore(context: ClientContext, act: Callable[[NostrClient], Awaitable[Restored]]) -> None:
    """Publish, and say what could not be had both ways."""
    from nostr_client.cli.publish import publish

    done: list[Restored] = []

    async def restored(client: NostrClient) -> Posted | None:
        done.append(await act(client))
        return done[-1].posted

    publish(context, restored, unchanged="it is so already")
    for each in done:
        if each.conflicts:
            context.out.note("both sides changed these; the first stands, the second gave way:")
            for change in each.conflicts:
                _note_conflict(context, change)


def _note_conflict(context: ClientContext, change: ItemChange) -> None:
    from nostr_client.cli.list_lines import item_record
    from nostr_client.social.list_words import item_line

    def words(items: Sequence[ListItem]) -> str:
        return "; ".join(map(item_line, items)) or "(taken out)"

    stands, gave_way = change if change.before else (change.after, change.before)
    record = {
        "conflict": {
            "stands": [item_record(item) for item in stands],
            "gave_way": [item_record(item) for item in gave_way],
        }
    }
    context.out.note(f"  {words(stands)}  |  {words(gave_way)}", record)


def _emit_changes(context: ClientContext, changes: Sequence[ItemChange]) -> None:
    from nostr_client.cli.list_lines import change_record
    from nostr_client.social.list_words import change_lines

    for change in changes:
        context.out.emit(change_record(change), "\n".join(change_lines(change)))


def _say_closed(context: ClientContext, closed: bool) -> None:
    if closed:
        context.out.note("there is a private part that cannot be read here")


def add_to(root: Group) -> None:
    """They stand in a group of their own."""
    group = root.group(
        "lists", "Earlier versions of your lists: versions, show, diff, undo, merge."
    )
    add_command(group, "versions", versions, CLIENT)
    add_command(group, "show", show, CLIENT)
    add_command(group, "diff", diff, CLIENT)
    add_command(group, "undo", undo, CONSENTING)
    add_command(group, "merge", merge, CONSENTING)

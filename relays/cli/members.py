"""`nostr-client relay members`: who is one, who may become one, roles (NIP-43)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.exits import CommandError
from relays.cli.command import STORES, add_command
from relays.cli.moderation import Reason, moderate, when

if TYPE_CHECKING:
    from relays.cli.context import RelayContext
    from relays.moderation.actions import ModerationActions

_DAY: Final = 86400

Npub = Annotated[str, Argument("NPUB", "The key: npub or hex.")]
WithRole = Annotated[str, Option("--role", "ID", "With this role.")]


def list_(context: RelayContext) -> None:
    """List the members."""

    async def work(actions: ModerationActions) -> None:
        from nostr_client.nips.nip19 import encode_npub

        for member in await actions.members.listed():
            roles = f"  [{', '.join(member.roles)}]" if member.roles else ""
            reason = f": {member.reason}" if member.reason else ""
            who = f"{encode_npub(member.pubkey)}{roles}"
            context.out.emit(member, f"{who}  by {member.by}{reason}")

    moderate(context, work, reads=True)


def add(context: RelayContext, pubkey: Npub, *, role: WithRole = "", reason: Reason = "") -> None:
    """Make somebody a member, banned or not."""

    async def work(actions: ModerationActions) -> None:
        from nostr_client.nips.nip19 import pubkey_of
        from relays.moderation.admins import KEEPER

        member = pubkey_of(pubkey)
        added = await actions.allow_pubkey(member, by=KEEPER, reason=reason)
        if role:
            await actions.members.assign(member, role, by=KEEPER)
        record = {"member": member, "added": added}
        context.out.emit(record, "added" if added else "a member already")

    moderate(context, work)


def remove(context: RelayContext, pubkey: Npub, *, reason: Reason = "") -> None:
    """A member no more."""

    async def work(actions: ModerationActions) -> None:
        from nostr_client.nips.nip19 import pubkey_of
        from relays.moderation.admins import KEEPER

        member = pubkey_of(pubkey)
        if not await actions.unallow_pubkey(member, by=KEEPER, reason=reason):
            raise CommandError("this key is no member's")
        context.out.emit({"removed": member}, "removed")

    moderate(context, work)


def invite(
    context: RelayContext,
    *,
    uses: Annotated[int, Option("--uses", "N", "For how many.")] = 1,
    days: Annotated[float, Option("--days", "N", "How long.")] = 7.0,
    role: WithRole = "",
) -> None:
    """Make a code that makes members; it is shown this once."""

    async def work(actions: ModerationActions) -> None:
        from relays.moderation.admins import KEEPER

        code = await actions.members.invite(by=KEEPER, seconds=days * _DAY, uses=uses, role=role)
        context.out.emit({"claim": code, "uses": uses, "days": days}, code)

    moderate(context, work)


def invites(context: RelayContext) -> None:
    """List the invites that are good still."""

    async def work(actions: ModerationActions) -> None:
        for one in await actions.members.invites():
            used = f"used {one.used} of {one.uses}, until {when(one.expires)}"
            context.out.emit(one, f"{one.id}  {used}  by {one.by}  {one.role}")

    moderate(context, work, reads=True)


def revoke(
    context: RelayContext, id: Annotated[str, Argument("ID", "As `invites` lists it.")]
) -> None:
    """Take an invite back."""

    async def work(actions: ModerationActions) -> None:
        from relays.moderation.admins import KEEPER

        if not await actions.members.revoke(id, by=KEEPER):
            raise CommandError("there is no such invite")
        context.out.emit({"revoked": id}, "revoked")

    moderate(context, work)


def role(
    context: RelayContext,
    id: Annotated[str, Argument("[ID]", "Its short name.")] = "",
    *,
    label: Annotated[str, Option("--label", "WORDS", "Its name, for people.")] = "",
    description: Annotated[str, Option("--description", "WORDS", "What it is.")] = "",
    color: Annotated[int | None, Option("--color", "HUE", "0 to 360.")] = None,
    order: Annotated[int | None, Option("--order", "N", "Its place among others.")] = None,
    delete: Annotated[bool, Option("--delete", help="Delete it.")] = False,
) -> None:
    """Make, change or delete a role; without an id, list them."""

    async def work(actions: ModerationActions) -> None:
        from relays.moderation.admins import KEEPER
        from relays.moderation.roster import checked_role

        held = actions.state.roster.roles
        if not id:
            for one in held.values():
                context.out.emit(one, f"{one.id}  {one.label}  {one.description}")
        elif delete:
            await actions.members.delete_role(id, by=KEEPER)
            context.out.emit({"deleted": id}, "deleted")
        else:
            made = checked_role(id, label, description, color, order)
            is_new = made.id not in held
            await actions.members.put_role(made, by=KEEPER, new=is_new)
            context.out.emit(made, "made" if is_new else "changed")

    moderate(context, work)


def add_to(root: Group) -> None:
    """They stand in a group of their own."""
    group = root.group("members", "Members, invites and roles.", default="list")
    add_command(group, "list", list_, STORES)
    for function in (add, remove, invite, invites, revoke, role):
        add_command(group, function.__name__, function, STORES)

"""`relay members`: who is one, who may become one, roles (NIP-43)."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from relays.cli.offline import add_reason, prepare

if TYPE_CHECKING:
    from nostr_client.output import Output
    from relays.cli.common import Commands
    from relays.moderation.actions import ModerationActions

_NOTHING: Final = 1
"""There was nobody to remove, and nothing to take back."""
_DAY: Final = 86400


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    members = commands.add_parser("members", help="members, invites and roles")
    actions = members.add_subparsers(title="commands", metavar="COMMAND")
    prepare(members, _list, reads=True)
    prepare(
        actions.add_parser("list", help="list them (what is done without a command)"),
        _list,
        within=True,
        reads=True,
    )
    for name, words, work in (
        ("add", "make somebody a member, banned or not", _add),
        ("remove", "a member no more", _remove),
    ):
        command = actions.add_parser(name, help=words)
        command.add_argument("pubkey", metavar="NPUB", help="the key: npub or hex")
        if name == "add":
            command.add_argument("--role", default="", metavar="ID", help="with this role")
        add_reason(command)
        prepare(command, work, within=True)

    invite = actions.add_parser("invite", help="a code that makes members; it is shown this once")
    invite.add_argument("--uses", type=int, default=1, metavar="N", help="for how many (1)")
    invite.add_argument("--days", type=float, default=7.0, metavar="N", help="how long (7)")
    invite.add_argument("--role", default="", metavar="ID", help="with this role")
    prepare(invite, _invite, within=True)
    prepare(
        actions.add_parser("invites", help="list the invites that are good still"),
        _invites,
        within=True,
        reads=True,
    )
    revoke = actions.add_parser("revoke", help="take an invite back")
    revoke.add_argument("id", metavar="ID", help="as `invites` lists it")
    prepare(revoke, _revoke, within=True)

    role = actions.add_parser(
        "role", help="make, change or delete a role; without an id, list them"
    )
    role.add_argument("id", nargs="?", default="", metavar="ID", help="its short name")
    role.add_argument("--label", default="", metavar="WORDS", help="its name, for people")
    role.add_argument("--description", default="", metavar="WORDS", help="what it is")
    role.add_argument("--color", type=int, metavar="HUE", help="0 to 360")
    role.add_argument("--order", type=int, metavar="N", help="its place among others")
    role.add_argument("--delete", action="store_true", help="delete it")
    prepare(role, _role, within=True)


async def _list(actions: ModerationActions, out: Output, _options: argparse.Namespace) -> int:
    from nostr_client.nips.nip19 import encode_npub

    for member in await actions.members.listed():
        roles = f"  [{', '.join(member.roles)}]" if member.roles else ""
        reason = f": {member.reason}" if member.reason else ""
        out.emit(member, f"{encode_npub(member.pubkey)}{roles}  by {member.by}{reason}")
    return 0


async def _add(actions: ModerationActions, out: Output, options: argparse.Namespace) -> int:
    from relays.moderation.admins import KEEPER, read_pubkey

    pubkey = read_pubkey(options.pubkey)
    added = await actions.allow_pubkey(pubkey, by=KEEPER, reason=options.reason)
    if options.role:
        await actions.members.assign(pubkey, options.role, by=KEEPER)
    out.emit({"member": pubkey, "added": added}, "added" if added else "a member already")
    return 0


async def _remove(actions: ModerationActions, out: Output, options: argparse.Namespace) -> int:
    from relays.moderation.admins import KEEPER, read_pubkey

    pubkey = read_pubkey(options.pubkey)
    if not await actions.unallow_pubkey(pubkey, by=KEEPER, reason=options.reason):
        return out.fail("this key is no member's", _NOTHING)
    out.emit({"removed": pubkey}, "removed")
    return 0


async def _invite(actions: ModerationActions, out: Output, options: argparse.Namespace) -> int:
    from relays.moderation.admins import KEEPER

    code = await actions.members.invite(
        by=KEEPER, seconds=options.days * _DAY, uses=options.uses, role=options.role
    )
    out.emit({"claim": code, "uses": options.uses, "days": options.days}, code)
    return 0


async def _invites(actions: ModerationActions, out: Output, _options: argparse.Namespace) -> int:
    import time

    for invite in await actions.members.invites():
        until = time.strftime("%Y-%m-%d %H:%M", time.gmtime(invite.expires))
        used = f"used {invite.used} of {invite.uses}"
        out.emit(invite, f"{invite.id}  {used}, until {until}  by {invite.by}  {invite.role}")
    return 0


async def _revoke(actions: ModerationActions, out: Output, options: argparse.Namespace) -> int:
    from relays.moderation.admins import KEEPER

    if not await actions.members.revoke(options.id, by=KEEPER):
        return out.fail("there is no such invite", _NOTHING)
    out.emit({"revoked": options.id}, "revoked")
    return 0


async def _role(actions: ModerationActions, out: Output, options: argparse.Namespace) -> int:
    from relays.moderation.admins import KEEPER
    from relays.moderation.roster import checked_role

    held = actions.state.roster.roles
    if not options.id:
        for role in held.values():
            out.emit(role, f"{role.id}  {role.label}  {role.description}")
    elif options.delete:
        await actions.members.delete_role(options.id, by=KEEPER)
        out.emit({"deleted": options.id}, "deleted")
    else:
        role = checked_role(
            options.id, options.label, options.description, options.color, options.order
        )
        await actions.members.put_role(role, by=KEEPER, new=role.id not in held)
        out.emit(role, "made" if role.id not in held else "changed")
    return 0

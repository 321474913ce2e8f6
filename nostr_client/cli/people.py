"""`nostr-client profile`, `follow`, `unfollow`, `follows`: people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.social.views import Posted

Who = Annotated[str, Argument(metavar="WHO", help="npub, nprofile, hex or name@domain.")]
Without = Annotated[
    list[str] | None,
    Option("--without", metavar="URL", help="Do not insist on having read there first."),
]
AllowEmpty = Annotated[
    bool,
    Option("--start-empty", help="It is right that no relay has such a list of mine yet."),
]


def show_profile(
    context: ClientContext,
    who: Annotated[str, Argument(metavar="[WHO]", help="Default: you.")] = "",
) -> None:
    """Show who somebody says they are."""
    from nostr_client.cli.json_records import profile_record
    from nostr_client.cli.outcomes import conclude
    from nostr_client.cli.plain_lines import profile_lines

    account = context.acting() if who else context.must_act()

    async def work() -> None:
        async with context.reading(account) as client:
            pubkey = await client.profiles.resolve(who) if who else client.pubkey
            asked = await client.profiles.fetch([pubkey])
            await client.profiles.check_nip05(pubkey)
            profile = await client.profiles.get(pubkey)
            context.out.emit(
                profile_record(profile),
                profile_lines(profile, context.width),
            )
            shown = profile.event is not None
            await conclude(context, client, asked.ends, shown=shown, nothing="no profile was found")

    wait_for(work())


class ProfileFields(NamedTuple):
    """What a profile says (NIP-01, NIP-24); None leaves it as it is, an empty text takes it out."""

    name: Annotated[str | None, Option("--name", help="A short name.")] = None
    display_name: Annotated[str | None, Option("--display-name")] = None
    about: Annotated[str | None, Option("--about")] = None
    picture: Annotated[str | None, Option("--picture", metavar="URL")] = None
    banner: Annotated[str | None, Option("--banner", metavar="URL")] = None
    website: Annotated[str | None, Option("--website", metavar="URL")] = None
    nip05: Annotated[str | None, Option("--nip05", metavar="NAME@DOMAIN")] = None
    lud16: Annotated[str | None, Option("--lud16", metavar="NAME@DOMAIN")] = None


def set_profile(
    context: ClientContext,
    *,
    fields: ProfileFields,
    start_empty: AllowEmpty = False,
    start_over: Annotated[
        bool,
        Option("--start-over", help="What is not understood of the old profile may go."),
    ] = False,
    without: Without = None,
) -> None:
    """Change your profile; what is not named stays as it is."""
    given = fields._asdict()
    changed = {field: value for field, value in given.items() if value is not None}
    if not changed:
        raise CommandError("nothing to change: name at least one field", Exit.USAGE)
    from nostr_client.cli.publish import publish

    publish(
        context,
        lambda client: client.profiles.update(
            allow_empty=start_empty, without=without or (), start_over=start_over, **changed
        ),
    )


def follow(
    context: ClientContext,
    who: Annotated[
        list[str], Argument(metavar="WHO...", help="npub, nprofile, hex or name@domain.")
    ],
    start_empty: AllowEmpty = False,
    without: Without = None,
) -> None:
    """Follow somebody, or several at once."""
    from nostr_client.cli.publish import publish

    async def act(client: NostrClient) -> Posted | None:
        pubkeys = [await client.profiles.resolve(one) for one in who]
        return await client.follows.follow_all(
            pubkeys, allow_empty=start_empty, without=without or ()
        )

    publish(context, act, unchanged="followed already")


def unfollow(context: ClientContext, who: Who, without: Without = None) -> None:
    """Stop following somebody."""
    from nostr_client.cli.publish import publish

    async def act(client: NostrClient) -> Posted | None:
        pubkey = await client.profiles.resolve(who)
        return await client.follows.unfollow(pubkey, without=without or ())

    publish(context, act, unchanged="not followed anyway")


def follows(context: ClientContext) -> None:
    """List whom you follow."""
    from nostr_client.cli.json_records import profile_record
    from nostr_client.cli.outcomes import conclude
    from nostr_client.cli.plain_lines import name_of

    account = context.must_act()

    async def work() -> None:
        async with context.reading(account) as client:
            asked = await client.follows.fetch()
            profiles = await client.profiles.get_many(await client.follows.pubkeys())
            for profile in profiles.values():
                context.out.emit(
                    profile_record(profile),
                    f"{name_of(profile)}  {profile.npub}",
                )
            shown = await client.follows.event() is not None
            nothing = "no list of whom you follow was found"
            await conclude(context, client, asked.ends, shown=shown, nothing=nothing)

    wait_for(work())


def add_to(root: Group) -> None:
    """`profile` is a group, the others stand at the top level."""
    profile = root.group(
        "profile", "Profiles: `profile [WHO]` shows one, `profile set` yours.", default="show"
    )
    add_command(profile, "show", show_profile, CLIENT)
    add_command(profile, "set", set_profile, CLIENT)
    add_command(root, "follow", follow, CLIENT)
    add_command(root, "unfollow", unfollow, CLIENT)
    add_command(root, "follows", follows, CLIENT)

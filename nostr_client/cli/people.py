"""`nostr-client profile`, `follow`, `unfollow`, `follows`: people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nostr_client.cli.command import CLIENT, add_command, group_with_default
from nostr_client.cli.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.run import Run
    from nostr_client.client import NostrClient
    from nostr_client.social.views import Posted

Who = Annotated[str, typer.Argument(metavar="WHO", help="npub, nprofile, hex or name@domain.")]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="URL", help="Do not insist on having read there first."),
]
AllowEmpty = Annotated[
    bool,
    typer.Option("--start-empty", help="It is right that no relay has such a list of mine yet."),
]

profile_app = typer.Typer(
    cls=group_with_default("show"), help="Profiles: `profile [WHO]` shows one, `profile set` yours."
)


def show_profile(
    run: Run,
    who: Annotated[str, typer.Argument(metavar="[WHO]", help="Default: you.")] = "",
) -> None:
    """Show who somebody says they are."""
    from nostr_client.cli import show
    from nostr_client.cli.outcomes import conclude

    account = run.acting() if who else run.must_act()

    async def work() -> None:
        async with run.reading(account) as client:
            pubkey = await client.profiles.resolve(who) if who else client.pubkey
            asked = await client.profiles.fetch([pubkey])
            await client.profiles.check_nip05(pubkey)
            profile = await client.profiles.get(pubkey)
            run.out.emit(show.profile_record(profile), show.profile_lines(profile, run.width))
            shown = profile.event is not None
            await conclude(run, client, asked.ends, shown=shown, nothing="no profile was found")

    wait_for(work())


def set_profile(
    run: Run,
    *,
    name: Annotated[str | None, typer.Option("--name", help="A short name.")] = None,
    display_name: Annotated[str | None, typer.Option("--display-name")] = None,
    about: Annotated[str | None, typer.Option("--about")] = None,
    picture: Annotated[str | None, typer.Option("--picture", metavar="URL")] = None,
    banner: Annotated[str | None, typer.Option("--banner", metavar="URL")] = None,
    website: Annotated[str | None, typer.Option("--website", metavar="URL")] = None,
    nip05: Annotated[str | None, typer.Option("--nip05", metavar="NAME@DOMAIN")] = None,
    lud16: Annotated[str | None, typer.Option("--lud16", metavar="NAME@DOMAIN")] = None,
    start_empty: AllowEmpty = False,
    start_over: Annotated[
        bool,
        typer.Option("--start-over", help="What is not understood of the old profile may go."),
    ] = False,
    without: Without = None,
) -> None:
    """Change your profile; what is not named stays as it is."""
    given = {
        "name": name,
        "display_name": display_name,
        "about": about,
        "picture": picture,
        "banner": banner,
        "website": website,
        "nip05": nip05,
        "lud16": lud16,
    }
    fields: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    if not fields:
        raise CommandError("nothing to change: name at least one field", Exit.USAGE)
    from nostr_client.cli.publish import publish

    publish(
        run,
        lambda client: client.profiles.update(
            allow_empty=start_empty, without=without or (), start_over=start_over, **fields
        ),
    )


def follow(
    run: Run,
    who: Annotated[
        list[str], typer.Argument(metavar="WHO...", help="npub, nprofile, hex or name@domain.")
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

    publish(run, act, unchanged="followed already")


def unfollow(run: Run, who: Who, without: Without = None) -> None:
    """Stop following somebody."""
    from nostr_client.cli.publish import publish

    async def act(client: NostrClient) -> Posted | None:
        pubkey = await client.profiles.resolve(who)
        return await client.follows.unfollow(pubkey, without=without or ())

    publish(run, act, unchanged="not followed anyway")


def follows(run: Run) -> None:
    """List whom you follow."""
    from nostr_client.cli import show
    from nostr_client.cli.outcomes import conclude

    account = run.must_act()

    async def work() -> None:
        async with run.reading(account) as client:
            asked = await client.follows.fetch()
            profiles = await client.profiles.get_many(await client.follows.pubkeys())
            for profile in profiles.values():
                run.out.emit(
                    show.profile_record(profile), f"{show.name_of(profile)}  {profile.npub}"
                )
            shown = await client.follows.event() is not None
            nothing = "no list of whom you follow was found"
            await conclude(run, client, asked.ends, shown=shown, nothing=nothing)

    wait_for(work())


def add_to(app: typer.Typer) -> None:
    """`profile` is a group, the others stand at the top level."""
    add_command(profile_app, "show", show_profile, CLIENT)
    add_command(profile_app, "set", set_profile, CLIENT)
    app.add_typer(profile_app, name="profile")
    add_command(app, "follow", follow, CLIENT)
    add_command(app, "unfollow", unfollow, CLIENT)
    add_command(app, "follows", follows, CLIENT)

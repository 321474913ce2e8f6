"""`nostr-client account`: who you are on this machine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from nostr_client.cli.command import KEEPING, PLAIN, UNLOCKING, add_command
from nostr_client.cli.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.accounts.account import Account
    from nostr_client.accounts.keyfiles import Protection
    from nostr_client.cli.run import Run

app = typer.Typer(help="Accounts: make, bring, list, choose, back up.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--name", help="What to call it on this machine.")]
Keyring = Annotated[
    bool, typer.Option("--keyring", help="Keep the key in the system's key store, no password.")
]
Switch = Annotated[bool, typer.Option("--switch", help="Use it from now on.")]
Who = Annotated[str, typer.Argument(metavar="WHO", help="Its name, npub or hex pubkey.")]


def create(
    run: Run,
    name: Name = "",
    keyring: Keyring = False,
    switch: Switch = False,
    profile: Annotated[
        bool,
        typer.Option("--profile/--no-profile", help="Publish the name, as your profile."),
    ] = True,
) -> None:
    """Make a new account: a key of your own, kept encrypted. The first one is used at once."""
    protection, password = _protection(run, keyring)
    account = wait_for(
        run.accounts.create(name, password=password, protection=protection, switch=switch)
    )
    _say_kept(run, account, "created")
    if account.name and profile:
        _introduce(run, account, password)
    if not run.json:
        run.out.note(
            "Nobody can restore this key for you. Back it up: `nostr-client account export` prints "
            "it encrypted (ncryptsec); keep that and its password in another place."
        )


def import_(
    run: Run,
    name: Name = "",
    keyring: Keyring = False,
    switch: Switch = False,
    secret_fd: Annotated[
        int | None,
        typer.Option("--secret-fd", metavar="N", help="Read the key from this file descriptor."),
    ] = None,
) -> None:
    """Bring a key: an nsec, an ncryptsec or 64 hex digits.

    The key is asked for (hidden), or read from standard input or --secret-fd; never an argument.
    """
    from nostr_client.accounts.account import SHORTEST_PASSWORD, read_secret
    from nostr_client.cli import unlock
    from nostr_client.protocol.bech32 import unfolded

    text = unfolded(unlock.read_secret_text(secret_fd)).removeprefix("nostr:")
    backup_password: str | None = None
    protection: Protection | None
    password: str | None
    if text.startswith("ncryptsec1"):
        backup_password = run.given_password
        if backup_password is None:
            backup_password = unlock.ask_hidden("Password of this backup")
    key = wait_for(asyncio.to_thread(read_secret, text, backup_password))
    long_enough = backup_password is not None and len(backup_password) >= SHORTEST_PASSWORD
    if long_enough and not keyring:
        protection, password = None, backup_password
    else:
        protection, password = _protection(run, keyring)
    account = wait_for(
        run.accounts.import_key(key, name, password=password, protection=protection, switch=switch)
    )
    _say_kept(run, account, "imported")


def list_(run: Run) -> None:
    """List the accounts; * marks the one in use."""
    from nostr_client.cli import show

    for account in run.accounts.all():
        run.out.emit(show.account_record(account), show.account_line(account))
    for path in run.accounts.damaged():
        run.out.note(f"{path} cannot be read as an account; it was left alone")
    if not run.accounts.all():
        from nostr_client.cli.run import NO_ACCOUNT

        run.out.note(NO_ACCOUNT)


def switch_(run: Run, who: Who) -> None:
    """Use another account from now on."""
    from nostr_client.cli import show

    account = wait_for(run.accounts.switch(who))
    run.out.emit(show.account_record(account), f"now {account.label}  {account.npub}")


def watch(
    run: Run,
    who: Annotated[str, typer.Argument(metavar="WHO", help="npub, hex, nprofile or name@domain")],
    name: Name = "",
    switch: Switch = False,
) -> None:
    """Read as somebody, without their key; at the relays that an nprofile names, too."""
    from nostr_client.cli import show
    from nostr_client.nips.nip19 import relays_in
    from nostr_client.routing.address_policy import AddressPolicy
    from nostr_client.routing.saved_relays import remember_found

    async def find() -> tuple[str, tuple[str, ...]]:
        async with run.reading(None) as client:
            pubkey = await client.profiles.resolve(who)
            return pubkey, client.book.hints(pubkey)

    pubkey = _pubkey_of(who)
    if pubkey is None:
        run.own_relay = False
        pubkey, near = wait_for(find())
    else:
        policy = AddressPolicy(run.config.allow_private_relays)
        near = tuple(url for text in relays_in(who) if (url := policy.from_stranger(text)))
    account = wait_for(run.accounts.add_watch_only(pubkey, name, switch=switch))
    remember_found(run.paths.data, pubkey, near)
    run.out.emit(show.account_record(account), account.npub)
    if not run.json:
        run.out.note(f"{account.label} is watched; it cannot write. {_in_use(account)}")


def export(
    run: Run,
    who: Annotated[str, typer.Argument(metavar="[WHO]", help="Default: the one in use.")] = "",
    new_password: Annotated[
        bool, typer.Option("--new-password", help="Encrypt the backup with another password.")
    ] = False,
) -> None:
    """Print the key, encrypted (ncryptsec), for a backup."""
    from nostr_client.accounts.keyfiles import Protection
    from nostr_client.cli import unlock

    account = run.accounts.find(who) if who else run.must_act()
    if not account.can_sign:
        raise CommandError(f"{account.label} is watch-only: it has no key", Exit.LOCKED)
    password = run.password_of(account)
    fresh: str | None = None
    if account.protection is Protection.KEYRING and run.given_password is not None:
        fresh = run.given_password
    elif new_password or account.protection is Protection.KEYRING:
        fresh = unlock.ask_new_password("Password for the backup")
    code = wait_for(run.accounts.export(account, password, new_password=fresh))
    run.out.emit({"npub": account.npub, "ncryptsec": code}, code)
    if not run.json:
        run.out.note("It is worth nothing without its password, and everything with it.")


def remove(
    run: Run,
    who: Who,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take an account, with its key, off this machine."""
    from nostr_client.cli import show, unlock

    account = run.accounts.find(who)
    if account.can_sign and not yes:
        warning = (
            "" if account.backed_up else " No backup of its key was made: it may be the only copy!"
        )
        if not unlock.ask_yes(f"Remove {account.label} and its key?{warning}"):
            raise CommandError("nothing was removed", Exit.ERROR)
    wait_for(run.accounts.remove(account.pubkey))
    run.out.emit(show.account_record(account), f"removed {account.label}  {account.npub}")


def _protection(run: Run, keyring: bool) -> tuple[Protection, str | None]:
    """How a key is to be kept: what was asked for, or given, or what the person says now."""
    from nostr_client.accounts.keyfiles import Protection
    from nostr_client.cli import unlock

    if keyring:
        return Protection.KEYRING, None
    if run.given_password is not None:
        return Protection.PASSWORD, run.given_password
    problem = wait_for(run.accounts.keyring.problem())
    if not unlock.can_ask():
        if problem:
            raise CommandError(
                f"the key cannot be kept safely: {problem}, and no password was given "
                "(--password-fd N or $NOSTR_CLIENT_PASSWORD). Nothing was stored.",
                Exit.LOCKED,
            )
        return Protection.KEYRING, None
    prompt = "New password for this key"
    if not problem:
        prompt += " (empty: the system's key store keeps it)"
    password = unlock.ask_new_password(prompt, may_be_empty=not problem)
    return (Protection.PASSWORD, password) if password else (Protection.KEYRING, None)


def _say_kept(run: Run, account: Account, what: str) -> None:
    from nostr_client.accounts.keyfiles import Protection
    from nostr_client.cli import show

    path = run.accounts.file_of(account)
    record = show.account_record(account) | {"file": str(path)}
    run.out.emit(record, account.npub)
    if run.json:
        return
    if account.protection is Protection.KEYRING:
        run.out.note(f"{account.label} was {what}. Its key rests in the system's key store.")
    else:
        run.out.note(f"{account.label} was {what}. Its key rests encrypted in {path}")
    run.out.note(_in_use(account))


def _in_use(account: Account) -> str:
    if account.current:
        return "It is the account in use."
    return f"`nostr-client account switch {account.name or account.npub}` uses it from now on."


def _introduce(run: Run, account: Account, password: str | None) -> None:
    """Publish the name as the profile of a new account, which is made whatever becomes of that."""
    from nostr_client.cli import show
    from nostr_client.errors import NostrError

    async def work() -> None:
        signer = await run.accounts.signer(account, password)
        async with run.writing(signer, earlier=0) as client:
            posted = await client.profiles.update(name=account.name)
            if posted is not None:
                own = await show.own_url(client)
                run.out.note(f"Its profile:\n{show.posted_lines(posted, own)}")

    try:
        wait_for(work())
    except NostrError as error:
        run.out.note(f"Its profile was not published: {error}")


def _pubkey_of(who: str) -> str | None:
    """The pubkey that needs no network to be known."""
    from nostr_client.errors import InvalidData
    from nostr_client.nips import nip19
    from nostr_client.protocol.keys import PublicKey

    try:
        code = nip19.decode(who)
    except InvalidData:
        code = None
    if isinstance(code, nip19.Npub | nip19.Nprofile):
        return PublicKey(code.pubkey).hex
    try:
        return PublicKey(who.strip().lower()).hex
    except InvalidData:
        return None


add_command(app, "create", create, KEEPING)
add_command(app, "import", import_, KEEPING)
add_command(app, "list", list_, PLAIN)
add_command(app, "switch", switch_, PLAIN)
add_command(app, "watch", watch, PLAIN)
add_command(app, "export", export, UNLOCKING)
add_command(app, "remove", remove, PLAIN)

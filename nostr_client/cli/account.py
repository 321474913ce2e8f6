"""`nostr-client account`: who you are on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from nostr_client.cli import account_bunker
from nostr_client.cli.command import EXPORTING, KEEPING, LISTING, PLAIN, add_command
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.accounts.account import Account
    from nostr_client.accounts.keyfiles import Protection
    from nostr_client.cli.context import ClientContext

Name = Annotated[str, Option("--name", help="What to call it on this machine.")]
Keyring = Annotated[
    bool, Option("--keyring", help="Keep the key in the system's key store, no password.")
]
Switch = Annotated[bool, Option("--switch", help="Use it from now on.")]
Who = Annotated[str, Argument(metavar="WHO", help="Its name, npub or hex pubkey.")]


def create(
    context: ClientContext,
    name: Name = "",
    keyring: Keyring = False,
    switch: Switch = False,
    profile: Annotated[
        bool,
        Option("--profile/--no-profile", help="Publish the name, as your profile."),
    ] = True,
) -> None:
    """Make a new account: a key of your own, kept encrypted. The first one is used at once."""
    protection, password = protection_of_new_key(context, keyring)
    account = wait_for(
        context.accounts.create(name, password=password, protection=protection, switch=switch)
    )
    _say_kept(context, account, "created")
    if account.name and profile:
        _introduce(context, account, password)
    if not context.json:
        context.out.note(
            "Nobody can restore this key for you. Back it up: `nostr-client backup FILE` puts all "
            "of the account into one encrypted file, `nostr-client account export` prints the key "
            "alone, encrypted (ncryptsec); keep either and its password in another place."
        )


def import_(
    context: ClientContext,
    name: Name = "",
    keyring: Keyring = False,
    switch: Switch = False,
    secret_fd: Annotated[
        int | None,
        Option("--secret-fd", metavar="N", help="Read the key from this file descriptor."),
    ] = None,
) -> None:
    """Bring a key: an nsec, an ncryptsec, 64 hex digits, words (NIP-06), or another client's export
    that holds one of them.

    The key is asked for (hidden), or read from standard input or --secret-fd; never an argument.
    """
    import asyncio

    from nostr_client.accounts.key_import import is_encrypted, read_key
    from nostr_client.accounts.key_vault import SHORTEST_PASSWORD
    from nostr_client.cli import secret_input
    from nostr_client.nips.nip06 import looks_like_words

    text = secret_input.read_secret_text(secret_fd)
    backup_password: str | None = None
    passphrase = ""
    protection: Protection | None
    password: str | None
    if is_encrypted(text):
        backup_password = context.given_password
        if backup_password is None:
            backup_password = secret_input.ask_hidden("Password of this backup")
    elif looks_like_words(text) and secret_input.can_ask():
        passphrase = secret_input.ask_hidden("Passphrase of these words (empty: none)")
    brought = wait_for(asyncio.to_thread(read_key, text, backup_password, passphrase))
    long_enough = backup_password is not None and len(backup_password) >= SHORTEST_PASSWORD
    if long_enough and not keyring:
        protection, password = None, backup_password
    else:
        protection, password = protection_of_new_key(context, keyring)
    account = wait_for(
        context.accounts.import_key(
            brought.key,
            name,
            password=password,
            protection=protection,
            security=brought.security,
            switch=switch,
        )
    )
    brought.key.wipe()
    _say_kept(context, account, "imported")


def list_(context: ClientContext) -> None:
    """List the accounts; * marks the one in use, or the one whose key was given for this run."""
    from nostr_client.cli import json_records, plain_lines
    from nostr_client.cli.shown_accounts import accounts_shown

    shown = accounts_shown(context)
    for account, key_from in shown:
        record, words = json_records.account_record(account), plain_lines.account_line(account)
        if key_from:
            record, words = record | {"key_from": key_from}, f"{words} by {key_from}, not kept"
        context.out.emit(record, words)
    for path in context.accounts.damaged():
        context.out.note(f"{path} cannot be read as an account; it was left alone")
    if not shown:
        from nostr_client.cli.context import NO_ACCOUNT

        context.out.note(NO_ACCOUNT)


def switch_(context: ClientContext, who: Who) -> None:
    """Use another account from now on."""
    from nostr_client.cli import json_records

    account = wait_for(context.accounts.switch(who))
    context.out.emit(json_records.account_record(account), f"now {account.label}  {account.npub}")


def watch(
    context: ClientContext,
    who: Annotated[str, Argument(metavar="WHO", help="npub, hex, nprofile or name@domain")],
    name: Name = "",
    switch: Switch = False,
) -> None:
    """Read as somebody, without their key; at the relays that an nprofile names, too."""
    from nostr_client.cli import json_records
    from nostr_client.nips.nip19 import pubkey_in, relays_in
    from nostr_client.routing.address_policy import AddressPolicy
    from nostr_client.routing.saved_relays import remember_found

    async def find() -> tuple[str, tuple[str, ...]]:
        async with context.reading(None) as client:
            pubkey = await client.profiles.resolve(who)
            return pubkey, client.book.hints(pubkey)

    pubkey = pubkey_in(who)
    if pubkey is None:
        context.own_relay = False
        pubkey, near = wait_for(find())
    else:
        policy = AddressPolicy(context.config.allow_private_relays)
        near = tuple(url for text in relays_in(who) if (url := policy.from_stranger(text)))
    account = wait_for(context.accounts.add_watch_only(pubkey, name, switch=switch))
    remember_found(context.paths.data, pubkey, near)
    context.out.emit(json_records.account_record(account), account.npub)
    if not context.json:
        context.out.note(f"{account.label} is watched; it cannot write. {_in_use(account)}")


def export(
    context: ClientContext,
    who: Annotated[str, Argument(metavar="[WHO]", help="Default: the one in use.")] = "",
    new_password: Annotated[
        bool, Option("--new-password", help="Encrypt the backup with another password.")
    ] = False,
    plain: Annotated[
        bool, Option("--plain", help="The bare nsec, after you typed that you want it.")
    ] = False,
) -> None:
    """Print the key, encrypted (ncryptsec), for a backup."""
    from nostr_client.accounts.keyfiles import Protection
    from nostr_client.cli import secret_input
    from nostr_client.protocol.keys import SecretKey, wiping

    account = context.accounts.find(who) if who else context.must_act()
    if not account.can_sign:
        raise CommandError(f"{account.label} is watch-only: it has no key", Exit.LOCKED)
    if account.protection is Protection.GIVEN:
        raise CommandError("the key that was given is not kept here: name an account", Exit.USAGE)
    if plain:
        secret_input.confirm_typed(
            "Whoever sees the nsec has this account for ever, and no one can take it back.",
            account.name or account.npub,
        )
        nsec = wait_for(context.accounts.export_plain(account, context.password_of(account)))
        with wiping(SecretKey.parse(nsec)) as key:
            secret = bytes(key).hex()
        record = {"npub": account.npub, "pubkey": account.pubkey, "nsec": nsec, "secret": secret}
        context.out.emit_secret(record, nsec)
        return
    password = context.password_of(account)
    fresh: str | None = None
    if account.protection is Protection.KEYRING and context.given_password is not None:
        fresh = context.given_password
    elif new_password or account.protection is Protection.KEYRING:
        fresh = secret_input.ask_new_password("Password for the backup")
    code = wait_for(context.accounts.export(account, password, new_password=fresh))
    context.out.emit({"npub": account.npub, "ncryptsec": code}, code)
    if not context.json:
        context.out.note("It is worth nothing without its password, and everything with it.")


def remove(
    context: ClientContext,
    who: Who,
    yes: Annotated[bool, Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take an account, with its key, off this machine."""
    from nostr_client.accounts.keyfiles import Protection
    from nostr_client.cli import json_records, secret_input

    account = context.accounts.find(who)
    if account.protection is Protection.BUNKER:
        context.accounts.bunkers = context.bunkers
    if account.can_sign and not yes:
        warning = (
            "" if account.backed_up else " No backup of its key was made: it may be the only copy!"
        )
        what = "its key"
        if account.protection is Protection.BUNKER:
            what, warning = "its connection", " Its key stays in the bunker, which is told."
        if not secret_input.ask_yes(f"Remove {account.label} and {what}?{warning}"):
            raise CommandError("nothing was removed", Exit.ERROR)
    wait_for(context.accounts.remove(account.pubkey))
    context.out.emit(
        json_records.account_record(account), f"removed {account.label}  {account.npub}"
    )


def protection_of_new_key(context: ClientContext, keyring: bool) -> tuple[Protection, str | None]:
    """How a key is to be kept: what was asked for, or given, or what the person says now."""
    from nostr_client.accounts.keyfiles import Protection
    from nostr_client.cli import secret_input

    if keyring:
        return Protection.KEYRING, None
    if context.given_password is not None:
        return Protection.PASSWORD, context.given_password
    problem = wait_for(context.accounts.keyring.problem())
    if not secret_input.can_ask():
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
    password = secret_input.ask_new_password(prompt, may_be_empty=not problem)
    return (Protection.PASSWORD, password) if password else (Protection.KEYRING, None)


def _say_kept(context: ClientContext, account: Account, what: str) -> None:
    from nostr_client.accounts.keyfiles import Protection
    from nostr_client.cli import json_records

    path = context.accounts.file_of(account)
    record = json_records.account_record(account) | {"file": str(path)}
    context.out.emit(record, account.npub)
    if context.json:
        return
    if account.protection is Protection.KEYRING:
        context.out.note(f"{account.label} was {what}. Its key rests in the system's key store.")
    else:
        context.out.note(f"{account.label} was {what}. Its key rests encrypted in {path}")
    context.out.note(_in_use(account))


def _in_use(account: Account) -> str:
    if account.current:
        return "It is the account in use."
    return f"`nostr-client account switch {account.name or account.npub}` uses it from now on."


def _introduce(context: ClientContext, account: Account, password: str | None) -> None:
    """Publish the name as the profile of a new account, which is made whatever becomes of that."""
    from nostr_client.cli.plain_lines import posted_lines
    from nostr_client.cli.publish import own_url
    from nostr_client.errors import NostrError

    async def work() -> None:
        signer = await context.accounts.signer(account, password)
        async with context.writing(signer, earlier=0) as client:
            posted = await client.profiles.update(name=account.name)
            if posted is not None:
                own = await own_url(client)
                context.out.note(f"Its profile:\n{posted_lines(posted, own)}")

    try:
        wait_for(work())
    except NostrError as error:
        context.out.note(f"Its profile was not published: {error}")


def add_to(root: Group) -> None:
    """They stand in a group of their own."""
    group = root.group("account", "Accounts: make, bring, list, choose, back up.")
    add_command(group, "create", create, KEEPING)
    add_command(group, "import", import_, KEEPING)
    account_bunker.add_to(group)
    add_command(group, "list", list_, LISTING)
    add_command(group, "switch", switch_, PLAIN)
    add_command(group, "watch", watch, PLAIN)
    add_command(group, "export", export, EXPORTING)
    add_command(group, "remove", remove, PLAIN)

"""`nostr-client bunker`: this machine signs for other programs (NIP-46)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

from nostr_client.cli.bunker_codes import invited, runs, show_code, taken_up
from nostr_client.cli.command import UNLOCKING, add_command
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Callable

    from nostr_client.accounts.account import Account
    from nostr_client.bunker.files import BunkerFiles, RequestLogEntry
    from nostr_client.bunker.questions import Questions
    from nostr_client.bunker.state import BunkerClient
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.nips.nip46 import BunkerUri, Permission
    from nostr_client.protocol.keys import SecretKey
    from nostr_client.signing.signer import Signer

Relay = Annotated[
    list[str] | None,
    Option("--relay", "URL", "Where it is asked. Else: of config.toml."),
]
Perms = Annotated[
    str, Option("--perms", "PERMS", "What the client may at once: sign_event:1,nip44_encrypt")
]
YesTo = Annotated[
    str, Option("--yes-to", "PERMS", "What any client may, unasked: sign_event:1,nip44_decrypt")
]
Minutes = Annotated[int, Option("--minutes", "N", "How long the code is good.", least=1, most=1440)]
Qr = Annotated[bool, Option("--qr", help="Show the code as a picture, too.")]

NOT_RUNNING = "no bunker runs for this account: `nostr-client bunker run` answers"


def run(
    context: ClientContext,
    *,
    relay: Relay = None,
    yes_to: YesTo = "",
    invite: Annotated[
        bool | None,
        Option("--invite/--no-invite", help="Begin with a code. Else: while there are no clients."),
    ] = None,
    perms: Perms = "",
    minutes: Minutes = 10,
    qr: Qr = False,
) -> None:
    """Sign for other programs, until Ctrl-C; ask here about what they may.

    Without a terminal nobody is asked: what neither a rule nor --yes-to allows is refused.
    """
    from nostr_client.cli import secret_input

    account = context.must_act()
    files = _files(context, account)
    relays = _relays(context, files, relay)
    allowed, granted = _permissions(yes_to, "--yes-to"), _permissions(perms, "--perms")
    signer = context.signer()
    asks = not context.json and secret_input.can_ask()
    context.own_relay = False  # nothing of the account's is read or written but its lists

    async def work() -> None:
        from nostr_client.bunker.questions import Questions
        from nostr_client.cli.bunker_prompt import TerminalPrompt
        from nostr_client.protocol.keys import wiping

        with files.running():
            async with context.writing(signer, earlier=0) as client:
                key = await files.key(client.signer or signer, relays)
                prompt = TerminalPrompt(context.out.note)
                questions = Questions(prompt.ask if asks else None)
                code: BunkerUri | None = None
                if invite or (invite is None and not files.state().clients):
                    code = await invited(files, relays, granted, minutes)

                def begin() -> None:
                    _say_start(context, account, relays, asks=asks)
                    if code is not None:
                        show_code(context, code, qr)

                with wiping(key):
                    await _serve(
                        context,
                        client,
                        files,
                        key,
                        relays=relays,
                        allowed=allowed,
                        questions=questions,
                        say=prompt.say,
                        begin=begin,
                    )

    wait_for(work())


def invite(
    context: ClientContext,
    relay: Relay = None,
    perms: Perms = "",
    minutes: Minutes = 10,
    qr: Qr = False,
) -> None:
    """Print a code (bunker://…) that lets one program connect, once, within --minutes.

    Whoever has it may ask this bunker: give it to that program alone.
    """
    account = context.must_act()
    files = _files(context, account)
    relays = _relays(context, files, relay)
    granted = _permissions(perms, "--perms")
    if files.key_record() is None:
        wait_for(_make_key(files, context.signer(), relays))
    uri = wait_for(invited(files, relays, granted, minutes))
    is_running = runs(files)
    if is_running and not wait_for(taken_up(files)):
        context.out.note("the bunker that runs has not taken this up yet: it may be busy")
    show_code(context, uri, qr)
    if not is_running:
        context.out.note(NOT_RUNNING)


def connect(
    context: ClientContext,
    yes_to: YesTo = "",
    secret_fd: Annotated[
        int | None,
        Option("--secret-fd", metavar="N", help="Read the code from this file descriptor."),
    ] = None,
) -> None:
    """Let a program connect that shows a code of its own (nostrconnect://…).

    The code is asked for (hidden), or read from standard input or --secret-fd; never an argument.
    """
    from nostr_client.bunker.state import BunkerClient
    from nostr_client.cli import secret_input
    from nostr_client.cli.bunker_words import permissions_text
    from nostr_client.nips.nip46 import NostrConnectUri

    account = context.must_act()
    files = _files(context, account)
    allowed = _permissions(yes_to, "--yes-to")
    text = secret_input.read_secret_text(
        secret_fd, "Code of the program (nostrconnect://…; hidden)"
    )
    uri = NostrConnectUri.parse(text)
    now = int(time.time())
    granted = tuple(
        one for one in uri.permissions if any(p.covers(one.method, one.kind) for p in allowed)
    )
    asked = [one for one in uri.permissions if one not in granted]
    client = BunkerClient.of_uri(uri, now, granted)
    if asked and secret_input.can_ask() and not context.json:
        question = (
            f"{client.label} asks to be allowed, without a question each time, to\n"
            f"{permissions_text(asked)}\nAllow all of it?"
        )
        if secret_input.ask_yes(question):
            client = client.ruled(asked)
    wait_for(files.change(lambda state: state.pruned(now).with_client(client)))
    context.out.emit(_client_record(client, now), f"{client.label} may connect")
    if not runs(files):
        context.out.note(f"{NOT_RUNNING}, and greets it; the code is good for ten minutes")


def list_(context: ClientContext) -> None:
    """List the programs that may ask, and what each may."""
    from nostr_client.cli.bunker_words import client_lines

    files = _files(context, context.must_act())
    now, state = int(time.time()), files.state()
    for client in state.clients:
        context.out.emit(_client_record(client, now), "\n".join(client_lines(client, now)))
    if not state.clients:
        context.out.note("no program is connected: `nostr-client bunker invite` makes a code")
    waiting = len(state.pruned(now).invitations)
    if waiting:
        context.out.note(f"{waiting} of the codes that were given out can still be used")


def revoke(
    context: ClientContext,
    who: Annotated[str, Argument("[WHO]", "Its key's beginning, or its name.")] = "",
    codes: Annotated[bool, Option("--codes", help="Every code that was not used yet.")] = False,
) -> None:
    """Let a program ask no more, at once; or withdraw the codes that were given out."""
    files = _files(context, context.must_act())
    if codes == bool(who):
        raise CommandError("name a program, or give --codes", Exit.USAGE)
    if codes:
        gone = len(files.state().pruned(int(time.time())).invitations)
        wait_for(files.change(lambda state: state.withdrawn()))
        context.out.emit({"withdrawn": gone}, f"{gone} codes are good no longer")
        return
    found = files.state().found(who)
    if not found:
        raise CommandError("no such program is connected", Exit.NOT_FOUND)
    if len(found) > 1:
        raise CommandError("several are meant by that: give more of the key", Exit.USAGE)
    client = found[0]
    wait_for(files.change(lambda state: state.revoking(client.pubkey)))
    context.out.emit({"revoked": client.pubkey}, f"{client.label} may ask no more")


def log(
    context: ClientContext,
    limit: Annotated[int, Option("--limit", "N", "How many.", least=1, most=100_000)] = 50,
) -> None:
    """Who asked for what, and what came of it, oldest first; never what it said."""
    from nostr_client.cli.bunker_words import log_line

    files = _files(context, context.must_act())
    state = files.state()
    entries = files.log(limit)
    for entry in entries:
        context.out.emit(entry, log_line(entry, state))
    if not entries:
        context.out.note("nothing was asked yet")


async def _make_key(files: BunkerFiles, signer: Signer, relays: tuple[str, ...]) -> None:
    """The bunker's own key, kept in its file and nowhere else."""
    async with signer:
        (await files.key(signer, relays)).wipe()


async def _serve(
    context: ClientContext,
    client: NostrClient,
    files: BunkerFiles,
    key: SecretKey,
    *,
    relays: tuple[str, ...],
    allowed: tuple[Permission, ...],
    questions: Questions,
    say: Callable[[str], None],
    begin: Callable[[], None],
) -> None:
    """Answer until cancelled, over a pool of its own; `begin` is called when it listens, `say` told
    what happens."""
    from nostr_client.bunker.core import BunkerCore
    from nostr_client.bunker.service import BunkerService
    from nostr_client.cli.bunker_words import log_line
    from nostr_client.net.auth_demand import authenticator
    from nostr_client.net.dial import DialPolicy
    from nostr_client.net.pool import RelayPool
    from nostr_client.tasks import OwnedTasks

    def logged(entry: RequestLogEntry) -> None:
        if context.json:
            context.out.emit(entry, "")
        elif entry.method != "ping":
            say(log_line(entry, files.state()))

    signer = client.signer
    if signer is None:
        raise CommandError("this account has no key to sign with", Exit.LOCKED)
    core = BunkerCore(
        client.pubkey, key.public_key.hex, relays, yes_to=allowed, signed=files.signed()
    )
    pool = RelayPool(
        verifier=client.verifier,
        proxy=client.config.proxy,
        authenticate=authenticator(key, time.time),
        dial=DialPolicy(context.config.allow_private_relays, given=relays),
    )
    async with pool, OwnedTasks() as tasks:
        service = BunkerService(
            core,
            files,
            signer,
            key,
            pool,
            questions=questions,
            notice=say,
            logged=logged,
        )
        running = tasks.start(service.run())
        await service.listening.wait()
        begin()
        await running


def _say_start(
    context: ClientContext, account: Account, relays: tuple[str, ...], *, asks: bool
) -> None:
    where = ", ".join(relays)
    context.out.note(f"Signing for {account.label} at {where}; Ctrl-C ends it.")
    if not asks:
        context.out.note("Nobody is asked here: what no rule allows is refused.")


def _files(context: ClientContext, account: Account) -> BunkerFiles:
    from nostr_client.bunker.files import BunkerFiles

    return BunkerFiles(context.paths.data, account.pubkey)


def _relays(context: ClientContext, files: BunkerFiles, given: list[str] | None) -> tuple[str, ...]:
    """As the command says, else the configuration, else as it was the last time."""
    from nostr_client.nips.nip46 import MAX_RELAYS
    from nostr_client.protocol.urls import normalize_relay_url

    record = files.key_record()
    urls = given or context.config.bunker.relays or (record.relays if record else ())
    relays = tuple(dict.fromkeys(map(normalize_relay_url, urls)))
    if not relays:
        raise CommandError(
            "a bunker needs relays of its own: --relay URL, or `relays` under [bunker] in "
            f"{context.paths.config / 'config.toml'}",
            Exit.USAGE,
        )
    if len(relays) > MAX_RELAYS:
        raise CommandError(f"a bunker has at most {MAX_RELAYS} relays", Exit.USAGE)
    return relays


def _permissions(text: str, option: str) -> tuple[Permission, ...]:
    """Raises CommandError for what is no permission: a mistake is not left out in silence."""
    from nostr_client.bunker.state import GUARDED
    from nostr_client.nips.nip46 import parse_permissions

    found = parse_permissions(text)
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    if len(found) != len(set(wanted)) or any(one.method not in GUARDED for one in found):
        known = ", ".join([*sorted(GUARDED), "sign_event:KIND"])
        raise CommandError(f"{option}: permissions are {known}, with commas between", Exit.USAGE)
    return found


def _client_record(client: BunkerClient, now: int) -> dict[str, object]:
    return {
        "client": client.pubkey,
        "calls_itself": client.metadata.name,
        "url": client.metadata.url,
        "connected_at": client.connected_at,
        "relays": client.relays,
        "rules": [
            {"permission": str(rule.permission), "allow": rule.allow, "until": rule.until or None}
            for rule in client.rules
            if rule.holds(now)
        ],
    }


def add_to(root: Group) -> None:
    """They stand in a group of their own."""
    group = root.group(
        "bunker",
        "Sign for other programs on this machine (NIP-46): run, invite, list, revoke, log.",
        default="run",
    )
    add_command(group, "run", run, UNLOCKING)
    add_command(group, "invite", invite, UNLOCKING)
    add_command(group, "connect", connect, UNLOCKING)
    add_command(group, "list", list_, UNLOCKING)
    add_command(group, "revoke", revoke, UNLOCKING)
    add_command(group, "log", log, UNLOCKING)

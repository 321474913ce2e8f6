"""`relay ban`, `unban`, `bans`, `reports`, `log` and `key`: all of them beside a running relay."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relays.cli.offline import add_consent, add_reason, agreed, events, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nostr_client.output import Output
    from relays.cli.common import Commands
    from relays.moderation.actions import ModerationActions
    from relays.moderation.audit_log import LogEntry
    from relays.moderation.reports import Target

_SORTS = ("pubkey", "event", "ip", "word")
_FOUND_WRONG = 1
_NOTHING = 1
"""There was nothing to take back."""
_NOT_AGREED = 2
"""What would be destroyed was not agreed to."""


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    ban = commands.add_parser("ban", help="remove a key's everything, or an event; keep it out")
    ban.add_argument("sort", choices=_SORTS)
    ban.add_argument(
        "value",
        metavar="VALUE",
        help="npub, nevent, hex; an IP address or network; a word or phrase",
    )
    ban.add_argument(
        "--remove", action="store_true", help="of a word: remove stored events too (reads them all)"
    )
    add_reason(ban)
    add_consent(ban)
    prepare(ban, _ban, frees=True)

    unban = commands.add_parser("unban", help="take back a ban")
    unban.add_argument("sort", choices=_SORTS)
    unban.add_argument("value", metavar="VALUE", help="as with ban")
    add_reason(unban)
    prepare(unban, _unban)

    prepare(commands.add_parser("bans", help="list all rules, with reasons"), _bans, reads=True)
    _add_reports(commands)
    _add_log(commands)
    prepare(commands.add_parser("key", help="the relay's own public key"), _key, reads=True)


def _add_reports(commands: Commands) -> None:
    reports = commands.add_parser("reports", help="what is complained of, the gravest first")
    actions = reports.add_subparsers(title="commands", metavar="COMMAND")
    listing = actions.add_parser("list", help="list them (what is done without a command)")
    dismiss = actions.add_parser("dismiss", help="nothing is to be done about it")
    act = actions.add_parser("act", help="remove what was reported, and keep it out")
    for command in (dismiss, act):
        command.add_argument("target", metavar="TARGET", help="the event or key that was reported")
        add_reason(command)
    act.add_argument("--author", action="store_true", help="of an event: ban its author as well")
    add_consent(act)
    for command in (reports, listing):
        prepare(command, _reports, within=command is listing, reads=True)
    prepare(dismiss, _dismiss, within=True)
    prepare(act, _act, within=True, frees=True)


def _add_log(commands: Commands) -> None:
    log = commands.add_parser("log", help="what was removed and decided, when, why, by whom")
    actions = log.add_subparsers(title="commands", metavar="COMMAND")
    listing = actions.add_parser("list", help="list it (what is done without a command)")
    export = actions.add_parser("export", help="write it as signed JSON lines")
    export.add_argument("--verify", action="store_true", help="check every entry on the way")
    check = actions.add_parser("verify", help="check an export: ids, signatures, the chain")
    check.add_argument("file", metavar="FILE", help="a file, or - for standard input")
    check.add_argument("--key", default="", metavar="NPUB", help="whose log it must be")
    check.add_argument("--json", action="store_true", help="print JSON lines")
    for command in (log, listing):
        prepare(command, _log, within=command is listing, reads=True)
    prepare(export, _export, within=True, reads=True)
    check.set_defaults(command=_verify)


# Bans


async def _ban(actions: ModerationActions, out: Output, options: argparse.Namespace) -> int:
    from relays.moderation.admins import KEEPER, read_id, read_pubkey
    from relays.policies.banned_words import narrow_word

    sort, value, going, removed = options.sort, options.value, 0, 0
    said = {"by": KEEPER, "reason": options.reason}
    record: dict[str, Any] = {"ban": sort, "value": value}
    near = os.environ.get("SSH_CONNECTION", "").split()[:1]  # where the keeper sits
    if sort == "pubkey":
        value = actions.bannable_key(read_pubkey(value))
        going = await actions.held_of(value)
    elif sort == "event":
        value = read_id(value)
        going = await actions.held_with(value)
    elif sort == "ip":
        value = actions.bannable_address(value, near)
    else:
        value = narrow_word(value)
        found = await actions.held_with_word(value) if options.remove or options.dry_run else 0
        going = found if options.remove else 0
        record["found"] = found
    record["value"] = value
    what = f"banning {_shown(sort, value)}"
    if not agreed(out, options, what, record, going):
        return 0 if options.dry_run else _NOT_AGREED
    if sort == "pubkey":
        removed = await actions.ban_pubkey(value, **said)
    elif sort == "event":
        removed = await actions.ban_event(value, **said)
    elif sort == "ip":
        await actions.ban_address(value, near=near, **said)
    else:
        await actions.ban_word(value, **said)
        if options.remove:
            removed = await actions.remove_word(value, **said)
    record = {"banned": sort, "value": value, "removed": removed}
    done = f"{events(removed)} removed"
    if sort == "word" and not options.remove:
        done = "what is stored stays (--remove takes it out)"
    out.emit(record, f"banned {_shown(sort, value)}; {done}")
    return 0


async def _unban(actions: ModerationActions, out: Output, options: argparse.Namespace) -> int:
    from relays.moderation.admins import KEEPER, read_id, read_pubkey

    sort, value = options.sort, options.value
    said = {"by": KEEPER, "reason": options.reason}
    if sort == "pubkey":
        lifted = await actions.unban_pubkey(read_pubkey(value), **said)
    elif sort == "event":
        lifted = await actions.unban_event(read_id(value), **said)
    elif sort == "ip":
        lifted = await actions.unban_address(value, **said)
    else:
        lifted = await actions.unban_word(value, **said)
    if not lifted:
        return out.fail("there is no such ban", _NOTHING)
    out.emit({"unbanned": sort, "value": value}, f"not banned any more: {sort} {value}")
    return 0


async def _bans(actions: ModerationActions, out: Output, _options: argparse.Namespace) -> int:
    import msgspec

    for rule in await actions.rules():
        record: dict[str, Any] = msgspec.to_builtins(rule)
        value = _shown(rule.sort.removeprefix("ban-"), rule.value)
        words = f": {rule.reason}" if rule.reason else ""
        out.emit(record, f"{_when(rule.at)}  {rule.sort} {value}{words} (by {rule.by})")
    return 0


# Reports


async def _reports(actions: ModerationActions, out: Output, _options: argparse.Namespace) -> int:
    for case in await actions.reports.queue():
        known = f", {case.known} of them known" if case.known else ""
        lines = [
            f"{case.score:4}  {_shown(case.sort, case.target)}",
            f"      {case.reason}; {case.reporters} reported it{known}; last {_when(case.latest)}",
        ]
        if case.sort == "event":
            lines.append(f"      written by {_shown('pubkey', case.author)}")
        lines += [f"      > {' '.join(words.split())[:200]}" for words in case.words]
        out.emit(case, "\n".join(lines))
    return 0


async def _dismiss(actions: ModerationActions, out: Output, options: argparse.Namespace) -> int:
    from relays.moderation.admins import KEEPER

    target = await _target(actions, options.target)
    heard = await actions.reports.dismiss(target.value, by=KEEPER, reason=options.reason)
    record = {"dismissed": target.value, "reporters": heard}
    out.emit(record, f"dismissed, and {heard} reporters heard")
    return 0


async def _act(actions: ModerationActions, out: Output, options: argparse.Namespace) -> int:
    from relays.moderation.admins import KEEPER

    target = await _target(actions, options.target)
    author = target.value if target.sort == "pubkey" else ""
    if options.author and not author:
        event = await actions.held(target.value)
        if event is None:
            return out.fail("this event is not held, so its author is not known", _NOTHING)
        author = event.pubkey
    going = 0
    if author:
        going += await actions.held_of(actions.bannable_key(author))
    if target.sort == "event":
        event = await actions.held(target.value)
        by_author = event is not None and event.pubkey == author
        going += 0 if by_author else await actions.held_with(target.value)
    what = f"banning {_shown(target.sort, target.value)}"
    if not agreed(out, options, what, {"ban": target.sort, "value": target.value}, going):
        return 0 if options.dry_run else _NOT_AGREED
    said = {"by": KEEPER, "reason": options.reason}
    removed = 0
    if target.sort == "event":
        removed += await actions.ban_event(target.value, **said)
    if author:
        removed += await actions.ban_pubkey(author, **said)
    record = {"banned": target.value, "author": author, "removed": removed}
    out.emit(record, f"banned {_shown(target.sort, target.value)}; {events(removed)} removed")
    return 0


async def _target(actions: ModerationActions, text: str) -> Target:
    """What was reported: hex digits alone do not say whether they are a key's or an event's."""
    from nostr_client.errors import InvalidData
    from relays.moderation.admins import read_id, read_pubkey
    from relays.moderation.reports import Target

    if text.startswith(("npub", "nprofile", "nostr:npub", "nostr:nprofile")):
        return Target("pubkey", read_pubkey(text))
    value = read_id(text)
    if text.lower() != value:
        return Target("event", value)
    sorts = {case.sort for case in await actions.reports.queue() if case.target == value}
    if not sorts and await actions.held(value) is not None:
        sorts = {"event"}
    if len(sorts) != 1:
        raise InvalidData("nobody reported this; say npub or nevent for what is meant")
    return Target(sorts.pop(), value)


# Log and key


async def _log(actions: ModerationActions, out: Output, _options: argparse.Namespace) -> int:
    from nostr_client.protocol.event import Event
    from relays.moderation.audit_log import read_entry

    async for line in actions.log():
        entry = read_entry(Event.from_trusted(line))
        out.emit(entry, _told(entry))
    return 0


def _told(entry: LogEntry) -> str:
    about = "  ".join(" ".join(tag) for tag in entry.about)
    reason = f": {entry.reason}" if entry.reason else ""
    return f"{entry.number:5}  {_when(entry.at)}  {entry.action} by {entry.by}  {about}{reason}"


async def _export(actions: ModerationActions, out: Output, options: argparse.Namespace) -> int:
    from nostr_client.errors import InvalidData
    from relays.moderation.audit_log import LogVerifier

    chain = LogVerifier(actions.state.pubkey)
    async for line in actions.log():
        if options.verify:
            try:
                chain.add(line)
            except InvalidData as error:
                return out.fail(f"the log was tampered with: {error}", _FOUND_WRONG)
        sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()
    if options.verify:
        out.note(f"{chain.length} entries, each signed and in its place; the last is {chain.last}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from nostr_client.errors import InvalidData
    from nostr_client.output import Output
    from relays.moderation.admins import read_pubkey
    from relays.moderation.audit_log import LogVerifier

    out = Output(options.json)
    chain = LogVerifier(read_pubkey(options.key) if options.key else "")
    try:
        for line in _lines(options.file):
            chain.add(line)
    except InvalidData as error:
        return out.fail(str(error), _FOUND_WRONG)
    record = {"entries": chain.length, "pubkey": chain.pubkey, "last": chain.last}
    by = f" by {_shown('pubkey', chain.pubkey)}" if chain.pubkey else ""
    out.emit(record, f"{chain.length} entries, each signed{by} and in its place")
    return 0


def _lines(name: str) -> Iterator[bytes]:
    longest = 64 * 1024
    with sys.stdin.buffer if name == "-" else Path(name).open("rb") as file:
        while line := file.readline(longest):
            yield line.rstrip(b"\r\n")


async def _key(actions: ModerationActions, out: Output, _options: argparse.Namespace) -> int:
    from nostr_client.nips.nip19 import encode_npub

    pubkey = actions.state.pubkey
    npub = encode_npub(pubkey)
    out.emit({"pubkey": pubkey, "npub": npub}, f"{npub}\n{pubkey}")
    return 0


# Words


def _shown(sort: str, value: str) -> str:
    from nostr_client.nips.nip19 import encode_note, encode_npub

    if sort == "pubkey":
        return encode_npub(value)
    return encode_note(value) if sort in ("event", "allow-event") else value


def _when(seconds: int) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))

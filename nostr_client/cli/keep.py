"""`nostr-client keep`: a copy of other people's events, and giving it back."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.cli.people import Who
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.resilience.kept_events import KeptSize
    from nostr_client.resilience.kept_people import KeptPerson
    from nostr_client.resilience.kept_reading import Refreshed

MEGABYTE: Final = 1_000_000
STALL: Final = 20.0
"""Seconds without any progress after which what is left is left to whatever runs later."""
SYNC: Final = 5.0
"""Seconds for one reading of the message relays."""
LOOK: Final = 1.0
"""Seconds between two of them."""
Relays = Annotated[list[str], Argument("RELAY...", "Where it is to be.")]


def add(
    context: ClientContext,
    who: Who,
    *,
    quota: Annotated[
        int, Option("--quota", "MB", "At most so much of them.", least=1, most=10_000)
    ] = 50,
    events: Annotated[
        int, Option("--events", "N", "And so many events.", least=1, most=1_000_000)
    ] = 20_000,
) -> None:
    """Keep a copy of somebody: lists and profile first, then their newest events."""

    async def act(client: NostrClient) -> None:
        pubkey = await client.profiles.resolve(who)
        await client.mutual_aid.add(pubkey, most_bytes=quota * MEGABYTE, most_events=events)
        await _refresh(context, client, [pubkey])

    _act(context, act)


def remove(context: ClientContext, who: Who) -> None:
    """Keep somebody no longer; what is here may give way to other things again."""

    async def act(client: NostrClient) -> None:
        pubkey = await client.profiles.resolve(who)
        removed = await client.mutual_aid.remove(pubkey)
        context.out.emit({"removed": removed}, "done" if removed else "no copy of them was kept")
        if not removed:
            context.exit_code = Exit.NOT_FOUND

    _act(context, act, offline=True)


def list_(context: ClientContext) -> None:
    """List whom you keep a copy of, and how much there is; no relay is asked."""

    async def act(client: NostrClient) -> None:
        people = await client.mutual_aid.people.all()
        for person in people:
            await show_kept(context, client, person)
        if not people:
            context.out.note("nobody yet: `nostr-client keep add WHO` keeps a copy of somebody")

    _act(context, act, offline=True)


def refresh(
    context: ClientContext,
    who: Annotated[list[str] | None, Argument("[WHO...]", "Default: everybody you keep.")] = None,
) -> None:
    """Fetch what is new of those whom you keep; a client that runs does it every hour."""

    async def act(client: NostrClient) -> None:
        await _refresh(context, client, [await client.profiles.resolve(one) for one in who or ()])

    _act(context, act)


def export(
    context: ClientContext,
    who: Who,
    file: Annotated[Path, Argument("FILE", "A new file: one event a line (JSON).")],
) -> None:
    """Write what you keep of somebody into a file, for them: `history import` takes it."""

    async def act(client: NostrClient) -> None:
        from contextlib import aclosing

        from nostr_client.resilience.event_file import write_events

        person = await client.mutual_aid.kept(await client.profiles.resolve(who))
        if file.exists():
            raise CommandError(f"{file}: there is a file already", Exit.USAGE)
        async with aclosing(client.mutual_aid.reading.events(person)) as events:
            count = await write_events(file, events)
        context.out.emit({"file": str(file), "events": count}, f"{file}: {count} events")

    _act(context, act, offline=True)


def publish(context: ClientContext, who: Who, relays: Relays) -> None:
    """Bring what you keep of somebody to relays, for them and for those who read them."""

    async def act(client: NostrClient) -> None:
        from nostr_client.cli.history import asked_relays

        pubkey = await client.profiles.resolve(who)
        urls = await asked_relays(client, relays)
        ids = await client.mutual_aid.hand_on(pubkey, urls)
        await _wait_for_copies(context, client, ids, urls)

    context.signer()  # what sends is the replication of an account that can write
    _act(context, act)


def check(
    context: ClientContext,
    who: Annotated[list[str] | None, Argument("[WHO...]", "Default: everybody you keep.")] = None,
    *,
    wait: Annotated[
        int, Option("--wait", "SECONDS", "For answers, at most.", least=0, most=3_600)
    ] = 30,
) -> None:
    """Ask those whom you keep to prove that they keep yours, and answer those who asked you."""
    signer = context.signer()

    async def work() -> None:
        async with context.writing(signer) as client:
            pubkeys = [await client.profiles.resolve(one) for one in who or ()]
            pubkeys = pubkeys or [person.pubkey for person in await client.mutual_aid.people.all()]
            asked = [pubkey for pubkey in pubkeys if await _ask(context, client, pubkey)]

            async def answered() -> bool:
                people = [await client.mutual_aid.kept(pubkey) for pubkey in asked]
                return all(person.sample is None for person in people)

            await _listen_until(client, answered, wait)
            for pubkey in pubkeys:
                _show_proof(context, await client.mutual_aid.kept(pubkey))

    wait_for(work())


def restore(
    context: ClientContext,
    who: Who,
    relays: Relays,
    *,
    wait: Annotated[int, Option("--wait", "SECONDS", "At most.", least=0, most=3_600)] = 60,
) -> None:
    """Ask somebody who keeps yours to bring it to relays, and fetch it from there."""
    signer = context.signer()

    async def work() -> None:
        from nostr_client.cli.history import asked_relays

        async with context.writing(signer) as client:
            pubkey, urls = await client.profiles.resolve(who), await asked_relays(client, relays)
            exchange = client.mutual_aid.exchange
            await exchange.ask_back(pubkey, urls)
            new = back = 0

            async def is_back() -> bool:
                nonlocal new, back
                fetched = await client.comparisons.fetch(urls)
                new += sum(found.new for found in fetched)
                back = max(found.both + found.new for found in fetched)
                given = exchange.given_back.get(pubkey)
                return given is not None and back >= given.events

            done = await _listen_until(client, is_back, wait)
            given = exchange.given_back.get(pubkey)
            record = {"answered": given is not None, "new": new, "there": back, "relays": urls}
            words = f"{back} events of yours are there and here, {new} of them new"
            if given is None:
                words += "; no answer yet: it comes when their client runs, if they keep yours"
            elif not done:
                words += f"; {given.events} are on their way"
            if not done:
                words += ". `nostr-client history fetch RELAY` fetches what comes later"
                context.exit_code = Exit.INCOMPLETE
            context.out.emit(record, words)

    wait_for(work())


async def _ask(context: ClientContext, client: NostrClient, pubkey: str) -> bool:
    """Ask one who is kept for a sample; was it?"""
    from nostr_client.errors import MessageNotSent

    await client.mutual_aid.kept(pubkey)
    try:
        if await client.mutual_aid.exchange.ask(pubkey):
            return True
        context.out.note("no relay has anything of yours yet that could be asked for")
    except MessageNotSent as error:
        context.out.note(f"{_name(pubkey)}: {error}", {"pubkey": pubkey, "problem": str(error)})
    return False


async def _listen_until(
    client: NostrClient, done: Callable[[], Awaitable[bool]], limit: float
) -> bool:
    """Read and answer messages until it is so, at least once and at most `limit` seconds; is it?"""
    deadline = time.monotonic() + limit
    while True:
        await client.messages.sync(SYNC)
        await client.mutual_aid.exchange.settled()
        if await done():
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK)


def _show_proof(context: ClientContext, person: KeptPerson) -> None:
    record = {"pubkey": person.pubkey, **proof_record(person)}
    context.out.emit(record, f"{_name(person.pubkey)}  {proof_line(person)}")
    proof = person.proof
    if proof is not None and (proof.wrong or proof.missing):
        context.exit_code = Exit.ERROR
    elif proof is None or person.sample is not None:
        context.exit_code = context.exit_code or Exit.INCOMPLETE


def proof_record(person: KeptPerson) -> dict[str, Any]:
    """What they last showed to keep of yours; `proof` is None where they never did."""
    proof = person.proof
    shown = {name: getattr(proof, name) for name in proof.__struct_fields__} if proof else None
    return {"waiting": person.sample is not None, "proof": shown}


def proof_line(person: KeptPerson) -> str:
    """The same in words."""
    from nostr_client.resilience.days import safe_day

    proof = person.proof
    if proof is None:
        return "not known to keep yours: no answer yet" if person.sample else "never asked"
    parts = [f"{safe_day(proof.at)}: {proof.proven} of {proof.asked} proven"]
    parts += ["what they sent proves nothing"] if proof.wrong else []
    parts += [f"{proof.missing} missing"] if proof.missing else []
    since = f" since {safe_day(proof.since)}" if proof.since else ""
    parts.append(f"{proof.events} of yours{since}, {bytes_words(proof.size)} by their word")
    parts += ["asked again, no answer yet"] if person.sample is not None else []
    return "; ".join(parts)


async def _wait_for_copies(
    context: ClientContext, client: NostrClient, ids: Sequence[str], urls: Sequence[str]
) -> None:
    """Until all is there or over, or nothing moves any more."""
    from nostr_client.store.contract import CopyState

    moved, last = time.monotonic(), -1
    while True:
        states = await client.mutual_aid.placed(ids, urls)
        waiting = states[CopyState.WANTED] + states[CopyState.FAILED]
        if waiting != last:
            moved, last = time.monotonic(), waiting
        if not waiting or time.monotonic() - moved > STALL:
            break
        await asyncio.sleep(0.1)
    record = {"events": len(ids), **{str(state): states[state] for state in CopyState}}
    words = f"{len(ids)} events: {states[CopyState.CONFIRMED]} copies are there"
    gone = states[CopyState.REFUSED] + states[CopyState.DROPPED]
    words += f", {gone} were refused" if gone else ""
    words += f", {waiting} wait, and follow whenever nostr-client runs" if waiting else ""
    context.out.emit(record, words)
    if waiting or gone:
        context.exit_code = Exit.INCOMPLETE


async def _refresh(context: ClientContext, client: NostrClient, pubkeys: Sequence[str]) -> None:
    done = await client.mutual_aid.refresh(*pubkeys)
    for each in done:
        context.out.emit(_refreshed_record(each), f"{_name(each.pubkey)}  {_refreshed_line(each)}")
    for end in (end for each in done for end in each.ends.values() if not end.answered):
        context.out.note(str(end), {"relay": end.url, "how": end.how.value, "problem": end.words})
    if done and not any(each.answered for each in done):
        context.exit_code = Exit.NO_ANSWER
    elif not all(each.answered for each in done):
        context.exit_code = Exit.INCOMPLETE


async def show_kept(context: ClientContext, client: NostrClient, person: KeptPerson) -> None:
    """One line, or one record, of one person who is kept."""
    size = await client.mutual_aid.reading.size(person)
    line = f"kept of {_name(person.pubkey)}  {_size_line(size)}\n  of yours: {proof_line(person)}"
    context.out.emit(kept_record(person, size), line)


def kept_record(person: KeptPerson, size: KeptSize) -> dict[str, Any]:
    """Times are seconds since 1970, sizes bytes."""
    return {
        "pubkey": person.pubkey,
        "events": size.events,
        "size": size.size,
        "since": size.since,
        "full": size.full,
        "quota": person.most_bytes,
        "most_events": person.most_events,
        "looked_at": person.looked_at,
        "relays": person.read,
        **proof_record(person),
    }


def _refreshed_record(done: Refreshed) -> dict[str, Any]:
    size = {"events": done.size.events, "size": done.size.size, "since": done.size.since}
    ends = {url: end.how.value for url, end in done.ends.items()}
    return {"pubkey": done.pubkey, "new": done.new, **size, "full": done.size.full, "relays": ends}


def _refreshed_line(done: Refreshed) -> str:
    return f"{done.new} new; {_size_line(done.size)}"


def _size_line(size: KeptSize) -> str:
    from nostr_client.resilience.days import safe_day

    since = f" since {safe_day(size.since)}" if size.since else ""
    full = ": the quota is full" if size.full else ""
    return f"{size.events} events, {bytes_words(size.size)}{since}{full}"


def bytes_words(size: int) -> str:
    """1.2 MB, or 3.4 kB."""
    return f"{size / MEGABYTE:.1f} MB" if size >= MEGABYTE else f"{size / 1000:.1f} kB"


def _name(pubkey: str) -> str:
    from nostr_client.nips.nip19 import encode_npub

    return encode_npub(pubkey)


def _act(
    context: ClientContext, act: Callable[[NostrClient], Awaitable[None]], *, offline: bool = False
) -> None:
    account = context.must_act()

    async def work() -> None:
        async with context.reading(account, offline=offline) as client:
            await act(client)

    wait_for(work())


def add_to(root: Group) -> None:
    """They stand in a group of their own."""
    group = root.group(
        "keep", "A copy of other people's events, who keep one of yours.", default="list"
    )
    add_command(group, "add", add, CLIENT)
    add_command(group, "remove", remove, CLIENT)
    add_command(group, "list", list_, CLIENT)
    add_command(group, "refresh", refresh, CLIENT)
    add_command(group, "check", check, CLIENT)
    add_command(group, "export", export, CLIENT)
    add_command(group, "publish", publish, CLIENT)
    add_command(group, "restore", restore, CLIENT)

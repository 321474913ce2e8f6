"""`nostr-client audit`: do relays hold somebody's notes back?"""

from __future__ import annotations

import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.cli.history import Relays, asked_relays
from nostr_client.command_line.tree import Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.resilience.audit_report import ReportedFinding
    from nostr_client.resilience.censorship import RelayFinding
    from nostr_client.resilience.inquiry import AuditEvidence, HeldNow


def audit(
    context: ClientContext,
    relays: Relays = None,
    *,
    author: Annotated[
        str, Option("--author", "WHO", "Whose notes: npub, hex or name@domain. Default: yours.")
    ] = "",
    since: Annotated[str, Option("--since", "WHEN", "Back to: 30d, or 2026-01-31.")] = "30d",
    report: Annotated[
        Path | None, Option("--report", "FILE", "Write what was found there, signed.")
    ] = None,
    repeat: Annotated[
        Path | None, Option("--repeat", "FILE", "Ask again what a report says.")
    ] = None,
) -> None:
    """Ask relays, as a stranger, whether they hold somebody's notes back; nothing is published."""
    from nostr_client.cli import times

    if repeat is not None:
        if report is not None or author:
            raise CommandError("--repeat asks what the report says, and no more", Exit.USAGE)
        _repeat(context, repeat, relays)
        return
    if report is not None and report.exists():
        raise CommandError(f"{report}: there is a file already", Exit.USAGE)
    begin = times.since(since, time.time()) or 0
    opened = _opened(context, author, signs=report is not None)

    async def work() -> None:
        async with opened as client:
            whom = await client.profiles.resolve(author) if author else client.pubkey
            urls = await _relays_of(client, whom, relays)
            evidence = await client.inquiry.look(whom, urls, begin)
            _show(context, evidence)
            if report is not None:
                await _write(client, evidence, report)

    wait_for(work())


def _opened(
    context: ClientContext, author: str, *, signs: bool
) -> AbstractAsyncContextManager[NostrClient]:
    """A client that can sign, if something is to be signed."""
    if signs:
        return context.writing(context.signer(), earlier=0)
    return context.reading(context.acting() if author else context.must_act())


async def _relays_of(
    client: NostrClient, author: str, relays: Sequence[str] | None
) -> Sequence[str]:
    if relays:
        return await asked_relays(client, relays)
    from nostr_client.resilience.audit_words import MOST_RELAYS

    await client.courier.fetch_lists([author])
    written = (await client.book.relays_of(author)).write
    urls = list(dict.fromkeys((*written, *client.book.fallback)))[:MOST_RELAYS]
    if not urls:
        raise CommandError("no relay is known where they write: name some", Exit.NOT_FOUND)
    return urls


async def _write(client: NostrClient, evidence: AuditEvidence, path: Path) -> None:
    from nostr_client.resilience.audit_report import write_report

    if client.signer is None:
        raise CommandError("a report is signed, and there is no key", Exit.LOCKED)
    await write_report(evidence, client.signer, path)


# What was found


def _show(context: ClientContext, evidence: AuditEvidence) -> None:
    from nostr_client.resilience.audit_words import (
        TOO_FEW,
        finding_line,
        lacks_comparison,
        nothing_said_of,
    )
    from nostr_client.resilience.censorship import FindingKind

    for finding in evidence.findings:
        context.out.emit(_finding_record(finding), finding_line(finding))
    for url, held in nothing_said_of(evidence):
        record = {"relay": url, "kind": None, "accuses": False, "held": held}
        context.out.emit(record, f"{url}: nothing to say; it shows {held} notes")
    if lacks_comparison(evidence):
        context.out.note(TOO_FEW, {"controls": list(evidence.controls)})
    answered = [end for end in evidence.ends.values() if end.answered]
    walls = [f for f in evidence.findings if f.kind is FindingKind.WALL]
    if any(finding.accuses for finding in evidence.findings):
        context.exit_code = Exit.ERROR
    elif not answered:
        context.exit_code = Exit.NOT_ALLOWED if walls else Exit.NO_ANSWER
    elif len(answered) < len(evidence.ends):
        context.exit_code = Exit.INCOMPLETE


def _finding_record(finding: RelayFinding) -> dict[str, Any]:
    return {
        "relay": finding.relay,
        "kind": finding.kind.value,
        "accuses": finding.accuses,
        "author": finding.author or None,
        "since": finding.bucket[0],
        "until": finding.bucket[1],
        "ids": list(finding.ids),
        "held_by": list(finding.witnesses),
        "words": finding.words,
    }


# Once more


def _repeat(context: ClientContext, path: Path, relays: Sequence[str] | None) -> None:
    """Ask the relays that a report names, those of `relays` wherever they lead."""
    from nostr_client.nips.nip19 import encode_npub
    from nostr_client.resilience.audit_report import MOST_BYTES, read_report

    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", Exit.USAGE) from None
    event, said = read_report(data)
    context.out.note(f"signed by {encode_npub(event.pubkey)}", {"signed_by": event.pubkey})
    open_findings = [one for one in said.findings if one.ids]

    async def work() -> None:
        async with context.reading(context.acting()) as client:
            if relays:
                await asked_relays(client, relays)
            codes = [await _again(context, client, one) for one in open_findings]
            worst = (Exit.ERROR, Exit.NO_ANSWER, Exit.INCOMPLETE)
            context.exit_code = next((code for code in worst if code in codes), Exit.DONE)

    wait_for(work())


async def _again(context: ClientContext, client: NostrClient, said: ReportedFinding) -> Exit:
    """One finding: does it still hold?"""
    from nostr_client.resilience.audit_words import MOST_WITNESSES, WITNESSES

    named = [said.relay, *said.held_by[:MOST_WITNESSES]]
    urls = [url for text in named if (url := client.book.policy.from_stranger(text))]
    now = {one.relay: one for one in await client.inquiry.held_now(said.ids, urls)}
    for url in named:
        _show_again(context, said, url, now.get(url))
    accused = now.get(said.relay)
    if accused is None or not accused.end.answered:
        return Exit.NO_ANSWER
    if not accused.absent:
        return Exit.DONE
    others = [one for url, one in now.items() if url != said.relay]
    return Exit.ERROR if _held_by(others, accused.absent) >= WITNESSES else Exit.INCOMPLETE


def _held_by(others: Collection[HeldNow], ids: frozenset[str]) -> int:
    return sum(not ids.isdisjoint(one.ids) for one in others)


def _show_again(
    context: ClientContext, said: ReportedFinding, url: str, now: HeldNow | None
) -> None:
    from nostr_client.safe_text import safe_line

    held, absent = (len(now.ids), len(now.absent)) if now else (0, 0)
    how = now.end.how.value if now else "not asked"
    record = {
        "relay": url,
        "kind": said.kind,
        "reported": url == said.relay,
        "how": how,
        "asked": len(said.ids),
        "held": held,
        "absent": absent,
    }
    role = f"reported for {safe_line(said.kind, 40)}" if url == said.relay else "held them then"
    words = f"has {held} of {len(said.ids)}" if now and now.end.answered else how
    context.out.emit(record, f"{safe_line(url, 200)} ({role}): {words}")


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "audit", audit, CLIENT)

"""What an audit found, as a signed document that anybody can repeat.

"A, C and D hold these ids; B, asked the same, does not." Relays sign no answers, so this is no
evidence by itself: it says whom to ask for what, and whoever doubts it asks again.

It is an event of kind 1985 (NIP-32, a label). Every label of such an event holds for each of its
targets, so it says what is true of all of them and accuses nobody by itself: `audited`, in the
namespace `relay-audit`, of the relays that were asked (`r`) and the author (`p`, with a relay that
answered). What was found at which is in the content, JSON (`AuditReport`). Nobody publishes it by
himself.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import InvalidData
from nostr_client.paths import open_new_private, translated
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import is_hex64
from nostr_client.resilience.inquiry import AuditEvidence
from nostr_client.signing.signer import Signer

LABEL: Final = 1985
NAMESPACE: Final = "relay-audit"
AUDITED: Final = "audited"
"""The label."""
MOST_BYTES: Final = 2**20
"""Of a report that is read."""
MOST_FINDINGS: Final = 200
MOST_IDS: Final = 500
"""Of one finding, in a report that is written; a report that names more is none of ours."""


class ReportedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding: `relay` lacks `ids`, written between `since` and `until` (seconds since 1970),
    which `held_by` showed. `author` is empty where it is about everybody."""

    kind: str
    relay: str
    author: str = ""
    since: int = 0
    until: int = 0
    ids: tuple[str, ...] = ()
    held_by: tuple[str, ...] = ()
    words: str = ""


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of `relays`, each with how it answered, at `asked_at` (seconds since 1970):
    the NIP-01 `filters` about the author, and the same about `controls`."""

    asked_at: int
    author: str
    filters: tuple[dict[str, object], ...]
    controls: tuple[str, ...] = ()
    relays: dict[str, str] = msgspec.field(default_factory=dict)
    findings: tuple[ReportedFinding, ...] = ()


def report_draft(evidence: AuditEvidence) -> Draft:
    """The event that says what was found, unsigned."""
    found = tuple(
        ReportedFinding(
            kind=one.kind.value,
            relay=one.relay,
            author=one.author,
            since=one.bucket[0],
            until=one.bucket[1],
            ids=one.ids[:MOST_IDS],
            held_by=one.witnesses,
            words=one.words,
        )
        for one in evidence.findings[:MOST_FINDINGS]
    )
    report = AuditReport(
        asked_at=evidence.until,
        author=evidence.author,
        filters=(
            {
                "authors": [evidence.author],
                "kinds": [1],
                "since": evidence.since,
                "until": evidence.until,
            },
        ),
        controls=evidence.controls,
        relays={url: end.how.value for url, end in evidence.ends.items()},
        findings=found,
    )
    hint = next((url for url, end in evidence.ends.items() if end.answered), "")
    author = ("p", evidence.author, hint) if hint else ("p", evidence.author)
    relays = [("r", url) for url in evidence.ends]
    tags = (("L", NAMESPACE), ("l", AUDITED, NAMESPACE), *relays, author)
    return Draft(LABEL, msgspec.json.encode(report).decode(), tags)


async def write_report(evidence: AuditEvidence, signer: Signer, path: Path) -> None:
    """Sign what was found, and write it into the new file `path`.

    Raises SignerError, StoreError, also where there is such a file.
    """
    event = await signer.sign(report_draft(evidence))

    def write() -> None:
        with translated(f"cannot write {path}"), open_new_private(path) as file:
            file.write(event.json + b"\n")

    await asyncio.to_thread(write)


def read_report(data: bytes) -> tuple[Event, AuditReport]:
    """A report and the event that it stands in, whose signature is its author's.

    Raises InvalidData.
    """
    if len(data) > MOST_BYTES:
        raise InvalidData(f"a report has at most {MOST_BYTES} bytes")
    event = Event.parse(data.strip())
    if event.kind != LABEL or ("L", NAMESPACE) not in event.tags:
        raise InvalidData("this event is no report of an audit")
    if not event.verify():
        raise InvalidData("this report is not signed by whom it names")
    try:
        report = msgspec.json.decode(event.content, type=AuditReport)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidData(f"not a report of an audit: {error}") from None
    ids = [id for one in report.findings for id in one.ids]
    if len(report.findings) > MOST_FINDINGS or not all(map(is_hex64, ids)):
        raise InvalidData("not a report of an audit: its findings")
    if any(len(one.ids) > MOST_IDS for one in report.findings):
        raise InvalidData("not a report of an audit: too many ids")
    return event, report

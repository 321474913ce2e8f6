"""What an audit of relays found, in words, the same on the command line and in the terminal
client. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nostr_client.nips.nip19 import encode_npub
from nostr_client.resilience.censorship import RelayFinding
from nostr_client.resilience.days import safe_day
from nostr_client.resilience.inquiry import AuditEvidence
from nostr_client.safe_text import safe_line

MOST_RELAYS: Final = 8
"""Relays that are asked where none are named."""
MOST_WITNESSES: Final = 4
WITNESSES: Final = 2
TOO_FEW: Final = "fewer than two others to compare with: nothing can be said of anybody's intent"
_NO_ID_WORDS: Final = {
    "outage": "it did not answer",
    "wall": "it wants to know who asks, or lets members in alone",
    "refusal": "it refuses",
    "forged": "it lies",
}


def finding_line(finding: RelayFinding) -> str:
    """One line of it."""
    parts = [f"{safe_line(finding.relay, 200)}: {finding.kind.value}"]
    if finding.author:
        parts.append(f"of {encode_npub(finding.author)[:16]}…")
    if finding.ids:
        first, last = map(safe_day, finding.bucket)
        when = first if first == last else f"{first} to {last}"
        others = ", ".join(safe_line(url, 200) for url in finding.witnesses[:MOST_WITNESSES])
        parts.append(f"({len(finding.ids)} events of {when} that {others} show)")
    else:
        parts.append(f"({_NO_ID_WORDS.get(finding.kind.value, 'see its words')})")
    said = f": {safe_line(finding.words, 200)}" if finding.words else ""
    return " ".join(parts) + said


def nothing_said_of(evidence: AuditEvidence) -> Iterator[tuple[str, int]]:
    """The relays of which there is nothing to say, and how many of the author's notes they show."""
    told = {finding.relay for finding in evidence.findings}
    for url in evidence.ends:
        if url not in told:
            of = (url, evidence.author)
            shown = (len(o.held) for o in evidence.observations if (o.relay, o.author) == of)
            yield url, sum(shown)


def lacks_comparison(evidence: AuditEvidence) -> bool:
    """Are there too few others, people or relays, to tell why something is missing?"""
    return len(evidence.controls) < WITNESSES or len(evidence.ends) <= WITNESSES

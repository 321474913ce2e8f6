"""An evacuation in words, the same on the command line and in the terminal client."""

from __future__ import annotations

from typing import Final

from nostr_client.resilience.evacuation import EvacuationProgress, EvacuationReport
from nostr_client.resilience.evacuation_journal import EvacuationStep
from nostr_client.resilience.evacuation_plan import EvacuationPlan
from nostr_client.safe_text import safe_line

_WORDS: Final = 160
_CLOSED: Final = (
    "! your list of private relays (kind 10013) cannot be decrypted just now: it stays as it is"
)
_LACKING: Final = (
    "! {} more should join, and no relay was found that does: "
    "`nostr-client relays add URL` adds one"
)


def plan_lines(plan: EvacuationPlan) -> list[str]:
    """The plan, one relay a line."""
    if not plan.is_needed:
        words = "nothing is to be done: every relay of your lists answers and takes what you write"
        return [words, *([_CLOSED] if plan.is_closed else [])]
    leaving = plan.leaving.items()
    lines = [f"- {_line(url)}  leaves: {_line(why)}" for url, why in leaving]
    lines += [f"  {_line(url)}  stays" for url in plan.staying]
    lines += [f"+ {_line(url)}  joins" for url in plan.joining]
    if plan.lacking:
        lines.append(_LACKING.format(plan.lacking))
    lines += [f"+ {_line(url)}  receives private messages" for url in plan.inbox_joining]
    lines += [f"+ {_line(url)}  is a private relay" for url in plan.private_joining]
    return [*lines, *([_CLOSED] if plan.is_closed else [])]


def progress_line(progress: EvacuationProgress) -> str:
    """How far it is."""
    if progress.step is EvacuationStep.LISTS:
        return "publishing the new lists ..."
    if progress.step is EvacuationStep.REFILL:
        return f"refilling: {progress.there} of {progress.events} are at each new relay"
    return "reading back as a stranger ..."


def report_lines(report: EvacuationReport) -> list[str]:
    """The receipt."""
    lines = []
    for url, there in report.there.items():
        waits = report.waiting.get(url, 0)
        more = f"; {waits} wait, and follow by themselves" if waits else ""
        seen = f"{report.read_back.get(url, 0)} of the first {report.checked} read back"
        lines.append(f"{_line(url)}  {there} of {report.events} there, {seen}{more}")
    told = sum(report.told.values())
    lines.append(f"{told} of {len(report.told)} relays took the new relay list")
    for url, whole in report.rescued.items():
        held = "all that it held is here" if whole else "not all that it holds could be fetched"
        lines.append(f"{_line(url)}  {held}")
    if report.plan.is_closed:
        lines.append(_CLOSED)
    lines.append(f"the receipt is {_line(report.path)}")
    return lines


def _line(text: str) -> str:
    return safe_line(text, _WORDS)
